package oidc

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/client-go/util/cert"
)

const (
	// requestTimeout ends a request to a provider, maxAnswer bounds what it may
	// answer.
	requestTimeout = 30 * time.Second
	maxAnswer      = 2 << 20
	// keysPause is how long keys that were just fetched are not fetched again:
	// forged tokens with unknown key ids must not become requests to the
	// provider.
	keysPause = time.Second
)

// newClient gives the client for one provider: its authorities, its discovery
// URL, and the bounds above.
func newClient(issuer apiserver.Issuer, now func() time.Time) (*http.Client, error) {
	base := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if issuer.CertificateAuthority != "" {
		roots, err := cert.NewPoolFromBytes([]byte(issuer.CertificateAuthority))
		if err != nil {
			return nil, fmt.Errorf("certificate authorities of %s: %w", issuer.URL, err)
		}
		base.TLSClientConfig.RootCAs = roots
	}
	t := &transport{base: base, now: now, issuer: issuer.URL}
	if issuer.DiscoveryURL != "" {
		u, err := url.Parse(issuer.DiscoveryURL)
		if err != nil {
			return nil, fmt.Errorf("discovery URL: %w", err)
		}
		t.discovery, t.standard = u, strings.TrimSuffix(issuer.URL, "/")+"/.well-known/openid-configuration"
	}
	return &http.Client{Transport: t, Timeout: requestTimeout}, nil
}

// transport makes the requests to one provider.
type transport struct {
	base   *http.Transport
	now    func() time.Time
	issuer string
	// discovery is asked instead of the standard place, if it is not nil.
	discovery *url.URL
	standard  string

	mu sync.Mutex
	// keysURL is where the keys are, keys the last good answer.
	keysURL string
	keys    *answer
}

type answer struct {
	header http.Header
	body   []byte
	at     time.Time
}

// RoundTrip asks the provider, or gives the keys that it has just given.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	address := r.URL.String()
	if t.discovery != nil && r.Method == http.MethodGet && address == t.standard {
		r = r.Clone(r.Context())
		r.Host, r.URL = "", t.discovery
	}
	isKeys := t.isKeys(address)
	if isKeys {
		if a := t.fresh(); a != nil {
			return a.response(r), nil
		}
	}
	if isKeys {
		return t.fetchKeys(r)
	}
	return t.ask(r)
}

// ask bounds the answer.
func (t *transport) ask(r *http.Request) (*http.Response, error) {
	response, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = limited{io.LimitReader(response.Body, maxAnswer), response.Body}
	return response, nil
}

func (t *transport) fetchKeys(r *http.Request) (*http.Response, error) {
	response, err := t.ask(r)
	if err != nil {
		fetched(t.issuer, nil, err)
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		fetched(t.issuer, nil, errors.New(response.Status))
		return response, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fetched(t.issuer, body, err)
	if err != nil {
		return nil, err
	}
	a := &answer{response.Header, body, t.now()}
	t.mu.Lock()
	t.keys = a
	t.mu.Unlock()
	return a.response(r), nil
}

// setKeysURL says where the keys are.
func (t *transport) setKeysURL(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keysURL, t.keys = address, nil
}

func (t *transport) isKeys(address string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.keysURL != "" && t.keysURL == address
}

func (t *transport) fresh() *answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys == nil || t.now().Sub(t.keys.at) >= keysPause {
		return nil
	}
	return t.keys
}

func (a *answer) response(r *http.Request) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header.Clone(), Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}
}

// limited reads at most so much of a body and closes all of it.
type limited struct {
	io.Reader
	io.Closer
}
