package backend

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/authz"
	"pilothouse/backend/authz/rbac"
	"pilothouse/backend/config"
	"pilothouse/backend/pki"
	"pilothouse/backend/registry"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/badger"
	"pilothouse/backend/storage/etcd"
)

// openEngine opens the storage engine that the options ask for.
func openEngine(ctx context.Context, o *config.Storage) (storage.Engine, error) {
	if err := makeFolder(o.DataDir); err != nil {
		return nil, err
	}
	if o.Etcd.InUse() {
		return openCluster(ctx, o)
	}
	return openFolder(o)
}

func openFolder(o *config.Storage) (storage.Engine, error) {
	e, err := badger.Open(badger.Options{Dir: filepath.Join(o.DataDir, "db")})
	if err != nil {
		return nil, err
	}
	return e, nil
}

func openCluster(ctx context.Context, o *config.Storage) (storage.Engine, error) {
	e, err := etcd.Open(ctx, etcd.Options{
		Endpoints: o.Etcd.Servers, Prefix: o.Etcd.Prefix,
		CAFile: o.Etcd.CAFile, CertFile: o.Etcd.CertFile, KeyFile: o.Etcd.KeyFile,
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// authenticators gives who is asked who a caller is, in this order; nil ones
// are not set up.
func authenticators(o *config.Options, serving *pki.Serving, tokens, passwords authn.TokenAuthenticator) []authn.Authenticator {
	list := []authn.Authenticator{
		authn.Named("front proxy", frontProxy(o, serving)), // its certificate says that it speaks for others, so it comes before users'
		authn.Named("client certificate", authn.ClientCertificate(serving.Roots, time.Now)),
		authn.Bearer(tokens),
		authn.WebSocketBearer(tokens),
		authn.Named("password file", basic(passwords)),
	}
	return slices.DeleteFunc(list, func(a authn.Authenticator) bool { return a == nil })
}

// tokenAuthenticators gives who knows bearer tokens, in the order in which they
// are asked: what is decided here first, what takes a look elsewhere last. nil
// ones are not set up.
func (a *authentication) tokenAuthenticators() ([]authn.TokenAuthenticator, error) {
	var errs [3]error
	list := []authn.TokenAuthenticator{
		authn.NamedTokens("token file", a.tokenFile(&errs[0])),
		authn.NamedTokens("legacy service account token", a.legacyServiceAccounts()),
		authn.NamedTokens("service account token", a.serviceAccounts()),
		authn.NamedTokens("bootstrap token", a.bootstrapTokens()),
		authn.NamedTokens("OIDC", a.oidcProviders(&errs[1])),
		authn.NamedTokens("token webhook", a.tokenWebhook(&errs[2])),
	}
	return slices.DeleteFunc(list, func(t authn.TokenAuthenticator) bool { return t == nil }), errors.Join(errs[:]...)
}

// authorizers gives the types of authorizers besides Webhook. The flags or the
// configuration say which are asked and in which order; the masters come before
// all of them: they repair a policy that locks everyone out.
func authorizers(r *registry.Registry, policy *rbac.Authorizer) map[string]func() (authz.Authorizer, error) {
	return map[string]func() (authz.Authorizer, error){
		"AlwaysAllow": always(authz.AlwaysAllow()),
		"AlwaysDeny":  always(authz.AlwaysDeny()),
		"Node":        nodes(r),
		"RBAC":        always(policy),
	}
}
