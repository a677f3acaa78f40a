package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/authn/oidc"
	"pilothouse/backend/authn/serviceaccount"
	"pilothouse/backend/authn/webhook"
	"pilothouse/backend/client"
	"pilothouse/backend/config"
	"pilothouse/backend/metrics"
	"pilothouse/backend/pki"
	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// authentication is everything that knows who callers are. lists.go has the
// order.
type authentication struct {
	o      *config.Authn
	lookup serviceaccount.Lookup
	keys   *serviceaccount.Keys
	// providers and discovery are nil when there are none.
	providers *oidc.Dynamic
	discovery *serviceaccount.Discovery
	// logins are the providers at which browsers log in; nil when there are none.
	logins *oidc.Logins
	// anonymous is what is open to everybody.
	anonymous anonymousAccess

	tokens        authn.TokenAuthenticator
	authenticator authn.Authenticator
	// api is asked as the server itself; nil until there is one.
	api *client.Client
}

type anonymousAccess struct {
	on    bool
	paths []string // empty: everything
}

// newAuthentication sets everything up. Errors name the flag. address is where
// others reach the server.
func newAuthentication(o *config.Options, serving *pki.Serving, keys *pki.PKI, r *registry.Registry, address string) (*authentication, error) {
	a := &authentication{o: &o.Authn, lookup: serviceaccount.Lookup{Registry: r}, anonymous: anonymousAccess{on: o.Authn.Anonymous}}
	sa := o.Authn.ServiceAccount
	var err error
	a.keys, err = serviceaccount.OpenKeys(serviceaccount.KeyOptions{
		Signing: keys.ServiceAccountKey, SigningFile: sa.SigningKeyFile, Files: sa.KeyFiles,
	})
	if err != nil {
		return nil, fmt.Errorf("--service-account-key-file, --service-account-signing-key-file: %w", err)
	}
	if a.discovery, err = serviceaccount.NewDiscovery(sa.Issuers[0], sa.JWKSURI, address, a.keys); err != nil {
		klog.InfoS("OIDC discovery of the service account issuer is off", "reason", err.Error())
		a.discovery = nil
	}
	list, err := a.tokenAuthenticators()
	if err != nil {
		return nil, err
	}
	a.tokens = authn.NewCache(authn.UnionTokens(list...), authn.CacheOptions{Known: authn.KnownFor})
	passwords, err := passwordFile(o)
	if err != nil {
		return nil, err
	}
	known := authn.WithGroups(authn.Union(authenticators(o, serving, a.tokens, passwords)...))
	a.authenticator = authn.SlowFailures(known, time.Now)
	if a.anonymous.on {
		a.authenticator = authn.OrElse(a.authenticator, authn.Named("anonymous", authn.Anonymous(a.anonymous.paths...)))
	}
	a.authenticator = authn.Counted(a.authenticator, time.Now)
	return a, nil
}

// run follows files and reaches providers until ctx ends.
func (a *authentication) run(ctx context.Context, every time.Duration) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if a.providers != nil {
		wg.Go(metrics.Guarded("authentication", func() { a.providers.Run(ctx, every) }))
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			a.keys.Refresh()
		}
	}
}

// forReviews is what TokenReview and TokenRequest need.
func (a *authentication) forReviews() registry.Tokens {
	sa := a.o.ServiceAccount
	return registry.Tokens{
		Audiences: a.o.Audiences(),
		Review:    authn.Review(a.tokens),
		Sign: func(claims any) (string, error) {
			c, ok := claims.(*serviceaccount.Claims)
			if !ok {
				return "", fmt.Errorf("claims of the type %T", claims)
			}
			return a.keys.Sign(sa.Issuers[0], c)
		},
		MaxExpiration: sa.MaxExpiration, ExtendExpiration: sa.ExtendExpiration,
	}
}

// secretToken makes the token that a secret of a service account holds.
func (a *authentication) secretToken(account *corev1.ServiceAccount, secret string) (string, error) {
	return a.keys.SignLegacy(&serviceaccount.LegacyClaims{
		Namespace: account.Namespace, Account: account.Name, AccountUID: string(account.UID), Secret: secret,
	})
}

