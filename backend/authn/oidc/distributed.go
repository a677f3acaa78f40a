package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
)

// distributed finds the value of a claim that a token does not have but points
// to (OpenID Connect Core 1.0, section 5.6.2).
type distributed struct {
	claim    string
	client   *http.Client
	verifier func(*gooidc.Provider) *verifier

	mu sync.Mutex
	// known are the verifiers of the issuers of such claims.
	known map[string]*verifier
}

// maxIssuers bounds known: tokens of the provider say who they are.
const maxIssuers = 16

// source is where a claim is.
type source struct {
	Endpoint    string `json:"endpoint"`
	AccessToken string `json:"access_token"`
}

// expand puts the claim among the token's own, if the token points to it.
func (d *distributed) expand(ctx context.Context, c claims) error {
	if _, has := c[d.claim]; has {
		return nil
	}
	if _, points := c["_claim_names"]; !points {
		return nil
	}
	var names map[string]string
	if err := c.into("_claim_names", &names); err != nil {
		return fmt.Errorf("oidc: error parsing distributed claim names: %w", err)
	}
	if _, has := c["_claim_sources"]; !has {
		return errors.New("oidc: no claim sources")
	}
	var sources map[string]source
	if err := c.into("_claim_sources", &sources); err != nil {
		return fmt.Errorf("oidc: could not parse claim sources: %w", err)
	}
	name, ok := names[d.claim]
	if !ok {
		return nil
	}
	s, ok := sources[name]
	switch {
	case !ok:
		return fmt.Errorf("id token _claim_names contained a source %s missing in _claims_sources", name)
	case s.Endpoint == "":
		return nil // an aggregated claim, which is not read
	case isEntraOverage(s):
		return errOverage
	}
	value, err := d.fetch(ctx, s)
	if err != nil {
		return err
	}
	c[d.claim] = value
	return nil
}

// errOverage is what becomes of a user of Microsoft Entra ID in more groups than
// fit into a token.
var errOverage = errors.New(`the token of Microsoft Entra ID leaves its groups out, since the user is in too many (groups overage): ` +
	`let the application emit only "groups assigned to the application", or app roles with the groups claim "roles" (docs/authentication.md)`)

// graphHosts are those of Microsoft Graph and its predecessor, in all clouds.
var graphHosts = []string{"graph.windows.net", "graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "graph.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn"}

// isEntraOverage tells a source that is no JWT of claims but a call of Microsoft
// Graph, which wants credentials that no token brings.
func isEntraOverage(s source) bool {
	u, err := url.Parse(s.Endpoint)
	return err == nil && s.AccessToken == "" && slices.Contains(graphHosts, strings.ToLower(u.Hostname()))
}

// fetch reads the claim from its endpoint and checks who signed it.
func (d *distributed) fetch(ctx context.Context, s source) (json.RawMessage, error) {
	token, err := d.get(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("while getting distributed claim %q: %w", d.claim, err)
	}
	issuer := statedIssuer(token)
	if issuer == "" {
		return nil, fmt.Errorf("getting untrusted issuer from endpoint %v failed for claim %q: malformed token", s.Endpoint, d.claim)
	}
	v, err := d.of(ctx, issuer)
	if err != nil {
		return nil, fmt.Errorf("verifying untrusted issuer %v failed: %w", issuer, err)
	}
	t, err := v.verify(ctx, token)
	if err != nil {
		return nil, fmt.Errorf("verify distributed claim token: %w", err)
	}
	var c claims
	if err := t.Claims(&c); err != nil {
		return nil, fmt.Errorf("could not parse distributed claims for claim %v: %w", d.claim, err)
	}
	value, ok := c[d.claim]
	if !ok {
		return nil, fmt.Errorf("jwt returned by distributed claim endpoint %q did not contain claim: %v", s.Endpoint, d.claim)
	}
	return value, nil
}

func (d *distributed) get(ctx context.Context, s source) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint, nil)
	if err != nil {
		return "", err
	}
	if s.AccessToken != "" {
		r.Header.Set("Authorization", "Bearer "+s.AccessToken)
	}
	response, err := d.client.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode >= 300 {
		return "", fmt.Errorf("error while getting distributed claim JWT: %v", response.Status)
	}
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// of gives the verifier of an issuer, which is asked for its keys once.
func (d *distributed) of(ctx context.Context, issuer string) (*verifier, error) {
	d.mu.Lock()
	v := d.known[issuer]
	d.mu.Unlock()
	if v != nil {
		return v, nil
	}
	provider, err := gooidc.NewProvider(gooidc.ClientContext(ctx, d.client), issuer)
	if err != nil {
		return nil, err
	}
	v = d.verifier(provider)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= maxIssuers {
		clear(d.known)
	}
	d.known[issuer] = v
	return v, nil
}
