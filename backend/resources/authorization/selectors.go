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
