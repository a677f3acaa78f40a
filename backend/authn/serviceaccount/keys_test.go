package serviceaccount

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/request"

	"github.com/go-jose/go-jose/v4"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func TestKeyRotation(t *testing.T) {
	e := newEnv(t)
	oldKey, newKey := newRSAKey(t), newECKey(t)
	signing := writeKey(t, "", oldKey)
	more := writeKey(t, "", &oldKey.PublicKey)
	var err error
	e.keys, err = OpenKeys(KeyOptions{SigningFile: signing, Files: []string{more}})
	e.must(err)
	first := e.token(Bound{})
	e.user(first)

	writeKey(t, more, &oldKey.PublicKey, &newKey.PublicKey) // others learn of the new key
	e.keys.Refresh()
	writeKey(t, signing, newKey) // it signs
	e.keys.Refresh()
	second := e.token(Bound{})
	e.user(first)
	e.user(second)

	writeKey(t, more, &newKey.PublicKey) // the old one goes
	e.keys.Refresh()
	e.refused("a token of a key that is gone", first, "no keys found")
	e.user(second)

	if err := os.WriteFile(more, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.keys.Refresh() // what cannot be read changes nothing
	e.user(second)
	e.must(os.Remove(signing))
	e.keys.Refresh()
	e.user(second)
}

func TestKeyFaults(t *testing.T) {
	check := func(words string, o KeyOptions) {
		t.Helper()
		if _, err := OpenKeys(o); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %s", err, words)
		}
	}
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	check("no key to sign", KeyOptions{})
	check("no such file", KeyOptions{SigningFile: "/no/such"})
	check(junk, KeyOptions{SigningFile: junk})
	check(junk, KeyOptions{Signing: newECKey(t), Files: []string{junk}})
	check("unknown curve", KeyOptions{Signing: small})
	check("private key", KeyOptions{SigningFile: writeKey(t, "", &newECKey(t).PublicKey)})
}

