package plugins

import (
	"context"
	"fmt"

	"pilothouse/backend/admission"
	"pilothouse/backend/authz"
	"pilothouse/backend/registry"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ownerReferences lets only those set the owners of an object who may delete
// it, and only those hold up the deletion of an owner who may set its
// finalizers.
type ownerReferences struct {
	handler
	registry   *registry.Registry
	authorizer authz.Authorizer
}

func newOwnerReferences(d *deps) (admission.Plugin, error) {
	handles := func(op admission.Operation, e *registry.Entry, subresource string) bool {
		if op != admission.Create && op != admission.Update {
			return false
		}
		// A pod's status cannot change owners, and old kubelets garble them.
		return subresource != "status" || e.Resource.Group != "" || e.Resource.Name != "pods"
	}
	return &ownerReferences{handler{"OwnerReferencesPermissionEnforcement", handles}, d.Registry, d.Authorizer}, nil
}

// Validate asks when owners change.
func (p *ownerReferences) Validate(ctx context.Context, a *admission.Attributes) error {
	next, old := ownersOf(a.Object), ownersOf(a.Old)
	if len(next) == len(old) && (len(next) == 0 || equality.Semantic.DeepEqual(next, old)) {
		return nil
	}
	decision, reason, err := p.authorizer.Authorize(ctx, &authz.Attributes{
		User: a.User, Verb: "delete", IsResource: true, Namespace: a.Namespace,
		Group: a.Resource.Group, Version: a.Resource.Version, Resource: a.Resource.Resource, Subresource: a.Subresource, Name: a.Name,
	})
	if decision != authz.Allow {
		return admission.Forbid(a, fmt.Sprintf("cannot set an ownerRef on a resource you can't delete: %v, %v", reason, err))
	}
	for _, ref := range newlyBlocking(next, old) {
		if err := p.mayBlock(ctx, a, ref); err != nil {
			return err
		}
	}
	return nil
}

func ownersOf(obj runtime.Object) []metav1.OwnerReference {
	if obj == nil {
		return nil
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil
	}
	return m.GetOwnerReferences()
}

// newlyBlocking gives the owners whose deletion is held up from now on.
func newlyBlocking(next, old []metav1.OwnerReference) []metav1.OwnerReference {
	blocked := map[string]bool{}
	for _, ref := range old {
		blocked[string(ref.UID)] = ref.BlockOwnerDeletion != nil && *ref.BlockOwnerDeletion
	}
	var list []metav1.OwnerReference
	for _, ref := range next {
		if ref.BlockOwnerDeletion != nil && *ref.BlockOwnerDeletion && !blocked[string(ref.UID)] {
			list = append(list, ref)
		}
	}
	return list
}

func (p *ownerReferences) mayBlock(ctx context.Context, a *admission.Attributes, ref metav1.OwnerReference) error {
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	e, ok := p.registry.Table().ForKind(gv.WithKind(ref.Kind))
	if err != nil || !ok {
		return admission.Forbid(a, fmt.Sprintf("cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion %v Kind %v", ref.APIVersion, ref.Kind))
	}
	question := authz.Attributes{
		User: a.User, Verb: "update", IsResource: true,
		Group: gv.Group, Version: gv.Version, Resource: e.Resource.Name, Subresource: "finalizers", Name: ref.Name,
	}
	if e.Resource.Namespaced {
		question.Namespace = a.Namespace
	}
	if decision, reason, err := p.authorizer.Authorize(ctx, &question); decision != authz.Allow {
		return admission.Forbid(a, fmt.Sprintf("cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: %v, %v", reason, err))
	}
	return nil
}
