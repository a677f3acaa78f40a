package core

import (
	"context"
	"slices"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func namespaceResource(env *registry.Env) registry.Resource {
	status := namespaceView(registry.For[*corev1.Namespace]{
		PrepareForUpdate: func(_ context.Context, ns, old *corev1.Namespace) { ns.Spec = old.Spec },
		ValidateUpdate:   validateNamespaceStatus,
		ResetFields:      map[string][]string{"v1": {"spec"}},
	})
	finalize := namespaceView(registry.For[*corev1.Namespace]{
		PrepareForUpdate: func(_ context.Context, ns, old *corev1.Namespace) { ns.Status = old.Status },
		ValidateUpdate:   validateNamespaceFinalize,
		ResetFields:      map[string][]string{"v1": {"status"}},
	})
	main := namespaceView(registry.For[*corev1.Namespace]{
		ValidatesMetaOnUpdate: 1,
		PrepareForCreate:      prepareNamespace,
		PrepareForUpdate: func(_ context.Context, ns, old *corev1.Namespace) {
			ns.Spec.Finalizers = old.Spec.Finalizers
			ns.Status = old.Status
		},
		Validate:       func(_ context.Context, ns *corev1.Namespace) field.ErrorList { return validateNamespace(ns) },
		ValidateUpdate: func(_ context.Context, ns, _ *corev1.Namespace) field.ErrorList { return validateNamespace(ns) },
		Terminate: func(_ context.Context, ns *corev1.Namespace) bool {
			ns.Status.Phase = corev1.NamespaceTerminating
			return len(ns.Spec.Finalizers) > 0
		},
		ResetFields: map[string][]string{"v1": {"status"}},
	})
	return registry.Resource{
		Name:       "namespaces",
		Singular:   "namespace",
		Kind:       "Namespace",
		ShortNames: []string{"ns"},
		Verbs:      []string{"create", "delete", "get", "list", "patch", "update", "watch"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &corev1.Namespace{} },
			Default: registry.Typed(func(ns *corev1.Namespace) {
				setNameLabel(ns)
				setDefault(&ns.Status.Phase, corev1.NamespaceActive)
			}),
		}},
		Strategy: main,
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Status", "The status of the namespace"),
			printers.Age,
		},
		Cells: registry.Row(func(ns *corev1.Namespace, now registry.Clock) []any {
			return []any{ns.Name, string(ns.Status.Phase), printers.Since(ns.CreationTimestamp, now)}
		}),
		Fields: []registry.Field{
			registry.FieldOf("status.phase", func(ns *corev1.Namespace) string { return string(ns.Status.Phase) }),
		},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
			{Name: "finalize", Verbs: []string{"update"}, Strategy: &finalize},
		},
	}
}

// namespaceView adds to a strategy what all ways to write a namespace share:
// the label with its name, and that it stays while spec.finalizers has any.
func namespaceView(f registry.For[*corev1.Namespace]) registry.Strategy {
	f.ValidateName = apivalidation.ValidateNamespaceName
	f.Canonicalize = setNameLabel
	f.ShouldDeleteDuringUpdate = func(_ context.Context, ns, _ *corev1.Namespace) bool {
		return len(ns.Spec.Finalizers) == 0
	}
	return f.Strategy()
}

// setNameLabel labels a namespace with its name, so that selectors can choose
// it.
func setNameLabel(ns *corev1.Namespace) {
	if ns.Name == "" {
		return
	}
	if ns.Labels == nil {
		ns.Labels = map[string]string{}
	}
	ns.Labels[corev1.LabelMetadataName] = ns.Name
}

func prepareNamespace(_ context.Context, ns *corev1.Namespace) {
	ns.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
	if !slices.Contains(ns.Spec.Finalizers, corev1.FinalizerKubernetes) {
		ns.Spec.Finalizers = append(ns.Spec.Finalizers, corev1.FinalizerKubernetes)
	}
}

func validateNamespace(ns *corev1.Namespace) field.ErrorList {
	var errs field.ErrorList
	for _, f := range ns.Spec.Finalizers {
		errs = append(errs, validateNamespaceFinalizer(string(f), specPath.Child("finalizers"))...)
	}
	return errs
}

func validateNamespaceFinalizer(name string, path *field.Path) field.ErrorList {
	errs := apivalidation.ValidateFinalizerName(name, path)
	if !slices.Contains([]byte(name), '/') && !slices.Contains(standardFinalizers, name) {
		errs = append(errs, field.Invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified"))
	}
	return errs
}

// standardFinalizers are the finalizers without a domain.
var standardFinalizers = []string{string(corev1.FinalizerKubernetes), "orphan", "foregroundDeletion"}

func validateNamespaceStatus(_ context.Context, ns, _ *corev1.Namespace) field.ErrorList {
	// The path is capitalized in Kubernetes too.
	path := field.NewPath("status", "Phase")
	switch phase := ns.Status.Phase; {
	case ns.DeletionTimestamp.IsZero() && phase != corev1.NamespaceActive:
		return field.ErrorList{field.Invalid(path, phase, "may only be 'Active' if `deletionTimestamp` is empty")}
	case !ns.DeletionTimestamp.IsZero() && phase != corev1.NamespaceTerminating:
		return field.ErrorList{field.Invalid(path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")}
	}
	return nil
}

func validateNamespaceFinalize(_ context.Context, ns, _ *corev1.Namespace) field.ErrorList {
	var errs field.ErrorList
	for i, f := range ns.Spec.Finalizers {
		errs = append(errs, validateNamespaceFinalizer(string(f), specPath.Child("finalizers").Index(i))...)
	}
	return errs
}
