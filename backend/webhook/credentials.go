package webhook

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Credentials are what webhooks are shown, each by its host: the users of a
// kubeconfig, whose names are hosts. They are made by OpenCredentials.
type Credentials struct {
	path   string
	config *clientcmdapi.Config
}

// OpenCredentials reads a kubeconfig.
func OpenCredentials(path string) (*Credentials, error) {
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		return nil, err
	}
	if err := clientcmd.ResolveLocalPaths(config); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c := &Credentials{path, config}
	for name, user := range config.AuthInfos {
		if _, err := presenterOf(user); err != nil {
			return nil, fmt.Errorf("%s: user %q: %w", path, name, err)
		}
	}
	return c, nil
}

// find gives the user for a host with its port, by Kubernetes' rules: the name
// itself, the name with its first parts starred, both without the port 443, the
// user "*", that of the current context. nil for none.
func (c *Credentials) find(host string) *clientcmdapi.AuthInfo {
	names := starred(host)
	if name, port, err := net.SplitHostPort(host); err == nil && port == "443" {
		names = append(names, starred(name)...)
	}
	for _, name := range append(names, "*") {
		if user, ok := c.config.AuthInfos[name]; ok {
			return user
		}
	}
	if current, ok := c.config.Contexts[c.config.CurrentContext]; ok {
		return c.config.AuthInfos[current.AuthInfo]
	}
	return nil
}

func starred(name string) []string {
	names := []string{name}
	parts := strings.Split(name, ".")
	for i := 1; i < len(parts); i++ {
		names = append(names, "*."+strings.Join(parts[i:], "."))
	}
	return names
}

// presenter shows a user's credentials.
type presenter struct {
	// certificate is asked at each handshake, so that a file that changed counts
	// from the next connection on; nil for none.
	certificate func() (*tls.Certificate, error)
	// wrap adds what goes into headers.
	wrap func(http.RoundTripper) (http.RoundTripper, error)
}

func presenterOf(user *clientcmdapi.AuthInfo) (*presenter, error) {
	p := &presenter{}
	switch {
	case len(user.ClientCertificateData) > 0:
		pair, err := tls.X509KeyPair(user.ClientCertificateData, user.ClientKeyData)
		if err != nil {
			return nil, err
		}
		p.certificate = func() (*tls.Certificate, error) { return &pair, nil }
	case user.ClientCertificate != "":
		p.certificate = func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(user.ClientCertificate, user.ClientKey)
			return &pair, err
		}
		if _, err := p.certificate(); err != nil {
			return nil, err
		}
	}
	headers := &rest.Config{
		BearerToken: user.Token, BearerTokenFile: user.TokenFile, Username: user.Username, Password: user.Password,
		Impersonate: rest.ImpersonationConfig{
			UserName: user.Impersonate, UID: user.ImpersonateUID, Groups: user.ImpersonateGroups, Extra: user.ImpersonateUserExtra,
		},
		ExecProvider: user.Exec,
	}
	p.wrap = func(t http.RoundTripper) (http.RoundTripper, error) { return rest.HTTPWrappersForConfig(headers, t) }
	_, err := p.wrap(http.DefaultTransport)
	return p, err
}

// closing is a wrapped transport whose idle connections can be closed.
type closing struct {
	http.RoundTripper
	base *http.Transport
}

// CloseIdleConnections is what http.Client looks for.
func (c closing) CloseIdleConnections() { c.base.CloseIdleConnections() }
