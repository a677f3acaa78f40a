package authorization

import (
	"context"
	"fmt"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var specPath = field.NewPath("spec")

// create makes the Create of a review of type T: answer looks at the review and
// fills in its status.
func create[T runtime.Object](answer func(ctx context.Context, c registry.Call, review T) error) func(context.Context, registry.Call, runtime.Object) (runtime.Object, error) {
	return func(ctx context.Context, c registry.Call, obj runtime.Object) (runtime.Object, error) {
		review, ok := obj.(T)
		if !ok {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("not a review of this kind: %T", obj))
		}
		if c.Validate != nil {
			if err := c.Validate(ctx, review.DeepCopyObject(), nil); err != nil {
				return nil, err
			}
		}
		return review, answer(ctx, c, review)
	}
}

// invalid is the 422 of a review. Kubernetes leaves the kind out of it.
func invalid(faults field.ErrorList) error {
	return apierrors.NewInvalid(schema.GroupKind{Group: group}, "", faults)
}

// validateAttributes checks that one of the two kinds of attributes is there.
func validateAttributes(resource *authorizationv1.ResourceAttributes, path *authorizationv1.NonResourceAttributes) field.ErrorList {
	resourcePath := specPath.Child("resourceAttributes")
	switch {
	case resource != nil && path != nil:
		return field.ErrorList{field.Invalid(specPath.Child("nonResourceAttributes"), internalForm{path}, "cannot be specified in combination with resourceAttributes")}
	case resource == nil && path == nil:
		return field.ErrorList{field.Invalid(resourcePath, nil, "exactly one of nonResourceAttributes or resourceAttributes must be specified")}
	case resource == nil:
		return nil
	}
	var faults field.ErrorList
	if s := resource.FieldSelector; s != nil {
		faults = append(faults, validateFieldSelector(s, resourcePath.Child("fieldSelector"))...)
	}
	if s := resource.LabelSelector; s != nil {
		faults = append(faults, validateLabelSelector(s, resourcePath.Child("labelSelector"))...)
	}
	return faults
}

// internalForm prints like Kubernetes' type of the same fields, which has no
// JSON names.
type internalForm struct {
	*authorizationv1.NonResourceAttributes
}

// MarshalJSON gives the form that messages show.
func (f internalForm) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"Path":%q,"Verb":%q}`, f.Path, f.Verb), nil
}

// validateFieldSelector lets operators pass that this server does not know: a
// client may be newer, and what is not understood only narrows what is asked for.
func validateFieldSelector(s *authorizationv1.FieldSelectorAttributes, path *field.Path) field.ErrorList {
	faults := eitherForm(s.RawSelector, len(s.Requirements), path)
	options := metav1validation.FieldSelectorValidationOptions{AllowUnknownOperatorInRequirement: true}
	for i, r := range s.Requirements {
		faults = append(faults, metav1validation.ValidateFieldSelectorRequirement(r, options, path.Child("requirements").Index(i))...)
	}
	return faults
}

// validateLabelSelector is as lenient as validateFieldSelector.
func validateLabelSelector(s *authorizationv1.LabelSelectorAttributes, path *field.Path) field.ErrorList {
	faults := eitherForm(s.RawSelector, len(s.Requirements), path)
	options := metav1validation.LabelSelectorValidationOptions{AllowUnknownOperatorInRequirement: true}
	for i, r := range s.Requirements {
		faults = append(faults, metav1validation.ValidateLabelSelectorRequirement(r, options, path.Child("requirements").Index(i))...)
	}
	return faults
}

// eitherForm checks that a selector is given as text or as requirements.
func eitherForm(raw string, requirements int, path *field.Path) field.ErrorList {
	switch {
	case raw != "" && requirements > 0:
		return field.ErrorList{field.Invalid(path.Child("rawSelector"), raw, "may not specified at the same time as requirements")}
	case raw == "" && requirements == 0:
		return field.ErrorList{field.Required(path.Child("requirements"), fmt.Sprintf("when %s is specified, requirements or rawSelector is required", path))}
	}
	return nil
}

// decide gives the status of a review.
func decide(ctx context.Context, env *registry.Env, u *request.User, resource *authorizationv1.ResourceAttributes, path *authorizationv1.NonResourceAttributes) authorizationv1.SubjectAccessReviewStatus {
	if env.Access == nil {
		return authorizationv1.SubjectAccessReviewStatus{EvaluationError: "no authorizer is set up"}
	}
	d, err := env.Access.Authorize(ctx, u, attributes(resource, path))
	status := authorizationv1.SubjectAccessReviewStatus{Allowed: d.Allowed, Denied: d.Denied, Reason: d.Reason}
	var faults []string
	if err != nil {
		faults = append(faults, err.Error())
	}
	if resource != nil {
		faults = append(faults, unreadSelectors(resource)...)
	}
	status.EvaluationError = strings.Join(faults, "; ")
	return status
}

func attributes(resource *authorizationv1.ResourceAttributes, path *authorizationv1.NonResourceAttributes) *request.Info {
	if resource == nil {
		return &request.Info{Path: path.Path, Verb: path.Verb}
	}
	i := &request.Info{
		IsResource: true, Verb: resource.Verb, Namespace: resource.Namespace, Group: resource.Group, Version: resource.Version,
		Resource: resource.Resource, Subresource: resource.Subresource, Name: resource.Name,
	}
	if i.Version == "" {
		i.Version = "*"
	}
	if s := resource.FieldSelector; s != nil {
		i.Fields, i.FieldSelector = fieldTerms(s), fieldSelector(s)
	}
	if s := resource.LabelSelector; s != nil {
		i.LabelSelector = labelSelector(s)
	}
	return i
}

// fieldTerms gives the terms of a selector that name one value.
func fieldTerms(s *authorizationv1.FieldSelectorAttributes) []request.FieldTerm {
	var out []request.FieldTerm
	for _, r := range s.Requirements {
		if r.Operator == metav1.FieldSelectorOpIn && len(r.Values) == 1 {
			out = append(out, request.FieldTerm{Field: r.Key, Value: r.Values[0]})
		}
	}
	if selector, err := fields.ParseSelector(s.RawSelector); s.RawSelector != "" && err == nil {
		for _, r := range selector.Requirements() {
			if r.Operator == selection.Equals || r.Operator == selection.DoubleEquals {
				out = append(out, request.FieldTerm{Field: r.Field, Value: r.Value})
			}
		}
	}
	return out
}

// reviewed is the user that a review names.
func reviewed(spec *authorizationv1.SubjectAccessReviewSpec) *request.User {
	u := &request.User{Name: spec.User, UID: spec.UID, Groups: spec.Groups}
	if len(spec.Extra) > 0 {
		u.Extra = make(map[string][]string, len(spec.Extra))
		for k, v := range spec.Extra {
			u.Extra[k] = v
		}
	}
	return u
}

// validateSpec checks a review of somebody named.
func validateSpec(spec *authorizationv1.SubjectAccessReviewSpec) field.ErrorList {
	faults := validateAttributes(spec.ResourceAttributes, spec.NonResourceAttributes)
	if spec.User == "" && len(spec.Groups) == 0 {
		faults = append(faults, field.Invalid(specPath.Child("user"), spec.User, "at least one of user or group must be specified"))
	}
	return faults
}
