// Package admissionregistration owns the built-in resources of the group admissionregistration.k8s.io:
// webhook configurations and admission policies. Each file is one resource; Resources lists them.
package admissionregistration

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "admissionregistration.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		mutatingAdmissionPolicies(),
		mutatingAdmissionPolicyBindings(),
		mutatingWebhookConfigurations(),
		validatingAdmissionPolicies(),
		validatingAdmissionPolicyBindings(),
		validatingWebhookConfigurations(),
	}
}
