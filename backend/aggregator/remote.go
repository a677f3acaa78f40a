package aggregator

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"pilothouse/backend/request"

	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// remote is the server behind a Service: how it is reached, and its connections.
type remote struct {
	namespace, name string
	port            int32
	// broken is why its certificate cannot be checked: the bundle is no
	// bundle. Nothing is sent then.
	broken error
	// plain carries requests, upgrades those that leave HTTP, for which HTTP/2
	// has no way.
	plain, upgrades *http.Transport

	// moved is another number whenever the Service or its endpoints are others.
	moved     atomic.Int64
	addresses atomic.Pointer[addresses]
}

func (m *Manager) newRemote(s *apiregistrationv1.APIServiceSpec) *remote {
	r := &remote{namespace: s.Service.Namespace, name: s.Service.Name, port: 443}
	if s.Service.Port != nil {
		r.port = *s.Service.Port
	}
	config, err := m.tlsConfig(s)
	if err != nil {
		r.broken = err
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	r.plain, r.upgrades = newTransport(config.Clone()), newTransport(config)
	r.plain.ForceAttemptHTTP2 = true
	r.plain.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	r.upgrades.TLSClientConfig.NextProtos = []string{"http/1.1"}
	r.upgrades.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	return r
}

func newTransport(c *tls.Config) *http.Transport {
	return &http.Transport{
		TLSClientConfig:     c,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 25,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true, // what the client takes is between it and the other server
	}
}

func (m *Manager) tlsConfig(s *apiregistrationv1.APIServiceSpec) (*tls.Config, error) {
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         s.Service.Name + "." + s.Service.Namespace + ".svc",
		InsecureSkipVerify: s.InsecureSkipTLSVerify, //nolint:gosec // it is what the APIService says
	}
	if m.o.Certificate != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := m.o.Certificate()
			return &cert, err
		}
	}
	if ca := bytes.TrimSpace(s.CABundle); len(ca) > 0 {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("unable to load root certificates: unable to parse bytes as PEM block")
		}
	}
	return c, nil
}

func (r *remote) close() {
	r.plain.CloseIdleConnections()
	r.upgrades.CloseIdleConnections()
}

// aggregatorUser is who asks for discovery: it may see everything.
var aggregatorUser = &request.User{Name: "system:kube-aggregator", Groups: []string{request.GroupMasters}}

// Bounds of what this server itself asks for.
const (
	askTimeout  = 5 * time.Second
	maxDocument = 32 << 20
)

var errTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxDocument)

// ask makes a request of this server's own at an address.
func (r *remote) ask(ctx context.Context, address, path string, header http.Header) (*http.Response, []byte, error) {
	if r.broken != nil {
		return nil, nil, r.broken
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+path, nil)
	if err != nil {
		return nil, nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	setIdentity(req.Header, aggregatorUser)
	resp, err := (&http.Client{
		Transport:     r.plain,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err == nil && len(body) > maxDocument {
		err = errTooLarge
	}
	return resp, body, err
}
