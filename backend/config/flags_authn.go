package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Authn is how callers prove who they are.
type Authn struct {
	ClientCAFile         string
	TokenAuthFile        string
	BasicAuthFile        string
	EnableBootstrapToken bool
	Anonymous            bool
	// ConfigFile is an AuthenticationConfiguration: OIDC providers and where
	// anonymous requests are let in.
	ConfigFile string
	// DashboardOIDCConfigFile says how browsers log in at the OIDC providers.
	DashboardOIDCConfigFile string
	APIAudiences            []string

	RequestHeader  RequestHeader
	OIDC           OIDC
	ServiceAccount ServiceAccount
	TokenWebhook   TokenWebhook

	anonymousFlag *pflag.Flag
}

// RequestHeader is which front proxies are believed, and how they say who the
// user is.
type RequestHeader struct {
	ClientCAFile                            string
	AllowedNames                            []string
	UsernameHeaders, UIDHeaders             []string
	GroupHeaders, ExtraHeadersPrefixes      []string
	ProxyClientCertFile, ProxyClientKeyFile string
}

// OIDC is one OpenID Connect provider.
type OIDC struct {
	IssuerURL, ClientID, CAFile   string
	UsernameClaim, UsernamePrefix string
	GroupsClaim, GroupsPrefix     string
	RequiredClaims                map[string]string
	SigningAlgs                   []string
}

// ServiceAccount is how tokens of service accounts are made and checked.
type ServiceAccount struct {
	// Issuers are who may have issued a token; the first one is this server.
	Issuers          []string
	KeyFiles         []string
	SigningKeyFile   string
	Lookup           bool
	JWKSURI          string
	MaxExpiration    time.Duration
	ExtendExpiration bool
}

// TokenWebhook is the service that is asked about tokens nobody here knows.
type TokenWebhook struct {
	ConfigFile, Version string
	CacheTTL            time.Duration
}

func (o *Authn) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.ClientCAFile, "client-ca-file", "", "File with certificate authorities of client certificates, besides the server's own.")
	fs.StringVar(&o.TokenAuthFile, "token-auth-file", "", "CSV file of bearer tokens: token, user name, user uid and, quoted, the groups.")
	fs.StringVar(&o.BasicAuthFile, "basic-auth-file", "", "CSV file of passwords for HTTP basic authentication, which is discouraged: password or its bcrypt hash, user name, user uid and, quoted, the groups.")
	fs.BoolVar(&o.EnableBootstrapToken, "enable-bootstrap-token-auth", false, "Lets secrets of the type bootstrap.kubernetes.io/token in kube-system be used as tokens with which nodes join.")
	fs.BoolVar(&o.Anonymous, "anonymous-auth", true, "Lets requests without credentials in as system:anonymous, in the group system:unauthenticated.")
	o.anonymousFlag = fs.Lookup("anonymous-auth")
	fs.StringVar(&o.ConfigFile, "authentication-config", "", "File with an AuthenticationConfiguration: JWT authenticators and anonymous access. It is followed while the server runs. Not together with the --oidc-* flags.")
	fs.StringVar(&o.DashboardOIDCConfigFile, "dashboard-oidc-config", "", "File that says how browsers log in to the dashboard at the OIDC providers: names, client ids and secrets, scopes. If blank, the first audience of each is a public client.")
	fs.StringSliceVar(&o.APIAudiences, "api-audiences", nil, "Whom tokens for this API are meant for. If blank, the --service-account-issuer.")
	o.RequestHeader.addFlags(fs)
	o.OIDC.addFlags(fs)
	o.ServiceAccount.addFlags(fs)
	o.TokenWebhook.addFlags(fs)
}

