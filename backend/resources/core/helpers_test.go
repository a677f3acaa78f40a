package core_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources/core"
	"pilothouse/backend/resources/networking"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/memory"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// server is a registry with the kinds of core and networking over memory.
type server struct {
	t   *testing.T
	ctx context.Context
	req *request.Request
	env *registry.Env
}

func newServer(t *testing.T) *server { return newServerOver(t, memory.New()) }

func newServerOver(t *testing.T, engine storage.Engine) *server {
	t.Helper()
	clock := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	r, err := registry.New(registry.Options{Engine: engine, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	env := &registry.Env{
		Clock:          clock,
		Registry:       r,
		ServiceIPRange: netip.MustParsePrefix("10.0.0.0/24"),
		NodePortMin:    30000,
		NodePortMax:    32767,
	}
	if err := r.Add(append(core.Resources(env), networking.Resources(env)...)...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, req: &request.Request{}, env: env}
	s.ctx = request.With(t.Context(), s.req)
	return s
}

func (s *server) store(group, resource string) *registry.Store {
	s.t.Helper()
	store := s.env.Registry.Store(group, resource)
	if store == nil {
		s.t.Fatalf("no store of %s", resource)
	}
	return store
}

func (s *server) services() *registry.Store { return s.store("", "services") }

// defaulted is obj as the server has it after decoding.
func defaulted[T scheme.Object](store *registry.Store, obj T) T {
	if d := store.Resource().Hub().Default; d != nil {
		d(obj)
	}
	return obj
}

// create gives the stored object or the error's text.
func create[T scheme.Object](s *server, store *registry.Store, obj T, dryRun bool) (T, string) {
	s.t.Helper()
	r, err := store.Create(s.ctx, defaulted(store, obj), registry.CreateOptions{DryRun: dryRun})
	if err != nil {
		var none T
		return none, err.Error()
	}
	return r.Hub.(T), ""
}

// update changes an object and gives what is stored then or the error's text.
func update[T scheme.Object](s *server, store *registry.Store, ns, name string, change func(T)) (T, string) {
	s.t.Helper()
	r, err := store.Update(s.ctx, ns, name, registry.UpdateOptions{
		Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
			obj := current.(T)
			change(obj)
			return defaulted(store, obj), nil
		},
	})
	if err != nil {
		var none T
		return none, err.Error()
	}
	return r.Hub.(T), ""
}

func service(name string, spec corev1.ServiceSpec) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Spec: spec}
}

func ports(numbers ...int32) []corev1.ServicePort {
	var out []corev1.ServicePort
	for _, n := range numbers {
		out = append(out, corev1.ServicePort{Port: n})
	}
	return out
}
