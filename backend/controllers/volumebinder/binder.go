// Package volumebinder binds PersistentVolumeClaims to the PersistentVolumes that
// fit, and says of volumes whose claim is gone what becomes of them. It makes and
// deletes no storage: that is a provisioner's.
// https://kubernetes.io/docs/concepts/storage/persistent-volumes/
// Read binder.go first, then volume.go.
package volumebinder

import (
	"bytes"
	"context"

	"pilothouse/backend/client"
	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/pods"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/storage/volume"
	"k8s.io/utils/ptr"
)

var (
	claimsGVR  = corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims")
	volumesGVR = corev1.SchemeGroupVersion.WithResource("persistentvolumes")
)

// noProvisioner is the provisioner of classes whose volumes people make.
const noProvisioner = "kubernetes.io/no-provisioner"

// Annotations that name the provisioner of a claim, now and before.
const (
	provisionerKey     = "volume.kubernetes.io/storage-provisioner"
	betaProvisionerKey = "volume.beta.kubernetes.io/storage-provisioner"
)

type controller struct {
	loop.Deps
	claims  *loop.View[*corev1.PersistentVolumeClaim]
	volumes *loop.View[*corev1.PersistentVolume]
	classes *loop.View[*storagev1.StorageClass]
	pods    *loop.View[*corev1.Pod]
	queue   *loop.Queue[types.NamespacedName] // claims, and volumes without a namespace
	events  *client.Recorder
}

// New gives the loop persistentvolume-binder-controller.
func New(d loop.Deps) func(context.Context) error {
	c := &controller{
		Deps:    d,
		claims:  loop.NewView[*corev1.PersistentVolumeClaim](d, "", "persistentvolumeclaims"),
		volumes: loop.NewView[*corev1.PersistentVolume](d, "", "persistentvolumes"),
		classes: loop.NewView[*storagev1.StorageClass](d, storagev1.GroupName, "storageclasses"),
		pods:    loop.NewView[*corev1.Pod](d, "", "pods"),
		queue:   loop.NewQueue[types.NamespacedName]("claims"),
		events:  d.Client.NewRecorder("persistentvolume-controller", "", d.Clock),
	}
	claims := c.claims.Follower(d, func(o, _ *watchcache.Object, gone bool) {
		c.queue.Add(loop.NameOf(o))
		if gone {
			c.addVolumes()
		}
	})
	volumes := c.volumes.Follower(d, func(o, _ *watchcache.Object, _ bool) {
		c.queue.Add(loop.NameOf(o))
		c.addPending()
	})
	classes := c.classes.Follower(d, func(_, _ *watchcache.Object, _ bool) { c.addPending() })
	users := &loop.Follower{Deps: d, Initial: true, Want: loop.Only("", "pods"), Event: func(_ *registry.Store, e *watchcache.Event) {
		if e.Type != watchcache.Deleted && bytes.Contains(e.Object.Raw, []byte(`"persistentVolumeClaim"`)) {
			c.addPending()
		}
	}}
	return func(ctx context.Context) error {
		// One worker: two claims must not be given the same volume.
		return loop.Together(ctx, claims.Run, volumes.Run, classes.Run, users.Run, c.events.Run,
			func(ctx context.Context) error { return c.queue.Work(ctx, 1, c.sync) })
	}
}

// addPending adds the claims that wait for a volume, or whose volume has changed.
func (c *controller) addPending() {
	for _, claim := range c.claims.List("", labels.Everything(), nil) {
		c.queue.Add(loop.Key(claim))
	}
}

func (c *controller) addVolumes() {
	for _, v := range c.volumes.List("", labels.Everything(), nil) {
		c.queue.Add(loop.Key(v))
	}
}

func (c *controller) sync(ctx context.Context, key types.NamespacedName) error {
	var err error
	if key.Namespace == "" {
		if v, ok := c.volumes.Get("", key.Name); ok {
			err = c.syncVolume(ctx, v)
		}
	} else if claim, ok := c.claims.Get(key.Namespace, key.Name); ok && claim.DeletionTimestamp == nil {
		err = c.syncClaim(ctx, claim)
	}
	switch {
	case apierrors.IsConflict(err):
		return loop.Again{}
	case apierrors.IsNotFound(err):
		return nil
	}
	return err
}

