package scheduler

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// What keeps a pod from a node because of other pods, in kube-scheduler's words.
const (
	reasonPodAffinity  = "node(s) didn't match pod affinity rules"
	reasonPodAnti      = "node(s) didn't match pod anti-affinity rules"
	reasonExistingAnti = "node(s) didn't satisfy existing pods anti-affinity rules"
	reasonSpread       = "node(s) didn't match pod topology spread constraints"
	reasonSpreadLabel  = reasonSpread + " (missing required label)"
)

// place is a value of a node's label: the zone a, the host n1.
type place struct{ key, value string }

// neighbours is what the required rules about other pods say of nodes: affinity
// and anti-affinity of the pod, anti-affinity of the pods that are there, and
// topology spread.
type neighbours struct {
	affinity []*term
	// near are the places that have pods of the affinity, alone tells that there
	// are none and that the pod would be the first of its own kind.
	near  map[place]int
	alone bool
	anti  []*term
	// taken are the places of each anti-affinity, forbidden those that pods which
	// are there keep for themselves.
	taken     []map[place]int
	forbidden map[place]bool
	spread    []*spread
}

// term is a rule about pods in the places of one label.
type term struct {
	key, own   string
	namespaces map[string]bool
	among      labels.Selector // of namespaces; nil for none
	pods       labels.Selector
}

func termOf(t *corev1.PodAffinityTerm, namespace string) (*term, error) {
	out := &term{key: t.TopologyKey, own: namespace, namespaces: map[string]bool{}}
	for _, n := range t.Namespaces {
		out.namespaces[n] = true
	}
	if len(t.Namespaces) == 0 && t.NamespaceSelector == nil {
		out.namespaces[namespace] = true
	}
	var err error
	if t.NamespaceSelector != nil {
		if out.among, err = metav1.LabelSelectorAsSelector(t.NamespaceSelector); err != nil {
			return nil, err
		}
	}
	out.pods, err = metav1.LabelSelectorAsSelector(t.LabelSelector)
	return out, err
}

