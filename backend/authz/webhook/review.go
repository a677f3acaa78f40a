package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"pilothouse/backend/authz"

	authorizationv1 "k8s.io/api/authorization/v1"
	authorizationv1beta1 "k8s.io/api/authorization/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

const (
	group = "authorization.k8s.io/"
	kind  = "SubjectAccessReview"
)

// specOf writes what is asked as a review.
func specOf(a *authz.Attributes) *authorizationv1.SubjectAccessReviewSpec {
	s := &authorizationv1.SubjectAccessReviewSpec{}
	if u := a.User; u != nil {
		s.User, s.UID, s.Groups = u.Name, u.UID, u.Groups
		if u.Extra != nil {
			s.Extra = make(map[string]authorizationv1.ExtraValue, len(u.Extra))
			for key, values := range u.Extra {
				s.Extra[key] = values
			}
		}
	}
	if !a.IsResource {
		s.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: a.Path, Verb: a.Verb}
		return s
	}
	s.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Namespace: a.Namespace, Verb: a.Verb, Group: a.Group, Version: a.Version,
		Resource: a.Resource, Subresource: a.Subresource, Name: a.Name,
	}
	if r := fieldRequirements(a.FieldSelector); len(r) > 0 {
		s.ResourceAttributes.FieldSelector = &authorizationv1.FieldSelectorAttributes{Requirements: r}
	}
	if r := labelRequirements(a.LabelSelector); len(r) > 0 {
		s.ResourceAttributes.LabelSelector = &authorizationv1.LabelSelectorAttributes{Requirements: r}
	}
	return s
}

// fieldRequirements are the terms of a selector; one that cannot be read has
// none, which asks for more, never for less.
func fieldRequirements(text string) []metav1.FieldSelectorRequirement {
	if text == "" {
		return nil
	}
	selector, err := fields.ParseSelector(text)
	if err != nil {
		return nil
	}
	var out []metav1.FieldSelectorRequirement
	for _, r := range selector.Requirements() {
		operator := metav1.FieldSelectorOpIn
		if r.Operator == selection.NotEquals {
			operator = metav1.FieldSelectorOpNotIn
		}
		out = append(out, metav1.FieldSelectorRequirement{Key: r.Field, Operator: operator, Values: []string{r.Value}})
	}
	return out
}

// labelRequirements are the terms of a selector, but for comparisons of numbers,
// which reviews do not know.
func labelRequirements(text string) []metav1.LabelSelectorRequirement {
	if text == "" {
		return nil
	}
	requirements, err := labels.ParseToRequirements(text)
	if err != nil {
		return nil
	}
	var out []metav1.LabelSelectorRequirement
	for _, r := range requirements {
		q := metav1.LabelSelectorRequirement{Key: r.Key()}
		switch r.Operator() {
		case selection.Equals, selection.DoubleEquals, selection.In:
			q.Operator = metav1.LabelSelectorOpIn
		case selection.NotEquals, selection.NotIn:
			q.Operator = metav1.LabelSelectorOpNotIn
		case selection.Exists:
			q.Operator = metav1.LabelSelectorOpExists
		case selection.DoesNotExist:
			q.Operator = metav1.LabelSelectorOpDoesNotExist
		default:
			continue
		}
		if values := r.ValuesUnsorted(); len(values) > 0 {
			q.Values = values
		}
		out = append(out, q)
	}
	return out
}

// answer is a review that came back, the same in both versions.
type answer struct {
	metav1.TypeMeta `json:",inline"`
	Status          authorizationv1.SubjectAccessReviewStatus `json:"status"`
}

// ask sends a review and reads what comes back.
func (a *Authorizer) ask(ctx context.Context, spec *authorizationv1.SubjectAccessReviewSpec) (*authorizationv1.SubjectAccessReviewStatus, error) {
	body, err := json.Marshal(reviewOf(a.o.Version, spec))
	if err != nil {
		return nil, err
	}
	var got answer
	err = a.service.Post(ctx, body, func(content []byte) error {
		got = answer{}
		if err := json.Unmarshal(content, &got); err != nil {
			return fmt.Errorf("authorization webhook's answer: %w", err)
		}
		if got.Kind != kind || !strings.HasPrefix(got.APIVersion, group) {
			return fmt.Errorf("authorization webhook answered with %q of %q, not a SubjectAccessReview", got.Kind, got.APIVersion)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &got.Status, nil
}

// reviewOf is a review in a version. The groups are called group in v1beta1.
func reviewOf(version string, spec *authorizationv1.SubjectAccessReviewSpec) any {
	meta := metav1.TypeMeta{APIVersion: group + version, Kind: kind}
	if version != "v1beta1" {
		return &authorizationv1.SubjectAccessReview{TypeMeta: meta, Spec: *spec}
	}
	out := &authorizationv1beta1.SubjectAccessReview{TypeMeta: meta, Spec: authorizationv1beta1.SubjectAccessReviewSpec{
		User: spec.User, UID: spec.UID, Groups: spec.Groups,
		ResourceAttributes:    (*authorizationv1beta1.ResourceAttributes)(spec.ResourceAttributes),
		NonResourceAttributes: (*authorizationv1beta1.NonResourceAttributes)(spec.NonResourceAttributes),
	}}
	if spec.Extra != nil {
		out.Spec.Extra = make(map[string]authorizationv1beta1.ExtraValue, len(spec.Extra))
		for key, values := range spec.Extra {
			out.Spec.Extra[key] = authorizationv1beta1.ExtraValue(values)
		}
	}
	return out
}
