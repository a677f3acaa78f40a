package admissionregistration

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func mutatingAdmissionPolicies() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "mutatingadmissionpolicies",
		Singular:   "mutatingadmissionpolicy",
		Kind:       "MutatingAdmissionPolicy",
		Categories: []string{"api-extensions"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &admissionregistrationv1.MutatingAdmissionPolicy{} },
		}},
	}
}
