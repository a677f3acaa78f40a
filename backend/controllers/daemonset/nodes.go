package daemonset

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"pilothouse/backend/controllers/workload"
	"pilothouse/backend/watchcache"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// fit is whether a node should get a pod of a set, and whether one that it has may
// stay there.
type fit struct{ run, stay bool }

// isFor gives a node's fit.
func (d *daemons) isFor(n *corev1.Node) (run, stay bool) {
	f, known := d.fits[n.Name]
	if !known {
		f.run, f.stay = d.match(n)
		d.fits[n.Name] = f
	}
	return f.run, f.stay
}

func (d *daemons) match(n *corev1.Node) (run, stay bool) {
	if name := d.Spec.Template.Spec.NodeName; name != "" && name != n.Name {
		return false, false
	}
	p := d.newPod(n.Name)
	if fits, err := nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: *d.Spec.Template.Spec.DeepCopy()}).Match(n); err != nil || !fits {
		return false, false
	}
	run, stay = true, true
	for i := range n.Spec.Taints {
		taint := &n.Spec.Taints[i]
		if slices.ContainsFunc(p.Spec.Tolerations, func(t corev1.Toleration) bool { return tolerates(&t, taint) }) {
			continue
		}
		switch taint.Effect {
		case corev1.TaintEffectNoSchedule:
			run = false
		case corev1.TaintEffectNoExecute:
			run, stay = false, false
		}
	}
	return run, stay
}

func tolerates(t *corev1.Toleration, taint *corev1.Taint) bool {
	if t.Effect != "" && t.Effect != taint.Effect || t.Key != "" && t.Key != taint.Key {
		return false
	}
	return t.Operator == corev1.TolerationOpExists || (t.Operator == "" || t.Operator == corev1.TolerationOpEqual) && t.Value == taint.Value
}

// nodeOf gives the node that a pod is on or for.
func nodeOf(p *corev1.Pod) string {
	if p.Spec.NodeName != "" {
		return p.Spec.NodeName
	}
	if p.Spec.Affinity == nil || p.Spec.Affinity.NodeAffinity == nil || p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return ""
	}
	for _, term := range p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, f := range term.MatchFields {
			if f.Key == metav1.ObjectNameField && f.Operator == corev1.NodeSelectorOpIn && len(f.Values) == 1 {
				return f.Values[0]
			}
		}
	}
	return ""
}

// newPod gives the pod of a node. The scheduler binds it: its affinity leaves no
// other node.
func (d *daemons) newPod(node string) *corev1.Pod {
	p := workload.NewPod(&d.Spec.Template, d.DaemonSet, kind.GroupVersionKind)
	p.Labels = maps.Clone(p.Labels)
	if p.Labels == nil {
		p.Labels = map[string]string{}
	}
	p.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] = d.hash
	p.Labels["pod-template-generation"] = fmt.Sprint(d.Generation)
	if p.Spec.Affinity == nil {
		p.Spec.Affinity = &corev1.Affinity{}
	}
	if p.Spec.Affinity.NodeAffinity == nil {
		p.Spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
	}
	p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchFields: []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
	}}}
	for _, t := range tolerations {
		p.Spec.Tolerations = tolerate(p.Spec.Tolerations, t)
	}
	if p.Spec.HostNetwork {
		p.Spec.Tolerations = tolerate(p.Spec.Tolerations, corev1.Toleration{Key: corev1.TaintNodeNetworkUnavailable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
	}
	return p
}

// tolerations are those of all pods of DaemonSets: they stay where others go.
var tolerations = []corev1.Toleration{
	{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
	{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
	{Key: corev1.TaintNodeDiskPressure, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	{Key: corev1.TaintNodeMemoryPressure, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	{Key: corev1.TaintNodePIDPressure, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	{Key: corev1.TaintNodeUnschedulable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
}

// tolerate adds a toleration in the place of one for the same taint.
func tolerate(list []corev1.Toleration, t corev1.Toleration) []corev1.Toleration {
	return append(workload.Without(list, func(o corev1.Toleration) bool {
		return o.Key == t.Key && o.Operator == t.Operator && o.Effect == t.Effect && o.Value == t.Value
	}), t)
}

// sameForPods tells whether two states of a node differ in nothing that decides
// about pods: most writes of nodes are about their health.
func sameForPods(a, b *watchcache.Object) bool {
	type part struct {
		Metadata struct {
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
		Spec struct {
			Taints        []corev1.Taint `json:"taints"`
			Unschedulable bool           `json:"unschedulable"`
		} `json:"spec"`
	}
	var x, y part
	return json.Unmarshal(a.Raw, &x) == nil && json.Unmarshal(b.Raw, &y) == nil && equality.Semantic.DeepEqual(x, y)
}
