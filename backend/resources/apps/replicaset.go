package apps

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/scale"
	"pilothouse/backend/scheme"

	appsv1 "k8s.io/api/apps/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func replicaSetResource(env *registry.Env) registry.Resource {
	status := replicaSetStatusStrategy().Strategy()
	specDoc, statusDoc := appsv1.ReplicaSetSpec{}.SwaggerDoc(), appsv1.ReplicaSetStatus{}.SwaggerDoc()
	return registry.Resource{
		Group:      appsv1.GroupName,
		Name:       "replicasets",
		Singular:   "replicaset",
		Kind:       "ReplicaSet",
		ShortNames: []string{"rs"},
		Categories: []string{"all"},
		Namespaced: true,
		Blank:      func() scheme.Object { return &appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Replicas: new(int32(0))}} },
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &appsv1.ReplicaSet{} },
			Default: registry.Typed(func(rs *appsv1.ReplicaSet) {
				if rs.Spec.Replicas == nil {
					rs.Spec.Replicas = new(int32(1))
				}
				podspec.SetTemplateDefaults(&rs.Spec.Template)
			}),
		}},
		Strategy: replicaSetStrategy(env).Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Integer("Desired", specDoc["replicas"]),
			printers.Integer("Current", statusDoc["replicas"]),
			printers.Integer("Ready", statusDoc["readyReplicas"]),
			printers.Age,
			wideColumns[0],
			wideColumns[1],
			printers.Wide("Selector", specDoc["selector"]),
		},
		Cells: registry.Row(func(rs *appsv1.ReplicaSet, now registry.Clock) []any {
			names, images := podspec.NamesAndImages(rs.Spec.Template.Spec.Containers)
			return []any{
				rs.Name, int64(count(rs.Spec.Replicas)), int64(rs.Status.Replicas), int64(rs.Status.ReadyReplicas),
				printers.Since(rs.CreationTimestamp, now), names, images, metav1.FormatLabelSelector(rs.Spec.Selector),
			}
		}),
		Subresources: []registry.Subresource{
			scale.Subresource(scale.Kind[*appsv1.ReplicaSet]{
				Resource: schema.GroupResource{Group: appsv1.GroupName, Resource: "replicasets"},
				Version:  "v1",
				Get: func(rs *appsv1.ReplicaSet) (int32, int32, string, error) {
					selector, err := scale.SelectorString(rs.Spec.Selector)
					return count(rs.Spec.Replicas), rs.Status.Replicas, selector, err
				},
				Set: func(rs *appsv1.ReplicaSet, n int32) { rs.Spec.Replicas = &n },
			}),
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

func replicaSetStrategy(env *registry.Env) registry.For[*appsv1.ReplicaSet] {
	return registry.For[*appsv1.ReplicaSet]{
		PrepareForCreate: func(_ context.Context, rs *appsv1.ReplicaSet) {
			rs.Status = appsv1.ReplicaSetStatus{}
			rs.Generation = 1
			podspec.DropGated(&rs.Spec.Template.Spec)
		},
		Validate: func(_ context.Context, rs *appsv1.ReplicaSet) field.ErrorList {
			return validateReplicaSet(&rs.Spec, podspec.ForCreate(env.AllowPrivileged))
		},
		WarningsOnCreate: func(_ context.Context, rs *appsv1.ReplicaSet) []string {
			return append(podspec.OwnerNameWarnings(rs.Name), podspec.TemplateWarnings(&rs.Spec.Template, templatePath)...)
		},
		PrepareForUpdate: func(_ context.Context, rs, old *appsv1.ReplicaSet) {
			rs.Status = old.Status
			podspec.DropGated(&rs.Spec.Template.Spec)
			rs.Generation = old.Generation
			if !apiequality.Semantic.DeepEqual(rs.Spec, old.Spec) {
				rs.Generation++
			}
		},
		ValidateUpdate: func(_ context.Context, rs, old *appsv1.ReplicaSet) field.ErrorList {
			errs := validateReplicaSet(&rs.Spec, updateOptions(env, &old.Spec.Template))
			return append(errs, apivalidation.ValidateImmutableField(rs.Spec.Selector, old.Spec.Selector, specPath.Child("selector"))...)
		},
		WarningsOnUpdate: func(_ context.Context, rs, old *appsv1.ReplicaSet) []string {
			if rs.Generation == old.Generation {
				return nil
			}
			return podspec.TemplateWarnings(&rs.Spec.Template, templatePath)
		},
		ResetFields: map[string][]string{"apps/v1": {"status"}},
	}
}

func replicaSetStatusStrategy() registry.For[*appsv1.ReplicaSet] {
	return registry.For[*appsv1.ReplicaSet]{
		PrepareForUpdate: func(_ context.Context, rs, old *appsv1.ReplicaSet) { rs.Spec = old.Spec },
		ValidateUpdate: func(_ context.Context, rs, _ *appsv1.ReplicaSet) field.ErrorList {
			return validateReplicaSetStatus(&rs.Status)
		},
		ResetFields: map[string][]string{"apps/v1": {"spec"}},
	}
}

func validateReplicaSet(s *appsv1.ReplicaSetSpec, o podspec.Options) field.ErrorList {
	errs := nonnegative(specPath, optional("replicas", s.Replicas), num("minReadySeconds", s.MinReadySeconds))
	// Kubernetes says deployment here too.
	errs = append(errs, validateSelector(s.Selector, "deployment", o)...)
	selector, err := metav1.LabelSelectorAsSelector(s.Selector)
	if err != nil {
		return append(errs, field.Invalid(specPath.Child("selector"), s.Selector, "invalid label selector"))
	}
	return append(errs, podspec.ValidateReplicaTemplate(&s.Template, selector, "ReplicaSet", templatePath, o)...)
}

func validateReplicaSetStatus(s *appsv1.ReplicaSetStatus) field.ErrorList {
	errs := nonnegative(statusPath,
		num("replicas", s.Replicas),
		num("fullyLabeledReplicas", s.FullyLabeledReplicas),
		num("readyReplicas", s.ReadyReplicas),
		num("availableReplicas", s.AvailableReplicas),
		optional("terminatingReplicas", s.TerminatingReplicas),
		num("observedGeneration", s.ObservedGeneration))
	errs = append(errs, atMost(statusPath, s.Replicas, greaterThanReplicas,
		num("fullyLabeledReplicas", s.FullyLabeledReplicas),
		num("readyReplicas", s.ReadyReplicas),
		num("availableReplicas", s.AvailableReplicas))...)
	return append(errs, atMost(statusPath, s.ReadyReplicas, "cannot be greater than readyReplicas", num("availableReplicas", s.AvailableReplicas))...)
}
