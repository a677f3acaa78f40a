package serviceaccount

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage/memory"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	issuer   = "https://kubernetes.default.svc"
	audience = issuer
)

// env is a registry with what tokens depend on, and an authenticator over it.
type env struct {
	t        testing.TB
	now      time.Time
	registry *registry.Registry
	keys     *Keys
	account  *corev1.ServiceAccount
}

func newEnv(t testing.TB) *env {
	t.Helper()
	engine := memory.New()
	e := &env{t: t, now: time.Now().Truncate(time.Second)}
	var err error
	e.registry, err = registry.New(registry.Options{Engine: engine, Clock: e.clock})
	e.must(err)
	kind := func(name, kind string, namespaced bool, n func() scheme.Object) registry.Resource {
		return registry.Resource{Name: name, Kind: kind, Namespaced: namespaced, Versions: []registry.Version{{Name: "v1", New: n}}}
	}
	e.must(e.registry.Add(
		kind("serviceaccounts", "ServiceAccount", true, func() scheme.Object { return &corev1.ServiceAccount{} }),
		kind("pods", "Pod", true, func() scheme.Object { return &corev1.Pod{} }),
		kind("secrets", "Secret", true, func() scheme.Object { return &corev1.Secret{} }),
		kind("nodes", "Node", false, func() scheme.Object { return &corev1.Node{} }),
	))
	e.must(e.registry.Start(context.Background()))
	t.Cleanup(func() {
		engine.Close() //nolint:errcheck // the end of a test
		e.registry.Close()
	})
	e.keys, err = OpenKeys(KeyOptions{Signing: newECKey(t)})
	e.must(err)
	e.account = create(e, "serviceaccounts", &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "robot"}})
	return e
}

func (e *env) clock() time.Time { return e.now }

func (e *env) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// create stores an object and gives it as it is stored.
func create[T scheme.Object](e *env, resource string, obj T) T {
	e.t.Helper()
	r, err := e.registry.Store("", resource).Create(context.Background(), obj, registry.CreateOptions{})
	e.must(err)
	return r.Hub.DeepCopyObject().(T) //nolint:forcetypeassert // it is what was stored
}

func (e *env) remove(resource, namespace, name string) {
	e.t.Helper()
	_, err := e.registry.Store("", resource).Delete(context.Background(), namespace, name, registry.DeleteOptions{})
	e.must(err)
}

func (e *env) authenticator() *Authenticator {
	return New(Options{
		Keys: e.keys, Issuers: []string{issuer, "https://former"}, Audiences: []string{audience}, Lookup: Lookup{e.registry}, Now: e.clock,
	})
}

// token gives a good token, or one that change has spoilt.
func (e *env) token(b Bound, change ...func(*Claims)) string {
	e.t.Helper()
	c := NewClaims(e.account, b, []string{audience}, e.now, time.Hour, 0)
	for _, f := range change {
		f(c)
	}
	t, err := e.keys.Sign(issuer, c)
	e.must(err)
	return t
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSAKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// writeKey writes keys into a file in PEM form; several go into one file.
func writeKey(t testing.TB, path string, keys ...any) string {
	t.Helper()
	var content []byte
	for _, key := range keys {
		block := &pem.Block{Type: "PUBLIC KEY"}
		var err error
		if signer, ok := key.(crypto.Signer); ok {
			block.Type = "PRIVATE KEY"
			block.Bytes, err = x509.MarshalPKCS8PrivateKey(signer)
		} else {
			block.Bytes, err = x509.MarshalPKIXPublicKey(key)
		}
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, pem.EncodeToMemory(block)...)
	}
	if path == "" {
		path = filepath.Join(t.TempDir(), "key.pem")
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// signWith signs claims with any key and algorithm, as a forger would.
func signWith(t testing.TB, algorithm jose.SignatureAlgorithm, key any, id string, claims ...any) string {
	t.Helper()
	o := &jose.SignerOptions{}
	if id != "" {
		o = o.WithHeader("kid", id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	b := jwt.Signed(signer)
	for _, c := range claims {
		b = b.Claims(c)
	}
	token, err := b.Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func uidOf(s string) types.UID { return types.UID(s) }
