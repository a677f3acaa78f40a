package backend

import (
	"fmt"
	"path/filepath"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/authz"
	"pilothouse/backend/authz/rbac"
	"pilothouse/backend/config"
	"pilothouse/backend/pki"
	"pilothouse/backend/registry"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/badger"
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

// authenticator gives who is asked who a caller is, in this order.
func authenticator(o *config.Options, serving *pki.Serving) (authn.Authenticator, error) {
	tokens, err := tokenAuthenticators(o)
	if err != nil {
		return nil, err
	}
	known := authn.WithGroups(authn.Union(
		authn.ClientCertificate(serving.Roots, time.Now),
		authn.Bearer(tokens),
		authn.WebSocketBearer(tokens),
	))
	if o.Authn.Anonymous {
		return authn.OrElse(known, authn.Anonymous()), nil
	}
	return known, nil
}

// tokenAuthenticators gives who knows bearer tokens, in the order in which they
// are asked.
func tokenAuthenticators(o *config.Options) (authn.TokenAuthenticator, error) {
	var list []authn.TokenAuthenticator
	if o.Authn.TokenAuthFile != "" {
		file, err := authn.OpenTokenFile(o.Authn.TokenAuthFile)
		if err != nil {
			return nil, fmt.Errorf("--token-auth-file: %w", err)
		}
		list = append(list, file)
	}
	return authn.UnionTokens(list...), nil
}

// authorizer gives who decides about requests, in this order. The masters come
// first whatever the modes are: they repair a policy that locks everyone out.
func authorizer(o *config.Options, r *registry.Registry) (authz.Authorizer, error) {
	list := []authz.Authorizer{authz.Masters()}
	for _, mode := range o.Authz.Modes {
		switch mode {
		case "AlwaysAllow":
			list = append(list, authz.AlwaysAllow())
		case "RBAC":
			policy, err := rbac.New()
			if err != nil {
				return nil, err
			}
			if err := policy.Follow(r); err != nil {
				return nil, err
			}
			list = append(list, policy)
		}
	}
	return authz.Union(list...), nil
}
