package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"pilothouse/backend/follow"

	"k8s.io/klog/v2"
)

// ServingOptions say what the serving certificate is and which client
// certificates are known.
type ServingOptions struct {
	// CertFile and KeyFile are the operator's own; empty means the server's.
	CertFile, KeyFile string
	// ClientCAFile holds authorities of client certificates besides the
	// server's own; empty means none.
	ClientCAFile string
	// ProxyCAFile holds the authorities of front proxies, which are believed
	// what they say about users; empty means there are none.
	ProxyCAFile string
	// Names and IPs are what the server's own certificate is for.
	Names []string
	IPs   []net.IP
}

// Serving is the certificate that the server shows and the authorities that it
// knows clients by. Both follow their files.
type Serving struct {
	pki     *PKI
	options ServingOptions
	cert    atomic.Pointer[tls.Certificate]
	clients atomic.Pointer[clientRoots]
	files   *follow.Files
}

// clientRoots are the authorities of one state of the files.
type clientRoots struct {
	users, proxies *x509.CertPool
	// known are both, for clients to choose a certificate by.
	known      *x509.CertPool
	generation uint64
}

// Serving reads, or makes, the serving certificate. An operator's file that
// cannot be used is an error.
func (p *PKI) Serving(o ServingOptions) (*Serving, error) {
	s := &Serving{pki: p, options: o}
	if err := s.loadCert(); err != nil {
		return nil, err
	}
	if err := s.loadClients(); err != nil {
		return nil, err
	}
	s.files = follow.Watch(s.certFile(), s.keyFile(), o.ClientCAFile, o.ProxyCAFile)
	return s, nil
}

func (s *Serving) certFile() string {
	if s.options.CertFile != "" {
		return s.options.CertFile
	}
	return s.pki.Path("apiserver.crt")
}

func (s *Serving) keyFile() string {
	if s.options.KeyFile != "" {
		return s.options.KeyFile
	}
	return s.pki.Path("apiserver.key")
}

func (s *Serving) loadCert() error {
	if s.options.CertFile == "" {
		_, err := s.pki.leaf(s.pki.CA, "apiserver", certSpec{
			subject: pkix.Name{CommonName: "kube-apiserver"}, usage: x509.ExtKeyUsageServerAuth,
			names: s.options.Names, ips: s.options.IPs,
		})
		if err != nil {
			return err
		}
	}
	cert, err := tls.LoadX509KeyPair(s.certFile(), s.keyFile())
	if err != nil {
		return fmt.Errorf("load %s with %s: %w", s.certFile(), s.keyFile(), err)
	}
	s.cert.Store(&cert)
	return nil
}

func (s *Serving) loadClients() error {
	r := &clientRoots{users: x509.NewCertPool(), proxies: x509.NewCertPool(), known: x509.NewCertPool(), generation: 1}
	r.users.AddCert(s.pki.CA.Cert)
	r.known.AddCert(s.pki.CA.Cert)
	if err := addAuthorities(s.options.ClientCAFile, r.users, r.known); err != nil {
		return err
	}
	if err := addAuthorities(s.options.ProxyCAFile, r.proxies, r.known); err != nil {
		return err
	}
	if old := s.clients.Load(); old != nil {
		r.generation = old.generation + 1
	}
	s.clients.Store(r)
	return nil
}

// addAuthorities reads a file of certificates, if there is one, into pools.
func addAuthorities(file string, pools ...*x509.CertPool) error {
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, pool := range pools {
		if !pool.AppendCertsFromPEM(b) {
			return fmt.Errorf("read %s: no certificate in PEM form", file)
		}
	}
	return nil
}

// Certificate gives the certificate that new connections get.
func (s *Serving) Certificate() *tls.Certificate { return s.cert.Load() }

// Roots gives the authorities of client certificates and a number that grows
// when they change.
func (s *Serving) Roots() (*x509.CertPool, uint64) {
	r := s.clients.Load()
	return r.users, r.generation
}

// ProxyRoots gives the authorities of front proxies, none of which is one of
// users, and a number that grows when they change.
func (s *Serving) ProxyRoots() (*x509.CertPool, uint64) {
	r := s.clients.Load()
	return r.proxies, r.generation
}

// TLS gives the configuration of the listener. Client certificates are asked
// for but not checked here: a bad one is for the authenticator to answer with
// 401, not for TLS to break the connection. protocols are those of HTTP that
// clients may choose from, by their names in ALPN (RFC 7301), the best first.
func (s *Serving) TLS(protocols ...string) *tls.Config {
	base := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
		ClientAuth: tls.RequestClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.Certificate(), nil
		},
	}
	var current atomic.Pointer[configOf]
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		roots := s.clients.Load()
		c := current.Load()
		if c == nil || c.generation != roots.generation {
			c = &configOf{base.Clone(), roots.generation}
			c.config.GetConfigForClient = nil
			c.config.ClientCAs = roots.known
			current.Store(c)
		}
		return c.config, nil
	}
	return base
}

// configOf is the configuration for one generation of authorities. It is kept,
// since session tickets are only good with the one that made them.
type configOf struct {
	config     *tls.Config
	generation uint64
}

// Run follows the files, and renews the server's own certificate, until ctx
// ends. What cannot be read is logged and the old stays in use.
func (s *Serving) Run(ctx context.Context, every time.Duration) {
	follow.Every(ctx, every, s.Refresh)
}

// Refresh looks at the files once.
func (s *Serving) Refresh() {
	changed := s.files.Changed()
	if !changed && !s.due() {
		return
	}
	if err := s.loadCert(); err != nil {
		klog.ErrorS(err, "Serving certificate cannot be used, the one before stays")
	}
	if err := s.loadClients(); err != nil {
		klog.ErrorS(err, "Client certificate authorities cannot be used, those before stay")
	}
	s.files.Changed() // what was written here is no change
	klog.InfoS("Serving certificate loaded", "notAfter", s.leafCert().NotAfter)
}

// due tells whether the server's own certificate is to be renewed.
func (s *Serving) due() bool {
	return s.options.CertFile == "" && !s.pki.now().Before(renewAt(s.leafCert()))
}

func (s *Serving) leafCert() *x509.Certificate { return s.cert.Load().Leaf }