func termsOf(list []corev1.PodAffinityTerm, namespace string) ([]*term, error) {
	var out []*term
	for i := range list {
		t, err := termOf(&list[i], namespace)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// is tells whether the term is about a pod; labelsOf gives those of namespaces.
func (t *term) is(p *corev1.Pod, labelsOf func(string) labels.Set) bool {
	if !t.namespaces[p.Namespace] && (t.among == nil || !t.among.Empty() && !t.among.Matches(labelsOf(p.Namespace))) {
		return false
	}
	return t.pods.Matches(labels.Set(p.Labels))
}

// requiredAnti are the pod's required terms of anti-affinity.
func requiredAnti(p *corev1.Pod) []corev1.PodAffinityTerm {
	if a := p.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		return a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

func requiredNear(p *corev1.Pod) []corev1.PodAffinityTerm {
	if a := p.Spec.Affinity; a != nil && a.PodAffinity != nil {
		return a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

// hasNeighbours tells whether a pod has rules about others.
func hasNeighbours(p *corev1.Pod) bool {
	if len(requiredAnti(p))+len(requiredNear(p)) > 0 {
		return true
	}
	for _, c := range p.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule {
			return true
		}
	}
	return false
}

// placed is a pod on a node.
type placed struct {
	pod  *corev1.Pod
	node *corev1.Node
}

// newNeighbours counts what the rules are about. It is nil when there are none.
func newNeighbours(pod *corev1.Pod, nodes []*corev1.Node, others []placed, labelsOf func(string) labels.Set) (*neighbours, error) {
	n := &neighbours{near: map[place]int{}, forbidden: map[place]bool{}}
	var err error
	if n.affinity, err = termsOf(requiredNear(pod), pod.Namespace); err != nil {
		return nil, fmt.Errorf("affinity: %w", err)
	}
	if n.anti, err = termsOf(requiredAnti(pod), pod.Namespace); err != nil {
		return nil, fmt.Errorf("anti-affinity: %w", err)
	}
	for range n.anti {
		n.taken = append(n.taken, map[place]int{})
	}
	for _, o := range others {
		if all(n.affinity, o.pod, labelsOf) {
			for _, t := range n.affinity {
				count(n.near, o.node, t.key)
			}
		}
		for i, t := range n.anti {
			if t.is(o.pod, labelsOf) {
				count(n.taken[i], o.node, t.key)
			}
		}
		theirs, err := termsOf(requiredAnti(o.pod), o.pod.Namespace)
		if err != nil {
			continue // it was let in by somebody else's rules
		}
		for _, t := range theirs {
			if value, ok := o.node.Labels[t.key]; ok && t.is(pod, labelsOf) {
				n.forbidden[place{t.key, value}] = true
			}
		}
	}
	n.alone = len(n.near) == 0 && all(n.affinity, pod, labelsOf)
	n.spread, err = spreadsOf(pod, nodes, others)
	return n, err
}

// all tells that there are terms and that each is about the pod.
func all(terms []*term, p *corev1.Pod, labelsOf func(string) labels.Set) bool {
	for _, t := range terms {
		if !t.is(p, labelsOf) {
			return false
		}
	}
	return len(terms) > 0
}

func count(counts map[place]int, n *corev1.Node, key string) {
	if value, ok := n.Labels[key]; ok {
		counts[place{key, value}]++
	}
}

// against gives what speaks against a node; blank for nothing.
func (n *neighbours) against(node *corev1.Node) string {
	if n == nil {
		return ""
	}
	for _, s := range n.spread {
		if why := s.against(node); why != "" {
			return why
		}
	}
	for _, t := range n.affinity {
		value, ok := node.Labels[t.key]
		if !ok || n.near[place{t.key, value}] == 0 && !n.alone {
			return reasonPodAffinity
		}
	}
	for i, t := range n.anti {
		if value, ok := node.Labels[t.key]; ok && n.taken[i][place{t.key, value}] > 0 {
			return reasonPodAnti
		}
	}
	for p := range n.forbidden {
		if value, ok := node.Labels[p.key]; ok && value == p.value {
			return reasonExistingAnti
		}
	}
	return ""
}

// spread is one required constraint of topology spread.
type spread struct {
	key       string
	maxSkew   int
	self      int // 1 if the pod counts itself
	counts    map[string]int
	minimum   int
	minDomain int
}

// spreadsOf counts the pods of each place for each required constraint.
func spreadsOf(pod *corev1.Pod, nodes []*corev1.Node, others []placed) ([]*spread, error) {
	var required []corev1.TopologySpreadConstraint
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule {
			required = append(required, c)
		}
	}
	var out []*spread
	for i := range required {
		c := &required[i]
		selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
		if err != nil {
			return nil, fmt.Errorf("topology spread: %w", err)
		}
		s := &spread{key: c.TopologyKey, maxSkew: int(c.MaxSkew), counts: map[string]int{}, minDomain: 1}
		if c.MinDomains != nil {
			s.minDomain = int(*c.MinDomains)
		}
		if selector.Matches(labels.Set(pod.Labels)) {
			s.self = 1
		}
		counted := map[string]bool{}
		for _, n := range nodes {
			if countsFor(pod, c, n) && hasAll(n, required) {
				counted[n.Name] = true
				s.counts[n.Labels[c.TopologyKey]] += 0
			}
		}
		for _, o := range others {
			if counted[o.node.Name] && o.pod.Namespace == pod.Namespace && o.pod.DeletionTimestamp == nil && selector.Matches(labels.Set(o.pod.Labels)) {
				s.counts[o.node.Labels[c.TopologyKey]]++
			}
		}
		s.minimum = s.least()
		out = append(out, s)
	}
	return out, nil
}

func (s *spread) least() int {
	if len(s.counts) < s.minDomain {
		return 0
	}
	least := -1
	for _, n := range s.counts {
		if least < 0 || n < least {
			least = n
		}
	}
	return max(0, least)
}

func hasAll(n *corev1.Node, required []corev1.TopologySpreadConstraint) bool {
	for i := range required {
		if _, ok := n.Labels[required[i].TopologyKey]; !ok {
			return false
		}
	}
	return true
}

// countsFor tells whether a node is one of those over which a pod is spread.
func countsFor(pod *corev1.Pod, c *corev1.TopologySpreadConstraint, n *corev1.Node) bool {
	if c.NodeAffinityPolicy == nil || *c.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor {
		if ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(n); err != nil || !ok {
			return false
		}
	}
	if c.NodeTaintsPolicy != nil && *c.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor {
		if _, untolerated := hardTaint(pod, n); untolerated {
			return false
		}
	}
	return true
}

func (s *spread) against(n *corev1.Node) string {
	value, ok := n.Labels[s.key]
	switch {
	case !ok:
		return reasonSpreadLabel
	case s.counts[value]+s.self-s.minimum > s.maxSkew:
		return reasonSpread
	}
	return ""
}
