// Package oidc owns users of OpenID Connect providers: ID tokens are checked
// with the provider's keys and turned into users by claims or CEL expressions.
// Providers come from the --oidc flags or from an AuthenticationConfiguration,
// whose format and checks are Kubernetes'. Read config.go first, then
// authenticator.go, claims.go and dynamic.go.
package oidc

import (
	"errors"
	"fmt"
	"os"
	"slices"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
)

// Config is an AuthenticationConfiguration.
type Config = apiserver.AuthenticationConfiguration

// Algorithms are all signing algorithms that a provider may use.
var Algorithms = []string{
	gooidc.RS256, gooidc.RS384, gooidc.RS512,
	gooidc.ES256, gooidc.ES384, gooidc.ES512,
	gooidc.PS256, gooidc.PS384, gooidc.PS512,
}

// Load reads and checks a file with an AuthenticationConfiguration, in YAML or
// JSON and any version. ownIssuers are the server's, which no provider may have.
func Load(path string, ownIssuers []string) (*Config, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := Parse(content)
	if err == nil {
		err = checkConfig(c, ownIssuers)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return c, nil
}

// Parse reads an AuthenticationConfiguration; unknown fields are errors.
func Parse(content []byte) (*Config, error) {
	known := runtime.NewScheme()
	install.Install(known)
	codecs := serializer.NewCodecFactory(known, serializer.EnableStrict)
	if len(content) == 0 {
		return nil, errors.New("an empty file")
	}
	obj, err := runtime.Decode(codecs.UniversalDecoder(), content)
	if err != nil {
		return nil, err
	}
	c, ok := obj.(*Config)
	if !ok {
		return nil, fmt.Errorf("expected AuthenticationConfiguration, got %T", obj)
	}
	return c, nil
}

func checkConfig(c *Config, ownIssuers []string) error {
	for i, j := range c.JWT {
		if j.Issuer.EgressSelectorType != "" {
			return fmt.Errorf("jwt[%d].issuer.egressSelectorType: there are no egress selectors here", i)
		}
	}
	return validation.ValidateAuthenticationConfiguration(authenticationcel.NewDefaultCompiler(), c, ownIssuers).ToAggregate()
}

// Flags are the --oidc flags.
type Flags struct {
	IssuerURL, ClientID, CAFile   string
	UsernameClaim, UsernamePrefix string
	GroupsClaim, GroupsPrefix     string
	RequiredClaims                map[string]string
	SigningAlgs                   []string
}

// FromFlags gives what the flags mean.
func FromFlags(f Flags, ownIssuers []string) (*Config, error) {
	for _, a := range f.SigningAlgs {
		if !slices.Contains(Algorithms, a) {
			return nil, fmt.Errorf("--oidc-signing-algs: unsupported signing alg: %q", a)
		}
	}
	prefix := f.UsernamePrefix
	switch {
	case prefix == "-":
		prefix = ""
	case prefix == "" && f.UsernameClaim != "email":
		prefix = f.IssuerURL + "#"
	}
	j := apiserver.JWTAuthenticator{
		Issuer: apiserver.Issuer{URL: f.IssuerURL, Audiences: []string{f.ClientID}},
		ClaimMappings: apiserver.ClaimMappings{
			Username: apiserver.PrefixedClaimOrExpression{Claim: f.UsernameClaim, Prefix: &prefix},
		},
	}
	if f.GroupsClaim != "" {
		j.ClaimMappings.Groups = apiserver.PrefixedClaimOrExpression{Claim: f.GroupsClaim, Prefix: &f.GroupsPrefix}
	}
	for claim, value := range f.RequiredClaims {
		j.ClaimValidationRules = append(j.ClaimValidationRules, apiserver.ClaimValidationRule{Claim: claim, RequiredValue: value})
	}
	if f.CAFile != "" {
		ca, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("--oidc-ca-file: %w", err)
		}
		j.Issuer.CertificateAuthority = string(ca)
	}
	c := &Config{JWT: []apiserver.JWTAuthenticator{j}}
	return c, checkConfig(c, ownIssuers)
}
