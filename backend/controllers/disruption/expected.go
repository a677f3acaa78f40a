package disruption

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"pilothouse/backend/client"
	"pilothouse/backend/registry"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// wanted is what a budget wants of its pods.
type wanted struct {
	pods, healthy int32
	// unmanaged are the pods that no controller has made.
	unmanaged []string
}

// expected gives how many pods there should be and how many of them healthy.
func (c *controller) expected(ctx context.Context, b *policyv1.PodDisruptionBudget, chosen []*corev1.Pod) (wanted, error) {
	share := b.Spec.MaxUnavailable
	switch {
	case share != nil:
	case b.Spec.MinAvailable == nil:
		return wanted{}, nil
	case b.Spec.MinAvailable.Type == intstr.Int:
		return wanted{pods: int32(len(chosen)), healthy: b.Spec.MinAvailable.IntVal}, nil //nolint:gosec // a count of pods
	default:
		share = b.Spec.MinAvailable
	}
	w, err := c.scales(ctx, chosen)
	if err != nil {
		return w, err
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(share, int(w.pods), true)
	if err != nil {
		return w, err
	}
	w.healthy = int32(n) //nolint:gosec // at most the pods or a validated number
	if b.Spec.MaxUnavailable != nil {
		w.healthy = max(w.pods-w.healthy, 0)
	}
	return w, nil
}

// scales adds up how many pods the controllers of some want.
func (c *controller) scales(ctx context.Context, chosen []*corev1.Pod) (w wanted, err error) {
	seen := map[types.UID]bool{}
	for _, p := range chosen {
		ref := metav1.GetControllerOfNoCopy(p)
		switch {
		case ref == nil:
			w.unmanaged = append(w.unmanaged, p.Name)
			continue
		case seen[ref.UID]:
			continue
		}
		seen[ref.UID] = true
		uid, n, err := c.scaleOf(ctx, p.Namespace, ref)
		if err != nil {
			return w, err
		}
		if uid == "" {
			return w, fmt.Errorf("found no controllers for pod %q", p.Name)
		}
		if uid == ref.UID || !seen[uid] { // a Deployment counts once, with all its ReplicaSets
			seen[uid] = true
			w.pods += n
		}
	}
	return w, nil
}

// scaleOf gives which object says how many pods there should be, and how many;
// an empty uid when the owner is not there any longer.
func (c *controller) scaleOf(ctx context.Context, namespace string, ref *metav1.OwnerReference) (uid types.UID, n int32, err error) {
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return "", 0, err
	}
	switch (schema.GroupKind{Group: gv.Group, Kind: ref.Kind}).String() {
	case "ReplicaSet.apps":
		rs, ok := c.replicaSets.Get(namespace, ref.Name)
		if !ok || rs.UID != ref.UID {
			return "", 0, nil
		}
		above := metav1.GetControllerOfNoCopy(rs)
		if above == nil || above.Kind != "Deployment" {
			return rs.UID, ptr.Deref(rs.Spec.Replicas, 0), nil
		}
		if d, ok := c.deployments.Get(namespace, above.Name); ok && d.UID == above.UID {
			return d.UID, ptr.Deref(d.Spec.Replicas, 0), nil
		}
		return "", 0, nil
	case "StatefulSet.apps":
		if s, ok := c.statefulSets.Get(namespace, ref.Name); ok && s.UID == ref.UID {
			return s.UID, ptr.Deref(s.Spec.Replicas, 0), nil
		}
		return "", 0, nil
	case "ReplicationController":
		if rc, ok := c.controllers.Get(namespace, ref.Name); ok && rc.UID == ref.UID {
			return rc.UID, ptr.Deref(rc.Spec.Replicas, 0), nil
		}
		return "", 0, nil
	}
	return c.scaleOfOther(ctx, namespace, gv.WithKind(ref.Kind), ref)
}

// scaleOfOther asks an owner of another kind by its subresource scale.
func (c *controller) scaleOfOther(ctx context.Context, namespace string, gvk schema.GroupVersionKind, ref *metav1.OwnerReference) (types.UID, int32, error) {
	entry, known := c.Registry.Table().ForKind(gvk)
	if !known {
		return "", 0, fmt.Errorf("no matches for kind %q in version %q", gvk.Kind, gvk.GroupVersion())
	}
	gvr := gvk.GroupVersion().WithResource(entry.Resource.Name)
	if !slices.ContainsFunc(entry.Resource.Subresources, func(s registry.Subresource) bool { return s.Name == "scale" && s.Serves(gvk.Version) }) {
		return "", 0, fmt.Errorf("%s does not implement the scale subresource", gvr.GroupResource())
	}
	raw, err := c.Client.Bytes(ctx, client.Call{Method: "GET", Path: client.Path(gvr, namespace, ref.Name, "scale")})
	if apierrors.IsNotFound(err) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	var scale autoscalingv1.Scale
	if err := json.Unmarshal(raw, &scale); err != nil || scale.UID != ref.UID {
		return "", 0, err
	}
	return scale.UID, scale.Spec.Replicas, nil
}
