package rbac

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// Nobody gives rights that he does not have ("privilege escalation prevention" in
// the RBAC documentation): who writes a role needs its rules or the verb escalate,
// who binds one needs them or the verb bind on it. The masters, and work that no
// client asked for, are free.

// grants gives the rules that an object gives to others, false when it does not
// differ from old in that.
type grants func(env *registry.Env, ctx context.Context, obj, old scheme.Object) error

// guarded puts an escalation check before every write of a strategy.
func guarded(env *registry.Env, s registry.Strategy, check grants) registry.Strategy {
	s.BeginCreate = func(ctx context.Context, obj scheme.Object, _ bool) (func(bool), error) {
		return nil, check(env, ctx, obj, nil)
	}
	s.BeginUpdate = func(ctx context.Context, obj, old scheme.Object, _ bool) (func(bool), error) {
		if onlyLeaving(obj, old) {
			return nil, nil
		}
		return nil, check(env, ctx, obj, old)
	}
	return s
}

// onlyLeaving tells an update that changes nothing but finalizers or owners, as
// garbage collection does.
func onlyLeaving(obj, old scheme.Object) bool {
	if len(obj.GetFinalizers()) > 0 && !slices.Equal(obj.GetFinalizers(), old.GetFinalizers()) {
		return false
	}
	a, b := obj.DeepCopyObject().(scheme.Object), old.DeepCopyObject().(scheme.Object)
	for _, o := range []scheme.Object{a, b} {
		o.SetOwnerReferences(nil)
		o.SetFinalizers(nil)
		o.SetManagedFields(nil)
		o.SetResourceVersion("")
		o.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	}
	return equality.Semantic.DeepEqual(a, b)
}

// free is who may grant anything.
func free(env *registry.Env, u *request.User) bool {
	return env == nil || env.Access == nil || u == nil || u.InGroup(request.GroupMasters)
}

// checkRole is for Roles and ClusterRoles.
func checkRole(resource string, rulesOf func(scheme.Object) ([]rbacv1.PolicyRule, bool)) grants {
	return func(env *registry.Env, ctx context.Context, obj, old scheme.Object) error {
		u := request.UserFrom(ctx)
		if free(env, u) {
			return nil
		}
		rules, aggregated := rulesOf(obj)
		if old != nil {
			_, was := rulesOf(old)
			aggregated = aggregated || was
		}
		i := request.From(ctx).Info
		if allowed(ctx, env, u, &request.Info{IsResource: true, Verb: "escalate", Group: group, Version: "*", Resource: resource, Name: i.Name, Namespace: i.Namespace}) {
			return nil
		}
		forbidden := func(err error) error {
			return apierrors.NewForbidden(schema.GroupResource{Group: group, Resource: resource}, obj.GetName(), err)
		}
		if err := covered(ctx, env, u, obj.GetNamespace(), rules); err != nil {
			return forbidden(err)
		}
		// Whoever may label roles decides what an aggregated one allows.
		if aggregated && covered(ctx, env, u, obj.GetNamespace(), everything) != nil {
			return forbidden(errors.New("must have cluster-admin privileges to use the aggregationRule"))
		}
		return nil
	}
}

var everything = []rbacv1.PolicyRule{
	{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}},
	{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}},
}

// checkBinding is for RoleBindings and ClusterRoleBindings.
func checkBinding(resource string, of func(scheme.Object) rbacv1.RoleRef) grants {
	return func(env *registry.Env, ctx context.Context, obj, _ scheme.Object) error {
		u := request.UserFrom(ctx)
		if free(env, u) {
			return nil
		}
		ref := of(obj)
		namespace, roles := obj.GetNamespace(), "clusterroles"
		roleNamespace := ""
		if ref.Kind == "Role" {
			roles, roleNamespace = "roles", namespace
		}
		if allowed(ctx, env, u, &request.Info{IsResource: true, Verb: "bind", Group: group, Version: "*", Resource: roles, Name: ref.Name, Namespace: namespace}) {
			return nil
		}
		rules, ok := env.Access.RoleRules(roleNamespace, ref.Name)
		if !ok {
			return apierrors.NewNotFound(schema.GroupResource{Group: group, Resource: resource}, ref.Name)
		}
		if err := covered(ctx, env, u, namespace, rules); err != nil {
			return apierrors.NewForbidden(schema.GroupResource{Group: group, Resource: resource}, obj.GetName(), err)
		}
		return nil
	}
}

func allowed(ctx context.Context, env *registry.Env, u *request.User, i *request.Info) bool {
	d, err := env.Access.Authorize(ctx, u, i)
	return err == nil && d.Allowed
}

// covered checks that a user has rules himself; the error lists those missing.
func covered(ctx context.Context, env *registry.Env, u *request.User, namespace string, rules []rbacv1.PolicyRule) error {
	own, faults := env.Access.Rules(ctx, u, namespace)
	ok, missing := validation.Covers(own, rules)
	if ok {
		return nil
	}
	var lines []string
	for _, r := range compact(missing) {
		lines = append(lines, describe(r))
	}
	slices.Sort(lines)
	text := fmt.Sprintf("user %q (groups=%q) is attempting to grant RBAC permissions not currently held:\n%s", u.Name, u.Groups, strings.Join(slices.Compact(lines), "\n"))
	if len(faults) > 0 {
		text += fmt.Sprintf("; resolution errors: %v", faults)
	}
	return errors.New(text)
}

// compact joins rules about the same single resource into one with all verbs.
func compact(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	type key struct{ group, resource, name string }
	at := map[key]int{}
	var out []rbacv1.PolicyRule
	for _, r := range rules {
		if len(r.APIGroups) != 1 || len(r.Resources) != 1 || len(r.ResourceNames) > 1 || len(r.NonResourceURLs) > 0 {
			out = append(out, r)
			continue
		}
		k := key{group: r.APIGroups[0], resource: r.Resources[0]}
		if len(r.ResourceNames) == 1 {
			k.name = r.ResourceNames[0]
		}
		if i, ok := at[k]; ok {
			for _, v := range r.Verbs {
				if !slices.Contains(out[i].Verbs, v) {
					out[i].Verbs = append(out[i].Verbs, v)
				}
			}
			continue
		}
		at[k] = len(out)
		r.Verbs = slices.Clone(r.Verbs)
		out = append(out, r)
	}
	return out
}

// describe gives a rule in the form of Kubernetes' message.
func describe(r rbacv1.PolicyRule) string {
	var parts []string
	for _, f := range []struct {
		name string
		list []string
	}{{"APIGroups", r.APIGroups}, {"Resources", r.Resources}, {"NonResourceURLs", r.NonResourceURLs}, {"ResourceNames", r.ResourceNames}, {"Verbs", r.Verbs}} {
		if len(f.list) > 0 {
			parts = append(parts, fmt.Sprintf("%s:%q", f.name, f.list))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
