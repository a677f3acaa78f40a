// Package workload has what the controllers that make pods share: which pods are
// whose, pods made of a template, many writes at once, which pods go first, the
// conditions of a status. Read workload.go first.
package workload

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"pilothouse/backend/client"
	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/metrics"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Pods is the resource of pods.
var Pods = corev1.SchemeGroupVersion.WithResource("pods")

// Workers is how many objects of a kind a controller works on at once.
const Workers = 5

// Kind is what a controller is about.
type Kind struct {
	schema.GroupVersionKind
	Resource schema.GroupVersionResource
}

// Controller is what every controller of pods has. T is the kind that it is
// about.
type Controller[T scheme.Object] struct {
	loop.Deps
	Kind    Kind
	Objects *loop.View[T]
	Pods    *loop.View[*corev1.Pod]
	Queue   *loop.Queue[types.NamespacedName]
	Events  *client.Recorder
}

// New gives a Controller; its name is the component that events are of.
func New[T scheme.Object](d loop.Deps, kind Kind, name string) *Controller[T] {
	return &Controller[T]{
		Deps: d, Kind: kind, Queue: loop.NewQueue[types.NamespacedName](strings.ToLower(kind.Kind)),
		Objects: loop.NewView[T](d, kind.Group, kind.Resource.Resource),
		Pods:    loop.NewView[*corev1.Pod](d, "", "pods"),
		Events:  d.Client.NewRecorder(name, "", d.Clock),
	}
}

// Run follows the kind's objects, works on what changed and runs others besides.
func (c *Controller[T]) Run(ctx context.Context, sync func(context.Context, T) error, besides ...func(context.Context) error) error {
	objects := c.Objects.Follower(c.Deps, func(o, _ *watchcache.Object, _ bool) { c.Queue.Add(loop.NameOf(o)) })
	runs := append(besides, objects.Run, c.Events.Run, func(ctx context.Context) error {
		return c.Queue.Work(ctx, Workers, func(ctx context.Context, key types.NamespacedName) error {
			obj, ok := c.Objects.Get(key.Namespace, key.Name)
			if !ok {
				return nil
			}
			err := sync(ctx, obj)
			if apierrors.IsConflict(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
				return loop.Again{}
			}
			return err
		})
	})
	return loop.Together(ctx, runs...)
}

// FollowPods tells of pods: owners of the kind are worked on when one of their
// pods changes, and those that could take a pod without an owner.
func (c *Controller[T]) FollowPods(selectorOf func(T) (labels.Selector, error)) func(context.Context) error {
	return c.Pods.Follower(c.Deps, c.owned(selectorOf)).Run
}

// owned gives a func that adds the owner of what has changed.
func (c *Controller[T]) owned(selectorOf func(T) (labels.Selector, error)) func(current, previous *watchcache.Object, gone bool) {
	return func(current, previous *watchcache.Object, gone bool) {
		owner := loop.ControllerOf(current)
		if previous != nil {
			if before := loop.ControllerOf(previous); before != nil && (owner == nil || owner.UID != before.UID) {
				c.add(current.Namespace, before)
			}
		}
		if owner != nil {
			c.add(current.Namespace, owner)
			return
		}
		if gone || selectorOf == nil {
			return
		}
		for _, obj := range c.Objects.List(current.Namespace, labels.Everything(), nil) {
			if s, err := selectorOf(obj); err == nil && !s.Empty() && s.Matches(current.Labels) {
				c.Queue.Add(loop.Key(obj))
			}
		}
	}
}

// Mine gives the pods of an object's namespace that it controls, and those
// without an owner that its selector chooses; Claim says which are its own.
func (c *Controller[T]) Mine(obj T, selector labels.Selector) []*corev1.Pod {
	return c.Pods.ListOwned(obj.GetNamespace(), obj.GetUID(), selector)
}

func (c *Controller[T]) add(namespace string, owner *metav1.OwnerReference) {
	if gv, err := schema.ParseGroupVersion(owner.APIVersion); err == nil && owner.Kind == c.Kind.Kind && gv.Group == c.Kind.Group {
		c.Queue.Add(types.NamespacedName{Namespace: namespace, Name: owner.Name})
	}
}

// FollowOwned gives a follower of other things that the kind's objects own.
func FollowOwned[T, O scheme.Object](c *Controller[T], v *loop.View[O], selectorOf func(T) (labels.Selector, error)) func(context.Context) error {
	return v.Follower(c.Deps, c.owned(selectorOf)).Run
}

