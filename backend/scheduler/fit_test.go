package scheduler

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func testNode(name, cpu string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}}}
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("4Gi"), corev1.ResourcePods: resource.MustParse("3")}
	return n
}

func testPod(uid, cpu string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid), Name: uid}}
	p.Spec.Containers = []corev1.Container{{Name: "c"}}
	if cpu != "" {
		p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
	}
	return p
}

func TestChoose(t *testing.T) {
	small, large := testNode("small", "1"), testNode("large", "4")
	f := func(change func(*corev1.Pod), taken map[string][]string, want, wantWhy string) {
		t.Helper()
		s := &Scheduler{usage: newUsage()}
		n := 0
		for node, requests := range taken {
			for _, cpu := range requests {
				n++
				s.usage.assume(testPod(fmt.Sprint("taken", n), cpu), node)
			}
		}
		p := testPod("new", "500m")
		if change != nil {
			change(p)
		}
		name, why := s.choose(p, nil, []*corev1.Node{small, large})
		if name != want || why != wantWhy {
			t.Errorf("%q %q, want %q %q", name, why, want, wantWhy)
		}
	}
	f(nil, nil, "large", "")
	f(nil, map[string][]string{"large": {"3800m"}}, "small", "")
	f(nil, map[string][]string{"large": {"1", "1", "1"}}, "small", "")
	f(nil, map[string][]string{"large": {"4"}, "small": {"600m"}}, "", "2 Insufficient cpu")
	f(nil, map[string][]string{"large": {"1", "1", "1"}, "small": {"1"}}, "", "1 Insufficient cpu, 1 Too many pods")
	f(func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"name": "small"} }, nil, "small", "")
	f(func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"name": "none"} }, nil, "", "2 node(s) didn't match Pod's node affinity/selector")
	prefers := func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{
			Weight: 100, Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "name", Operator: "In", Values: []string{"small"}}}},
		}}}}
	}
	f(prefers, nil, "small", "")
	large.Spec.Taints = []corev1.Taint{{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule}}
	f(nil, nil, "small", "")
	f(nil, map[string][]string{"small": {"1"}}, "", "1 Insufficient cpu, 1 node(s) had untolerated taint {gpu: yes}")
	f(func(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{{Key: "gpu", Operator: "Exists"}} }, nil, "large", "")
}

func TestUsageFollowsPods(t *testing.T) {
	u := newUsage()
	p := testPod("p", "1")
	u.assume(p, "n")
	bound := p.DeepCopy()
	bound.Spec.NodeName = "n"
	u.update(p, bound)
	if got := u.of("n"); got.pods != 1 || got.requests[corev1.ResourceCPU] != 1000 {
		t.Errorf("bound: %+v", got)
	}
	u.forget(p.UID) // too late: it was seen
	if u.of("n").pods != 1 {
		t.Error("a pod that was seen is forgotten")
	}
	over := bound.DeepCopy()
	over.Status.Phase = corev1.PodSucceeded
	u.update(bound, over)
	u.update(over, nil)
	if got := u.of("n"); got.pods != 0 || len(u.totals) != 0 {
		t.Errorf("ended: %+v, %v", got, u.totals)
	}
}

func TestVolumesOfSomeNodes(t *testing.T) {
	at := func(zone string) *corev1.PersistentVolume {
		return &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
			{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}}}}}}}}
	}
	n := &corev1.Node{}
	n.Labels = map[string]string{"zone": "a"}
	if !reach(nil, n) || !reach([]*corev1.PersistentVolume{at("a")}, n) || reach([]*corev1.PersistentVolume{at("a"), at("b")}, n) {
		t.Error("a node has the volumes of its zone, and no others")
	}
}
