package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Logins are the providers at which a browser can log in, by the authorization
// code flow with PKCE. Which tokens are good the authenticators say; a Logins
// only fetches them.
type Logins struct {
	d        *Dynamic
	settings map[string]LoginSettings
}

// NewLogins gives the logins at d's providers; settings are by issuer.
func NewLogins(d *Dynamic, settings map[string]LoginSettings) *Logins {
	return &Logins{d, settings}
}

// LoginProvider is one provider on the login page.
type LoginProvider struct {
	// ID names the provider in addresses.
	ID   string
	Name string
}

// Started is a login that a browser was sent to a provider for. Whoever holds it
// can finish the login, so it is kept from everybody but that browser.
type Started struct {
	Issuer   string `json:"issuer"`
	Redirect string `json:"redirect"`
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
}

// Tokens are what a provider gave out. Refresh is empty when it gave none.
type Tokens struct{ ID, Refresh string }

var (
	// ErrProvider is a provider that is not configured, or does not answer yet.
	ErrProvider = errors.New("the provider is not there")
	// ErrOver is a provider's word that a login cannot be renewed.
	ErrOver = errors.New("the provider has ended the login")
)

// List gives the providers that have answered, in the order of the
// configuration.
func (l *Logins) List() []LoginProvider {
	if l == nil {
		return nil
	}
	var list []LoginProvider
	for _, a := range l.d.current.Load().list {
		if a.provider.Load() == nil || l.settings[a.issuer()].Disabled {
			continue
		}
		list = append(list, LoginProvider{providerID(a.issuer()), l.name(a.issuer())})
	}
	return list
}

func (l *Logins) name(issuer string) string {
	if name := l.settings[issuer].Name; name != "" {
		return name
	}
	if u, err := url.Parse(issuer); err == nil && u.Host != "" {
		return u.Host
	}
	return issuer
}

// providerID is short and the same after a restart.
func providerID(issuer string) string {
	sum := sha256.Sum256([]byte(issuer))
	return hex.EncodeToString(sum[:6])
}

// find gives the provider of an id or issuer.
func (l *Logins) find(fits func(issuer string) bool) (*Authenticator, *loginProvider, error) {
	if l == nil {
		return nil, nil, ErrProvider
	}
	for _, a := range l.d.current.Load().list {
		if p := a.provider.Load(); p != nil && fits(a.issuer()) && !l.settings[a.issuer()].Disabled {
			return a, p, nil
		}
	}
	return nil, nil, ErrProvider
}

func (l *Logins) byIssuer(issuer string) (*Authenticator, *loginProvider, error) {
	return l.find(func(i string) bool { return i == issuer })
}

// Start gives the address of the provider's login page, and what finishes the
// login. redirect is where the provider sends the browser back to unless the
// settings say otherwise.
func (l *Logins) Start(id, redirect string) (address string, s *Started, err error) {
	a, p, err := l.find(func(issuer string) bool { return providerID(issuer) == id })
	if err != nil {
		return "", nil, err
	}
	settings := l.settings[a.issuer()]
	if settings.RedirectURL != "" {
		redirect = settings.RedirectURL
	}
	s = &Started{Issuer: a.issuer(), Redirect: redirect, State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier()}
	c, err := l.config(a, p, redirect)
	if err != nil {
		return "", nil, err
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(s.Verifier), gooidc.Nonce(s.Nonce)}
	for name, value := range settings.Parameters {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	return c.AuthCodeURL(s.State, options...), s, nil
}

// Finish exchanges the code that the browser brought back. The ID token that it
// gives is of this provider and this login; whether it is good, and for whom, is
// for the authenticators to say.
func (l *Logins) Finish(ctx context.Context, s *Started, code string) (*Tokens, error) {
	a, p, err := l.byIssuer(s.Issuer)
	if err != nil {
		return nil, err
	}
	c, err := l.config(a, p, s.Redirect)
	if err != nil {
		return nil, err
	}
	t, err := c.Exchange(gooidc.ClientContext(ctx, a.client), code, oauth2.VerifierOption(s.Verifier))
	if err != nil {
		return nil, fmt.Errorf("exchange the code: %w", err)
	}
	tokens, err := tokensOf(t, s.Issuer)
	if err != nil {
		return nil, err
	}
	var stated struct {
		Nonce string `json:"nonce"`
	}
	if err := readPayload(tokens.ID, &stated); err != nil || subtle.ConstantTimeCompare([]byte(stated.Nonce), []byte(s.Nonce)) != 1 {
		return nil, errors.New("the ID token is not of this login: its nonce is another one")
	}
	return tokens, nil
}

// Refresh gives newer tokens; ErrOver when the provider gives none any more.
func (l *Logins) Refresh(ctx context.Context, issuer, refresh string) (*Tokens, error) {
	a, p, err := l.byIssuer(issuer)
	if err != nil {
		return nil, err
	}
	c, err := l.config(a, p, "")
	if err != nil {
		return nil, err
	}
	t, err := c.TokenSource(gooidc.ClientContext(ctx, a.client), &oauth2.Token{RefreshToken: refresh}).Token()
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant":
		return nil, ErrOver
	case err != nil:
		return nil, fmt.Errorf("renew the login: %w", err)
	}
	return tokensOf(t, issuer)
}

