package plugins

import (
	"context"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
)

// taintNodesByCondition keeps pods off a new node until it has said that it is
// ready.
type taintNodesByCondition struct{ handler }

func newTaintNodesByCondition(*deps) (admission.Plugin, error) {
	return &taintNodesByCondition{handler{"TaintNodesByCondition", on(admission.Create, target{resource: "nodes"})}}, nil
}

// Mutate adds the taint.
func (p *taintNodesByCondition) Mutate(_ context.Context, a *admission.Attributes) error {
	node, err := objectOf[*corev1.Node](a, "Node")
	if err != nil {
		return err
	}
	taint := corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}
	for i := range node.Spec.Taints {
		if node.Spec.Taints[i].MatchTaint(&taint) {
			return nil
		}
	}
	node.Spec.Taints = append(node.Spec.Taints, taint)
	return nil
}
