package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/informer"
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

const (
	claimProtection  = "kubernetes.io/pvc-protection"
	volumeProtection = "kubernetes.io/pv-protection"
	classProtection  = "kubernetes.io/vac-protection"
)

// protectedFor is how long an object that is being deleted stays at least while
// no node is alive, and how often one in use is looked at again anyway. A client of
// kube-apiserver alone finds it "Terminating" and may release it itself; here it
// has time for that. With nodes it goes as soon as nobody uses it.
const protectedFor = 5 * time.Second

var (
	pods          = corev1.SchemeGroupVersion.WithResource("pods")
	claims        = corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims")
	volumes       = corev1.SchemeGroupVersion.WithResource("persistentvolumes")
	volumeClasses = storagev1.SchemeGroupVersion.WithResource("volumeattributesclasses")
)

// newClaimProtection lets go of deleted claims that no scheduled pod uses.
func newClaimProtection(d Deps) func(context.Context) error {
	return protection[*corev1.PersistentVolumeClaim]{
		resource: claims, finalizer: claimProtection, object: func() *corev1.PersistentVolumeClaim { return &corev1.PersistentVolumeClaim{} },
		inUse: func(ctx context.Context, c *corev1.PersistentVolumeClaim) (bool, error) {
			var list corev1.PodList
			if err := d.Client.List(ctx, pods, c.Namespace, metav1.ListOptions{}, &list); err != nil {
				return false, err
			}
			return slices.ContainsFunc(list.Items, func(p corev1.Pod) bool { return usesClaim(&p, c) }), nil
		},
		users: loop.Only("", "pods"),
	}.run(d)
}

// usesClaim tells whether a kubelet may have a claim mounted for a pod. A kubelet
// doesn't start pods whose claim is being deleted, so those that are not
// scheduled don't count; an ephemeral claim is of no use to a pod that the
// kubelet is done with.
func usesClaim(p *corev1.Pod, c *corev1.PersistentVolumeClaim) bool {
	if p.Spec.NodeName == "" {
		return false
	}
	over := p.DeletionTimestamp != nil && p.DeletionGracePeriodSeconds != nil && *p.DeletionGracePeriodSeconds == 0
	return slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
		if v.PersistentVolumeClaim != nil {
			return v.PersistentVolumeClaim.ClaimName == c.Name
		}
		return v.Ephemeral != nil && !over && c.Name == p.Name+"-"+v.Name && metav1.IsControlledBy(c, p)
	})
}

// newVolumeProtection lets go of deleted volumes that no claim is bound to.
func newVolumeProtection(d Deps) func(context.Context) error {
	return protection[*corev1.PersistentVolume]{
		resource: volumes, finalizer: volumeProtection, object: func() *corev1.PersistentVolume { return &corev1.PersistentVolume{} },
		inUse: func(_ context.Context, v *corev1.PersistentVolume) (bool, error) {
			return v.Status.Phase == corev1.VolumeBound, nil
		},
	}.run(d)
}

// newClassProtection lets go of deleted volume attributes classes that neither a
// claim nor a volume has or is about to get.
func newClassProtection(d Deps) func(context.Context) error {
	return protection[*storagev1.VolumeAttributesClass]{
		resource: volumeClasses, finalizer: classProtection, object: func() *storagev1.VolumeAttributesClass { return &storagev1.VolumeAttributesClass{} },
		inUse: func(ctx context.Context, class *storagev1.VolumeAttributesClass) (bool, error) {
			is := func(name *string) bool { return name != nil && *name == class.Name }
			var wanting corev1.PersistentVolumeClaimList
			if err := d.Client.List(ctx, claims, "", metav1.ListOptions{}, &wanting); err != nil {
				return false, err
			}
			if slices.ContainsFunc(wanting.Items, func(c corev1.PersistentVolumeClaim) bool {
				m := c.Status.ModifyVolumeStatus
				return is(c.Spec.VolumeAttributesClassName) || is(c.Status.CurrentVolumeAttributesClassName) || m != nil && m.TargetVolumeAttributesClassName == class.Name
			}) {
				return true, nil
			}
			var having corev1.PersistentVolumeList
			if err := d.Client.List(ctx, volumes, "", metav1.ListOptions{}, &having); err != nil {
				return false, err
			}
			return slices.ContainsFunc(having.Items, func(v corev1.PersistentVolume) bool { return is(v.Spec.VolumeAttributesClassName) }), nil
		},
	}.run(d)
}

