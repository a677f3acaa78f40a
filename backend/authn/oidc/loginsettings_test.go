package oidc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/apis/apiserver"
)

func TestLoginSettings(t *testing.T) {
	c := &Config{JWT: []apiserver.JWTAuthenticator{
		{Issuer: apiserver.Issuer{URL: "https://a.example", Audiences: []string{"app", "web"}}},
		{Issuer: apiserver.Issuer{URL: "https://b.example", Audiences: []string{"app"}}},
	}}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := parseLogins([]byte(`
providers:
- issuer: https://a.example
  name: A
  clientID: web
  clientSecretFile: `+secret+`
  scopes: [openid, email]
  redirectURL: https://pilothouse.example/login/oidc/callback
  parameters: {access_type: offline}
- {issuer: https://b.example, disabled: true}
`), c)
	if err != nil {
		t.Fatal(err)
	}
	a := all["https://a.example"]
	if s, err := a.secret(); err != nil || s != "s3cr3t" || a.ClientID != "web" || a.Parameters["access_type"] != "offline" || !all["https://b.example"].Disabled {
		t.Errorf("got %+v, %v", all, err)
	}
	bad := func(provider, words string) {
		t.Helper()
		if _, err := parseLogins([]byte("providers:\n- "+provider), c); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", provider, err, words)
		}
	}
	bad(`{issuer: https://c.example}`, "providers[0].issuer: \"https://c.example\" is no issuer of")
	bad("{issuer: https://a.example}\n- {issuer: https://a.example}", "providers[1].issuer: \"https://a.example\" is there twice")
	bad(`{issuer: https://a.example, clientID: other}`, "is no audience of the issuer")
	bad(`{issuer: https://a.example, clientSecretFile: /no/such}`, "clientSecretFile: open /no/such")
	bad(`{issuer: https://a.example, redirectURL: https://x.example/}`, "is no URL with the path /login/oidc/callback")
	bad(`{issuer: https://a.example, parameters: {state: x}}`, "parameters: state cannot be set")
	bad(`{issuer: https://a.example, client: x}`, `unknown field "client"`)
}