func (c *controller) syncClaim(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if claim.Spec.VolumeName != "" {
		return c.syncNamed(ctx, claim)
	}
	v, err := volume.FindMatchingVolume(claim, c.fitting(claim), nil, nil, c.waits(claim), true)
	if err != nil {
		return nil //nolint:nilerr // a selector that is wrong stays so
	}
	if v != nil {
		return c.bind(ctx, claim, v)
	}
	return c.wait(ctx, claim)
}

// fitting gives the volumes whose access modes are enough for a claim, or that
// are its own already.
func (c *controller) fitting(claim *corev1.PersistentVolumeClaim) []*corev1.PersistentVolume {
	var out []*corev1.PersistentVolume
	for _, v := range c.volumes.List("", labels.Everything(), nil) {
		if volume.IsVolumeBoundToClaim(v, claim) || volume.CheckAccessModes(claim, v) {
			out = append(out, v)
		}
	}
	return out
}

// waits tells a claim that is not bound before a pod needs it.
func (c *controller) waits(claim *corev1.PersistentVolumeClaim) bool {
	class, ok := c.classes.Get("", volume.GetPersistentVolumeClaimClass(claim))
	if !ok || ptr.Deref(class.VolumeBindingMode, storagev1.VolumeBindingImmediate) != storagev1.VolumeBindingWaitForFirstConsumer {
		return false
	}
	for _, p := range c.pods.List(claim.Namespace, labels.Everything(), func(o *watchcache.Object) bool { return bytes.Contains(o.Raw, []byte(claim.Name)) }) {
		for i := range p.Spec.Volumes {
			if s := p.Spec.Volumes[i].PersistentVolumeClaim; s != nil && s.ClaimName == claim.Name && pods.Active(p) {
				return false
			}
		}
	}
	return true
}

