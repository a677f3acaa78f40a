// Package webhook owns calls to other people's HTTP servers that take part in a
// request: admission and conversion webhooks. It reaches them by URL or by
// Service, checks their certificates against their own CA bundle, keeps
// connections, and bounds time and size. It knows none of the review types.
package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/tracing"
)

// Service names a Service that stands before a webhook.
type Service struct {
	Namespace, Name, Path string
	Port                  int32
}

// Target is where a webhook is, as a WebhookClientConfig says it.
type Target struct {
	URL     string
	Service *Service
	// CABundle holds PEM certificates; empty means those of the system.
	CABundle []byte
	// Credentials are what the webhook is shown; nil for nothing.
	Credentials *Credentials
}

// host is what the target's credentials are looked up by.
func (t *Target) host() string {
	if s := t.Service; s != nil {
		return net.JoinHostPort(s.Name+"."+s.Namespace+".svc", strconv.Itoa(int(s.Port)))
	}
	u, err := url.Parse(t.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// Resolve gives the address (host:port) behind a Service.
type Resolve func(ctx context.Context, namespace, name string, port int32) (address string, err error)

// Clients keeps a client for every target that has been called.
type Clients struct {
	resolve Resolve

	mu      sync.Mutex
	clients map[[sha256.Size]byte]*http.Client
}

// maxClients bounds how many targets keep their connections.
const maxClients = 256

// New gives Clients; without resolve, Services cannot be reached.
func New(resolve Resolve) *Clients {
	return &Clients{resolve: resolve, clients: map[[sha256.Size]byte]*http.Client{}}
}

// MaxAnswer is the largest answer that is read, in bytes.
const MaxAnswer = 16 << 20

// address gives the URL that a target is posted to.
func (t *Target) address(timeout time.Duration) string {
	address := t.URL
	if s := t.Service; s != nil {
		address = "https://" + net.JoinHostPort(s.Name+"."+s.Namespace+".svc", strconv.Itoa(int(s.Port))) + "/" + strings.TrimPrefix(s.Path, "/")
	}
	if timeout <= 0 {
		return address
	}
	sep := "?"
	if strings.Contains(address, "?") {
		sep = "&"
	}
	return address + sep + "timeout=" + timeout.String()
}

// StatusError is an answer that is no success.
type StatusError struct {
	Code int
	Body []byte
	// ContentType is what the answer says that the body is.
	ContentType string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the server responded with the status code %d but did not return more information", e.Code)
}

var errTooLarge = fmt.Errorf("the answer is larger than %d bytes", MaxAnswer)

// Post sends JSON to a target and gives its JSON answer. timeout bounds the whole
// call and is told to the webhook; 0 means that of ctx. Redirects are not
// followed.
func (c *Clients) Post(ctx context.Context, t *Target, timeout time.Duration, body []byte) ([]byte, error) {
	client, err := c.client(t)
	if err != nil {
		return nil, err
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.address(timeout), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, */*")
	req.Header.Set("User-Agent", "kube-apiserver-admission")
	tracing.Inject(ctx, req.Header)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(answer) > MaxAnswer:
		return nil, errTooLarge
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return nil, &StatusError{resp.StatusCode, answer, resp.Header.Get("Content-Type")}
	}
	return answer, nil
}

func (c *Clients) client(t *Target) (*http.Client, error) {
	h := sha256.New()
	h.Write(t.CABundle)
	if s := t.Service; s != nil {
		fmt.Fprintf(h, "\x00%s\x00%s\x00%d", s.Namespace, s.Name, s.Port)
	}
	if t.Credentials != nil {
		fmt.Fprintf(h, "\x00%s\x00%s", t.Credentials.path, t.host())
	}
	var key [sha256.Size]byte
	h.Sum(key[:0])
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.clients[key]; known != nil {
		return known, nil
	}
	made, err := c.make(t)
	if err != nil {
		return nil, err
	}
	if len(c.clients) >= maxClients {
		for k, old := range c.clients {
			old.CloseIdleConnections()
			delete(c.clients, k)
			break
		}
	}
	c.clients[key] = made
	return made, nil
}

func (c *Clients) make(t *Target) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca := bytes.TrimSpace(t.CABundle); len(ca) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("unable to load root certificates: unable to parse bytes as PEM block")
		}
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		TLSClientConfig:     config,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 25,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	if s := t.Service; s != nil {
		service := *s
		config.ServerName = service.Name + "." + service.Namespace + ".svc"
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			if c.resolve == nil {
				return nil, fmt.Errorf("no way to reach service %s/%s", service.Namespace, service.Name)
			}
			address, err := c.resolve(ctx, service.Namespace, service.Name, service.Port)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, address)
		}
	}
	var trip http.RoundTripper = transport
	if t.Credentials != nil {
		if user := t.Credentials.find(t.host()); user != nil {
			p, err := presenterOf(user)
			if err != nil {
				return nil, err
			}
			if p.certificate != nil {
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.certificate() }
			}
			if trip, err = p.wrap(transport); err != nil {
				return nil, err
			}
			trip = closing{trip, transport}
		}
	}
	return &http.Client{Transport: trip, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// Close ends idle connections.
func (c *Clients) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range c.clients {
		client.CloseIdleConnections()
	}
}
