package admissionregistration

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func validatingWebhookConfigurations() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "validatingwebhookconfigurations",
		Singular:   "validatingwebhookconfiguration",
		Kind:       "ValidatingWebhookConfiguration",
		Categories: []string{"api-extensions"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &admissionregistrationv1.ValidatingWebhookConfiguration{} },
		}},
	}
}
