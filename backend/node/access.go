package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/metrics"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/klog/v2"
)

const (
	// How long answers of the API server count: kubelets' defaults.
	tokenLife   = 2 * time.Minute
	allowedLife = 5 * time.Minute
	refusedLife = 30 * time.Second
	// maxAnswers bounds how many are kept.
	maxAnswers = 1000
	// accessTimeout is how long the API server is waited for.
	accessTimeout = 10 * time.Second
)

var (
	tokenReviewsResource  = authenticationv1.SchemeGroupVersion.WithResource("tokenreviews")
	accessReviewsResource = authorizationv1.SchemeGroupVersion.WithResource("subjectaccessreviews")
)

// access is what the API server has said about callers of the kubelet's API.
type access struct {
	tokens, decisions *utilcache.LRUExpireCache
}

func newAccess() access {
	return access{utilcache.NewLRUExpireCache(maxAnswers), utilcache.NewLRUExpireCache(maxAnswers)}
}

var errUnknownCaller = errors.New("no client certificate and no token that is known")

// guard lets in the API server, by its client certificate, and whoever the API
// server knows and allows what is asked for, as kubelets do with webhook
// authentication and authorization. Anybody may ask whether the node is well.
func (a *Agent) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // the very value
				metrics.CaughtPanic(p, "kubelet API")
				panic(http.ErrAbortHandler)
			}
		}()
		if r.URL.Path == "/healthz" && r.Method == http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		user, err := a.caller(r)
		if err != nil {
			if !errors.Is(err, errUnknownCaller) {
				klog.ErrorS(err, "A caller of the kubelet API cannot be looked up", "node", a.Name)
			}
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		if !a.admit(w, r, user) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// caller says who asks: by a client certificate, else by a token.
func (a *Agent) caller(r *http.Request) (*authenticationv1.UserInfo, error) {
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		subject := r.TLS.VerifiedChains[0][0].Subject
		return &authenticationv1.UserInfo{Username: subject.CommonName, Groups: append(slices.Clone(subject.Organization), "system:authenticated")}, nil
	}
	scheme, token, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, errUnknownCaller
	}
	sum := sha256.Sum256([]byte(token))
	key := hex.EncodeToString(sum[:])
	if user, ok := a.access.tokens.Get(key); ok {
		return user.(*authenticationv1.UserInfo), nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), accessTimeout)
	defer cancel()
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := a.Client.Create(ctx, tokenReviewsResource, "", review); err != nil {
		return nil, err
	}
	if !review.Status.Authenticated {
		return nil, errUnknownCaller
	}
	a.access.tokens.Add(key, &review.Status.User, tokenLife)
	return &review.Status.User, nil
}

// admit tells whether the caller may do what he asks for, and answers if not.
// One of the subresources of the node is enough.
func (a *Agent) admit(w http.ResponseWriter, r *http.Request, user *authenticationv1.UserInfo) bool {
	if slices.Contains(a.Callers, user.Username) && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true
	}
	verb, parts := verbOf(r), partsOf(r.URL.Path)
	asked := fmt.Sprintf("(user=%s, verb=%s, resource=nodes, subresource(s)=%v)\n", user.Username, verb, parts)
	for _, part := range parts {
		allowed, err := a.allowed(r.Context(), user, verb, part)
		if err != nil {
			klog.ErrorS(err, "Nobody says whether a caller of the kubelet API may do this", "node", a.Name, "user", user.Username, "verb", verb, "subresource", part)
			http.Error(w, "Authorization error "+asked, http.StatusInternalServerError)
			return false
		}
		if allowed {
			return true
		}
	}
	http.Error(w, "Forbidden "+asked, http.StatusForbidden)
	return false
}

// allowed asks the API server.
func (a *Agent) allowed(ctx context.Context, user *authenticationv1.UserInfo, verb, part string) (bool, error) {
	key := fmt.Sprintf("%q", []any{user.Username, user.UID, user.Groups, user.Extra, verb, part})
	if is, ok := a.access.decisions.Get(key); ok {
		return is.(bool), nil
	}
	ctx, cancel := context.WithTimeout(ctx, accessTimeout)
	defer cancel()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Version: "v1", Resource: "nodes", Subresource: part, Name: a.Name},
	}}
	for name, values := range user.Extra {
		if review.Spec.Extra == nil {
			review.Spec.Extra = map[string]authorizationv1.ExtraValue{}
		}
		review.Spec.Extra[name] = authorizationv1.ExtraValue(values)
	}
	if err := a.Client.Create(ctx, accessReviewsResource, "", review); err != nil {
		return false, err
	}
	life := refusedLife
	if review.Status.Allowed {
		life = allowedLife
	}
	a.access.decisions.Add(key, review.Status.Allowed, life)
	return review.Status.Allowed, nil
}

// verbOf gives the API's verb of a request. What runs something creates, also
// where a WebSocket begins it with GET.
func verbOf(r *http.Request) string {
	for _, prefix := range []string{"/exec/", "/attach/", "/portForward/", "/run/"} {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return "create"
		}
	}
	switch r.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	}
	return "get"
}

// partsOf gives the subresources of a Node of which one has to be allowed for a
// path of the kubelet's API.
func partsOf(path string) []string {
	below := func(prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }
	switch {
	case below("/stats"):
		return []string{"stats"}
	case below("/metrics"):
		return []string{"metrics"}
	case below("/logs"):
		return []string{"log"}
	case below("/checkpoint"):
		return []string{"checkpoint"}
	case below("/pods"), below("/runningpods"):
		return []string{"pods", "proxy"}
	case below("/healthz"):
		return []string{"healthz", "proxy"}
	case below("/configz"):
		return []string{"configz", "proxy"}
	}
	return []string{"proxy"}
}
