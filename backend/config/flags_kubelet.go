package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Kubelet is how the kubelets of nodes are reached, for logs, commands and
// proxies.
type Kubelet struct {
	ClientCertificate, ClientKey string
	// CertificateAuthority checks the kubelets' serving certificates; without it
	// they are not checked.
	CertificateAuthority  string
	PreferredAddressTypes []string
}

var nodeAddressTypes = []string{"Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"}

func (o *Kubelet) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.ClientCertificate, "kubelet-client-certificate", "", "The client certificate for kubelets. Without it one is made by the server's own authority.")
	fs.StringVar(&o.ClientKey, "kubelet-client-key", "", "The key of --kubelet-client-certificate.")
	fs.StringVar(&o.CertificateAuthority, "kubelet-certificate-authority", "", "The authorities that sign kubelets' serving certificates. Without it these certificates are not checked.")
	fs.StringSliceVar(&o.PreferredAddressTypes, "kubelet-preferred-address-types", nodeAddressTypes, "The types of a node's addresses in the order in which they are used to reach its kubelet.")
}

func (o *Kubelet) check() error {
	if (o.ClientCertificate == "") != (o.ClientKey == "") {
		return errors.New("--kubelet-client-certificate and --kubelet-client-key go together")
	}
	for _, t := range o.PreferredAddressTypes {
		if !slices.Contains(nodeAddressTypes, t) {
			return fmt.Errorf("--kubelet-preferred-address-types has %q, which is none of %s", t, strings.Join(nodeAddressTypes, ", "))
		}
	}
	return nil
}
