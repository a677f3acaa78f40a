package plugins

import (
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/sets"
)

// restrictNode lets a node write itself, without what others say about it: its
// taints, its owners, and labels by which pods are kept off it.
func restrictNode(a *admission.Attributes, name string) error {
	requested := a.Name
	next, _ := a.Object.(*corev1.Node)
	if a.Operation == admission.Create && next != nil {
		if next.Spec.ConfigSource != nil {
			return fmt.Errorf("node %q is not allowed to create pods with a non-nil configSource", name)
		}
		if labels := forbiddenLabels(sets.KeySet(next.Labels)); len(labels) > 0 {
			return fmt.Errorf("node %q is not allowed to set the following labels: %s", name, strings.Join(labels, ", "))
		}
		if requested == "" {
			requested = next.Name
		}
	}
	if requested != name {
		return fmt.Errorf("node %q is not allowed to modify node %q", name, requested)
	}
	old, _ := a.Old.(*corev1.Node)
	if a.Operation != admission.Update || next == nil || old == nil {
		return nil
	}
	switch {
	case next.Spec.ConfigSource != nil && !equality.Semantic.DeepEqual(next.Spec.ConfigSource, old.Spec.ConfigSource):
		return fmt.Errorf("node %q is not allowed to update configSource to a new non-nil configSource", name)
	case !equality.Semantic.DeepEqual(next.Spec.Taints, old.Spec.Taints):
		return fmt.Errorf("node %q is not allowed to modify taints", name)
	}
	if labels := forbiddenLabels(changedLabels(next.Labels, old.Labels)); len(labels) > 0 {
		return fmt.Errorf("is not allowed to modify labels: %s", strings.Join(labels, ", "))
	}
	if !equality.Semantic.DeepEqual(next.OwnerReferences, old.OwnerReferences) {
		return fmt.Errorf("node %q is not allowed to modify ownerReferences", name)
	}
	return nil
}

func changedLabels(next, old map[string]string) sets.Set[string] {
	changed := sets.New[string]()
	for key, value := range next {
		if before, there := old[key]; !there || before != value {
			changed.Insert(key)
		}
	}
	for key := range old {
		if _, there := next[key]; !there {
			changed.Insert(key)
		}
	}
	return changed
}

// kubeletLabels are those of Kubernetes' own domains that a node may say about
// itself, besides those of kubeletLabelDomains.
var kubeletLabels = sets.New(
	corev1.LabelHostname, corev1.LabelTopologyZone, corev1.LabelTopologyRegion,
	corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion,
	corev1.LabelInstanceType, corev1.LabelInstanceTypeStable,
	corev1.LabelOSStable, corev1.LabelArchStable,
	"beta.kubernetes.io/os", "beta.kubernetes.io/arch",
)

var kubeletLabelDomains = []string{"kubelet.kubernetes.io", "node.kubernetes.io"}

// forbiddenLabels gives those labels that a node may not set on itself.
func forbiddenLabels(labels sets.Set[string]) []string {
	var out []string
	for label := range labels {
		domain, _, named := strings.Cut(label, "/")
		if !named {
			continue
		}
		kubernetes := within(domain, "kubernetes.io") || within(domain, "k8s.io")
		own := kubeletLabels.Has(label) || slices.ContainsFunc(kubeletLabelDomains, func(d string) bool { return within(domain, d) })
		if within(domain, corev1.LabelNamespaceNodeRestriction) || kubernetes && !own {
			out = append(out, label)
		}
	}
	slices.Sort(out)
	return out
}

// within tells whether a domain is another one or below it.
func within(domain, parent string) bool {
	return domain == parent || strings.HasSuffix(domain, "."+parent)
}