func (o *RequestHeader) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.ClientCAFile, "requestheader-client-ca-file", "", "File with the certificate authorities of front proxies, whose --requestheader-username-headers are believed. Their certificates should have no other use.")
	fs.StringSliceVar(&o.AllowedNames, "requestheader-allowed-names", nil, "Common names that a front proxy's client certificate may have. If blank, any.")
	fs.StringSliceVar(&o.UsernameHeaders, "requestheader-username-headers", nil, "Request headers with the user name. X-Remote-User is common.")
	fs.StringSliceVar(&o.UIDHeaders, "requestheader-uid-headers", nil, "Request headers with the user's UID. X-Remote-Uid is suggested.")
	fs.StringSliceVar(&o.GroupHeaders, "requestheader-group-headers", nil, "Request headers with groups. X-Remote-Group is suggested.")
	fs.StringSliceVar(&o.ExtraHeadersPrefixes, "requestheader-extra-headers-prefix", nil, "Prefixes of request headers with extra about the user. X-Remote-Extra- is suggested.")
	fs.StringVar(&o.ProxyClientCertFile, "proxy-client-cert-file", "", "File with the client certificate by which this server proves itself to aggregated API servers. If blank, the server makes one of its own.")
	fs.StringVar(&o.ProxyClientKeyFile, "proxy-client-key-file", "", "File with the private key of --proxy-client-cert-file.")
}

func (o *OIDC) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.IssuerURL, "oidc-issuer-url", "", "The URL of the OpenID issuer, https only. If set, its ID tokens are taken as bearer tokens.")
	fs.StringVar(&o.ClientID, "oidc-client-id", "", "The client ID that ID tokens must be for; with --oidc-issuer-url.")
	fs.StringVar(&o.CAFile, "oidc-ca-file", "", "File with the certificate authorities of the OpenID server. If blank, the host's.")
	fs.StringVar(&o.UsernameClaim, "oidc-username-claim", "sub", "The claim with the user name. Claims other than sub are not guaranteed to be unique and immutable.")
	fs.StringVar(&o.UsernamePrefix, "oidc-username-prefix", "", "What is put before user names. If blank, the issuer URL and # for claims other than email; - for nothing.")
	fs.StringVar(&o.GroupsClaim, "oidc-groups-claim", "", "The claim with the groups, a string or an array of strings.")
	fs.StringVar(&o.GroupsPrefix, "oidc-groups-prefix", "", "What is put before groups.")
	fs.Var(&keyValues{&o.RequiredClaims}, "oidc-required-claim", "A key=value pair of a claim that ID tokens must have. Repeat for several.")
	fs.StringSliceVar(&o.SigningAlgs, "oidc-signing-algs", []string{"RS256"}, "Signing algorithms that ID tokens may have, comma-separated: RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512.")
}

func (o *ServiceAccount) addFlags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.Issuers, "service-account-issuer", []string{"https://kubernetes.default.svc"}, "The issuer of service account tokens; an https URL for OIDC discovery. Repeat to go on taking the tokens of former issuers: the first one issues.")
	fs.StringArrayVar(&o.KeyFiles, "service-account-key-file", nil, "File with PEM keys, public or private, that service account tokens may be signed with. Repeat for several files. The signing key is always one of them.")
	fs.StringVar(&o.SigningKeyFile, "service-account-signing-key-file", "", "File with the private key that service account tokens are signed with. If blank, the server makes one of its own.")
	fs.BoolVar(&o.Lookup, "service-account-lookup", true, "Looks up the secrets of old service account tokens when they are used.")
	fs.StringVar(&o.JWKSURI, "service-account-jwks-uri", "", "The URI of the keys in the OIDC discovery document, https only. If blank, at the --advertise-address.")
	fs.DurationVar(&o.MaxExpiration, "service-account-max-token-expiration", 0, "The longest lifetime of a token; longer ones that are asked for are shortened. 0 for no limit.")
	fs.BoolVar(&o.ExtendExpiration, "service-account-extend-token-expiration", true, "Lets the tokens that pods get live longer than they say, and notes their use after that.")
}

func (o *TokenWebhook) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.ConfigFile, "authentication-token-webhook-config-file", "", "kubeconfig file of the service that is asked about bearer tokens with TokenReviews.")
	fs.StringVar(&o.Version, "authentication-token-webhook-version", "v1beta1", "The version of TokenReview that the service is sent: v1 or v1beta1.")
	fs.DurationVar(&o.CacheTTL, "authentication-token-webhook-cache-ttl", 2*time.Minute, "How long the service's answers are kept.")
}

