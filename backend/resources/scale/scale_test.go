package scale_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources/apps"
	"pilothouse/backend/storage/memory"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// world is a server with one deployment of three replicas.
type world struct {
	t    *testing.T
	ctx  context.Context
	call registry.Call
	sub  registry.Subresource
}

func newWorld(t *testing.T) *world {
	clock := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	r, err := registry.New(registry.Options{Engine: memory.New(), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Add(apps.Resources(&registry.Env{Clock: clock, Registry: r})...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	w := &world{t: t, ctx: request.With(t.Context(), &request.Request{})}
	w.call = registry.Call{Namespace: "ns", Name: "d", Version: "v1", Registry: r, Store: r.Store("apps", "deployments")}
	for _, sub := range w.call.Store.Resource().Subresources {
		if sub.Name == "scale" {
			w.sub = sub
		}
	}
	d := &appsv1.Deployment{}
	if err := yaml.Unmarshal([]byte(`{metadata: {name: d, namespace: ns}, spec: {replicas: 3, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}`), d); err != nil {
		t.Fatal(err)
	}
	w.call.Store.Resource().Hub().Default(d)
	if _, err := w.call.Store.Create(w.ctx, d, registry.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) get() *autoscalingv1.Scale {
	w.t.Helper()
	obj, err := w.sub.Get(w.ctx, w.call)
	if err != nil {
		w.t.Fatal(err)
	}
	return obj.(*autoscalingv1.Scale)
}

func (w *world) update(change func(*autoscalingv1.Scale)) (*autoscalingv1.Scale, error) {
	w.t.Helper()
	obj, err := w.sub.Update(w.ctx, w.call, func(current runtime.Object) (runtime.Object, error) {
		s := current.(*autoscalingv1.Scale)
		change(s)
		return s, nil
	})
	if err != nil {
		return nil, err
	}
	return obj.(*autoscalingv1.Scale), nil
}

func TestScale(t *testing.T) {
	w := newWorld(t)
	s := w.get()
	if s.Kind != "Scale" || s.APIVersion != "autoscaling/v1" || s.Name != "d" || s.Namespace != "ns" || s.UID == "" || s.ResourceVersion == "" ||
		s.Spec.Replicas != 3 || s.Status.Replicas != 0 || s.Status.Selector != "a=b" {
		t.Errorf("got %+v", s)
	}
	scaled, err := w.update(func(s *autoscalingv1.Scale) { s.Spec.Replicas, s.Status.Replicas = 5, 7 })
	if err != nil {
		t.Fatal(err)
	}
	if scaled.Spec.Replicas != 5 || scaled.Status.Replicas != 0 || scaled.ResourceVersion == s.ResourceVersion {
		t.Errorf("got %+v", scaled)
	}
	if got := w.get(); got.Spec.Replicas != 5 || got.ResourceVersion != scaled.ResourceVersion {
		t.Errorf("stored %+v", got)
	}
	o, err := w.call.Store.Get(w.ctx, "ns", "d", registry.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	obj, err := w.call.Store.Decode(o)
	if err != nil {
		t.Fatal(err)
	}
	if d := obj.(*appsv1.Deployment); *d.Spec.Replicas != 5 || d.Generation != 2 {
		t.Errorf("replicas %d, generation %d", *d.Spec.Replicas, d.Generation)
	}
}

func TestScaleRefuses(t *testing.T) {
	w := newWorld(t)
	f := func(what string, is func(error) bool, want string, change func(*autoscalingv1.Scale)) {
		t.Helper()
		_, err := w.update(change)
		if err == nil || !is(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	f("negative", apierrors.IsInvalid, `Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0`,
		func(s *autoscalingv1.Scale) { s.Spec.Replicas = -1 })
	f("another version", apierrors.IsConflict, "the object has been modified", func(s *autoscalingv1.Scale) { s.ResourceVersion = "1" })
	f("another uid", apierrors.IsConflict, `Operation cannot be fulfilled on deployments/scale.apps "d": Precondition failed: UID in precondition: x, UID in object meta:`,
		func(s *autoscalingv1.Scale) { s.UID = "x" })
	if got := w.get().Spec.Replicas; got != 3 {
		t.Errorf("%d replicas after refusals", got)
	}
	if _, err := w.sub.Update(w.ctx, w.call, func(runtime.Object) (runtime.Object, error) { return &appsv1.Deployment{}, nil }); !apierrors.IsBadRequest(err) {
		t.Errorf("a deployment as a scale: %v", err)
	}
	w.call.Name = "none"
	if _, err := w.sub.Get(w.ctx, w.call); !apierrors.IsNotFound(err) {
		t.Errorf("get: %v", err)
	}
	f("none", apierrors.IsNotFound, `deployments.apps "none" not found`, func(*autoscalingv1.Scale) {})
}

// Admission sees the scale, not the deployment.
func TestScaleAdmission(t *testing.T) {
	w := newWorld(t)
	refused := errors.New("refused")
	w.call.Validate = func(_ context.Context, obj, old runtime.Object) error {
		if obj.(*autoscalingv1.Scale).Spec.Replicas > 2*old.(*autoscalingv1.Scale).Spec.Replicas {
			return refused
		}
		return nil
	}
	if _, err := w.update(func(s *autoscalingv1.Scale) { s.Spec.Replicas = 7 }); !errors.Is(err, refused) {
		t.Errorf("7: %v", err)
	}
	if _, err := w.update(func(s *autoscalingv1.Scale) { s.Spec.Replicas = 6 }); err != nil {
		t.Errorf("6: %v", err)
	}
	w.call.DryRun = true
	if got, err := w.update(func(s *autoscalingv1.Scale) { s.Spec.Replicas = 1 }); err != nil || got.Spec.Replicas != 1 || w.get().Spec.Replicas != 6 {
		t.Errorf("dry run: %v, %v", got, err)
	}
}