// secretUsed writes on a secret on which day its token was used last.
func (a *authentication) secretUsed(ctx context.Context, secret *corev1.Secret, day string) {
	if a.api == nil {
		return
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": secret.UID, "labels": map[string]string{serviceaccount.LastUsed: day}}})
	if err == nil {
		err = a.api.Patch(ctx, corev1.SchemeGroupVersion.WithResource("secrets"), secret.Namespace, secret.Name, "", types.MergePatchType, patch, &corev1.Secret{})
	}
	if err != nil {
		klog.ErrorS(err, "Note the use of a secret's token", "secret", klog.KObj(secret))
	}
}

func frontProxy(o *config.Options, serving *pki.Serving) authn.Authenticator {
	h := o.Authn.RequestHeader
	if h.ClientCAFile == "" {
		return nil
	}
	return authn.FrontProxy(authn.FrontProxyOptions{
		Roots: serving.ProxyRoots, AllowedNames: h.AllowedNames,
		UserHeaders: h.UsernameHeaders, UIDHeaders: h.UIDHeaders, GroupHeaders: h.GroupHeaders, ExtraPrefixes: h.ExtraHeadersPrefixes,
		Now: time.Now,
	})
}

func basic(passwords authn.TokenAuthenticator) authn.Authenticator {
	if passwords == nil {
		return nil
	}
	return authn.Basic(passwords)
}

// passwordFile gives who knows passwords, nil when nobody does.
func passwordFile(o *config.Options) (authn.TokenAuthenticator, error) {
	if o.Authn.BasicAuthFile == "" {
		return nil, nil
	}
	klog.Warning("HTTP basic authentication is on (--basic-auth-file): passwords travel with every request and cannot be revoked without a restart. Client certificates, tokens or OIDC are better.")
	file, err := authn.OpenPasswordFile(o.Authn.BasicAuthFile)
	if err != nil {
		return nil, fmt.Errorf("--basic-auth-file: %w", err)
	}
	// The file does not change, so the cache only saves the hashing.
	return authn.NewCache(file, authn.CacheOptions{Known: 5 * time.Minute, Unknown: time.Second}), nil
}

func (a *authentication) tokenFile(err *error) authn.TokenAuthenticator {
	if a.o.TokenAuthFile == "" {
		return nil
	}
	file, e := authn.OpenTokenFile(a.o.TokenAuthFile)
	if e != nil {
		*err = fmt.Errorf("--token-auth-file: %w", e)
		return nil
	}
	return authn.ForAPI(a.o.Audiences(), file)
}

func (a *authentication) serviceAccounts() authn.TokenAuthenticator {
	return serviceaccount.New(serviceaccount.Options{
		Keys: a.keys, Issuers: a.o.ServiceAccount.Issuers, Audiences: a.o.Audiences(), Lookup: a.lookup, Now: time.Now,
	})
}

func (a *authentication) legacyServiceAccounts() authn.TokenAuthenticator {
	return serviceaccount.NewLegacy(serviceaccount.LegacyOptions{
		Keys: a.keys, Audiences: a.o.Audiences(), SkipLookup: !a.o.ServiceAccount.Lookup, Lookup: a.lookup, Now: time.Now,
		Used: a.secretUsed,
	})
}

func (a *authentication) bootstrapTokens() authn.TokenAuthenticator {
	if !a.o.EnableBootstrapToken {
		return nil
	}
	return authn.ForAPI(a.o.Audiences(), authn.BootstrapTokens(a.lookup.Secret, time.Now))
}

// oidcProviders sets up the providers of the flags or of the configuration file,
// and what the file says about anonymous access.
func (a *authentication) oidcProviders(err *error) authn.TokenAuthenticator {
	d := oidc.DynamicOptions{OwnIssuers: a.o.ServiceAccount.Issuers, Now: time.Now}
	var e error
	switch f := a.o.OIDC; {
	case a.o.ConfigFile != "":
		d.Path, d.Algorithms = a.o.ConfigFile, oidc.Algorithms
		if d.Config, e = oidc.Load(a.o.ConfigFile, d.OwnIssuers); e == nil {
			e = a.configureAnonymous(d.Config)
		}
		if e != nil {
			*err = fmt.Errorf("--authentication-config: %w", e)
			return nil
		}
	case f.IssuerURL != "":
		d.Algorithms = f.SigningAlgs
		if d.Config, e = oidc.FromFlags(oidc.Flags(f), d.OwnIssuers); e != nil {
			*err = fmt.Errorf("--oidc-issuer-url: %w", e)
			return nil
		}
	default:
		return nil
	}
	if a.providers, e = oidc.NewDynamic(d); e != nil {
		*err = e
		return nil
	}
	settings := map[string]oidc.LoginSettings{}
	if f := a.o.DashboardOIDCConfigFile; f != "" {
		if settings, e = oidc.LoadLogins(f, d.Config); e != nil {
			*err = fmt.Errorf("--dashboard-oidc-config: %w", e)
			return nil
		}
	}
	a.logins = oidc.NewLogins(a.providers, settings)
	return authn.ForAPI(a.o.Audiences(), a.providers)
}

func (a *authentication) configureAnonymous(c *oidc.Config) error {
	if c.Anonymous == nil {
		return nil
	}
	if a.o.AnonymousGiven() {
		return errors.New("--anonymous-auth cannot be set when the file has the field anonymous")
	}
	a.anonymous = anonymousAccess{on: c.Anonymous.Enabled}
	for _, condition := range c.Anonymous.Conditions {
		a.anonymous.paths = append(a.anonymous.paths, condition.Path)
	}
	return nil
}

func (a *authentication) tokenWebhook(err *error) authn.TokenAuthenticator {
	w := a.o.TokenWebhook
	if w.ConfigFile == "" {
		return nil
	}
	hook, e := webhook.New(webhook.Options{File: w.ConfigFile, Version: w.Version, Audiences: a.o.Audiences()})
	if e != nil {
		*err = fmt.Errorf("--authentication-token-webhook-config-file: %w", e)
		return nil
	}
	return authn.NewCache(hook, authn.CacheOptions{Known: w.CacheTTL, Unknown: w.CacheTTL})
}
