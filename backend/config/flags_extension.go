package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Extension is which custom resources are served by this process, and for whom.
type Extension struct {
	// CRDGroups are the groups whose custom resources are served here: names,
	// "*" for all, "-name" for all but it.
	CRDGroups []string
	// DelegateKubeconfig names the server for which they are served; blank for
	// this one.
	DelegateKubeconfig string
	// DelegateService is what leads from that server to this one:
	// NAMESPACE/NAME:PORT of a Service.
	DelegateService string
}

func (o *Extension) addFlags(fs *pflag.FlagSet) {
	fs.StringSliceVar(&o.CRDGroups, "crd-groups", []string{"*"}, "The API groups whose custom resources this process serves: '*' for all, 'group' for one, '-group' for all but it. The others are left to API servers that extend this one.")
	fs.StringVar(&o.DelegateKubeconfig, "delegate-kubeconfig", "", "kubeconfig of an API server for which this one serves the custom resources of --crd-groups: their definitions, and who may do what, are that server's. Needs --delegate-service.")
	fs.StringVar(&o.DelegateService, "delegate-service", "", "NAMESPACE/NAME:PORT of the Service by which the server of --delegate-kubeconfig reaches this one.")
}

func (o *Extension) check() error {
	if (o.DelegateKubeconfig == "") != (o.DelegateService == "") {
		return errors.New("--delegate-kubeconfig and --delegate-service go together")
	}
	if o.DelegateService == "" {
		return nil
	}
	if _, _, port := o.Service(); port == 0 {
		return fmt.Errorf("--delegate-service %q is not NAMESPACE/NAME:PORT", o.DelegateService)
	}
	return nil
}

// Service gives the parts of DelegateService; the port is 0 when it is not in
// its form.
func (o *Extension) Service() (namespace, name string, port int32) {
	namespace, rest, ok := strings.Cut(o.DelegateService, "/")
	name, digits, numbered := strings.Cut(rest, ":")
	n, err := strconv.ParseUint(digits, 10, 16)
	if !ok || !numbered || err != nil || namespace == "" || name == "" {
		return "", "", 0
	}
	return namespace, name, int32(n) //nolint:gosec // it has 16 bits
}

// ServesGroup tells whether the custom resources of a group are served here.
func (o *Extension) ServesGroup(group string) bool {
	all := false
	for _, p := range o.CRDGroups {
		switch p {
		case group:
			return true
		case "-" + group:
			return false
		case "*":
			all = true
		}
	}
	return all
}
