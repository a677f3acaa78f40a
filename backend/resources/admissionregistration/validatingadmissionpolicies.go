package admissionregistration

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func validatingAdmissionPolicies() registry.Resource {
	status := validatingAdmissionPolicyStatusStrategy()
	return registry.Resource{
		Group:      group,
		Name:       "validatingadmissionpolicies",
		Singular:   "validatingadmissionpolicy",
		Kind:       "ValidatingAdmissionPolicy",
		Categories: []string{"api-extensions"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &admissionregistrationv1.ValidatingAdmissionPolicy{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func validatingAdmissionPolicyStatusStrategy() registry.Strategy {
	return registry.For[*admissionregistrationv1.ValidatingAdmissionPolicy]{}.Strategy()
}
