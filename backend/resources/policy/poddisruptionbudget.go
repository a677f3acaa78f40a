package policy

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	policyv1 "k8s.io/api/policy/v1"
)

func podDisruptionBudgetResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      "policy",
		Name:       "poddisruptionbudgets",
		Singular:   "poddisruptionbudget",
		Kind:       "PodDisruptionBudget",
		ShortNames: []string{"pdb"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &policyv1.PodDisruptionBudget{} }}},
		Strategy:   registry.For[*policyv1.PodDisruptionBudget]{}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &registry.Strategy{}},
		},
	}
}