func (o *Authn) check() error {
	if o.ConfigFile != "" && o.OIDC.IssuerURL != "" {
		return errors.New("--authentication-config and --oidc-issuer-url cannot be used together")
	}
	if o.DashboardOIDCConfigFile != "" && o.ConfigFile == "" && o.OIDC.IssuerURL == "" {
		return errors.New("--dashboard-oidc-config needs --oidc-issuer-url or --authentication-config")
	}
	for _, check := range []func() error{o.RequestHeader.check, o.OIDC.check, o.ServiceAccount.check, o.TokenWebhook.check} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// Audiences are whom tokens for this API are meant for: the issuers, when nobody
// says otherwise.
func (o *Authn) Audiences() []string {
	if len(o.APIAudiences) > 0 {
		return o.APIAudiences
	}
	return o.ServiceAccount.Issuers
}

// AnonymousGiven tells whether --anonymous-auth was set, and not left as it is.
func (o *Authn) AnonymousGiven() bool { return o.anonymousFlag != nil && o.anonymousFlag.Changed }

func (o *RequestHeader) check() error {
	if (o.ProxyClientCertFile == "") != (o.ProxyClientKeyFile == "") {
		return errors.New("--proxy-client-cert-file and --proxy-client-key-file go together")
	}
	if o.ClientCAFile != "" && len(o.UsernameHeaders) == 0 {
		return errors.New("--requestheader-client-ca-file needs --requestheader-username-headers")
	}
	for flag, names := range map[string][]string{
		"username-headers": o.UsernameHeaders, "uid-headers": o.UIDHeaders, "group-headers": o.GroupHeaders, "extra-headers-prefix": o.ExtraHeadersPrefixes,
	} {
		for i, n := range names {
			if names[i] = strings.TrimSpace(n); names[i] == "" {
				return fmt.Errorf("--requestheader-%s has an empty name", flag)
			}
		}
	}
	return nil
}

func (o *OIDC) check() error {
	if (o.IssuerURL == "") != (o.ClientID == "") {
		return errors.New("--oidc-issuer-url and --oidc-client-id go together")
	}
	return nil
}

func (o *ServiceAccount) check() error {
	if len(o.Issuers) == 0 {
		return errors.New("--service-account-issuer is needed")
	}
	for i, issuer := range o.Issuers {
		if issuer == "" {
			return errors.New("--service-account-issuer must not be empty")
		}
		if slices.Contains(o.Issuers[:i], issuer) {
			return fmt.Errorf("--service-account-issuer has %s twice", issuer)
		}
		if _, err := url.Parse(issuer); err != nil && strings.Contains(issuer, ":") {
			return fmt.Errorf("--service-account-issuer %q has a colon and is no URL", issuer)
		}
	}
	if u, err := url.Parse(o.JWKSURI); o.JWKSURI != "" && (err != nil || u.Scheme != "https") {
		return fmt.Errorf("--service-account-jwks-uri %q is no https URL", o.JWKSURI)
	}
	if o.MaxExpiration != 0 && (o.MaxExpiration < time.Hour || o.MaxExpiration > (1<<32)*time.Second) {
		return errors.New("--service-account-max-token-expiration must be between 1 hour and 2^32 seconds")
	}
	return nil
}

func (o *TokenWebhook) check() error {
	if o.Version != "v1" && o.Version != "v1beta1" {
		return fmt.Errorf("--authentication-token-webhook-version %q is neither v1 nor v1beta1", o.Version)
	}
	if o.CacheTTL < 0 {
		return errors.New("--authentication-token-webhook-cache-ttl is negative")
	}
	return nil
}

// keyValues is a flag of one key=value pair, which may be repeated. The value
// may have commas and equal signs.
type keyValues struct{ m *map[string]string }

// Set adds a pair.
func (v *keyValues) Set(text string) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok || strings.TrimSpace(key) == "" {
		return fmt.Errorf("%q is not key=value", text)
	}
	if *v.m == nil {
		*v.m = map[string]string{}
	}
	(*v.m)[strings.TrimSpace(key)] = strings.TrimSpace(value)
	return nil
}

// String gives the pairs.
func (v *keyValues) String() string {
	if v.m == nil {
		return ""
	}
	var pairs []string
	for key, value := range *v.m {
		pairs = append(pairs, key+"="+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

// Type is what help shows.
func (v *keyValues) Type() string { return "key=value" }
