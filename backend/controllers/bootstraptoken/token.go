// Package bootstraptoken does what nodes need that join with a bootstrap token:
// it publishes and signs the ConfigMap cluster-info in kube-public, by which a
// node knows that it talks to the right cluster, and deletes tokens that have
// expired. https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
// Read token.go first, then signer.go, publish.go and cleaner.go.
package bootstraptoken

import (
	"bytes"
	"context"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const (
	// infoName is the ConfigMap in kube-public, kubeconfigKey what is signed in
	// it, signaturePrefix what the keys of signatures begin with.
	infoName        = "cluster-info"
	kubeconfigKey   = "kubeconfig"
	signaturePrefix = "jws-kubeconfig-"
	// namePrefix is what the names of tokens' secrets begin with.
	namePrefix = "bootstrap-token-"
)

// idle is a loop where tokens are no credentials (--enable-bootstrap-token-auth).
func idle(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// isToken tells a secret that may be a bootstrap token.
func isToken(o *watchcache.Object) bool {
	return o.Namespace == metav1.NamespaceSystem && bytes.Contains(o.Raw, []byte(`"`+string(corev1.SecretTypeBootstrapToken)+`"`))
}

// token is the part of a secret that signing needs.
type token struct{ id, secret string }

// signing gives the tokens that sign and have not expired, and when the next of
// them does; zero when none will.
func signing(secrets *loop.View[*corev1.Secret], now time.Time) (out []token, next time.Duration) {
	for _, s := range secrets.List(metav1.NamespaceSystem, labels.Everything(), isToken) {
		t := token{string(s.Data["token-id"]), string(s.Data["token-secret"])}
		end, expires, valid := expiry(s)
		switch {
		case s.Type != corev1.SecretTypeBootstrapToken, s.DeletionTimestamp != nil, s.Name != namePrefix+t.id,
			t.id == "", t.secret == "", string(s.Data["usage-bootstrap-signing"]) != "true", !valid:
			continue
		case expires && !end.After(now):
			continue
		case expires && (next == 0 || end.Sub(now) < next):
			next = end.Sub(now)
		}
		out = append(out, t)
	}
	return out, next
}

// expiry gives when a token ends, if it does; what is no time is not valid.
func expiry(s *corev1.Secret) (end time.Time, expires, valid bool) {
	text := string(s.Data["expiration"])
	if text == "" {
		return end, false, true
	}
	end, err := time.Parse(time.RFC3339, text)
	return end, true, err == nil
}
