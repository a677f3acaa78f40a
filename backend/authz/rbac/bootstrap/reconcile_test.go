package bootstrap

import (
	"context"
	"testing"

	"pilothouse/backend/authz"
	"pilothouse/backend/authz/rbac"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	resources "pilothouse/backend/resources/rbac"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage/memory"

	rbacv1 "k8s.io/api/rbac/v1"
)

func newRegistry(t *testing.T) *registry.Registry {
	t.Helper()
	r, err := registry.New(registry.Options{Engine: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Add(resources.Resources(&registry.Env{Registry: r})...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func change(t *testing.T, s *registry.Store, name string, f func(scheme.Object)) {
	t.Helper()
	_, err := s.Update(context.Background(), "", name, registry.UpdateOptions{Transform: func(_ context.Context, o scheme.Object) (scheme.Object, error) {
		f(o)
		return o, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func read[T any](t *testing.T, s *registry.Store, name string) T {
	t.Helper()
	o, err := s.Get(context.Background(), "", name, registry.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	obj, err := s.Decode(o)
	if err != nil {
		t.Fatal(err)
	}
	return obj.(T)
}

func TestReconcileMakesRepairsAndLeavesAlone(t *testing.T) {
	ctx, r := context.Background(), newRegistry(t)
	a, err := rbac.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Follow(r); err != nil {
		t.Fatal(err)
	}
	allows := func(u *request.User) bool {
		d, _, err := a.Authorize(ctx, &authz.Attributes{User: u, Verb: "delete", IsResource: true, Resource: "nodes"})
		if err != nil {
			t.Fatal(err)
		}
		return d == authz.Allow
	}
	master := &request.User{Name: "root", Groups: []string{request.GroupMasters}}
	if allows(master) {
		t.Error("allowed before there is a policy")
	}
	if err := Reconcile(ctx, r); err != nil {
		t.Fatal(err)
	}
	if !allows(master) || allows(&request.User{Name: "somebody", Groups: []string{request.GroupAuthenticated}}) {
		t.Error("cluster-admin is not bound to the masters alone")
	}
	roles, bindings := r.Store(rbacv1.GroupName, "clusterroles"), r.Store(rbacv1.GroupName, "clusterrolebindings")
	own := rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}
	change(t, roles, "system:basic-user", func(o scheme.Object) {
		o.(*rbacv1.ClusterRole).Rules = []rbacv1.PolicyRule{own}
		o.SetLabels(nil)
	})
	change(t, roles, "system:node-proxier", func(o scheme.Object) {
		o.(*rbacv1.ClusterRole).Rules = nil
		o.SetAnnotations(map[string]string{rbacv1.AutoUpdateAnnotationKey: "false"})
	})
	change(t, bindings, "cluster-admin", func(o scheme.Object) {
		o.(*rbacv1.ClusterRoleBinding).Subjects = []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "ann"}}
	})
	if allows(master) {
		t.Error("the masters are still bound")
	}
	before := r.Revision()
	if err := Reconcile(ctx, r); err != nil {
		t.Fatal(err)
	}
	if got := r.Revision() - before; got != 2 {
		t.Errorf("%d objects were written, want 2", got)
	}
	basic := read[*rbacv1.ClusterRole](t, roles, "system:basic-user")
	if len(basic.Rules) != 4 || basic.Rules[0].Resources[0] != "pods" || basic.Labels["kubernetes.io/bootstrapping"] == "" {
		t.Errorf("system:basic-user was not completed: %+v", basic)
	}
	if got := read[*rbacv1.ClusterRole](t, roles, "system:node-proxier"); len(got.Rules) != 0 {
		t.Error("a role that opted out was changed")
	}
	if got := read[*rbacv1.ClusterRoleBinding](t, bindings, "cluster-admin"); len(got.Subjects) != 2 || !allows(master) {
		t.Errorf("cluster-admin's subjects: %+v", got.Subjects)
	}
}
