package admissionregistration

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validatingWebhookConfigurations name webhooks that may refuse requests.
func validatingWebhookConfigurations() registry.Resource {
	type configurationType = admissionregistrationv1.ValidatingWebhookConfiguration
	strategy := configuration(
		func(c *configurationType) any { return c.Webhooks },
		validateValidatingWebhooks,
	)
	return registry.Resource{
		Group:      group,
		Name:       "validatingwebhookconfigurations",
		Singular:   "validatingwebhookconfiguration",
		Kind:       "ValidatingWebhookConfiguration",
		Categories: []string{"api-extensions"},
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &configurationType{} },
			Default: registry.Typed(defaultValidatingWebhooks),
		}},
		Strategy: strategy.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Integer("Webhooks", "Webhooks indicates the number of webhooks registered in this configuration"),
			printers.Age,
		},
		Cells: registry.Row(func(c *configurationType, now registry.Clock) []any {
			return []any{c.Name, int64(len(c.Webhooks)), printers.Since(c.CreationTimestamp, now)}
		}),
	}
}

func validateValidatingWebhooks(c, old *admissionregistrationv1.ValidatingWebhookConfiguration) field.ErrorList {
	hooks := validatingWebhooks(c)
	return validateWebhooks(hooks, rulesFor(hooks, validatingWebhooks(old), old == nil))
}

func validatingWebhooks(c *admissionregistrationv1.ValidatingWebhookConfiguration) []webhook {
	if c == nil {
		return nil
	}
	hooks := make([]webhook, 0, len(c.Webhooks))
	for _, w := range c.Webhooks {
		hooks = append(hooks, webhook{
			name:              w.Name,
			client:            w.ClientConfig,
			rules:             w.Rules,
			failurePolicy:     w.FailurePolicy,
			matchPolicy:       w.MatchPolicy,
			namespaceSelector: w.NamespaceSelector,
			objectSelector:    w.ObjectSelector,
			sideEffects:       w.SideEffects,
			timeoutSeconds:    w.TimeoutSeconds,
			reviewVersions:    w.AdmissionReviewVersions,
			matchConditions:   w.MatchConditions,
		})
	}
	return hooks
}
