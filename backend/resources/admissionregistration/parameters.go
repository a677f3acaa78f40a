package admissionregistration

import (
	"context"
	"fmt"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Policies see their parameters whoever makes a request. So who names a kind of
// parameters, or parameters, must be allowed to read them himself. The masters,
// and work that no client asked for, are free.

// readers makes a strategy ask, once an object is valid, whether its writer may
// read what it names at a path. may gives the refusal, or nil.
func readers[T scheme.Object](s registry.For[T], at *field.Path, may func(ctx context.Context, obj, old T) error) registry.For[T] {
	validate, validateUpdate := s.Validate, s.ValidateUpdate
	ask := func(ctx context.Context, errs field.ErrorList, obj, old T) field.ErrorList {
		if len(errs) > 0 {
			return errs
		}
		if err := may(ctx, obj, old); err != nil {
			return field.ErrorList{field.Forbidden(at, err.Error())}
		}
		return nil
	}
	s.Validate = func(ctx context.Context, obj T) field.ErrorList {
		var none T
		return ask(ctx, validate(ctx, obj), obj, none)
	}
	s.ValidateUpdate = func(ctx context.Context, obj, old T) field.ErrorList {
		return ask(ctx, validateUpdate(ctx, obj, old), obj, old)
	}
	return s
}

// asked gives whom to ask about, nil for who may read everything.
func asked(ctx context.Context, env *registry.Env) *request.User {
	u := request.UserFrom(ctx)
	if env == nil || env.Access == nil || u.InGroup(request.GroupMasters) {
		return nil
	}
	return u
}

// mayReadKind is for policies: k is what they name, old what they named before.
// Everything of the kind must be readable, unless that was so before.
func mayReadKind(ctx context.Context, env *registry.Env, k, old *admissionregistrationv1.ParamKind) error {
	u := asked(ctx, env)
	if u == nil || k == nil || old != nil && *old == *k {
		return nil
	}
	gvr := resourceOf(env.Registry, k)
	allowed, err := mayGet(ctx, env, u, gvr, "*", "*")
	if err == nil && !allowed {
		err = fmt.Errorf(`user %s must have "get" permission on all objects of the referenced paramKind (kind=%s, apiVersion=%s)`, inWords(u), k.Kind, k.APIVersion)
	}
	return err
}

// mayReadParams is for bindings of the policy of a name; policies is the
// resource of that. A policy that is not there could become one with any kind.
func mayReadParams(ctx context.Context, env *registry.Env, policies, policy string, r *admissionregistrationv1.ParamRef) error {
	u := asked(ctx, env)
	if u == nil || r == nil {
		return nil
	}
	gvr := anyResource
	if k := paramKindOf(ctx, env.Registry, policies, policy); k != nil {
		gvr = resourceOf(env.Registry, k)
	}
	allowed, err := mayGet(ctx, env, u, gvr, r.Namespace, r.Name)
	if err == nil && !allowed {
		err = fmt.Errorf(`user %s does not have "get" permission on the object referenced by paramRef`, inWords(u))
	}
	return err
}

func mayGet(ctx context.Context, env *registry.Env, u *request.User, gvr schema.GroupVersionResource, namespace, name string) (bool, error) {
	d, err := env.Access.Authorize(ctx, u, &request.Info{
		IsResource: true, Verb: "get", Group: gvr.Group, Version: gvr.Version, Resource: gvr.Resource, Namespace: namespace, Name: name,
	})
	return d.Allowed, err
}

var anyResource = schema.GroupVersionResource{Group: "*", Version: "*", Resource: "*"}

// resourceOf gives the resource of a kind; a kind that is not served could be
// any resource of its version.
func resourceOf(r *registry.Registry, k *admissionregistrationv1.ParamKind) schema.GroupVersionResource {
	gv, err := schema.ParseGroupVersion(k.APIVersion)
	if err != nil {
		return anyResource
	}
	if e, ok := r.Table().ForKind(gv.WithKind(k.Kind)); ok {
		return e.GVR()
	}
	return gv.WithResource("*")
}

// paramKindOf gives the kind of parameters of a policy, nil if it has none or
// is not there.
func paramKindOf(ctx context.Context, r *registry.Registry, policies, name string) *admissionregistrationv1.ParamKind {
	store := r.Store(group, policies)
	if store == nil {
		return nil
	}
	stored, err := store.Get(ctx, "", name, registry.GetOptions{})
	if err != nil {
		return nil
	}
	obj, err := store.Decode(stored)
	if err != nil {
		return nil
	}
	switch p := obj.(type) {
	case *admissionregistrationv1.ValidatingAdmissionPolicy:
		return p.Spec.ParamKind
	case *admissionregistrationv1.MutatingAdmissionPolicy:
		return p.Spec.ParamKind
	}
	return nil
}

// inWords prints a user as upstream prints its type of users.
func inWords(u *request.User) string {
	return fmt.Sprintf("&{%s %s %v %v}", u.Name, u.UID, u.Groups, u.Extra)
}
