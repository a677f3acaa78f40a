package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	corehelper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/component-helpers/storage/volume"
	"k8s.io/klog/v2"
)

// What keeps a pod from a node, in kube-scheduler's words.
const (
	reasonUnschedulable = "node(s) were unschedulable"
	reasonAffinity      = "node(s) didn't match Pod's node affinity/selector"
	reasonPorts         = "node(s) didn't have free ports for the requested pod ports"
	reasonPods          = "Too many pods"
	reasonVolumes       = "node(s) didn't match PersistentVolume's node affinity"
)

// choose gives the best of the nodes that a pod fits on; else why it fits on
// none.
func (s *Scheduler) choose(pod *corev1.Pod, volumes []*corev1.PersistentVolume, nodes []*corev1.Node) (name, why string) {
	need := shareOf(pod, "")
	rules, err := s.neighbours(pod, nodes)
	if err != nil {
		return "", err.Error()
	}
	reasons := map[string]int{}
	type candidate struct {
		name  string
		score float64
	}
	var best *candidate
	for _, n := range nodes {
		t := s.usage.of(n.Name)
		against := fits(pod, need, n, t)
		if len(against) == 0 && !reach(volumes, n) {
			against = []string{reasonVolumes}
		}
		if why := rules.against(n); len(against) == 0 && why != "" {
			against = []string{why}
		}
		for _, r := range against {
			reasons[r]++
		}
		if len(against) > 0 {
			continue
		}
		c := &candidate{n.Name, score(pod, need, n, t)}
		if best == nil || c.score > best.score || c.score == best.score && c.name < best.name {
			best = c
		}
	}
	if best != nil {
		return best.name, ""
	}
	return "", explain(reasons)
}

// neighbours gives what rules about other pods say; nil when there are none.
func (s *Scheduler) neighbours(pod *corev1.Pod, nodes []*corev1.Node) (*neighbours, error) {
	if !hasNeighbours(pod) && !s.usage.keepsApart() {
		return nil, nil
	}
	byName := make(map[string]*corev1.Node, len(nodes))
	for _, n := range nodes {
		byName[n.Name] = n
	}
	var others []placed
	for _, o := range s.usage.pods() {
		if n := byName[o.node]; n != nil {
			others = append(others, placed{o.pod, n})
		}
	}
	return newNeighbours(pod, nodes, others, s.labelsOf)
}

// labelsOf gives the labels of a namespace.
func (s *Scheduler) labelsOf(namespace string) labels.Set {
	if n, ok := s.namespaces.Get("", namespace); ok {
		return n.Labels
	}
	return nil
}

// reach tells whether a node has all of these volumes.
func reach(volumes []*corev1.PersistentVolume, n *corev1.Node) bool {
	return !slices.ContainsFunc(volumes, func(v *corev1.PersistentVolume) bool { return volume.CheckNodeAffinity(v, n.Labels) != nil })
}

func explain(reasons map[string]int) string {
	lines := make([]string, 0, len(reasons))
	for r, n := range reasons {
		lines = append(lines, fmt.Sprintf("%d %s", n, r))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

// fits gives what speaks against a node. As in kube-scheduler, the first filter
// that says no ends the search.
func fits(pod *corev1.Pod, need *share, n *corev1.Node, t taken) []string {
	if n.Spec.Unschedulable && !tolerates(pod, &corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}) {
		return []string{reasonUnschedulable}
	}
	if taint, untolerated := hardTaint(pod, n); untolerated {
		return []string{fmt.Sprintf("node(s) had untolerated taint {%s: %s}", taint.Key, taint.Value)}
	}
	if ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(n); err != nil || !ok {
		return []string{reasonAffinity}
	}
	for _, p := range need.ports {
		if slices.ContainsFunc(t.ports, p.conflicts) {
			return []string{reasonPorts}
		}
	}
	return lacks(need, n, t)
}

func tolerates(pod *corev1.Pod, taint *corev1.Taint) bool {
	return corehelper.TolerationsTolerateTaint(klog.Background(), pod.Spec.Tolerations, taint, true)
}

func hardTaint(pod *corev1.Pod, n *corev1.Node) (corev1.Taint, bool) {
	return corehelper.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, pod.Spec.Tolerations, func(t *corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
	}, true)
}

// lacks gives the resources of which the node has too little left.
func lacks(need *share, n *corev1.Node, t taken) []string {
	var out []string
	room := amountsOf(n.Status.Allocatable)
	if limit, ok := room[corev1.ResourcePods]; ok && t.pods+1 > limit {
		out = append(out, reasonPods)
	}
	for _, name := range slices.Sorted(maps.Keys(need.requests)) {
		if n := need.requests[name]; n > 0 && t.requests[name]+n > room[name] {
			out = append(out, "Insufficient "+string(name))
		}
	}
	return out
}

// score is kube-scheduler's NodeResourcesFit with LeastAllocated, preferred node
// affinity and tolerated PreferNoSchedule taints, each from 0 to 100 with that
// scheduler's weights.
func score(pod *corev1.Pod, need *share, n *corev1.Node, t taken) float64 {
	room := amountsOf(n.Status.Allocatable)
	least := 0.0
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if room[name] > 0 {
			used := t.requests[name] + cmp.Or(need.requests[name], smallest[name])
			least += 100 * max(0, float64(room[name]-used)) / float64(room[name]) / 2
		}
	}
	// Pods that ask for nothing spread all the same.
	if limit := room[corev1.ResourcePods]; limit > 0 {
		least -= float64(t.pods) / float64(limit)
	}
	preferred := 0.0
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		if terms, err := nodeaffinity.NewPreferredSchedulingTerms(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution); err == nil {
			preferred = min(100, float64(terms.Score(n)))
		}
	}
	unwanted := 0.0
	for i := range n.Spec.Taints {
		if taint := &n.Spec.Taints[i]; taint.Effect == corev1.TaintEffectPreferNoSchedule && !tolerates(pod, taint) {
			unwanted += 100
		}
	}
	return least + 2*preferred - 3*unwanted
}

// smallest is what a pod counts as that asks for nothing: kube-scheduler's
// numbers.
var smallest = amounts{corev1.ResourceCPU: 100, corev1.ResourceMemory: 200 << 20}

// Fits tells what keeps a pod off a node that has these pods: the check that a
// kubelet makes before it takes a pod.
func Fits(pod *corev1.Pod, node *corev1.Node, others []*corev1.Pod) []string {
	t := taken{requests: amounts{}}
	for _, o := range others {
		s := shareOf(o, node.Name)
		t.requests.add(s.requests, 1)
		t.ports = append(t.ports, s.ports...)
		t.pods++
	}
	need := shareOf(pod, node.Name)
	for _, p := range need.ports {
		if slices.ContainsFunc(t.ports, p.conflicts) {
			return []string{reasonPorts}
		}
	}
	if ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node); err != nil || !ok {
		return []string{reasonAffinity}
	}
	return lacks(need, node, t)
}
