package backend_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// An OIDC provider and a token webhook on loopback, set up by the flags.
func TestUsersOfOtherServices(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var provider *httptest.Server
	provider = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		var answer any = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "1", Algorithm: "ES256", Use: "sig"}}}
		if r.URL.Path != "/keys" {
			answer = map[string]string{"issuer": provider.URL, "jwks_uri": provider.URL + "/keys"}
		}
		json.NewEncoder(w).Encode(answer) //nolint:errcheck // a test
	}))
	defer provider.Close()
	hook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			Spec struct {
				Token string `json:"token"`
			} `json:"spec"`
		}
		json.NewDecoder(r.Body).Decode(&review) //nolint:errcheck // a test
		fmt.Fprintf(w, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","status":{"authenticated":%v,"user":{"username":"erin"}}}`, review.Spec.Token == "erin's")
	}))
	defer hook.Close()
	certPEM := func(s *httptest.Server) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	}
	s := apitest.Start(t, apitest.Options{Change: func(o *config.Options) {
		o.Authn.OIDC = config.OIDC{
			IssuerURL: provider.URL, ClientID: "app", CAFile: writeFile(t, certPEM(provider)), UsernameClaim: "email", GroupsClaim: "groups", SigningAlgs: []string{"ES256"},
		}
		o.Authn.TokenWebhook.Version = "v1"
		o.Authn.TokenWebhook.ConfigFile = writeFile(t, fmt.Sprintf(
			"apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: '%s', certificate-authority-data: %s}}]\ncontexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n",
			hook.URL, base64.StdEncoding.EncodeToString([]byte(certPEM(hook)))))
	}})
	token := func(audience string) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.Signed(signer).Claims(map[string]any{
			"iss": provider.URL, "aud": audience, "sub": "1", "email": "dora@example.com", "groups": []string{"dev"}, "exp": time.Now().Add(time.Hour).Unix(),
		}).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	// The provider is reached in the background, just after the start.
	who := ""
	for deadline := time.Now().Add(time.Minute); who != "dora@example.com" && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		who = whoami(t, s, nil, "Authorization: Bearer "+token("app"))
	}
	check := func(want, token string) {
		t.Helper()
		if got := whoami(t, s, nil, "Authorization: Bearer "+token); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	check("dora@example.com", token("app"))
	check("401", token("else"))
	check("401", token("app")[1:])
	check("erin", "erin's")
	check("401", "somebody's")
	check("401", strings.Repeat("x", 2000))
	provider.Close()
	hook.Close()
	check("dora@example.com", token("app")) // its keys are known
	check("erin", "erin's")                 // the answer is kept
}
