package backend

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/authz"
	"pilothouse/backend/authz/node"
	"pilothouse/backend/authz/rbac"
	"pilothouse/backend/config"
	"pilothouse/backend/pki"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/badger"

	rbacv1 "k8s.io/api/rbac/v1"
)

// openEngine opens the storage engine that the options ask for.
func openEngine(o *config.Options) (storage.Engine, error) {
	if err := makeFolder(o.Storage.DataDir); err != nil {
		return nil, err
	}
	e, err := badger.Open(badger.Options{Dir: filepath.Join(o.Storage.DataDir, "db")})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// authenticators gives who is asked who a caller is, in this order; nil ones
// are not set up.
func authenticators(o *config.Options, serving *pki.Serving, tokens, passwords authn.TokenAuthenticator) []authn.Authenticator {
	list := []authn.Authenticator{
		frontProxy(o, serving), // its certificate says that it speaks for others, so it comes before users'
		authn.ClientCertificate(serving.Roots, time.Now),
		authn.Bearer(tokens),
		authn.WebSocketBearer(tokens),
		basic(passwords),
	}
	return slices.DeleteFunc(list, func(a authn.Authenticator) bool { return a == nil })
}

// tokenAuthenticators gives who knows bearer tokens, in the order in which they
// are asked: what is decided here first, what takes a look elsewhere last. nil
// ones are not set up.
func (a *authentication) tokenAuthenticators() ([]authn.TokenAuthenticator, error) {
	var errs [3]error
	list := []authn.TokenAuthenticator{
		a.tokenFile(&errs[0]),
		a.legacyServiceAccounts(),
		a.serviceAccounts(),
		a.bootstrapTokens(),
		a.oidcProviders(&errs[1]),
		a.tokenWebhook(&errs[2]),
	}
	return slices.DeleteFunc(list, func(t authn.TokenAuthenticator) bool { return t == nil }), errors.Join(errs[:]...)
}

// authorizer gives who decides about requests, in this order. The masters come
// first whatever the modes are: they repair a policy that locks everyone out. The
// RBAC policy is there whatever the modes are, for what has to know roles.
func authorizer(o *config.Options, r *registry.Registry) (authz.Authorizer, *rbac.Authorizer, error) {
	policy, err := rbac.New()
	if err != nil {
		return nil, nil, err
	}
	if err := policy.Follow(r); err != nil {
		return nil, nil, err
	}
	list := []authz.Authorizer{authz.Masters()}
	for _, mode := range o.Authz.Modes {
		switch mode {
		case "AlwaysAllow":
			list = append(list, authz.AlwaysAllow())
		case "AlwaysDeny":
			list = append(list, authz.AlwaysDeny())
		case "Node":
			nodes, err := node.New(r)
			if err != nil {
				return nil, nil, err
			}
			list = append(list, nodes)
		case "RBAC":
			list = append(list, policy)
		}
	}
	return authz.Union(list...), policy, nil
}

// access is what reviews of access and checks of grants ask.
func access(a authz.Authorizer, policy *rbac.Authorizer) registry.Access {
	return registry.Access{
		Authorize: func(ctx context.Context, u *request.User, i *request.Info) (registry.AccessDecision, error) {
			attributes := authz.FromInfo(u, i)
			decision, reason, err := a.Authorize(ctx, &attributes)
			return registry.AccessDecision{Allowed: decision == authz.Allow, Denied: decision == authz.Deny, Reason: reason}, err
		},
		Rules: func(_ context.Context, u *request.User, namespace string) ([]rbacv1.PolicyRule, []error) {
			return policy.RulesFor(u, namespace)
		},
		RoleRules: policy.RoleRules,
	}
}
