package core

import (
	"context"
	"fmt"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func serviceAccountResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "serviceaccounts",
		Singular:   "serviceaccount",
		Kind:       "ServiceAccount",
		ShortNames: []string{"sa"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.ServiceAccount{} }}},
		Strategy: registry.For[*corev1.ServiceAccount]{
			ValidatesMetaOnUpdate: 1,
			PrepareForCreate:      func(_ context.Context, sa *corev1.ServiceAccount) { cleanSecretReferences(sa) },
			PrepareForUpdate:      func(_ context.Context, sa, _ *corev1.ServiceAccount) { cleanSecretReferences(sa) },
			WarningsOnCreate:      func(_ context.Context, sa *corev1.ServiceAccount) []string { return serviceAccountWarnings(sa) },
			WarningsOnUpdate:      serviceAccountUpdateWarnings,
			DeleteReturnsObject:   true,
		}.Strategy(),
		Columns: []registry.Column{printers.Name, printers.Age},
		Cells: registry.Row(func(sa *corev1.ServiceAccount, now registry.Clock) []any {
			return []any{sa.Name, printers.Since(sa.CreationTimestamp, now)}
		}),
		Subresources: []registry.Subresource{
			tokenSubresource(env),
		},
	}
}

// cleanSecretReferences leaves nothing but the names of secrets, which are
// always in the account's namespace.
func cleanSecretReferences(sa *corev1.ServiceAccount) {
	for i := range sa.Secrets {
		sa.Secrets[i] = corev1.ObjectReference{Name: sa.Secrets[i].Name}
	}
}

const enforceMountableSecrets = "kubernetes.io/enforce-mountable-secrets"

func serviceAccountWarnings(sa *corev1.ServiceAccount) []string {
	if _, ok := sa.Annotations[enforceMountableSecrets]; !ok {
		return nil
	}
	return []string{fmt.Sprintf("metadata.annotations[%s]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets", enforceMountableSecrets)}
}

func serviceAccountUpdateWarnings(_ context.Context, sa, old *corev1.ServiceAccount) []string {
	if _, ok := old.Annotations[enforceMountableSecrets]; ok {
		return nil
	}
	return serviceAccountWarnings(sa)
}