// protection takes a finalizer from objects that are being deleted once nobody
// uses them any more; admission gives it to new ones.
type protection[T scheme.Object] struct {
	resource  schema.GroupVersionResource
	finalizer string
	object    func() T
	inUse     func(ctx context.Context, obj T) (bool, error)
	// users are what uses objects of the same namespace, nil when the objects
	// themselves say that they are used.
	users func(*registry.Resource) bool
}

func (p protection[T]) run(d Deps) func(context.Context) error {
	held := informer.New(d.Shared, p.resource, "", p.object)
	q := loop.NewQueue[types.NamespacedName](p.finalizer)
	wait := waiting{keys: map[types.NamespacedName]bool{}}
	held.OnChange(func(old, current T) {
		if any(current) == any(*new(T)) {
			wait.set(loop.Key(old), false)
			return
		}
		key := loop.Key(current)
		wait.set(key, p.isHeld(current))
		switch {
		case p.isHeld(current) && !d.Nodes():
			q.AddAfter(key, protectedFor)
		case p.isHeld(current) || p.lacks(current) && d.Nodes():
			q.Add(key)
		}
	})
	work := func(ctx context.Context, key types.NamespacedName) error {
		obj, ok := held.Get(key.Namespace, key.Name)
		switch {
		case !ok:
			return nil
		case p.lacks(obj):
			return p.write(ctx, d, obj, append(slices.Clone(obj.GetFinalizers()), p.finalizer))
		case !p.isHeld(obj):
			return nil
		}
		used, err := p.inUse(ctx, obj)
		if err != nil {
			return err
		}
		if used {
			q.AddAfter(key, protectedFor)
			return nil
		}
		return p.write(ctx, d, obj, slices.DeleteFunc(slices.Clone(obj.GetFinalizers()), func(f string) bool { return f == p.finalizer }))
	}
	runs := []func(context.Context) error{held.Run, func(ctx context.Context) error { return q.Work(ctx, 1, work) }}
	if p.users != nil {
		used := &loop.Follower{Deps: d, Want: p.users, Event: func(_ *registry.Store, e *watchcache.Event) {
			for _, key := range wait.in(e.Object.Namespace) {
				if d.Nodes() {
					q.Add(key)
				}
			}
		}}
		runs = append(runs, used.Run)
	}
	return func(ctx context.Context) error { return loop.Together(ctx, runs...) }
}

// write gives an object other finalizers.
func (p protection[T]) write(ctx context.Context, d Deps, obj T, finalizers []string) error {
	next := obj.DeepCopyObject().(T)
	next.SetFinalizers(finalizers)
	return tolerated(d.Client.Update(ctx, p.resource, next))
}

// lacks tells whether an object that nobody deletes has lost its finalizer: a
// client that writes a whole list of its own takes it away.
func (p protection[T]) lacks(obj T) bool {
	return obj.GetDeletionTimestamp() == nil && !slices.Contains(obj.GetFinalizers(), p.finalizer)
}

// waiting is the objects that wait for their users to go.
type waiting struct {
	mu   sync.Mutex
	keys map[types.NamespacedName]bool
}

func (w *waiting) set(key types.NamespacedName, waits bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if delete(w.keys, key); waits {
		w.keys[key] = true
	}
}

// in gives those of a namespace.
func (w *waiting) in(namespace string) (out []types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.keys {
		if key.Namespace == namespace {
			out = append(out, key)
		}
	}
	return out
}

func (p protection[T]) isHeld(obj T) bool {
	return obj.GetDeletionTimestamp() != nil && slices.Contains(obj.GetFinalizers(), p.finalizer)
}