// Claim gives those of a list that an owner controls: its own that its selector
// chooses, and those without an owner, which it takes. It lets go of its own that
// the selector does not choose any longer. fresh gives the owner as it is now:
// one that is being deleted takes nothing.
func Claim[O scheme.Object](ctx context.Context, d loop.Deps, resource schema.GroupVersionResource, owner scheme.Object, kind schema.GroupVersionKind, selector labels.Selector, list []O) ([]O, error) {
	var out []O
	var errs []error
	for _, o := range list {
		ref := metav1.GetControllerOfNoCopy(o)
		matches := selector.Matches(labels.Set(o.GetLabels()))
		switch {
		case ref != nil && ref.UID != owner.GetUID():
		case ref != nil && matches:
			out = append(out, o)
		case ref != nil:
			if owner.GetDeletionTimestamp() == nil {
				errs = append(errs, release(ctx, d, resource, owner, o))
			}
		case matches && owner.GetDeletionTimestamp() == nil && o.GetDeletionTimestamp() == nil:
			taken, err := adopt(ctx, d, resource, owner, kind, o)
			if err == nil {
				out = append(out, taken)
			} else if !apierrors.IsNotFound(err) {
				errs = append(errs, err)
			}
		}
	}
	return out, errors.Join(errs...)
}

func adopt[O scheme.Object](ctx context.Context, d loop.Deps, resource schema.GroupVersionResource, owner scheme.Object, kind schema.GroupVersionKind, o O) (O, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": o.GetUID(), "ownerReferences": []metav1.OwnerReference{*metav1.NewControllerRef(owner, kind)},
	}})
	if err != nil {
		return o, err
	}
	into := o.DeepCopyObject().(O)
	return into, d.Client.Patch(ctx, resource, o.GetNamespace(), o.GetName(), "", types.StrategicMergePatchType, patch, into)
}

func release(ctx context.Context, d loop.Deps, resource schema.GroupVersionResource, owner, o scheme.Object) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": o.GetUID(), "ownerReferences": []map[string]any{{"$patch": "delete", "uid": owner.GetUID()}},
	}})
	if err != nil {
		return err
	}
	err = d.Client.Patch(ctx, resource, o.GetNamespace(), o.GetName(), "", types.StrategicMergePatchType, patch, nil)
	if apierrors.IsNotFound(err) || apierrors.IsInvalid(err) {
		return nil // it is gone, or was not the owner's any longer
	}
	return err
}

// NewPod gives a pod of a template that an owner controls.
func NewPod(t *corev1.PodTemplateSpec, owner scheme.Object, kind schema.GroupVersionKind) *corev1.Pod {
	t = t.DeepCopy()
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: owner.GetNamespace(), GenerateName: owner.GetName() + "-",
			Labels: t.Labels, Annotations: t.Annotations, Finalizers: t.Finalizers,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, kind)},
		},
		Spec: t.Spec,
	}
}

// SlowStart calls f n times, first once, then with twice as many calls at once
// each time, until calls of a batch fail: what is forbidden is not tried n times.
// It tells how many calls succeeded.
func SlowStart(n int, f func(i int) error) (done int, err error) {
	for batch := 1; done < n; batch *= 2 {
		size := min(batch, n-done)
		errs := AtOnce(size, func(i int) error { return f(done + i) })
		failed := 0
		for _, e := range errs {
			if e != nil {
				failed++
				err = e
			}
		}
		done += size - failed
		if failed > 0 {
			return done, err
		}
	}
	return done, nil
}

// maxAtOnce bounds the calls that are made at once.
const maxAtOnce = 16

// AtOnce calls f n times, side by side, and gives the errors.
func AtOnce(n int, f func(i int) error) []error {
	errs := make([]error, n)
	free := make(chan struct{}, maxAtOnce)
	var wg sync.WaitGroup
	for i := range n {
		free <- struct{}{}
		wg.Go(metrics.Guarded("controller", func() {
			defer func() { <-free }()
			errs[i] = f(i)
		}))
	}
	wg.Wait()
	return errs
}

// Delete deletes an object if it is still the one that was looked at; that it is
// gone is no error.
func Delete(ctx context.Context, d loop.Deps, resource schema.GroupVersionResource, o scheme.Object) error {
	err := d.Client.Delete(ctx, resource, o.GetNamespace(), o.GetName(), &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(o.GetUID()))})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// Without gives a list without what drop chooses.
func Without[T any](list []T, drop func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), drop)
}
