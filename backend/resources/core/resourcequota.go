package core

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func resourceQuotaResource(env *registry.Env) registry.Resource {
	status := registry.For[*corev1.ResourceQuota]{
		PrepareForUpdate: func(_ context.Context, q, old *corev1.ResourceQuota) { q.Spec = old.Spec },
		ValidateUpdate: func(_ context.Context, q, _ *corev1.ResourceQuota) field.ErrorList {
			return validateQuotaStatus(&q.Status)
		},
		ResetFields: map[string][]string{"v1": {"spec"}},
	}.Strategy()
	return registry.Resource{
		Name:       "resourcequotas",
		Singular:   "resourcequota",
		Kind:       "ResourceQuota",
		ShortNames: []string{"quota"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &corev1.ResourceQuota{} },
			Default: registry.Typed(func(q *corev1.ResourceQuota) {
				roundResources(q.Spec.Hard)
				roundResources(q.Status.Hard)
				roundResources(q.Status.Used)
			}),
		}},
		Strategy: registry.For[*corev1.ResourceQuota]{
			PrepareForCreate:    func(_ context.Context, q *corev1.ResourceQuota) { q.Status = corev1.ResourceQuotaStatus{} },
			PrepareForUpdate:    func(_ context.Context, q, old *corev1.ResourceQuota) { q.Status = old.Status },
			Validate:            func(_ context.Context, q *corev1.ResourceQuota) field.ErrorList { return validateQuota(q) },
			ValidateUpdate:      validateQuotaUpdate,
			DeleteReturnsObject: true,
			ResetFields:         map[string][]string{"v1": {"status"}},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Request", "Request represents a minimum amount of cpu/memory that a container may consume."),
			printers.Column("Limit", "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node."),
			printers.Age,
		},
		Cells: registry.Row(func(q *corev1.ResourceQuota, now registry.Clock) []any {
			requests, limits := quotaUse(&q.Status)
			return []any{q.Name, requests, limits, printers.Since(q.CreationTimestamp, now)}
		}),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

// quotaUse gives what is used of each limit, "pods: 1/10, secrets: 2/5": those
// of limits.X apart from the others.
func quotaUse(s *corev1.ResourceQuotaStatus) (requests, limits string) {
	var req, lim []string
	for _, name := range slices.Sorted(maps.Keys(s.Hard)) {
		used, hard := s.Used[name], s.Hard[name]
		text := fmt.Sprintf("%s: %s/%s", name, used.String(), hard.String())
		if strings.HasPrefix(string(name), "limits.") {
			lim = append(lim, text)
		} else {
			req = append(req, text)
		}
	}
	return strings.Join(req, ", "), strings.Join(lim, ", ")
}
