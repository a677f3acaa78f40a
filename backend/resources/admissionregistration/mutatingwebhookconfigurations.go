package admissionregistration

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func mutatingWebhookConfigurations() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "mutatingwebhookconfigurations",
		Singular:   "mutatingwebhookconfiguration",
		Kind:       "MutatingWebhookConfiguration",
		Categories: []string{"api-extensions"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &admissionregistrationv1.MutatingWebhookConfiguration{} },
		}},
	}
}
