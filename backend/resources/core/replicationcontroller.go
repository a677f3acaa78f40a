package core

import (
	"context"
	"maps"
	"strconv"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/scale"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// replicationControllerResource is what replica sets grew from.
func replicationControllerResource(env *registry.Env) registry.Resource {
	status := replicationControllerStatusStrategy().Strategy()
	specDoc, statusDoc := corev1.ReplicationControllerSpec{}.SwaggerDoc(), corev1.ReplicationControllerStatus{}.SwaggerDoc()
	return registry.Resource{
		Name:       "replicationcontrollers",
		Singular:   "replicationcontroller",
		Kind:       "ReplicationController",
		ShortNames: []string{"rc"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &corev1.ReplicationController{} },
			Default: registry.Typed(setReplicationControllerDefaults),
		}},
		Strategy: replicationControllerStrategy(env).Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Integer("Desired", specDoc["replicas"]),
			printers.Integer("Current", statusDoc["replicas"]),
			printers.Integer("Ready", statusDoc["readyReplicas"]),
			printers.Age,
			printers.Wide("Containers", "Names of each container in the template."),
			printers.Wide("Images", "Images referenced by each container in the template."),
			printers.Wide("Selector", specDoc["selector"]),
		},
		Cells: registry.Row(func(rc *corev1.ReplicationController, now registry.Clock) []any {
			names, images := "", ""
			if rc.Spec.Template != nil {
				names, images = podspec.NamesAndImages(rc.Spec.Template.Spec.Containers)
			}
			return []any{
				rc.Name, int64(wantedReplicas(rc)), int64(rc.Status.Replicas), int64(rc.Status.ReadyReplicas),
				printers.Since(rc.CreationTimestamp, now), names, images, labels.FormatLabels(rc.Spec.Selector),
			}
		}),
		Fields: []registry.Field{
			registry.FieldOf("status.replicas", func(rc *corev1.ReplicationController) string { return strconv.Itoa(int(rc.Status.Replicas)) }),
		},
		Subresources: []registry.Subresource{
			scale.Subresource(scale.Kind[*corev1.ReplicationController]{
				Resource: schema.GroupResource{Resource: "replicationcontrollers"},
				Version:  "v1",
				Get: func(rc *corev1.ReplicationController) (int32, int32, string, error) {
					return wantedReplicas(rc), rc.Status.Replicas, labels.Set(rc.Spec.Selector).AsSelector().String(), nil
				},
				Set: func(rc *corev1.ReplicationController, n int32) { rc.Spec.Replicas = &n },
			}),
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

func wantedReplicas(rc *corev1.ReplicationController) int32 {
	if rc.Spec.Replicas == nil {
		return 0
	}
	return *rc.Spec.Replicas
}

// setReplicationControllerDefaults takes the selector and the labels from the
// template, where there are none.
func setReplicationControllerDefaults(rc *corev1.ReplicationController) {
	if rc.Spec.Replicas == nil {
		rc.Spec.Replicas = new(int32(1))
	}
	if t := rc.Spec.Template; t != nil {
		if t.Labels != nil && len(rc.Spec.Selector) == 0 {
			rc.Spec.Selector = maps.Clone(t.Labels)
		}
		if t.Labels != nil && len(rc.Labels) == 0 {
			rc.Labels = maps.Clone(t.Labels)
		}
		podspec.SetTemplateDefaults(t)
	}
}

func replicationControllerStrategy(env *registry.Env) registry.For[*corev1.ReplicationController] {
	template := field.NewPath("spec", "template")
	drop := func(rc *corev1.ReplicationController) {
		if rc.Spec.Template != nil {
			podspec.DropGated(&rc.Spec.Template.Spec)
		}
	}
	return registry.For[*corev1.ReplicationController]{
		ValidateName: validate.WholeNameIsDNSSubdomain,
		PrepareForCreate: func(_ context.Context, rc *corev1.ReplicationController) {
			rc.Status = corev1.ReplicationControllerStatus{}
			rc.Generation = 1
			drop(rc)
		},
		Validate: func(_ context.Context, rc *corev1.ReplicationController) field.ErrorList {
			return validateReplicationController(&rc.Spec, podspec.ForCreate(env.AllowPrivileged))
		},
		WarningsOnCreate: func(_ context.Context, rc *corev1.ReplicationController) []string {
			return append(podspec.OwnerNameWarnings(rc.Name), podspec.TemplateWarnings(rc.Spec.Template, template)...)
		},
		PrepareForUpdate: func(_ context.Context, rc, old *corev1.ReplicationController) {
			rc.Status = old.Status
			drop(rc)
			rc.Generation = old.Generation
			if !apiequality.Semantic.DeepEqual(old.Spec, rc.Spec) {
				rc.Generation++
			}
		},
		ValidateUpdate: func(_ context.Context, rc, old *corev1.ReplicationController) field.ErrorList {
			o := podspec.ForCreate(env.AllowPrivileged)
			if t := old.Spec.Template; t != nil {
				o = podspec.ForUpdate(env.AllowPrivileged, &t.Spec, &t.ObjectMeta)
			}
			return validateReplicationController(&rc.Spec, o)
		},
		WarningsOnUpdate: func(_ context.Context, rc, old *corev1.ReplicationController) []string {
			if rc.Generation == old.Generation {
				return nil
			}
			return podspec.TemplateWarnings(rc.Spec.Template, template)
		},
		OrphanByDefault: true,
		ResetFields:     map[string][]string{"v1": {"status"}},
	}
}

func replicationControllerStatusStrategy() registry.For[*corev1.ReplicationController] {
	return registry.For[*corev1.ReplicationController]{
		PrepareForUpdate: func(_ context.Context, rc, old *corev1.ReplicationController) { rc.Spec = old.Spec },
		ValidateUpdate: func(_ context.Context, rc, old *corev1.ReplicationController) field.ErrorList {
			return validateReplicationControllerStatus(&rc.Status)
		},
		ResetFields: map[string][]string{"v1": {"spec"}},
	}
}

func validateReplicationController(s *corev1.ReplicationControllerSpec, o podspec.Options) field.ErrorList {
	path := field.NewPath("spec")
	errs := apivalidation.ValidateNonnegativeField(int64(s.MinReadySeconds), path.Child("minReadySeconds"))
	if len(s.Selector) == 0 {
		errs = append(errs, field.Required(path.Child("selector"), ""))
	}
	if s.Replicas == nil {
		errs = append(errs, field.Required(path.Child("replicas"), ""))
	} else {
		errs = append(errs, apivalidation.ValidateNonnegativeField(int64(*s.Replicas), path.Child("replicas"))...)
	}
	selector := labels.Set(s.Selector).AsSelector()
	return append(errs, podspec.ValidateReplicaTemplate(s.Template, selector, "ReplicationController", path.Child("template"), o)...)
}

func validateReplicationControllerStatus(s *corev1.ReplicationControllerStatus) field.ErrorList {
	path := field.NewPath("status")
	var errs field.ErrorList
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"replicas", int64(s.Replicas)},
		{"fullyLabeledReplicas", int64(s.FullyLabeledReplicas)},
		{"readyReplicas", int64(s.ReadyReplicas)},
		{"availableReplicas", int64(s.AvailableReplicas)},
		{"observedGeneration", s.ObservedGeneration},
	} {
		errs = append(errs, apivalidation.ValidateNonnegativeField(n.value, path.Child(n.name))...)
	}
	for _, n := range []struct {
		name  string
		value int32
	}{
		{"fullyLabeledReplicas", s.FullyLabeledReplicas},
		{"readyReplicas", s.ReadyReplicas},
		{"availableReplicas", s.AvailableReplicas},
	} {
		if n.value > s.Replicas {
			errs = append(errs, field.Invalid(path.Child(n.name), n.value, "cannot be greater than status.replicas"))
		}
	}
	if s.AvailableReplicas > s.ReadyReplicas {
		errs = append(errs, field.Invalid(path.Child("availableReplicas"), s.AvailableReplicas, "cannot be greater than readyReplicas"))
	}
	return errs
}
