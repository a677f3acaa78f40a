package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"time"
)

// NodeServing gives the serving certificate of a node's kubelet, good for these
// names and addresses: NAME.crt of the folder.
func (p *PKI) NodeServing(name, node string, names []string, ips []net.IP) (*KeyPair, error) {
	return p.leaf(p.CA, name, certSpec{
		subject: pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}},
		usage:   x509.ExtKeyUsageServerAuth, names: names, ips: ips,
	})
}

// SelfSigned gives a serving certificate that only whoever does not check it
// takes: what kubelets serve with until they are given a better one.
func SelfSigned(name string, names []string, ips []net.IP, now func() time.Time) (*KeyPair, error) {
	ca, err := makeAuthority(name, now())
	if err != nil {
		return nil, err
	}
	return ca.sign(certSpec{subject: pkix.Name{CommonName: name}, usage: x509.ExtKeyUsageServerAuth, names: names, ips: ips}, now())
}
