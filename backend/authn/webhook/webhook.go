// Package webhook owns asking another service whose a bearer token is: a
// TokenReview goes to it, its status comes back. The service is described by a
// kubeconfig file, as for kube-apiserver. Put an authn.Cache before it.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/request"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const (
	group = "authentication.k8s.io/"
	// requestTimeout ends one request, maxAnswer bounds its answer.
	requestTimeout = 30 * time.Second
	maxAnswer      = 1 << 20
	// tries and firstPause are Kubernetes': after a failure that may pass, it
	// waits half a second, and half as much again each time.
	tries      = 5
	firstPause = 500 * time.Millisecond
	growth     = 1.5
	jitter     = 0.2
)

// Options say whom to ask.
type Options struct {
	// File is a kubeconfig; its current context has the service's URL, path and
	// all, and the credentials for it.
	File string
	// Version of TokenReview: v1 or v1beta1.
	Version string
	// Audiences are the API server's own.
	Audiences []string
	// Pause is the first wait before another try, half a second when 0.
	Pause time.Duration
}

// Authenticator asks the service.
type Authenticator struct {
	o      Options
	client *http.Client
	url    string
}

// New reads the kubeconfig. An error names it.
func New(o Options) (*Authenticator, error) {
	if o.Pause == 0 {
		o.Pause = firstPause
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: o.File}, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.File, err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.File, err)
	}
	client.Timeout = requestTimeout
	address := config.Host
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	if u, err := url.Parse(address); err != nil || u.Host == "" {
		return nil, fmt.Errorf("read %s: server %q is no URL", o.File, config.Host)
	}
	return &Authenticator{o, client, address}, nil
}

// review is a TokenReview, the same in both versions.
type review struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              authenticationv1.TokenReviewSpec   `json:"spec"`
	Status            authenticationv1.TokenReviewStatus `json:"status"`
}

// AuthenticateToken asks whose a token is. A service that does not say for which
// audiences it looked is taken to know only the API server's.
func (a *Authenticator) AuthenticateToken(ctx context.Context, token string, audiences []string) (*authn.Identity, error) {
	want := audiences
	if want == nil {
		want = a.o.Audiences
	}
	status, err := a.ask(ctx, authenticationv1.TokenReviewSpec{Token: token, Audiences: want})
	if err != nil {
		klog.ErrorS(err, "Token webhook failed")
		return nil, err
	}
	var common []string
	if len(want) > 0 {
		known := a.o.Audiences
		if len(status.Audiences) > 0 {
			known = status.Audiences
		}
		if common = authn.Intersect(want, known); len(common) == 0 {
			return nil, nil
		}
	}
	if !status.Authenticated {
		if status.Error != "" {
			return nil, errors.New(status.Error)
		}
		return nil, nil
	}
	user := &request.User{Name: status.User.Username, UID: status.User.UID, Groups: status.User.Groups}
	for key, values := range status.User.Extra {
		if user.Extra == nil {
			user.Extra = map[string][]string{}
		}
		user.Extra[key] = values
	}
	return &authn.Identity{User: user, Audiences: common}, nil
}

// passing is an error that may be over at the next try; after is how long the
// service asked to wait.
type passing struct {
	error
	after time.Duration
}

// ask sends a review, again after failures that may pass.
func (a *Authenticator) ask(ctx context.Context, spec authenticationv1.TokenReviewSpec) (*authenticationv1.TokenReviewStatus, error) {
	body, err := json.Marshal(review{TypeMeta: metav1.TypeMeta{APIVersion: group + a.o.Version, Kind: "TokenReview"}, Spec: spec})
	if err != nil {
		return nil, err
	}
	pause := a.o.Pause
	for try := 1; ; try++ {
		status, err := a.post(ctx, body)
		var p *passing
		if err == nil || try == tries || !errors.As(err, &p) {
			return status, err
		}
		wait := max(p.after, time.Duration(float64(pause)*(1+jitter*rand.Float64())))
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-timer.C:
		}
		pause = time.Duration(float64(pause) * growth)
	}
}

func (a *Authenticator) post(ctx context.Context, body []byte) (*authenticationv1.TokenReviewStatus, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	response, err := a.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, &passing{error: err}
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, &passing{error: err}
	}
	switch {
	case response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= 500:
		return nil, &passing{fmt.Errorf("token webhook answered %s", response.Status), retryAfter(response)}
	case response.StatusCode < 200 || response.StatusCode >= 300:
		return nil, fmt.Errorf("token webhook answered %s", response.Status)
	}
	var got review
	if err := json.Unmarshal(content, &got); err != nil {
		return nil, fmt.Errorf("token webhook's answer: %w", err)
	}
	if got.Kind != "TokenReview" || !strings.HasPrefix(got.APIVersion, group) {
		return nil, fmt.Errorf("token webhook answered with %s of %q, not a TokenReview", got.Kind, got.APIVersion)
	}
	return &got.Status, nil
}

// retryAfter reads the seconds of the header, a minute at most.
func retryAfter(response *http.Response) time.Duration {
	seconds, err := time.ParseDuration(response.Header.Get("Retry-After") + "s")
	if err != nil || seconds < 0 {
		return 0
	}
	return min(seconds, time.Minute)
}
