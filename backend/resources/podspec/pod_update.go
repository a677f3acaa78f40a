package podspec

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var updatableFields = strings.Join([]string{
	"`spec.containers[*].image`",
	"`spec.initContainers[*].image`",
	"`spec.activeDeadlineSeconds`",
	"`spec.tolerations` (only additions to existing tolerations)",
	"`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
}, ",")

// ValidatePodUpdate gives what is wrong with an update of a pod besides its
// metadata. Most of a pod's spec is fixed.
func ValidatePodUpdate(pod, old *v1.Pod, o Options) field.ErrorList {
	errs := validatePod(pod, o)
	errs = append(errs, annotationUpdates(pod, old, o)...)
	for _, list := range []struct {
		name     string
		new, old []v1.Container
	}{
		{"containers", pod.Spec.Containers, old.Spec.Containers},
		{"initContainers", pod.Spec.InitContainers, old.Spec.InitContainers},
	} {
		path := specPath.Child(list.name)
		if len(list.new) != len(list.old) {
			return append(errs, field.Forbidden(path, "pod updates may not add or remove containers"))
		}
		for i := range list.new {
			errs = append(errs, required(list.new[i].Image, path.Index(i).Child("image"))...)
			errs = append(errs, trimmedImage(list.new[i].Image, path.Index(i))...)
		}
	}
	deadline, fatal := deadlineUpdate(pod.Spec.ActiveDeadlineSeconds, old.Spec.ActiveDeadlineSeconds)
	errs = append(errs, deadline...)
	if fatal {
		return errs
	}
	errs = append(errs, addedTolerations(pod.Spec.Tolerations, old.Spec.Tolerations)...)
	errs = append(errs, removedGates(pod.Spec.SchedulingGates, old.Spec.SchedulingGates)...)
	if apiequality.Semantic.DeepEqual(pod.Spec, old.Spec) {
		return errs
	}
	return append(errs, fixedSpec(pod, old)...)
}

// deadlineUpdate lets a deadline be set and shortened, not lengthened or
// removed.
func deadlineUpdate(deadline, old *int64) (errs field.ErrorList, fatal bool) {
	path := specPath.Child("activeDeadlineSeconds")
	switch {
	case deadline == nil && old == nil:
		return nil, false
	case deadline == nil:
		return field.ErrorList{field.Invalid(path, deadline, "must not update from a positive integer to nil value")}, false
	case *deadline < 0 || *deadline > math.MaxInt32:
		return field.ErrorList{field.Invalid(path, *deadline, validation.InclusiveRangeError(0, math.MaxInt32))}, true
	case old != nil && *old < *deadline:
		return field.ErrorList{field.Invalid(path, *deadline, "must be less than or equal to previous value")}, true
	}
	return nil, false
}

// addedTolerations wants the old tolerations to be there still; their seconds
// may change.
func addedTolerations(tolerations, old []v1.Toleration) field.ErrorList {
	path := specPath.Child("tolerations")
	for _, o := range old {
		if !slices.ContainsFunc(tolerations, func(t v1.Toleration) bool {
			t.TolerationSeconds = o.TolerationSeconds
			return reflect.DeepEqual(t, o)
		}) {
			return field.ErrorList{field.Forbidden(path, "existing toleration can not be modified except its tolerationSeconds")}
		}
	}
	return validateTolerations(tolerations, path)
}

func removedGates(gates, old []v1.PodSchedulingGate) field.ErrorList {
	var errs field.ErrorList
	for i, gate := range gates {
		if slices.Contains(old, gate) || slices.Contains(gates[i+1:], gate) {
			continue
		}
		errs = append(errs, field.Forbidden(specPath.Child("schedulingGates").Index(i).Child("name"), fmt.Sprintf("only deletion is allowed, but found new scheduling gate '%s'", gate.Name)))
	}
	return errs
}

// fixedSpec wants everything to be as it was besides what an update may change.
func fixedSpec(pod, old *v1.Pod) field.ErrorList {
	var errs field.ErrorList
	spec := pod.Spec.DeepCopy()
	for i := range spec.Containers {
		spec.Containers[i].Image = old.Spec.Containers[i].Image
	}
	for i := range spec.InitContainers {
		spec.InitContainers[i].Image = old.Spec.InitContainers[i].Image
	}
	spec.ActiveDeadlineSeconds = old.Spec.ActiveDeadlineSeconds
	spec.SchedulingGates = old.Spec.SchedulingGates
	spec.Tolerations = old.Spec.Tolerations
	if grace, was := spec.TerminationGracePeriodSeconds, old.Spec.TerminationGracePeriodSeconds; was != nil && *was < 0 && grace != nil && *grace == 1 {
		spec.TerminationGracePeriodSeconds = was
	}
	if len(old.Spec.SchedulingGates) > 0 {
		errs = append(errs, gatedChanges(spec, &old.Spec)...)
	}
	if !apiequality.Semantic.DeepEqual(*spec, old.Spec) {
		errs = append(errs, field.Forbidden(specPath, fmt.Sprintf("pod updates may not change fields other than %s\n%v", updatableFields,
			diff.Diff(validate.Internal(old.Spec), validate.Internal(*spec)))))
	}
	return errs
}

