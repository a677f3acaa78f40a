package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pilothouse/backend/authz"
	"pilothouse/backend/authz/node"
	"pilothouse/backend/authz/rbac"
	"pilothouse/backend/authz/structured"
	"pilothouse/backend/config"
	"pilothouse/backend/history"
	"pilothouse/backend/life"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	rbacv1 "k8s.io/api/rbac/v1"
)

// authorization is everything that knows who may do what. lists.go has what
// there is and the order.
type authorization struct {
	authz.Authorizer
	// policy is that of RBAC. It is there whatever the configuration says, for
	// what has to know roles.
	policy *rbac.Authorizer
	// configured is what the flags or the file ask for.
	configured *structured.Dynamic
}

// newAuthorization sets everything up. Errors name the flag.
func newAuthorization(o *config.Options, r *registry.Registry) (*authorization, error) {
	policy, err := rbac.New()
	if err != nil {
		return nil, err
	}
	if err := policy.Follow(r); err != nil {
		return nil, err
	}
	kinds := authorizers(r, policy)
	c, flag, err := authorizationConfig(&o.Authz, kinds)
	if err != nil {
		return nil, err
	}
	configured, err := structured.New(structured.Options{Config: c, Path: o.Authz.ConfigFile, Kinds: kinds})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return &authorization{authz.Union(authz.Masters(), life.AllowOwn(), history.AllowQuestion(), configured), policy, configured}, nil
}

// authorizationConfig gives what the flags or the file say, and the flag that
// faults found later are about.
func authorizationConfig(o *config.Authz, kinds map[string]func() (authz.Authorizer, error)) (*structured.Config, string, error) {
	if o.ConfigFile == "" {
		w := o.Webhook
		return structured.FromFlags(structured.Flags{
			Modes: o.Modes, WebhookFile: w.ConfigFile, WebhookVersion: w.Version, AuthorizedTTL: w.AuthorizedTTL, UnauthorizedTTL: w.UnauthorizedTTL,
		}), "--authorization-webhook-config-file", nil
	}
	const flag = "--authorization-config"
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	c, err := structured.Load(o.ConfigFile, names)
	if err != nil {
		return nil, flag, fmt.Errorf("%s: %w", flag, err)
	}
	return c, flag, nil
}

// nodes is the authorizer of nodes.
func nodes(r *registry.Registry) func() (authz.Authorizer, error) {
	return func() (authz.Authorizer, error) {
		a, err := node.New(r)
		if err != nil {
			return nil, err
		}
		return a, nil
	}
}

func always(a authz.Authorizer) func() (authz.Authorizer, error) {
	return func() (authz.Authorizer, error) { return a, nil }
}

// access is what reviews of access and checks of grants ask.
func (a *authorization) access() registry.Access {
	return registry.Access{
		Authorize: func(ctx context.Context, u *request.User, i *request.Info) (registry.AccessDecision, error) {
			attributes := authz.FromInfo(u, i)
			decision, reason, err := a.Authorize(ctx, &attributes)
			return registry.AccessDecision{Allowed: decision == authz.Allow, Denied: decision == authz.Deny, Reason: reason}, err
		},
		Rules: func(_ context.Context, u *request.User, namespace string) ([]rbacv1.PolicyRule, []error) {
			return a.rules(u, namespace)
		},
		RoleRules: a.policy.RoleRules,
	}
}

// everything is the rules of somebody who may do everything.
var everything = []rbacv1.PolicyRule{
	{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}},
	{Verbs: []string{"*"}, NonResourceURLs: []string{"*"}},
}

// rules gives all that a user may do in a namespace as far as the authorizers
// can tell without a question.
func (a *authorization) rules(u *request.User, namespace string) (rules []rbacv1.PolicyRule, faults []error) {
	types := a.configured.Types()
	if slices.Contains(types, "AlwaysAllow") {
		rules = append(rules, everything...)
	}
	if slices.Contains(types, "RBAC") {
		more, missing := a.policy.RulesFor(u, namespace)
		rules, faults = append(rules, more...), missing
	}
	if _, ok := node.Name(u); ok && slices.Contains(types, "Node") {
		faults = append(faults, errors.New("node authorizer does not support user rule resolution"))
	}
	if slices.Contains(types, structured.Webhook) {
		faults = append(faults, errors.New("webhook authorizer does not support user rule resolution"))
	}
	return rules, faults
}