// wait says what a claim waits for, and which provisioner may make its volume.
func (c *controller) wait(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	class, ok := c.classes.Get("", volume.GetPersistentVolumeClaimClass(claim))
	switch {
	case ok && c.waits(claim):
		c.events.Event(claim, corev1.EventTypeNormal, "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
	case ok && class.Provisioner != noProvisioner:
		c.events.Event(claim, corev1.EventTypeNormal, "ExternalProvisioning", "Waiting for a volume to be created either by the external provisioner '%s' or manually by the system administrator. "+
			"If volume creation is delayed, please verify that the provisioner is running and correctly registered.", class.Provisioner)
		if claim.Annotations[provisionerKey] != class.Provisioner {
			next := claim.DeepCopy()
			metav1.SetMetaDataAnnotation(&next.ObjectMeta, betaProvisionerKey, class.Provisioner)
			metav1.SetMetaDataAnnotation(&next.ObjectMeta, provisionerKey, class.Provisioner)
			return c.Client.Update(ctx, claimsGVR, next)
		}
	case ok:
		c.events.Event(claim, corev1.EventTypeWarning, "ProvisioningFailed", "no volume plugin matched name: %s", class.Provisioner)
	case volume.GetPersistentVolumeClaimClass(claim) != "":
		c.events.Event(claim, corev1.EventTypeWarning, "ProvisioningFailed", "storageclass.storage.k8s.io %q not found", volume.GetPersistentVolumeClaimClass(claim))
	default:
		c.events.Event(claim, corev1.EventTypeNormal, "FailedBinding", "no persistent volumes available for this claim and no storage class is set")
	}
	return c.phase(ctx, claim, corev1.ClaimPending, nil)
}

// syncNamed is about a claim that names its volume: somebody wants that one, or
// has it.
func (c *controller) syncNamed(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	bound := metav1.HasAnnotation(claim.ObjectMeta, volume.AnnBindCompleted)
	v, ok := c.volumes.Get("", claim.Spec.VolumeName)
	switch {
	case !ok && bound:
		if claim.Status.Phase != corev1.ClaimLost {
			c.events.Event(claim, corev1.EventTypeWarning, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
		}
		return c.phase(ctx, claim, corev1.ClaimLost, nil)
	case !ok:
		return c.phase(ctx, claim, corev1.ClaimPending, nil) // it may come
	case v.Spec.ClaimRef != nil && !volume.IsVolumeBoundToClaim(v, claim) && bound:
		if claim.Status.Phase != corev1.ClaimLost {
			c.events.Event(claim, corev1.EventTypeWarning, "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly")
		}
		return c.phase(ctx, claim, corev1.ClaimLost, nil)
	case v.Spec.ClaimRef != nil && !volume.IsVolumeBoundToClaim(v, claim):
		c.events.Event(claim, corev1.EventTypeWarning, "FailedBinding", "volume %q already bound to a different claim.", v.Name)
		return c.phase(ctx, claim, corev1.ClaimPending, nil)
	case !bound && v.Spec.ClaimRef == nil && !fits(claim, v):
		c.events.Event(claim, corev1.EventTypeWarning, "VolumeMismatch", "Cannot bind to requested volume %q: it does not satisfy the claim", v.Name)
		return c.phase(ctx, claim, corev1.ClaimPending, nil)
	}
	return c.bind(ctx, claim, v)
}

// fits tells whether a volume is enough for a claim that asks for it by name.
func fits(claim *corev1.PersistentVolumeClaim, v *corev1.PersistentVolume) bool {
	has, wants := v.Spec.Capacity[corev1.ResourceStorage], claim.Spec.Resources.Requests[corev1.ResourceStorage]
	return has.Cmp(wants) >= 0 && !volume.CheckVolumeModeMismatches(&claim.Spec, &v.Spec) && volume.CheckAccessModes(claim, v) &&
		volume.GetPersistentVolumeClass(v) == volume.GetPersistentVolumeClaimClass(claim)
}

// bind gives a volume to a claim: first the volume says whose it is, so that
// nobody else gets it, then the claim.
func (c *controller) bind(ctx context.Context, claim *corev1.PersistentVolumeClaim, v *corev1.PersistentVolume) error {
	next, changed, err := volume.GetBindVolumeToClaim(v, claim)
	if err != nil {
		return err
	}
	if changed {
		if err := c.Client.Update(ctx, volumesGVR, next); err != nil {
			return err
		}
	}
	if next.Status.Phase != corev1.VolumeBound {
		if err := c.volumePhase(ctx, next, corev1.VolumeBound, ""); err != nil {
			return err
		}
		c.volumes.CatchUp(ctx, next)
	}
	owned := claim.DeepCopy()
	if owned.Spec.VolumeName == "" {
		owned.Spec.VolumeName = v.Name
		metav1.SetMetaDataAnnotation(&owned.ObjectMeta, volume.AnnBoundByController, "yes")
	}
	if !metav1.HasAnnotation(owned.ObjectMeta, volume.AnnBindCompleted) {
		metav1.SetMetaDataAnnotation(&owned.ObjectMeta, volume.AnnBindCompleted, "yes")
		if err := c.Client.Update(ctx, claimsGVR, owned); err != nil {
			return err
		}
	}
	return c.phase(ctx, owned, corev1.ClaimBound, next)
}

// phase writes the status of a claim, with what its volume has when it is bound.
func (c *controller) phase(ctx context.Context, claim *corev1.PersistentVolumeClaim, phase corev1.PersistentVolumeClaimPhase, v *corev1.PersistentVolume) error {
	next := claim.DeepCopy()
	next.Status.Phase = phase
	switch {
	case v == nil:
		next.Status.AccessModes, next.Status.Capacity = nil, nil
	case claim.Status.Phase != corev1.ClaimBound:
		next.Status.AccessModes, next.Status.Capacity = v.Spec.AccessModes, corev1.ResourceList{corev1.ResourceStorage: v.Spec.Capacity[corev1.ResourceStorage]}
	}
	if equality.Semantic.DeepEqual(claim.Status, next.Status) {
		return nil
	}
	if err := c.Client.UpdateSubresource(ctx, claimsGVR, "status", next); err != nil {
		return err
	}
	c.claims.CatchUp(ctx, next)
	return nil
}