// gatedChanges lets the node selector and the node affinity of a pod that waits
// at a scheduling gate become narrower, and then sets both back to what they
// were.
func gatedChanges(spec, old *v1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	if !apiequality.Semantic.DeepEqual(spec.NodeSelector, old.NodeSelector) {
		for key, value := range old.NodeSelector {
			if v, there := spec.NodeSelector[key]; !there || v != value {
				errs = append(errs, field.Invalid(specPath.Child("nodeSelector"), spec.NodeSelector, "only additions to spec.nodeSelector are allowed (no mutations or deletions)"))
				break
			}
		}
		spec.NodeSelector = old.NodeSelector
	}
	was, is := nodeAffinity(old), nodeAffinity(spec)
	if apiequality.Semantic.DeepEqual(was, is) {
		return errs
	}
	errs = append(errs, narrowerAffinity(is, was)...)
	switch a := spec.Affinity; {
	case a == nil:
		spec.Affinity = &v1.Affinity{NodeAffinity: was}
	case old.Affinity == nil && a.PodAffinity == nil && a.PodAntiAffinity == nil:
		spec.Affinity = nil
	default:
		a.NodeAffinity = was
	}
	return errs
}

func nodeAffinity(s *v1.PodSpec) *v1.NodeAffinity {
	if s.Affinity == nil {
		return nil
	}
	return s.Affinity.NodeAffinity
}

func requiredTerms(a *v1.NodeAffinity) []v1.NodeSelectorTerm {
	if a == nil || a.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	return a.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
}

// narrowerAffinity wants each required term to be kept, with requirements added
// at its end.
func narrowerAffinity(affinity, old *v1.NodeAffinity) field.ErrorList {
	terms, was := requiredTerms(affinity), requiredTerms(old)
	if len(was) == 0 {
		return nil
	}
	path := specPath.Child("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
	if len(terms) != len(was) {
		return field.ErrorList{field.Invalid(path, validate.Internal(terms), "no additions/deletions to non-empty NodeSelectorTerms list are allowed")}
	}
	var errs field.ErrorList
	for i := range was {
		if !extends(&terms[i], &was[i]) {
			errs = append(errs, field.Invalid(path.Index(i), validate.Internal(terms[i]), "only additions are allowed (no mutations or deletions)"))
		}
	}
	return errs
}

func extends(term, old *v1.NodeSelectorTerm) bool {
	if len(old.MatchExpressions)+len(old.MatchFields) == 0 {
		// A term without requirements matches nothing; any would widen it.
		return len(term.MatchExpressions)+len(term.MatchFields) == 0
	}
	begins := func(list, old []v1.NodeSelectorRequirement) bool {
		return len(list) >= len(old) && apiequality.Semantic.DeepEqual(list[:len(old)], old) || len(old) == 0
	}
	return begins(term.MatchExpressions, old.MatchExpressions) && begins(term.MatchFields, old.MatchFields)
}

// ValidateEphemeralContainersUpdate gives what is wrong with an update that
// adds ephemeral containers: those that are there stay as they are.
func ValidateEphemeralContainersUpdate(pod, old *v1.Pod, o Options) field.ErrorList {
	if _, mirror := old.Annotations[v1.MirrorPodAnnotationKey]; mirror {
		return field.ErrorList{field.Forbidden(field.NewPath(""), "static pods do not support ephemeral containers")}
	}
	errs := validatePod(pod, o)
	errs = append(errs, annotationUpdates(pod, old, o)...)
	path := specPath.Child("ephemeralContainers")
	for i := range old.Spec.EphemeralContainers {
		was := &old.Spec.EphemeralContainers[i]
		at := slices.IndexFunc(pod.Spec.EphemeralContainers, func(c v1.EphemeralContainer) bool { return c.Name == was.Name })
		if at < 0 {
			errs = append(errs, field.Forbidden(path, fmt.Sprintf("existing ephemeral containers %q may not be removed\n", was.Name)))
			continue
		}
		if is := &pod.Spec.EphemeralContainers[at]; !apiequality.Semantic.DeepEqual(*was, *is) {
			errs = append(errs, field.Forbidden(path, fmt.Sprintf("existing ephemeral containers %q may not be changed\n%v", was.Name,
				diff.Diff(validate.Internal(was), validate.Internal(is)))))
		}
	}
	return errs
}