// EndAddress is where a browser ends its login at the provider itself, empty
// when the provider has no such page. back is where it may come back to.
func (l *Logins) EndAddress(id, back string) (address, name string) {
	a, p, err := l.find(func(issuer string) bool { return providerID(issuer) == id })
	if err != nil || p.endSession == "" {
		return "", ""
	}
	u, err := url.Parse(p.endSession)
	if err != nil || u.Scheme != "https" {
		return "", ""
	}
	q := u.Query()
	q.Set("client_id", l.clientID(a))
	q.Set("post_logout_redirect_uri", back)
	u.RawQuery = q.Encode()
	return u.String(), l.name(a.issuer())
}

// ProviderID is the id of an issuer.
func (l *Logins) ProviderID(issuer string) string { return providerID(issuer) }

func (l *Logins) clientID(a *Authenticator) string {
	if id := l.settings[a.issuer()].ClientID; id != "" {
		return id
	}
	return a.o.JWT.Issuer.Audiences[0]
}

func (l *Logins) config(a *Authenticator, p *loginProvider, redirect string) (*oauth2.Config, error) {
	settings := l.settings[a.issuer()]
	secret, err := settings.secret()
	if err != nil {
		return nil, err
	}
	scopes := settings.Scopes
	if len(scopes) == 0 {
		scopes = p.defaultScopes()
	}
	if !slices.Contains(scopes, gooidc.ScopeOpenID) {
		scopes = append([]string{gooidc.ScopeOpenID}, scopes...)
	}
	endpoint := p.Endpoint()
	if secret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client only says its name
	}
	return &oauth2.Config{ClientID: l.clientID(a), ClientSecret: secret, Endpoint: endpoint, RedirectURL: redirect, Scopes: scopes}, nil
}

// loginProvider is what a provider says about logins.
type loginProvider struct {
	*gooidc.Provider
	endSession string
	scopes     []string
}

// defaultScopes are those of the usual claims, and what a refresh token is given
// for, as far as the provider knows them.
func (p *loginProvider) defaultScopes() []string {
	scopes := []string{gooidc.ScopeOpenID}
	for _, s := range []string{"profile", "email", "groups", gooidc.ScopeOfflineAccess} {
		if slices.Contains(p.scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

func tokensOf(t *oauth2.Token, issuer string) (*Tokens, error) {
	id, ok := t.Extra("id_token").(string)
	if !ok || id == "" {
		return nil, errors.New("the provider gave no ID token")
	}
	if statedIssuer(id) != issuer {
		return nil, errors.New("the ID token is of another issuer")
	}
	return &Tokens{id, t.RefreshToken}, nil
}

// Expiry is when an ID token says that it is over, zero when it says nothing.
// Nothing about it is verified.
func Expiry(token string) time.Time {
	var stated struct {
		Expiry float64 `json:"exp"`
	}
	if readPayload(token, &stated) != nil || stated.Expiry <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(stated.Expiry), 0)
}

// readPayload reads what a JWT says. Nothing about it is verified.
func readPayload(token string, into any) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	return json.Unmarshal(payload, into)
}
