package admissionregistration

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// mutatingWebhookConfigurations name webhooks that may change objects before they are stored.
func mutatingWebhookConfigurations() registry.Resource {
	type configurationType = admissionregistrationv1.MutatingWebhookConfiguration
	strategy := configuration(
		func(c *configurationType) any { return c.Webhooks },
		validateMutatingWebhooks,
	)
	return registry.Resource{
		Group:      group,
		Name:       "mutatingwebhookconfigurations",
		Singular:   "mutatingwebhookconfiguration",
		Kind:       "MutatingWebhookConfiguration",
		Categories: []string{"api-extensions"},
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &configurationType{} },
			Default: registry.Typed(defaultMutatingWebhooks),
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

func validateMutatingWebhooks(c, old *admissionregistrationv1.MutatingWebhookConfiguration) field.ErrorList {
	hooks := mutatingWebhooks(c)
	return validateWebhooks(hooks, rulesFor(hooks, mutatingWebhooks(old), old == nil))
}

func mutatingWebhooks(c *admissionregistrationv1.MutatingWebhookConfiguration) []webhook {
	if c == nil {
		return nil
	}
	hooks := make([]webhook, 0, len(c.Webhooks))
	for _, w := range c.Webhooks {
		hooks = append(hooks, webhook{
			name:               w.Name,
			client:             w.ClientConfig,
			rules:              w.Rules,
			failurePolicy:      w.FailurePolicy,
			matchPolicy:        w.MatchPolicy,
			namespaceSelector:  w.NamespaceSelector,
			objectSelector:     w.ObjectSelector,
			sideEffects:        w.SideEffects,
			timeoutSeconds:     w.TimeoutSeconds,
			reviewVersions:     w.AdmissionReviewVersions,
			reinvocationPolicy: w.ReinvocationPolicy,
			matchConditions:    w.MatchConditions,
		})
	}
	return hooks
}
