// Package kubeconfig owns calls to a service that a kubeconfig file names: the
// webhooks that are asked who a caller is and what a caller may do. It knows the
// service's address, the credentials for it and when to ask again, and none of
// the review types.
package kubeconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pilothouse/backend/tracing"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// Timeout ends one try unless the options say otherwise.
	Timeout = 30 * time.Second
	// MaxAnswer is the largest answer that is read, in bytes.
	MaxAnswer = 1 << 20
	// Tries and firstPause are Kubernetes': after a failure that may pass, it
	// waits half a second, and half as much again each time.
	Tries      = 5
	firstPause = 500 * time.Millisecond
	growth     = 1.5
	jitter     = 0.2
)

// Options say whom to ask.
type Options struct {
	// File is a kubeconfig; its current context has the service's URL, path and
	// all, and the credentials for it.
	File string
	// Name is what errors call the service.
	Name string
	// Timeout ends one try; 0 is the package's.
	Timeout time.Duration
	// Pause is the first wait before another try, half a second when 0.
	Pause time.Duration
	// Patient asks again after every 5xx and when nobody answers. Without it,
	// only what kube-apiserver repeats is repeated: a connection that broke, 429,
	// 500, 504 and whatever comes with Retry-After.
	Patient bool
	// Observe is told of each try when it is not nil; status is 0 without an
	// answer.
	Observe func(ctx context.Context, status int, err error, took time.Duration)
}

// Client asks the service. It is safe for concurrent use.
type Client struct {
	o      Options
	client *http.Client
	url    string
}

// Open reads the kubeconfig. An error names it.
func Open(o Options) (*Client, error) {
	if o.Pause == 0 {
		o.Pause = firstPause
	}
	if o.Timeout == 0 {
		o.Timeout = Timeout
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: o.File}, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.File, err)
	}
	config.Timeout = o.Timeout
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.File, err)
	}
	address := config.Host
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	if u, err := url.Parse(address); err != nil || u.Host == "" {
		return nil, fmt.Errorf("read %s: server %q is no URL", o.File, config.Host)
	}
	return &Client{o, client, address}, nil
}

// passing is an error that may be over at the next try; after is how long the
// service asked to wait.
type passing struct {
	error
	after time.Duration
}

// Unwrap gives what went wrong.
func (p *passing) Unwrap() error { return p.error }

// Post sends a review, again after failures that may pass, and gives the answer
// to read, whose error is the last word.
func (c *Client) Post(ctx context.Context, body []byte, read func(answer []byte) error) error {
	pause := c.o.Pause
	for try := 1; ; try++ {
		err := c.try(ctx, body, read)
		var p *passing
		if err == nil || try == Tries || !errors.As(err, &p) {
			return err
		}
		timer := time.NewTimer(max(p.after, time.Duration(float64(pause)*(1+jitter*rand.Float64()))))
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		pause = time.Duration(float64(pause) * growth)
	}
}

func (c *Client) try(ctx context.Context, body []byte, read func([]byte) error) error {
	start := time.Now()
	status, content, err := c.post(ctx, body)
	if err == nil {
		err = read(content)
	}
	if c.o.Observe != nil {
		c.o.Observe(ctx, status, err, time.Since(start))
	}
	return err
}

func (c *Client) post(ctx context.Context, body []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	tracing.Inject(ctx, r.Header)
	response, err := c.client.Do(r)
	if err != nil {
		return 0, nil, c.broken(ctx, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswer))
	if err != nil {
		return response.StatusCode, nil, c.broken(ctx, err)
	}
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return response.StatusCode, content, nil
	}
	err = fmt.Errorf("%s answered %s", c.o.Name, response.Status)
	if after, ok := retryAfter(response); ok || c.repeats(response.StatusCode) {
		err = &passing{err, after}
	}
	return response.StatusCode, nil, err
}

// broken tells whether a call without an answer may be repeated.
func (c *Client) broken(ctx context.Context, err error) error {
	if ctx.Err() == nil && (c.o.Patient || utilnet.IsConnectionReset(err) || utilnet.IsHTTP2ConnectionLost(err)) {
		return &passing{error: err}
	}
	return err
}

func (c *Client) repeats(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusGatewayTimeout:
		return true
	}
	return c.o.Patient && status >= 500
}

// retryAfter reads the seconds of the header, a minute at most.
func retryAfter(response *http.Response) (time.Duration, bool) {
	seconds, err := time.ParseDuration(response.Header.Get("Retry-After") + "s")
	if err != nil || seconds < 0 || response.StatusCode != http.StatusTooManyRequests && response.StatusCode < 500 {
		return 0, false
	}
	return min(seconds, time.Minute), true
}
