// Package admissionregistration owns the built-in resources of the group
// admissionregistration.k8s.io: webhook configurations, admission policies and
// their bindings. Each resource is one file; rules.go, expressions.go and
// webhooks.go check what several have in common. Package admission acts on the
// objects, this one says what they may look like.
package admissionregistration

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// group is the API group of every resource here.
const group = "admissionregistration.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		mutatingAdmissionPolicies(env),
		mutatingAdmissionPolicyBindings(env),
		mutatingWebhookConfigurations(),
		validatingAdmissionPolicies(env),
		validatingAdmissionPolicyBindings(env),
		validatingWebhookConfigurations(),
	}
}

// configuration is the strategy of all kinds here: a generation that rises with
// what spec gives, and updates that name what they replace. old is nil for a
// new object.
func configuration[T scheme.Object](spec func(T) any, validate func(obj, old T) field.ErrorList) registry.For[T] {
	var none T
	return registry.For[T]{
		ValidatesMetaOnUpdate: 1,
		SkipsMetaChanges:      true,
		ValidateName:          apivalidation.NameIsDNSSubdomain,
		PrepareForCreate:      func(_ context.Context, obj T) { obj.SetGeneration(1) },
		Validate:              func(_ context.Context, obj T) field.ErrorList { return validate(obj, none) },
		PrepareForUpdate: func(_ context.Context, obj, old T) {
			if !equality.Semantic.DeepEqual(spec(obj), spec(old)) {
				obj.SetGeneration(old.GetGeneration() + 1)
			}
		},
		ValidateUpdate:         func(_ context.Context, obj, old T) field.ErrorList { return validate(obj, old) },
		RequireResourceVersion: true,
	}
}
