package volumebinder

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/storage/volume"
)

// provisionedByKey names the provisioner that made a volume, and deletes it.
const provisionedByKey = "pv.kubernetes.io/provisioned-by"

// syncVolume says in a volume's status whether it is free, somebody's, or was.
func (c *controller) syncVolume(ctx context.Context, v *corev1.PersistentVolume) error {
	v = v.DeepCopy() // its status changes
	ref := v.Spec.ClaimRef
	switch {
	case v.DeletionTimestamp != nil:
		return nil
	case ref == nil, ref.UID == "": // it may be kept for a claim that is not there yet
		return c.volumePhase(ctx, v, corev1.VolumeAvailable, "")
	}
	claim, ok := c.claims.Get(ref.Namespace, ref.Name)
	switch {
	case ok && claim.UID == ref.UID && claim.Spec.VolumeName == v.Name:
		return c.volumePhase(ctx, v, corev1.VolumeBound, "")
	case ok && claim.UID == ref.UID && claim.Spec.VolumeName == "":
		return nil // the claim is about to be told
	case ok && claim.UID == ref.UID: // it has another one
		return c.free(ctx, v)
	}
	if v.Status.Phase != corev1.VolumeReleased && v.Status.Phase != corev1.VolumeFailed {
		if err := c.volumePhase(ctx, v, corev1.VolumeReleased, ""); err != nil {
			return err
		}
	}
	return c.reclaim(ctx, v)
}

// free takes a volume back that this loop had bound and whose claim has another
// one.
func (c *controller) free(ctx context.Context, v *corev1.PersistentVolume) error {
	if _, ours := v.Annotations[volume.AnnBoundByController]; !ours {
		return nil
	}
	next := v.DeepCopy()
	next.Spec.ClaimRef = nil
	delete(next.Annotations, volume.AnnBoundByController)
	return c.Client.Update(ctx, volumesGVR, next)
}

// reclaim says of a released volume that is to be deleted, and that no
// provisioner is to delete, that nobody can.
func (c *controller) reclaim(ctx context.Context, v *corev1.PersistentVolume) error {
	if v.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRetain || v.Spec.CSI != nil || v.Annotations[provisionedByKey] != "" || v.Status.Phase == corev1.VolumeFailed {
		return nil
	}
	word, reason := "deletable", "VolumeFailedDelete"
	if v.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRecycle {
		word, reason = "recyclable", "VolumeFailedRecycle"
	}
	message := fmt.Sprintf("no %s volume plugin matched", word)
	c.events.Event(v, corev1.EventTypeWarning, reason, "%s", message)
	return c.volumePhase(ctx, v, corev1.VolumeFailed, message)
}

func (c *controller) volumePhase(ctx context.Context, v *corev1.PersistentVolume, phase corev1.PersistentVolumePhase, message string) error {
	if v.Status.Phase == phase && v.Status.Message == message {
		return nil
	}
	next := v.DeepCopy()
	next.Status.Phase, next.Status.Message, next.Status.Reason = phase, message, ""
	if err := c.Client.UpdateSubresource(ctx, volumesGVR, "status", next); err != nil {
		return err
	}
	*v = *next
	c.volumes.CatchUp(ctx, next)
	return nil
}