func TestDiscovery(t *testing.T) {
	e := newEnv(t)
	files := []string{writeKey(t, "", &newRSAKey(t).PublicKey)}
	var err error
	e.keys, err = OpenKeys(KeyOptions{Signing: newECKey(t), Files: files})
	e.must(err)
	d, err := NewDiscovery(issuer, "", "192.0.2.1:6443", e.keys)
	e.must(err)
	get := func(path string, into any) *request.Response {
		r, err := d.Handle(context.Background(), &request.Request{Method: "GET", Path: path, Header: accept("")})
		e.must(err)
		e.must(json.Unmarshal(r.Body, into))
		if !d.Handles(path) || r.Header[0].Value != "public, max-age=3600" {
			t.Errorf("%s: %v", path, r.Header)
		}
		return r
	}
	var configuration map[string]any
	if r := get(ConfigurationPath, &configuration); r.ContentType != "application/json" {
		t.Error(r.ContentType)
	}
	if got, want := string(must(json.Marshal(configuration))), `{"id_token_signing_alg_values_supported":["ES256","RS256"],"issuer":"https://kubernetes.default.svc",`+
		`"jwks_uri":"https://192.0.2.1:6443/openid/v1/jwks","response_types_supported":["id_token"],"subject_types_supported":["public"]}`; got != want {
		t.Error(got)
	}
	var keys jose.JSONWebKeySet
	if r := get(KeysPath, &keys); r.ContentType != "application/jwk-set+json" || strings.Contains(string(r.Body), `"d"`) {
		t.Errorf("%s %s", r.ContentType, r.Body)
	}
	token, err := jose.ParseSigned(e.token(Bound{}), algorithms)
	e.must(err)
	key := keys.Key(token.Signatures[0].Header.KeyID)
	if len(keys.Keys) != 2 || len(key) != 1 || key[0].Use != "sig" || !key[0].IsPublic() {
		t.Fatalf("%+v", keys)
	}
	if _, err := token.Verify(key[0]); err != nil {
		t.Error(err)
	}
	writeKey(t, files[0], &newRSAKey(t).PublicKey, &newRSAKey(t).PublicKey)
	e.keys.Refresh()
	var after jose.JSONWebKeySet
	if get(KeysPath, &after); len(after.Keys) != 3 {
		t.Errorf("%d keys after a rotation", len(after.Keys))
	}
	if r, err := d.Handle(context.Background(), &request.Request{Method: "POST", Path: KeysPath, Header: accept("")}); !apierrors.IsMethodNotSupported(err) {
		t.Errorf("%v %v", r, err)
	}
	if r, err := d.Handle(context.Background(), &request.Request{Method: "GET", Path: KeysPath, Header: accept("text/html")}); !apierrors.IsNotAcceptable(err) {
		t.Errorf("%v %v", r, err)
	}
	for _, bad := range []string{"http://x", "kubernetes", "https://x?a=b", "https://x#a", "https://[x"} {
		if _, err := NewDiscovery(bad, "", "x", e.keys); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestUseOfLegacyTokensIsNoted(t *testing.T) {
	e := newEnv(t)
	token, err := e.keys.SignLegacy(&LegacyClaims{Namespace: "ns", Account: "robot", AccountUID: string(e.account.UID), Secret: "s"})
	e.must(err)
	var days []string
	l := NewLegacy(LegacyOptions{
		Keys: e.keys, Audiences: []string{audience}, Lookup: Lookup{e.registry}, Now: e.clock,
		Used: func(_ context.Context, s *corev1.Secret, day string) { days = append(days, s.Name+" "+day) },
	})
	use := func(labels map[string]string) *authn.Identity {
		t.Helper()
		create(e, "secrets", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s", Labels: labels}, Data: map[string][]byte{"token": []byte(token)}})
		defer e.remove("secrets", "ns", "s")
		id, _ := l.AuthenticateToken(context.Background(), token, nil) //nolint:errcheck // nil then
		return id
	}
	today, tomorrow := e.now.UTC().Format(time.DateOnly), e.now.UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	id := use(nil)
	if id.Annotations["authentication.k8s.io/legacy-token-manual-secret"] != "s" || len(id.Warnings) != 0 {
		t.Errorf("a secret that somebody made: %+v", id)
	}
	use(map[string]string{LastUsed: today})
	use(map[string]string{LastUsed: tomorrow})
	use(map[string]string{LastUsed: "2001-01-01"})
	if use(map[string]string{invalidSince: "2024-01-01"}) != nil {
		t.Error("an invalid token is taken")
	}
	if want := "s " + today; !slices.Equal(days, []string{want, want, want}) {
		t.Errorf("noted %v", days)
	}
	e.remove("serviceaccounts", "ns", "robot")
	account := create(e, "serviceaccounts", &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "robot"}, Secrets: []corev1.ObjectReference{{Name: "s"}}})
	token, err = e.keys.SignLegacy(&LegacyClaims{Namespace: "ns", Account: "robot", AccountUID: string(account.UID), Secret: "s"})
	e.must(err)
	if id := use(nil); id.Annotations["authentication.k8s.io/legacy-token-autogenerated-secret"] != "s" || len(id.Warnings) != 1 {
		t.Errorf("a secret that Kubernetes made: %+v", id)
	}
}

func TestLegacyTokens(t *testing.T) {
	e := newEnv(t)
	claims := func() *LegacyClaims {
		return &LegacyClaims{Namespace: "ns", Account: "robot", AccountUID: string(e.account.UID), Secret: "s"}
	}
	token, err := e.keys.SignLegacy(claims())
	e.must(err)
	secret := func(token string, labels map[string]string) {
		create(e, "secrets", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s", Labels: labels}, Data: map[string][]byte{"token": []byte(token)}})
	}
	check := func(what, token, words string, skip bool, audiences ...string) {
		t.Helper()
		l := NewLegacy(LegacyOptions{Keys: e.keys, Audiences: []string{audience}, SkipLookup: skip, Lookup: Lookup{e.registry}, Now: e.clock})
		id, err := l.AuthenticateToken(context.Background(), token, audiences)
		if words == "" {
			if err != nil || id == nil || id.User.Name != "system:serviceaccount:ns:robot" || id.Annotations["authentication.k8s.io/legacy-token"] == "" {
				t.Errorf("%s: %+v %v", what, id, err)
			}
		} else if id != nil || err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v %v", what, id, err)
		}
	}
	check("no secret", token, "Token has been invalidated", false)
	check("no secret, not looked up", token, "", true)
	secret(token, nil)
	check("good", token, "", false)
	check("for another audience", token, "is invalid for the target audiences", false, "vault")
	e.now = e.now.Add(10 * 365 * 24 * time.Hour)
	check("it does not expire", token, "", false)
	e.remove("secrets", "ns", "s")
	secret("another", nil)
	check("the secret holds another", token, "does not match server's copy", false)
	e.remove("secrets", "ns", "s")
	secret(token, map[string]string{invalidSince: "2024-01-01"})
	check("marked invalid", token, "has been marked invalid", false)
	e.remove("secrets", "ns", "s")
	secret(token, nil)
	e.remove("serviceaccounts", "ns", "robot")
	check("the account is gone", token, `serviceaccounts "robot" not found`, false)
	create(e, "serviceaccounts", &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "robot", UID: uidOf("x")}})
	check("another account", token, "does not match claim", false)
	for _, spoil := range []func(*LegacyClaims){
		func(c *LegacyClaims) { c.Namespace = "" },
		func(c *LegacyClaims) { c.Secret = "" },
		func(c *LegacyClaims) { c.Account = "" },
		func(c *LegacyClaims) { c.AccountUID = "" },
	} {
		c := claims()
		spoil(c)
		token, err := e.keys.SignLegacy(c)
		e.must(err)
		check("incomplete", token, "claim is", true)
	}
	check("another's key", signWith(t, jose.ES256, newECKey(t), "", map[string]any{"iss": LegacyIssuer, "sub": "system:serviceaccount:ns:robot"}, claims()), "cryptographic", true)
}

// accept are the headers of a request that has this one alone.
type accept string

func (a accept) Get(name string) string {
	if name == "Accept" {
		return string(a)
	}
	return ""
}

func (a accept) Values(name string) []string { return []string{a.Get(name)} }

func (a accept) Each(f func(name, value string)) { f("Accept", string(a)) }
