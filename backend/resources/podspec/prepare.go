package podspec

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// MergeLabelKeys writes the values of the labels that matchLabelKeys and
// mismatchLabelKeys name into the selectors beside them, as a new pod gets
// them.
func MergeLabelKeys(pod *v1.Pod) {
	term := func(t *v1.PodAffinityTerm) {
		mergeKeys(t.LabelSelector, t.MatchLabelKeys, metav1.LabelSelectorOpIn, pod.Labels)
		mergeKeys(t.LabelSelector, t.MismatchLabelKeys, metav1.LabelSelectorOpNotIn, pod.Labels)
	}
	terms := func(required []v1.PodAffinityTerm, preferred []v1.WeightedPodAffinityTerm) {
		for i := range preferred {
			term(&preferred[i].PodAffinityTerm)
		}
		for i := range required {
			term(&required[i])
		}
	}
	if a := pod.Spec.Affinity; a != nil {
		if p := a.PodAffinity; p != nil {
			terms(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
		}
		if p := a.PodAntiAffinity; p != nil {
			terms(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
		}
	}
	for i := range pod.Spec.TopologySpreadConstraints {
		c := &pod.Spec.TopologySpreadConstraints[i]
		mergeKeys(c.LabelSelector, c.MatchLabelKeys, metav1.LabelSelectorOpIn, pod.Labels)
	}
}

// mergeKeys leaves a missing selector as it is: it matches nothing.
func mergeKeys(s *metav1.LabelSelector, keys []string, operator metav1.LabelSelectorOperator, labels map[string]string) {
	if s == nil {
		return
	}
	for _, key := range keys {
		if value, there := labels[key]; there {
			s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: []string{value}})
		}
	}
}

// SyncAppArmor makes the AppArmor annotations of a new pod from its fields and
// the fields from the annotations, for kubelets that know only one of them. It
// gives warnings for annotations that no field says.
func SyncAppArmor(pod *v1.Pod) []string {
	if pod.Spec.OS != nil && pod.Spec.OS.Name == v1.Windows {
		return nil
	}
	var forPod *v1.AppArmorProfile
	if pod.Spec.SecurityContext != nil {
		forPod = pod.Spec.SecurityContext.AppArmorProfile
	}
	var warnings []string
	visitContainers(&pod.Spec, nil, func(c *v1.Container, _ *field.Path) {
		key := v1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix + c.Name
		annotation, annotated := pod.Annotations[key]
		if !annotated {
			if value := appArmorAnnotation(containerAppArmor(&pod.Spec, c)); value != "" {
				if pod.Annotations == nil {
					pod.Annotations = map[string]string{}
				}
				pod.Annotations[key] = value
			}
			return
		}
		if c.SecurityContext != nil && c.SecurityContext.AppArmorProfile != nil {
			return
		}
		profile := appArmorField(annotation)
		if profile != nil && apiequality.Semantic.DeepEqual(profile, forPod) {
			return
		}
		if profile != nil {
			if c.SecurityContext == nil {
				c.SecurityContext = &v1.SecurityContext{}
			}
			c.SecurityContext.AppArmorProfile = profile
		}
		warnings = append(warnings, fmt.Sprintf(`%s: deprecated since v1.30; use the "appArmorProfile" field instead`, metadataPath.Child("annotations").Key(key)))
	})
	return warnings
}

func appArmorAnnotation(p *v1.AppArmorProfile) string {
	if p == nil {
		return ""
	}
	switch p.Type {
	case v1.AppArmorProfileTypeUnconfined:
		return v1.DeprecatedAppArmorBetaProfileNameUnconfined
	case v1.AppArmorProfileTypeRuntimeDefault:
		return v1.DeprecatedAppArmorBetaProfileRuntimeDefault
	case v1.AppArmorProfileTypeLocalhost:
		if p.LocalhostProfile != nil {
			return v1.DeprecatedAppArmorBetaProfileNamePrefix + *p.LocalhostProfile
		}
	}
	return ""
}

// appArmorField gives the profile that an annotation means, nil when it means
// none that is valid.
func appArmorField(annotation string) *v1.AppArmorProfile {
	switch annotation {
	case v1.DeprecatedAppArmorBetaProfileNameUnconfined:
		return &v1.AppArmorProfile{Type: v1.AppArmorProfileTypeUnconfined}
	case v1.DeprecatedAppArmorBetaProfileRuntimeDefault:
		return &v1.AppArmorProfile{Type: v1.AppArmorProfileTypeRuntimeDefault}
	}
	file, local := strings.CutPrefix(annotation, v1.DeprecatedAppArmorBetaProfileNamePrefix)
	if !local {
		return nil
	}
	p := &v1.AppArmorProfile{Type: v1.AppArmorProfileTypeLocalhost, LocalhostProfile: &file}
	if len(validateAppArmor(p, nil)) > 0 {
		return nil
	}
	return p
}
