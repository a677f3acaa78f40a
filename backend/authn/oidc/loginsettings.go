package oidc

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// LoginSettings say how browsers log in at one provider. Everything but the
// issuer can be left out.
type LoginSettings struct {
	// Issuer is one of the authentication configuration's.
	Issuer string `json:"issuer"`
	// Name is what the login page calls the provider: the issuer's host.
	Name string `json:"name,omitempty"`
	// Disabled takes the provider off the login page.
	Disabled bool `json:"disabled,omitempty"`
	// ClientID is who asks: the issuer's first audience.
	ClientID string `json:"clientID,omitempty"`
	// ClientSecretFile has the client's secret, and is read each time. Without
	// it the client is a public one, which only PKCE protects.
	ClientSecretFile string `json:"clientSecretFile,omitempty"`
	// Scopes are what is asked for: openid, and what the provider knows of
	// profile, email, groups and offline_access.
	Scopes []string `json:"scopes,omitempty"`
	// RedirectURL is where the provider sends browsers back to:
	// /login/oidc/callback where they came from.
	RedirectURL string `json:"redirectURL,omitempty"`
	// Parameters are added to the address of the provider's login page.
	Parameters map[string]string `json:"parameters,omitempty"`
}

// CallbackPath is the path that providers send browsers back to.
const CallbackPath = "/login/oidc/callback"

// LoadLogins reads a file with LoginSettings for providers of the configuration.
func LoadLogins(path string, c *Config) (map[string]LoginSettings, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	settings, err := parseLogins(content, c)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return settings, nil
}

func parseLogins(content []byte, c *Config) (map[string]LoginSettings, error) {
	var file struct {
		Providers []LoginSettings `json:"providers"`
	}
	if err := yaml.UnmarshalStrict(content, &file); err != nil {
		return nil, err
	}
	all := map[string]LoginSettings{}
	for i, s := range file.Providers {
		if err := s.check(c); err != nil {
			return nil, fmt.Errorf("providers[%d].%w", i, err)
		}
		if _, twice := all[s.Issuer]; twice {
			return nil, fmt.Errorf("providers[%d].issuer: %q is there twice", i, s.Issuer)
		}
		all[s.Issuer] = s
	}
	return all, nil
}

// reserved are the parameters that make a login safe.
var reserved = []string{"client_id", "response_type", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "response_mode"}

func (s *LoginSettings) check(c *Config) error {
	var audiences []string
	for _, j := range c.JWT {
		if j.Issuer.URL == s.Issuer {
			audiences = j.Issuer.Audiences
		}
	}
	switch {
	case audiences == nil:
		return fmt.Errorf("issuer: %q is no issuer of --oidc-issuer-url or --authentication-config", s.Issuer)
	case s.ClientID != "" && !slices.Contains(audiences, s.ClientID):
		return fmt.Errorf("clientID: %q is no audience of the issuer, whose ID tokens for it would be refused", s.ClientID)
	}
	if _, err := s.secret(); err != nil {
		return fmt.Errorf("clientSecretFile: %w", err)
	}
	if u, err := url.Parse(s.RedirectURL); s.RedirectURL != "" && (err != nil || u.Host == "" || u.Path != CallbackPath) {
		return fmt.Errorf("redirectURL: %q is no URL with the path %s", s.RedirectURL, CallbackPath)
	}
	for name := range s.Parameters {
		if slices.Contains(reserved, name) {
			return fmt.Errorf("parameters: %s cannot be set", name)
		}
	}
	return nil
}

func (s *LoginSettings) secret() (string, error) {
	if s.ClientSecretFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(s.ClientSecretFile)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}
