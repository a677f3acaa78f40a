package controllers

import (
	"context"
	"slices"
	"time"

	"pilothouse/backend/informer"
	"pilothouse/backend/scheme"

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

// protectedFor is how long an object that is being deleted stays at least, and
// how often one in use is looked at again. A client of kube-apiserver alone finds
// it "Terminating" and may release it itself; here it has time for that.
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
}

func (p protection[T]) run(d Deps) func(context.Context) error {
	held := informer.New(d.Shared, p.resource, "", p.object)
	q := newQueue[types.NamespacedName](p.finalizer)
	held.OnChange(func(_, current T) {
		if any(current) != any(*new(T)) && p.isHeld(current) {
			q.addAfter(types.NamespacedName{Namespace: current.GetNamespace(), Name: current.GetName()}, protectedFor)
		}
	})
	release := func(ctx context.Context, key types.NamespacedName) error {
		obj, ok := held.Get(key.Namespace, key.Name)
		if !ok || !p.isHeld(obj) {
			return nil
		}
		used, err := p.inUse(ctx, obj)
		if err != nil {
			return err
		}
		if used {
			q.addAfter(key, protectedFor)
			return nil
		}
		next := obj.DeepCopyObject().(T)
		next.SetFinalizers(slices.DeleteFunc(next.GetFinalizers(), func(f string) bool { return f == p.finalizer }))
		return tolerated(d.Client.Update(ctx, p.resource, next))
	}
	return func(ctx context.Context) error {
		return together(ctx, held.Run, func(ctx context.Context) error { return q.work(ctx, 1, release) })
	}
}

func (p protection[T]) isHeld(obj T) bool {
	return obj.GetDeletionTimestamp() != nil && slices.Contains(obj.GetFinalizers(), p.finalizer)
}
