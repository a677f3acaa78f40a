package statefulset

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"pilothouse/backend/controllers/workload"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var claimResource = corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims")

func claimName(s *appsv1.StatefulSet, template string, ordinal int) string {
	return fmt.Sprintf("%s-%s-%d", template, s.Name, ordinal)
}

// ensureClaims makes the claims of a number and gives them the owners that the
// retention policy wants: the set, when they go with it, and the pod, when it goes
// because the set shrinks. pod is nil before it is made.
func (s *set) ensureClaims(ctx context.Context, ordinal int, pod *corev1.Pod, leaving bool) error {
	for i := range s.Spec.VolumeClaimTemplates {
		t := &s.Spec.VolumeClaimTemplates[i]
		name := claimName(s.StatefulSet, t.Name, ordinal)
		have, ok := s.claims.Get(s.Namespace, name)
		switch {
		case !ok && !leaving:
			if err := s.createClaim(ctx, t, name); err != nil {
				return err
			}
		case !ok:
		case have.DeletionTimestamp != nil && pod == nil:
			return fmt.Errorf("the claim %s is being deleted", name)
		default:
			if err := s.own(ctx, have, pod, leaving); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *set) createClaim(ctx context.Context, t *corev1.PersistentVolumeClaim, name string) error {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: s.Namespace, Name: name, Labels: maps.Clone(t.Labels), Annotations: maps.Clone(t.Annotations),
	}, Spec: *t.Spec.DeepCopy()}
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	maps.Copy(c.Labels, s.Spec.Selector.MatchLabels)
	c.OwnerReferences = s.owners(c, nil, false)
	if err := s.Client.Create(ctx, claimResource, s.Namespace, c); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	s.claims.CatchUp(ctx, c)
	s.Events.Event(s.StatefulSet, corev1.EventTypeNormal, "SuccessfulCreate", "create Claim %s in StatefulSet %s success", name, s.Name)
	return nil
}

// own gives a claim its owners.
func (s *set) own(ctx context.Context, have *corev1.PersistentVolumeClaim, pod *corev1.Pod, leaving bool) error {
	want := s.owners(have, pod, leaving)
	if equality.Semantic.DeepEqual(have.OwnerReferences, want) {
		return nil
	}
	next := have.DeepCopy()
	next.OwnerReferences = want
	if err := s.Client.Update(ctx, claimResource, next); err != nil {
		return err
	}
	s.claims.CatchUp(ctx, next)
	return nil
}

// owners gives the owners of a claim: those of others as they are, and the set or
// the pod as the policy wants it.
func (s *set) owners(c *corev1.PersistentVolumeClaim, pod *corev1.Pod, leaving bool) []metav1.OwnerReference {
	setRef := metav1.OwnerReference{APIVersion: kind.GroupVersion().String(), Kind: kind.GroupVersionKind.Kind, Name: s.Name, UID: s.UID}
	out := workload.Without(c.OwnerReferences, func(o metav1.OwnerReference) bool {
		return o.UID == s.UID || o.Kind == "Pod" && (pod == nil || o.UID == pod.UID || slices.Contains(s.podUIDs(), string(o.UID)))
	})
	policy := s.Spec.PersistentVolumeClaimRetentionPolicy
	if policy == nil {
		return out
	}
	switch {
	case leaving && pod != nil && policy.WhenScaled == appsv1.DeletePersistentVolumeClaimRetentionPolicyType:
		out = append(out, metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID})
	case policy.WhenDeleted == appsv1.DeletePersistentVolumeClaimRetentionPolicyType:
		out = append(out, setRef)
	}
	return out
}

func (s *set) podUIDs() (out []string) {
	for _, p := range s.pods {
		out = append(out, string(p.UID))
	}
	return out
}
