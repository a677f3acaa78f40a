package podspec

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateReplicaTemplate gives what is wrong with the template of a kind that
// keeps replicas running: the selector must match it and its pods must not end
// by themselves. kind is the word for the kind in errors.
func ValidateReplicaTemplate(t *v1.PodTemplateSpec, selector labels.Selector, kind string, path *field.Path, o Options) field.ErrorList {
	if t == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	errs := SelectorMatches(t, selector, path)
	errs = append(errs, ValidateTemplate(t, path, o)...)
	errs = append(errs, AlwaysRestarts(t, path)...)
	if t.Spec.ActiveDeadlineSeconds != nil {
		errs = append(errs, field.Forbidden(path.Child("spec", "activeDeadlineSeconds"), fmt.Sprintf("activeDeadlineSeconds in %s is not Supported", kind)))
	}
	return errs
}

// SelectorMatches wants a selector, unless it is empty, to match a template.
func SelectorMatches(t *v1.PodTemplateSpec, selector labels.Selector, path *field.Path) field.ErrorList {
	if selector.Empty() || selector.Matches(labels.Set(t.Labels)) {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("metadata", "labels"), t.Labels, "`selector` does not match template `labels`")}
}

// AlwaysRestarts wants the containers of a template to be restarted always.
func AlwaysRestarts(t *v1.PodTemplateSpec, path *field.Path) field.ErrorList {
	if t.Spec.RestartPolicy == v1.RestartPolicyAlways {
		return nil
	}
	return field.ErrorList{field.NotSupported(path.Child("spec", "restartPolicy"), t.Spec.RestartPolicy, []v1.RestartPolicy{v1.RestartPolicyAlways})}
}

// SameTemplate tells whether two templates mean the same.
func SameTemplate(t, old *v1.PodTemplateSpec) bool {
	return apiequality.Semantic.DeepEqual(t, old)
}

// OwnerNameWarnings warns of a name that becomes the beginning of pods' names
// and is no DNS label.
func OwnerNameWarnings(name string) []string {
	if faults := validation.IsDNS1123Label(name); len(faults) > 0 {
		return []string{fmt.Sprintf("metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: %v", faults)}
	}
	return nil
}

// NamesAndImages gives the names and the images of containers as tables show
// them.
func NamesAndImages(containers []v1.Container) (names, images string) {
	n, i := make([]string, len(containers)), make([]string, len(containers))
	for c := range containers {
		n[c], i[c] = containers[c].Name, containers[c].Image
	}
	return strings.Join(n, ","), strings.Join(i, ",")
}
