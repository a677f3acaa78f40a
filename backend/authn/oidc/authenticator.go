package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"pilothouse/backend/authn"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	"k8s.io/klog/v2"
)

// retryInterval is the time between two tries to reach a provider that could not
// be reached yet.
const retryInterval = 10 * time.Second

// Options say how one provider's tokens are checked.
type Options struct {
	JWT apiserver.JWTAuthenticator
	// Algorithms are the signing algorithms that tokens may have.
	Algorithms []string
	OwnIssuers []string
	Now        func() time.Time
	// Retry is the time between two tries to reach the provider, retryInterval
	// when 0.
	Retry time.Duration
}

// Authenticator knows the ID tokens of one provider.
type Authenticator struct {
	o        Options
	mapper   authenticationcel.CELMapper
	required map[string]string
	client   *http.Client
	// issuerHash names the provider in metrics.
	issuerHash string
	// distributed finds groups that a token only points to; nil when groups are
	// not a claim.
	distributed *distributed

	verifier atomic.Pointer[verifier]
	// provider is what logins need; nil until the provider has answered.
	provider atomic.Pointer[loginProvider]
	// reached is closed when the provider has answered for the first time.
	reached chan struct{}
}

// verifier checks tokens with a provider's keys. Several audiences are checked
// here, since go-oidc knows only one.
type verifier struct {
	*gooidc.IDTokenVerifier
	audiences []string
}

// New gives an Authenticator. It knows nobody before Run has reached the
// provider.
func New(o Options) (*Authenticator, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Retry == 0 {
		o.Retry = retryInterval
	}
	mapper, errs := validation.CompileAndValidateJWTAuthenticator(authenticationcel.NewDefaultCompiler(), o.JWT, o.OwnIssuers)
	if err := errs.ToAggregate(); err != nil {
		return nil, err
	}
	client, err := newClient(o.JWT.Issuer, o.Now)
	if err != nil {
		return nil, err
	}
	a := &Authenticator{o: o, mapper: mapper, client: client, issuerHash: hashOf(o.JWT.Issuer.URL), required: map[string]string{}, reached: make(chan struct{})}
	for _, rule := range o.JWT.ClaimValidationRules {
		if rule.Claim != "" {
			a.required[rule.Claim] = rule.RequiredValue
		}
	}
	if claim := o.JWT.ClaimMappings.Groups.Claim; claim != "" {
		a.distributed = &distributed{claim: claim, client: client, verifier: a.newVerifier, known: map[string]*verifier{}}
	}
	return a, nil
}

// Reached is closed when the provider has answered.
func (a *Authenticator) Reached() <-chan struct{} { return a.reached }

// Run tries to reach the provider until it has, or until ctx ends. The provider
// may run in the cluster that this server is for.
func (a *Authenticator) Run(ctx context.Context) {
	issuer := a.o.JWT.Issuer.URL
	for {
		err := a.connect(ctx)
		if err == nil {
			klog.InfoS("OIDC provider reached", "issuer", issuer)
			close(a.reached)
			return
		}
		if ctx.Err() != nil {
			return
		}
		klog.ErrorS(err, "OIDC provider cannot be reached, its users are unknown until it can", "issuer", issuer)
		timer := time.NewTimer(a.o.Retry)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// connect reads the provider's configuration. go-oidc keeps the values of the
// context that it is given for later requests, not its end.
func (a *Authenticator) connect(ctx context.Context) error {
	ctx = gooidc.ClientContext(ctx, a.client)
	provider, err := gooidc.NewProvider(ctx, a.o.JWT.Issuer.URL)
	if err != nil {
		return err
	}
	var more struct {
		KeysURL    string   `json:"jwks_uri"`
		EndSession string   `json:"end_session_endpoint"`
		Scopes     []string `json:"scopes_supported"`
	}
	if err := provider.Claims(&more); err != nil {
		return err
	}
	if more.KeysURL == "" {
		return errors.New("provider did not return JWKS URL")
	}
	a.client.Transport.(*transport).setKeysURL(more.KeysURL) //nolint:forcetypeassert // newClient made it
	a.verifier.Store(a.newVerifier(provider))
	a.provider.Store(&loginProvider{provider, more.EndSession, more.Scopes})
	return nil
}

func (a *Authenticator) issuer() string { return a.o.JWT.Issuer.URL }

func (a *Authenticator) newVerifier(provider *gooidc.Provider) *verifier {
	audiences := a.o.JWT.Issuer.Audiences
	return &verifier{provider.Verifier(&gooidc.Config{
		SkipClientIDCheck: true, SupportedSigningAlgs: a.o.Algorithms, Now: a.o.Now,
	}), audiences}
}

// verify checks signature, issuer, times and audience.
func (v *verifier) verify(ctx context.Context, token string) (*gooidc.IDToken, error) {
	t, err := v.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(t.Audience, func(a string) bool { return slices.Contains(v.audiences, a) }) {
		return t, nil
	}
	if len(v.audiences) == 1 {
		return nil, fmt.Errorf("oidc: expected audience %q got %q", v.audiences[0], t.Audience)
	}
	return nil, fmt.Errorf("oidc: expected audience in %q got %q", slices.Sorted(slices.Values(v.audiences)), t.Audience)
}

// AuthenticateToken leaves tokens of other issuers alone.
func (a *Authenticator) AuthenticateToken(ctx context.Context, token string, _ []string) (*authn.Identity, error) {
	if statedIssuer(token) != a.issuer() {
		return nil, nil
	}
	start := time.Now()
	id, err := a.authenticate(ctx, token)
	latency.WithLabelValues(result(err), a.issuerHash).Observe(time.Since(start).Seconds())
	return id, err
}

func (a *Authenticator) authenticate(ctx context.Context, token string) (*authn.Identity, error) {
	v := a.verifier.Load()
	if v == nil {
		return nil, errors.New("oidc: authenticator not initialized")
	}
	verified, err := v.verify(ctx, token)
	if err != nil {
		return nil, fmt.Errorf("oidc: verify token: %w", err)
	}
	var c claims
	if err := verified.Claims(&c); err != nil {
		return nil, fmt.Errorf("oidc: parse claims: %w", err)
	}
	if a.distributed != nil {
		if err := a.distributed.expand(ctx, c); err != nil {
			return nil, fmt.Errorf("oidc: could not expand distributed claims: %w", err)
		}
	}
	user, err := a.userOf(ctx, c)
	if err != nil {
		return nil, err
	}
	return &authn.Identity{User: user}, nil
}

// googleIssuer is written without its scheme in some of Google's tokens.
const googleIssuer = "https://accounts.google.com"

// statedIssuer is who a token says issued it, empty when it is no JWT. Nothing
// about it is verified.
func statedIssuer(token string) string {
	var stated struct {
		Issuer string `json:"iss"`
	}
	if readPayload(token, &stated) != nil {
		return ""
	}
	if "https://"+stated.Issuer == googleIssuer {
		return googleIssuer
	}
	return stated.Issuer
}
