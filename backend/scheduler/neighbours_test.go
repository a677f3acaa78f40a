package scheduler

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

func TestNeighbours(t *testing.T) {
	node := func(name, zone string) *corev1.Node {
		n := testNode(name, "4")
		if n.Labels["host"] = name; zone != "" {
			n.Labels["zone"] = zone
		}
		return n
	}
	a1, a2, b1, none := node("a1", "a"), node("a2", "a"), node("b1", "b"), node("none", "")
	nodes := []*corev1.Node{a1, a2, b1, none}
	pod := func(app, namespace string, change ...func(*corev1.Pod)) *corev1.Pod {
		p := testPod(app, "")
		p.Namespace, p.Labels = namespace, map[string]string{"app": app}
		for _, c := range change {
			c(p)
		}
		return p
	}
	is := func(app string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	}
	near := func(key, app string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: key, LabelSelector: is(app)}}}}
		}
	}
	apart := func(key, app string, namespaces *metav1.LabelSelector) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: key, LabelSelector: is(app), NamespaceSelector: namespaces}}}}
		}
	}
	spread := func(key string, change func(*corev1.TopologySpreadConstraint)) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			c := corev1.TopologySpreadConstraint{TopologyKey: key, MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: is(p.Labels["app"])}
			if change != nil {
				change(&c)
			}
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{c}
		}
	}
	labelsOf := func(n string) labels.Set { return labels.Set{"team": n} }
	f := func(p *corev1.Pod, others []placed, want ...string) {
		t.Helper()
		r, err := newNeighbours(p, nodes, others, labelsOf)
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range nodes {
			if got := r.against(n); got != want[i] {
				t.Errorf("%s on %s: %q, want %q", p.Name, n.Name, got, want[i])
			}
		}
	}
	db := placed{pod("db", "x"), a1}
	const no, anti, existing, skew, label = reasonPodAffinity, reasonPodAnti, reasonExistingAnti, reasonSpread, reasonSpreadLabel
	f(pod("web", "x"), []placed{db}, "", "", "", "")
	f(pod("web", "x", near("zone", "db")), []placed{db}, "", "", no, no)
	f(pod("web", "x", near("host", "db")), []placed{db}, "", no, no, no)
	f(pod("web", "other", near("zone", "db")), []placed{db}, no, no, no, no)
	f(pod("web", "x", near("zone", "web")), []placed{db}, "", "", "", no) // the first of its own kind
	f(pod("web", "x", near("zone", "none")), nil, no, no, no, no)
	f(pod("db", "x", apart("host", "db", nil)), []placed{db}, anti, "", "", "")
	f(pod("db", "x", apart("zone", "db", nil)), []placed{db}, anti, anti, "", "")
	f(pod("db", "other", apart("zone", "db", nil)), []placed{db}, "", "", "", "")
	f(pod("db", "other", apart("zone", "db", &metav1.LabelSelector{})), []placed{db}, anti, anti, "", "")
	f(pod("db", "other", apart("zone", "db", &metav1.LabelSelector{MatchLabels: map[string]string{"team": "x"}})), []placed{db}, anti, anti, "", "")
	f(pod("db", "other", apart("zone", "db", &metav1.LabelSelector{MatchLabels: map[string]string{"team": "y"}})), []placed{db}, "", "", "", "")
	lonely := placed{pod("lonely", "x", apart("zone", "web", nil)), b1}
	f(pod("web", "x"), []placed{lonely}, "", "", existing, "")
	f(pod("web", "y"), []placed{lonely}, "", "", "", "")
	web := func(n *corev1.Node) placed { return placed{pod("web", "x"), n} }
	f(pod("web", "x", spread("zone", nil)), nil, "", "", "", label)
	f(pod("web", "x", spread("zone", nil)), []placed{web(a1)}, skew, skew, "", label)
	f(pod("web", "x", spread("zone", nil)), []placed{web(a1), web(b1)}, "", "", "", label)
	f(pod("web", "x", spread("host", nil)), []placed{web(a1), web(b1)}, skew, "", skew, "")
	f(pod("web", "x", spread("zone", func(c *corev1.TopologySpreadConstraint) { c.MinDomains = ptr.To[int32](3) })), []placed{web(a1), web(b1)}, skew, skew, skew, label)
	f(pod("web", "x", spread("zone", func(c *corev1.TopologySpreadConstraint) { c.MaxSkew = 2 })), []placed{web(a1)}, "", "", "", label)
	f(pod("web", "x", spread("zone", nil), func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"zone": "a"} }), []placed{web(a1)}, "", "", "", label) // b1 is no place of it: node affinity says so
	leaving := web(a1)
	leaving.pod.DeletionTimestamp = &metav1.Time{}
	f(pod("web", "x", spread("zone", nil)), []placed{leaving}, "", "", "", label)
}
