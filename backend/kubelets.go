package backend

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"pilothouse/backend/config"
	"pilothouse/backend/kubelet"
	"pilothouse/backend/pki"
	"pilothouse/backend/stream"
)

// kubeletUser is who the server is to kubelets. They ask it in turn what this
// user may do.
const kubeletUser = "kube-apiserver-kubelet-client"

// openStreams makes what leads to nodes and pods.
func (s *Server) openStreams() error {
	o, err := kubeletOptions(&s.options.Kubelet, s.pki)
	if err != nil {
		return err
	}
	o.Dial = s.dialNode
	if o.Roots != nil {
		o.Roots.AddCert(s.pki.CA.Cert) // signs the node in this process
	}
	s.kubelets = kubelet.New(o)
	*s.streams = stream.New(stream.Options{Kubelet: s.kubelets, Access: s.access, MaxStreams: s.options.Limits.MaxStreams}).Streams()
	return nil
}

func kubeletOptions(o *config.Kubelet, keys *pki.PKI) (kubelet.Options, error) {
	options := kubelet.Options{AddressTypes: o.PreferredAddressTypes}
	if o.CertificateAuthority != "" {
		pem, err := os.ReadFile(o.CertificateAuthority)
		if err != nil {
			return options, fmt.Errorf("--kubelet-certificate-authority: %w", err)
		}
		options.Roots = x509.NewCertPool()
		if !options.Roots.AppendCertsFromPEM(pem) {
			return options, fmt.Errorf("--kubelet-certificate-authority: there is no certificate in %s", o.CertificateAuthority)
		}
	}
	if o.ClientCertificate != "" {
		// Read for each new connection, so that a renewed one is used.
		options.Certificate = func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(o.ClientCertificate, o.ClientKey)
			return &pair, err
		}
		if _, err := options.Certificate(); err != nil {
			return options, fmt.Errorf("--kubelet-client-certificate: %w", err)
		}
		return options, nil
	}
	own, err := keys.Client("apiserver-kubelet-client", kubeletUser, "system:masters")
	if err != nil {
		return options, fmt.Errorf("certificates: %w", err)
	}
	pair, err := tls.X509KeyPair(own.CertPEM, own.KeyPEM)
	if err != nil {
		return options, fmt.Errorf("certificates: %w", err)
	}
	options.Certificate = func() (*tls.Certificate, error) { return &pair, nil }
	return options, nil
}
