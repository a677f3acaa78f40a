package plugins

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// mergeTolerations joins two lists without what another entry says already.
// Where two entries are the same but for something, the first stays.
func mergeTolerations(first, second []corev1.Toleration) []corev1.Toleration {
	all := append(append([]corev1.Toleration(nil), first...), second...)
	var merged []corev1.Toleration
	for i := range all {
		said := slices.ContainsFunc(merged, func(t corev1.Toleration) bool { return covers(&t, &all[i]) })
		saidLater := slices.ContainsFunc(all[i+1:], func(t corev1.Toleration) bool {
			return covers(&t, &all[i]) && !equality.Semantic.DeepEqual(t, all[i])
		})
		if !said && !saidLater {
			merged = append(merged, all[i])
		}
	}
	return merged
}

// allowedBy tells whether every toleration is covered by one of a list; an
// empty list allows all.
func allowedBy(list, tolerations []corev1.Toleration) bool {
	for i := range tolerations {
		if len(list) > 0 && !slices.ContainsFunc(list, func(t corev1.Toleration) bool { return covers(&t, &tolerations[i]) }) {
			return false
		}
	}
	return true
}

// covers tells whether a toleration tolerates everything that another does.
func covers(t, other *corev1.Toleration) bool {
	switch {
	case equality.Semantic.DeepEqual(t, other):
		return true
	case t.Key != other.Key && (t.Key != "" || t.Operator != corev1.TolerationOpExists):
		return false
	case t.Effect != other.Effect && t.Effect != "":
		return false
	}
	if t.Effect == corev1.TaintEffectNoExecute && t.TolerationSeconds != nil {
		if other.TolerationSeconds == nil || *t.TolerationSeconds < *other.TolerationSeconds {
			return false
		}
	}
	switch t.Operator {
	case corev1.TolerationOpEqual, "":
		return other.Operator == corev1.TolerationOpEqual && t.Value == other.Value
	case corev1.TolerationOpExists:
		return true
	}
	return false
}
