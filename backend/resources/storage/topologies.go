package storage

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateAllowedTopologies wants terms that name each key once and differ from
// one another.
func validateAllowedTopologies(terms []corev1.TopologySelectorTerm, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	// Kubernetes compares each with as many empty ones as there are terms too, so
	// that none may be empty.
	seen := make([]map[string]sets.Set[string], len(terms))
	for i := range terms {
		term, termErrs := validateTopologyTerm(&terms[i], at.Index(i))
		errs = append(errs, termErrs...)
		for _, other := range seen {
			if maps.EqualFunc(term, other, sets.Set[string].Equal) {
				errs = append(errs, field.Duplicate(at.Index(i).Child("matchLabelExpressions"), ""))
			}
		}
		seen = append(seen, term)
	}
	return errs
}

// validateTopologyTerm gives the values of each key of the term and what is
// wrong with it.
func validateTopologyTerm(term *corev1.TopologySelectorTerm, at *field.Path) (map[string]sets.Set[string], field.ErrorList) {
	var errs field.ErrorList
	values := map[string]sets.Set[string]{}
	for i, r := range term.MatchLabelExpressions {
		path := at.Child("matchLabelExpressions").Index(i)
		of, requirementErrs := validateTopologyRequirement(&r, path)
		errs = append(errs, requirementErrs...)
		if _, found := values[r.Key]; found {
			errs = append(errs, field.Duplicate(path.Child("key"), r.Key))
		}
		values[r.Key] = of
	}
	return values, errs
}

func validateTopologyRequirement(r *corev1.TopologySelectorLabelRequirement, at *field.Path) (sets.Set[string], field.ErrorList) {
	var errs field.ErrorList
	values := sets.New[string]()
	if len(r.Values) == 0 {
		errs = append(errs, field.Required(at.Child("values"), ""))
	}
	for i, value := range r.Values {
		if values.Has(value) {
			errs = append(errs, field.Duplicate(at.Child("values").Index(i), value))
		}
		values.Insert(value)
	}
	return values, append(errs, metav1validation.ValidateLabelName(r.Key, at.Child("key"))...)
}
