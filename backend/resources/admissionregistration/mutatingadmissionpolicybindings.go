package admissionregistration

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func mutatingAdmissionPolicyBindings() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "mutatingadmissionpolicybindings",
		Singular:   "mutatingadmissionpolicybinding",
		Kind:       "MutatingAdmissionPolicyBinding",
		Categories: []string{"api-extensions"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &admissionregistrationv1.MutatingAdmissionPolicyBinding{} },
		}},
	}
}
