package oidctest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// grant is what a code or a refresh token stands for.
type grant struct{ user, nonce, challenge, redirect string }

func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		issuer := p.Issuer()
		reply(w, http.StatusOK, map[string]any{
			"issuer": issuer, "jwks_uri": issuer + "/keys", "authorization_endpoint": issuer + "/auth", "token_endpoint": issuer + "/token",
			"end_session_endpoint": issuer + "/logout", "scopes_supported": []string{"openid", "groups", "offline_access"},
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	case "/keys":
		reply(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key.Public()}})
	case "/auth":
		p.auth(w, r)
	case "/token":
		p.token(w, r)
	case "/logout":
		page(w, "<p id=\"out\">Logged out at the provider, of "+html.EscapeString(r.FormValue("client_id"))+"</p>")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) //nolint:errcheck // the client is gone
}

func page(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><html lang=en><title>Provider</title><link rel=icon href=data:,>%s", body)
}

// auth is the login page: a link for each user, and one for a refusal. What the
// client got wrong is a 400.
func (p *Provider) auth(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != p.o.ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" ||
		q.Get("state") == "" || q.Get("nonce") == "" || q.Get("code_challenge") == "" || !slices.Contains(strings.Fields(q.Get("scope")), "openid") {
		http.Error(w, "bad request: "+r.URL.RawQuery, http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {q.Get("state")}, "iss": {p.Issuer()}}
	switch user := q.Get("login"); {
	case user == "":
		links := ""
		for name := range p.o.Users {
			links += fmt.Sprintf(`<p><a href="%s">%s</a></p>`, html.EscapeString("?"+r.URL.RawQuery+"&login="+url.QueryEscape(name)), html.EscapeString(name))
		}
		page(w, links+fmt.Sprintf(`<p><a href="%s">No</a></p>`, html.EscapeString("?"+r.URL.RawQuery+"&login=-")))
		return
	case user == "-":
		answer.Set("error", "access_denied")
	default:
		code := rand.Text()
		p.codes[code] = grant{user, q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri")}
		answer.Set("code", code)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// token gives tokens for a code or a refresh token, once each.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if r.Method != http.MethodPost || id != p.o.ClientID || secret != p.o.Secret {
		reply(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	g, ok := p.take(r)
	if !ok {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	nonce := g.nonce
	if p.nonce != "" {
		nonce = p.nonce
	}
	token, err := p.idToken(g.user, nonce)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	refresh := rand.Text()
	p.refresh[refresh] = g
	reply(w, http.StatusOK, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 60, "id_token": token, "refresh_token": refresh})
}

func (p *Provider) take(r *http.Request) (grant, bool) {
	if r.PostFormValue("grant_type") == "refresh_token" {
		token := r.PostFormValue("refresh_token")
		g, ok := p.refresh[token]
		delete(p.refresh, token)
		return g, ok
	}
	code := r.PostFormValue("code")
	g, ok := p.codes[code]
	delete(p.codes, code)
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	return g, ok && g.challenge == base64.RawURLEncoding.EncodeToString(sum[:]) && g.redirect == r.PostFormValue("redirect_uri")
}
