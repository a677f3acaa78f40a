package authorization

import (
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// fieldSelector writes a review's field selector as a client would. What no
// client can write is left out: requirements only narrow what is asked for.
func fieldSelector(s *authorizationv1.FieldSelectorAttributes) string {
	if s.RawSelector != "" {
		return s.RawSelector
	}
	var terms []string
	for _, r := range s.Requirements {
		if len(r.Values) != 1 {
			continue
		}
		switch r.Operator {
		case metav1.FieldSelectorOpIn:
			terms = append(terms, fields.OneTermEqualSelector(r.Key, r.Values[0]).String())
		case metav1.FieldSelectorOpNotIn:
			terms = append(terms, fields.OneTermNotEqualSelector(r.Key, r.Values[0]).String())
		}
	}
	return strings.Join(terms, ",")
}

// operators are those of label selectors in reviews.
var operators = map[metav1.LabelSelectorOperator]selection.Operator{
	metav1.LabelSelectorOpIn:           selection.In,
	metav1.LabelSelectorOpNotIn:        selection.NotIn,
	metav1.LabelSelectorOpExists:       selection.Exists,
	metav1.LabelSelectorOpDoesNotExist: selection.DoesNotExist,
}

// labelSelector writes a review's label selector as a client would.
func labelSelector(s *authorizationv1.LabelSelectorAttributes) string {
	if s.RawSelector != "" {
		return s.RawSelector
	}
	var terms []string
	for _, r := range s.Requirements {
		if q, err := labels.NewRequirement(r.Key, operators[r.Operator], r.Values); err == nil {
			terms = append(terms, q.String())
		}
	}
	return strings.Join(terms, ",")
}

// unreadSelectors says which selectors of a review could not be read, in whole or
// in part. The question is answered without what was not read.
func unreadSelectors(r *authorizationv1.ResourceAttributes) (faults []string) {
	note := func(name string, read, asked int) {
		switch {
		case read == asked:
		case read > 0:
			faults = append(faults, "spec.resourceAttributes."+name+" partially ignored due to parse error")
		default:
			faults = append(faults, "spec.resourceAttributes."+name+" ignored due to parse error")
		}
	}
	if s := r.FieldSelector; s != nil {
		read, asked := 0, len(s.Requirements)
		if s.RawSelector != "" {
			read, asked = readable(fields.ParseSelector(s.RawSelector)), 1
		}
		for _, q := range s.Requirements {
			if len(q.Values) == 1 && (q.Operator == metav1.FieldSelectorOpIn || q.Operator == metav1.FieldSelectorOpNotIn) {
				read++
			}
		}
		note("fieldSelector", read, asked)
	}
	if s := r.LabelSelector; s != nil {
		read, asked := 0, len(s.Requirements)
		if s.RawSelector != "" {
			read, asked = readable(labels.Parse(s.RawSelector)), 1
		}
		for _, q := range s.Requirements {
			read += readable(labels.NewRequirement(q.Key, operators[q.Operator], q.Values))
		}
		note("labelSelector", read, asked)
	}
	return faults
}

// readable is 1 where parsing something went well, else 0.
func readable[T any](_ T, err error) int {
	if err != nil {
		return 0
	}
	return 1
}
