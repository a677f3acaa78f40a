package disruption

import (
	"bytes"
	"context"
	"encoding/json"

	"pilothouse/backend/controllers/pods"
	"pilothouse/backend/controllers/workload"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var targeted = []byte(`"` + corev1.DisruptionTarget + `"`)

// mentionsDisruption tells a pod that may have the condition DisruptionTarget.
func mentionsDisruption(o *watchcache.Object) bool { return bytes.Contains(o.Raw, targeted) }

// calm says of a pod that was to be disrupted, and runs on, that it is not any
// longer.
func (c *controller) calm(ctx context.Context, key types.NamespacedName) error {
	p, ok := c.Pods.Get(key.Namespace, key.Name)
	if !ok || !pods.Active(p) {
		return nil
	}
	k := pods.Condition(p, corev1.DisruptionTarget)
	if k == nil || k.Status != corev1.ConditionTrue {
		return nil
	}
	if left := k.LastTransitionTime.Add(staleAfter).Sub(c.Clock()); left > 0 {
		c.stale.AddAfter(key, left)
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": p.UID},
		"status": map[string]any{"conditions": []corev1.PodCondition{{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(c.Clock()), ObservedGeneration: p.Generation,
		}}},
	})
	if err != nil {
		return err
	}
	err = c.Client.Patch(ctx, workload.Pods, key.Namespace, key.Name, "status", types.StrategicMergePatchType, patch, nil)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
