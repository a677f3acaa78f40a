// Package webhook owns asking another service whose a bearer token is: a
// TokenReview goes to it, its status comes back. The service is described by a
// kubeconfig file, as for kube-apiserver. Put an authn.Cache before it.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/request"
	"pilothouse/backend/webhook/kubeconfig"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

const group = "authentication.k8s.io/"

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
	o       Options
	service *kubeconfig.Client
}

// New reads the kubeconfig. An error names it.
func New(o Options) (*Authenticator, error) {
	service, err := kubeconfig.Open(kubeconfig.Options{File: o.File, Name: "token webhook", Pause: o.Pause, Patient: true})
	if err != nil {
		return nil, err
	}
	return &Authenticator{o, service}, nil
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

// ask sends a review and reads what comes back.
func (a *Authenticator) ask(ctx context.Context, spec authenticationv1.TokenReviewSpec) (*authenticationv1.TokenReviewStatus, error) {
	body, err := json.Marshal(review{TypeMeta: metav1.TypeMeta{APIVersion: group + a.o.Version, Kind: "TokenReview"}, Spec: spec})
	if err != nil {
		return nil, err
	}
	var got review
	err = a.service.Post(ctx, body, func(answer []byte) error {
		got = review{}
		if err := json.Unmarshal(answer, &got); err != nil {
			return fmt.Errorf("token webhook's answer: %w", err)
		}
		if got.Kind != "TokenReview" || !strings.HasPrefix(got.APIVersion, group) {
			return fmt.Errorf("token webhook answered with %s of %q, not a TokenReview", got.Kind, got.APIVersion)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &got.Status, nil
}
