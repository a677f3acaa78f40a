package plugins

import (
	"context"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
)

// podTopologyLabels copies where a node is onto the pods that are bound to it.
type podTopologyLabels struct {
	handler
	nodes *lookup[*corev1.Node]
}

// topologyLabels are the labels that are copied.
var topologyLabels = []string{corev1.LabelTopologyZone, corev1.LabelTopologyRegion}

func newPodTopologyLabels(d *deps) (admission.Plugin, error) {
	return &podTopologyLabels{handler{"PodTopologyLabels", on(admission.Create, pods, podsBinding)}, newLookup[*corev1.Node](d.Registry, "", "nodes")}, nil
}

// Mutate labels a pod that comes with a node, or the Binding that gives it one,
// whose labels become the pod's. Labels that are there stay.
func (p *podTopologyLabels) Mutate(_ context.Context, a *admission.Attributes) error {
	switch obj := a.Object.(type) {
	case *corev1.Pod:
		if obj.Spec.NodeName != "" {
			p.copy(&obj.Labels, obj.Spec.NodeName)
		}
	case *corev1.Binding:
		if obj.Target.Kind == "Node" {
			p.copy(&obj.Labels, obj.Target.Name)
		}
	}
	return nil
}

func (p *podTopologyLabels) copy(to *map[string]string, node string) {
	n, ok := p.nodes.get("", node)
	if !ok {
		return
	}
	for _, key := range topologyLabels {
		value, known := n.Labels[key]
		if _, there := (*to)[key]; there || !known {
			continue
		}
		if *to == nil {
			*to = map[string]string{}
		}
		(*to)[key] = value
	}
}
