package bootstrap

import (
	"context"
	"fmt"
	"reflect"

	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// writers is how many objects are written at a time: commits of one moment share
// one sync of the disk.
const writers = 64

// Reconcile brings the default policy into a registry: what is missing is made;
// what is there gets back the rules, subjects, labels and annotations that it
// lacks, unless its annotation rbac.authorization.kubernetes.io/autoupdate says
// "false". What an administrator added stays ("auto-reconciliation" in the RBAC
// documentation). It is run at every start.
func Reconcile(ctx context.Context, r *registry.Registry) error {
	p, err := Default()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	write := func(resource string, want scheme.Object) {
		g.Go(func() error {
			return metrics.Protected("bootstrap", func() error { return ensure(ctx, r, resource, want) })
		})
	}
	for i := range p.ClusterRoles {
		write("clusterroles", &p.ClusterRoles[i])
	}
	for i := range p.Roles {
		write("roles", &p.Roles[i])
	}
	for i := range p.ClusterRoleBindings {
		write("clusterrolebindings", &p.ClusterRoleBindings[i])
	}
	for i := range p.RoleBindings {
		write("rolebindings", &p.RoleBindings[i])
	}
	return g.Wait()
}

func ensure(ctx context.Context, r *registry.Registry, resource string, want scheme.Object) error {
	store := r.Store(rbacv1.GroupName, resource)
	if store == nil {
		return fmt.Errorf("%s are not served", resource)
	}
	err := ensureIn(ctx, store, want)
	if err != nil {
		return fmt.Errorf("default %s %s: %w", resource, want.GetName(), err)
	}
	return nil
}

func ensureIn(ctx context.Context, store *registry.Store, want scheme.Object) error {
	namespace, name := want.GetNamespace(), want.GetName()
	o, err := store.Get(ctx, namespace, name, registry.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = store.Create(ctx, want, registry.CreateOptions{})
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		o, err = store.Get(ctx, namespace, name, registry.GetOptions{})
	}
	if err != nil {
		return err
	}
	have, err := store.Decode(o)
	if err != nil {
		return err
	}
	if have.GetAnnotations()[rbacv1.AutoUpdateAnnotationKey] == "false" {
		return nil
	}
	if otherRole(have, want) {
		// A binding's role cannot be changed, so it is made anew.
		if _, err := store.Delete(ctx, namespace, name, registry.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		_, err := store.Create(ctx, want, registry.CreateOptions{})
		return err
	}
	if !complete(have, want) {
		return nil
	}
	_, err = store.Update(ctx, namespace, name, registry.UpdateOptions{Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
		complete(current, want)
		return current, nil
	}})
	return err
}

// otherRole tells that a binding points to another role than it should.
func otherRole(have, want scheme.Object) bool {
	switch w := want.(type) {
	case *rbacv1.ClusterRoleBinding:
		return have.(*rbacv1.ClusterRoleBinding).RoleRef != w.RoleRef
	case *rbacv1.RoleBinding:
		return have.(*rbacv1.RoleBinding).RoleRef != w.RoleRef
	}
	return false
}

// complete adds to an object what the default one has more, and tells whether
// that changed anything.
func complete(have, want scheme.Object) bool {
	labels, changed := merged(have.GetLabels(), want.GetLabels())
	have.SetLabels(labels)
	annotations, more := merged(have.GetAnnotations(), want.GetAnnotations())
	have.SetAnnotations(annotations)
	changed = changed || more
	switch w := want.(type) {
	case *rbacv1.ClusterRole:
		h := have.(*rbacv1.ClusterRole)
		if w.AggregationRule != nil {
			// The rules are the aggregation controller's.
			if h.AggregationRule == nil {
				h.AggregationRule = &rbacv1.AggregationRule{}
			}
			for _, s := range w.AggregationRule.ClusterRoleSelectors {
				changed = addMissing(&h.AggregationRule.ClusterRoleSelectors, s) || changed
			}
			return changed
		}
		return completeRules(&h.Rules, w.Rules) || changed
	case *rbacv1.Role:
		return completeRules(&have.(*rbacv1.Role).Rules, w.Rules) || changed
	case *rbacv1.ClusterRoleBinding:
		h := have.(*rbacv1.ClusterRoleBinding)
		for _, s := range w.Subjects {
			changed = addMissing(&h.Subjects, s) || changed
		}
	case *rbacv1.RoleBinding:
		h := have.(*rbacv1.RoleBinding)
		for _, s := range w.Subjects {
			changed = addMissing(&h.Subjects, s) || changed
		}
	}
	return changed
}

func completeRules(have *[]rbacv1.PolicyRule, want []rbacv1.PolicyRule) bool {
	covered, missing := validation.Covers(*have, want)
	if covered {
		return false
	}
	*have = append(*have, missing...)
	return true
}

func addMissing[T any](list *[]T, want T) bool {
	for i := range *list {
		if reflect.DeepEqual((*list)[i], want) {
			return false
		}
	}
	*list = append(*list, want)
	return true
}

func merged(have, want map[string]string) (map[string]string, bool) {
	changed := false
	for k, v := range want {
		if _, there := have[k]; there {
			continue
		}
		if have == nil {
			have = map[string]string{}
		}
		have[k], changed = v, true
	}
	return have, changed
}
