package registry

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/badger"
	"pilothouse/backend/storage/memory"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// env is a registry with a few kinds over an engine.
type env struct {
	t   *testing.T
	ctx context.Context
	req *request.Request
	*Registry
	now      atomic.Pointer[time.Time]
	uids     atomic.Int64
	suffixes []string
}

// onEachEngine runs a test on the memory engine and on Badger.
func onEachEngine(t *testing.T, test func(e *env)) {
	t.Run("memory", func(t *testing.T) { test(newEnv(t, memory.New())) })
	t.Run("badger", func(t *testing.T) { test(newEnv(t, openBadger(t, t.TempDir()))) })
}

func openBadger(t testing.TB, dir string) storage.Engine {
	t.Helper()
	e, err := badger.Open(badger.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func newEnv(t *testing.T, engine storage.Engine, more ...Resource) *env {
	t.Helper()
	e := &env{t: t, req: &request.Request{}}
	e.ctx = request.With(t.Context(), e.req)
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e.now.Store(&start)
	r, err := New(Options{
		Engine: engine,
		Clock:  func() time.Time { return *e.now.Load() },
		NewUID: func() string { return fmt.Sprintf("uid-%d", e.uids.Add(1)) },
		NameSuffix: func() string {
			if len(e.suffixes) == 0 {
				return "zzzzz"
			}
			s := e.suffixes[0]
			e.suffixes = e.suffixes[1:]
			return s
		},
		FutureWait: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Registry = r
	if err := r.Add(append(more, configMaps(), pods(), namespaces())...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return e
}

func (e *env) advance(d time.Duration) {
	now := e.now.Load().Add(d)
	e.now.Store(&now)
}

func configMaps() Resource {
	return Resource{
		Name: "configmaps", Singular: "configmap", Kind: "ConfigMap", Namespaced: true,
		Versions: []Version{{Name: "v1", New: func() scheme.Object { return &corev1.ConfigMap{} }}},
		Strategy: For[*corev1.ConfigMap]{
			Validate: func(_ context.Context, c *corev1.ConfigMap) (errs field.ErrorList) {
				if c.Data["bad"] != "" {
					errs = append(errs, field.Invalid(field.NewPath("data"), "bad", "is bad"))
				}
				return errs
			},
			ValidatesMetaOnUpdate: 1,
		}.Strategy(),
	}
}

func pods() Resource {
	return Resource{
		Name: "pods", Singular: "pod", Kind: "Pod", Namespaced: true,
		Versions: []Version{{Name: "v1", New: func() scheme.Object { return &corev1.Pod{} }}},
		Fields: []Field{
			{Name: "spec.nodeName", Index: true, Get: func(o scheme.Object) string { return o.(*corev1.Pod).Spec.NodeName }},
			{Name: "status.phase", Get: func(o scheme.Object) string { return string(o.(*corev1.Pod).Status.Phase) }},
		},
		Strategy: For[*corev1.Pod]{
			PrepareForCreate: func(_ context.Context, p *corev1.Pod) {
				p.Generation = 1
				p.Status = corev1.PodStatus{Phase: "Pending"}
			},
			PrepareForUpdate: func(_ context.Context, p, old *corev1.Pod) { p.Status = old.Status },
			Grace: func(_ context.Context, p *corev1.Pod, o *metav1.DeleteOptions) bool {
				period := int64(30)
				if o.GracePeriodSeconds != nil {
					period = *o.GracePeriodSeconds
				}
				if p.Spec.NodeName == "" {
					period = 0
				}
				o.GracePeriodSeconds = &period
				return true
			},
			DeleteReturnsObject: true,
		}.Strategy(),
		Subresources: []Subresource{{Name: "status", Strategy: &Strategy{
			PrepareForUpdate: func(_ context.Context, o, old scheme.Object) {
				o.(*corev1.Pod).Spec = old.(*corev1.Pod).Spec
			},
		}}},
	}
}

func namespaces() Resource {
	return Resource{
		Name: "namespaces", Singular: "namespace", Kind: "Namespace",
		Versions: []Version{{Name: "v1", New: func() scheme.Object { return &corev1.Namespace{} }}},
		Strategy: Strategy{AllowCreateOnUpdate: true, OrphanByDefault: true},
	}
}

func (e *env) store(resource string) *Store {
	e.t.Helper()
	s := e.Store("", resource)
	if s == nil {
		e.t.Fatalf("no store of %s", resource)
	}
	return s
}

func (e *env) cms() *Store { return e.store("configmaps") }

func configMap(name string, data ...string) *corev1.ConfigMap {
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	for i := 0; i+1 < len(data); i += 2 {
		if c.Data == nil {
			c.Data = map[string]string{}
		}
		c.Data[data[i]] = data[i+1]
	}
	return c
}

func pod(name, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name},
		Spec:       corev1.PodSpec{NodeName: node},
	}
}

// create makes an object that has to be accepted.
func (e *env) create(obj scheme.Object) *Result {
	e.t.Helper()
	resource := map[string]string{"*v1.ConfigMap": "configmaps", "*v1.Pod": "pods", "*v1.Namespace": "namespaces"}[fmt.Sprintf("%T", obj)]
	r, err := e.store(resource).Create(e.ctx, obj, CreateOptions{})
	e.must(err)
	return r
}

// replace is a PUT of obj.
func replace(obj scheme.Object) UpdateOptions {
	return UpdateOptions{Transform: func(context.Context, scheme.Object) (scheme.Object, error) {
		return obj.DeepCopyObject().(scheme.Object), nil
	}}
}

// change is an update of the current object by f.
func change[T scheme.Object](f func(T)) UpdateOptions {
	return UpdateOptions{Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
		obj := current.(T)
		f(obj)
		return obj, nil
	}}
}

func (e *env) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// refused checks an error's status code and message.
func (e *env) refused(err error, code int32, message string) *metav1.Status {
	e.t.Helper()
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		e.t.Fatalf("got %v, want a Status %d %q", err, code, message)
	}
	s := status.Status()
	if s.Code != code || s.Message != message {
		e.t.Fatalf("got %d %q,\nwant %d %q", s.Code, s.Message, code, message)
	}
	return &s
}

func (e *env) equal(got, want any) {
	e.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		e.t.Fatalf("got  %v\nwant %v", got, want)
	}
}

func names(items []*watchcache.Object) []string {
	out := []string{}
	for _, o := range items {
		out = append(out, o.Name)
	}
	return out
}

// list lists with what must be accepted.
func (e *env) list(s *Store, o ListOptions) *List {
	e.t.Helper()
	l, err := s.List(e.ctx, o)
	e.must(err)
	return l
}

func labelSelector(t *testing.T, s string) labels.Selector {
	t.Helper()
	return labelSelectorOf(s)
}

func labelSelectorOf(s string) labels.Selector {
	sel, err := labels.Parse(s)
	if err != nil {
		panic(err)
	}
	return sel
}

func fieldSelector(t *testing.T, s string) fields.Selector {
	t.Helper()
	sel, err := fields.ParseSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return sel
}
