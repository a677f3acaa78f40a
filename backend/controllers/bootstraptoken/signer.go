package bootstraptoken

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var configMaps = corev1.SchemeGroupVersion.WithResource("configmaps")

// NewSigner gives the loop bootstrap-signer-controller: cluster-info has a
// signature by every token that signs.
func NewSigner(d loop.Deps) func(context.Context) error {
	if d.Server == "" {
		return idle
	}
	secrets := loop.NewView[*corev1.Secret](d, "", "secrets")
	infos := loop.NewView[*corev1.ConfigMap](d, "", "configmaps")
	queue := loop.NewQueue[string]("bootstrap_signer_queue")
	tokens := secrets.Follower(d, func(o, _ *watchcache.Object, _ bool) {
		if isToken(o) {
			queue.Add(infoName)
		}
	})
	info := &loop.Follower{Deps: d, Initial: true, Want: loop.Only("", "configmaps"), Event: func(_ *registry.Store, e *watchcache.Event) {
		if e.Object.Namespace == metav1.NamespacePublic && e.Object.Name == infoName {
			queue.Add(infoName)
		}
	}}
	sync := func(ctx context.Context, _ string) error {
		have, ok := infos.Get(metav1.NamespacePublic, infoName)
		if !ok {
			return nil
		}
		tokens, next := signing(secrets, d.Clock())
		if next > 0 {
			queue.AddAfter(infoName, next)
		}
		signed, err := sign(have, tokens)
		if err != nil || maps.Equal(have.Data, signed.Data) {
			return err
		}
		err = d.Client.Update(ctx, configMaps, signed)
		if apierrors.IsConflict(err) {
			return loop.Again{}
		}
		return err
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, tokens.Run, info.Run, func(ctx context.Context) error { return queue.Work(ctx, 1, sync) })
	}
}

// sign gives a copy of cluster-info with the signatures of these tokens and no
// others.
func sign(info *corev1.ConfigMap, tokens []token) (*corev1.ConfigMap, error) {
	next := info.DeepCopy()
	maps.DeleteFunc(next.Data, func(key, _ string) bool { return strings.HasPrefix(key, signaturePrefix) })
	content := next.Data[kubeconfigKey]
	if content == "" {
		return next, nil
	}
	for _, t := range tokens {
		s, err := signature(content, t)
		if err != nil {
			return nil, fmt.Errorf("sign with the token %s: %w", t.id, err)
		}
		next.Data[signaturePrefix+t.id] = s
	}
	return next, nil
}

// signature is a JWS (HS256, RFC 7515) of a text without the text in it.
func signature(content string, t token) (string, error) {
	header, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		Key       string `json:"kid"`
	}{"HS256", t.id})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	mac := hmac.New(sha256.New, []byte(t.secret))
	mac.Write([]byte(encode(header) + "." + encode([]byte(content))))
	return encode(header) + ".." + encode(mac.Sum(nil)), nil
}
