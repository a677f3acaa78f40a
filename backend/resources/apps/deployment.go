package apps

import (
	"context"
	"fmt"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/scale"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	appsv1 "k8s.io/api/apps/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func deploymentResource(env *registry.Env) registry.Resource {
	status := deploymentStatusStrategy().Strategy()
	doc := appsv1.DeploymentStatus{}.SwaggerDoc()
	return registry.Resource{
		Group:      appsv1.GroupName,
		Name:       "deployments",
		Singular:   "deployment",
		Kind:       "Deployment",
		ShortNames: []string{"deploy"},
		Categories: []string{"all"},
		Namespaced: true,
		// Replicas are no pointer in Kubernetes' internal types, which bookmarks are of.
		Blank: func() scheme.Object { return &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: new(int32(0))}} },
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &appsv1.Deployment{} },
			Default: registry.Typed(setDeploymentDefaults),
		}},
		Strategy: deploymentStrategy(env).Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Ready", "Number of the pod with ready state"),
			printers.Column("Up-to-date", doc["updatedReplicas"]),
			printers.Column("Available", doc["availableReplicas"]),
			printers.Age,
			wideColumns[0],
			wideColumns[1],
			printers.Wide("Selector", appsv1.DeploymentSpec{}.SwaggerDoc()["selector"]),
		},
		Cells: registry.Row(func(d *appsv1.Deployment, now registry.Clock) []any {
			names, images := podspec.NamesAndImages(d.Spec.Template.Spec.Containers)
			return []any{
				d.Name, fmt.Sprintf("%d/%d", d.Status.ReadyReplicas, count(d.Spec.Replicas)),
				int64(d.Status.UpdatedReplicas), int64(d.Status.AvailableReplicas),
				printers.Since(d.CreationTimestamp, now), names, images, metav1.FormatLabelSelector(d.Spec.Selector),
			}
		}),
		Subresources: []registry.Subresource{
			scale.Subresource(scale.Kind[*appsv1.Deployment]{
				Resource: schema.GroupResource{Group: appsv1.GroupName, Resource: "deployments"},
				Version:  "v1",
				Get: func(d *appsv1.Deployment) (int32, int32, string, error) {
					selector, err := scale.SelectorString(d.Spec.Selector)
					return count(d.Spec.Replicas), d.Status.Replicas, selector, err
				},
				Set: func(d *appsv1.Deployment, n int32) { d.Spec.Replicas = &n },
			}),
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

func setDeploymentDefaults(d *appsv1.Deployment) {
	s := &d.Spec
	if s.Replicas == nil {
		s.Replicas = new(int32(1))
	}
	if s.Strategy.Type == "" {
		s.Strategy.Type = appsv1.RollingUpdateDeploymentStrategyType
	}
	if s.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		if s.Strategy.RollingUpdate == nil {
			s.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{}
		}
		r := s.Strategy.RollingUpdate
		if r.MaxUnavailable == nil {
			r.MaxUnavailable = new(intstr.FromString("25%"))
		}
		if r.MaxSurge == nil {
			r.MaxSurge = new(intstr.FromString("25%"))
		}
	}
	if s.RevisionHistoryLimit == nil {
		s.RevisionHistoryLimit = new(int32(10))
	}
	if s.ProgressDeadlineSeconds == nil {
		s.ProgressDeadlineSeconds = new(int32(600))
	}
	podspec.SetTemplateDefaults(&s.Template)
}

func deploymentStrategy(env *registry.Env) registry.For[*appsv1.Deployment] {
	return registry.For[*appsv1.Deployment]{
		PrepareForCreate: func(_ context.Context, d *appsv1.Deployment) {
			d.Status = appsv1.DeploymentStatus{}
			d.Generation = 1
			podspec.DropGated(&d.Spec.Template.Spec)
		},
		Validate: func(_ context.Context, d *appsv1.Deployment) field.ErrorList {
			return validateDeployment(&d.Spec, podspec.ForCreate(env.AllowPrivileged))
		},
		WarningsOnCreate: func(_ context.Context, d *appsv1.Deployment) []string {
			return append(podspec.OwnerNameWarnings(d.Name), podspec.TemplateWarnings(&d.Spec.Template, templatePath)...)
		},
		PrepareForUpdate: func(_ context.Context, d, old *appsv1.Deployment) {
			d.Status = old.Status
			podspec.DropGated(&d.Spec.Template.Spec)
			d.Generation = old.Generation
			// Annotations count because the controller copies them.
			if !apiequality.Semantic.DeepEqual(d.Spec, old.Spec) || !apiequality.Semantic.DeepEqual(d.Annotations, old.Annotations) {
				d.Generation++
			}
		},
		ValidateUpdate: func(_ context.Context, d, old *appsv1.Deployment) field.ErrorList {
			errs := validateDeployment(&d.Spec, updateOptions(env, &old.Spec.Template))
			return append(errs, apivalidation.ValidateImmutableField(d.Spec.Selector, old.Spec.Selector, specPath.Child("selector"))...)
		},
		WarningsOnUpdate: func(_ context.Context, d, old *appsv1.Deployment) []string {
			if d.Generation == old.Generation {
				return nil
			}
			return podspec.TemplateWarnings(&d.Spec.Template, templatePath)
		},
		ResetFields: map[string][]string{"apps/v1": {"status"}},
	}
}

func deploymentStatusStrategy() registry.For[*appsv1.Deployment] {
	return registry.For[*appsv1.Deployment]{
		PrepareForUpdate: func(_ context.Context, d, old *appsv1.Deployment) {
			d.Spec = old.Spec
			d.Labels = old.Labels
		},
		ValidateUpdate: func(_ context.Context, d, old *appsv1.Deployment) field.ErrorList {
			return append(validateDeploymentStatus(&d.Status), collisionsKept(d.Status.CollisionCount, old.Status.CollisionCount)...)
		},
		ResetFields: map[string][]string{"apps/v1": {"spec", "metadata.labels"}},
	}
}

func validateDeployment(s *appsv1.DeploymentSpec, o podspec.Options) field.ErrorList {
	errs := nonnegative(specPath, optional("replicas", s.Replicas))
	errs = append(errs, validateSelector(s.Selector, "deployment", o)...)
	if selector, err := metav1.LabelSelectorAsSelector(s.Selector); err != nil {
		errs = append(errs, field.Invalid(specPath.Child("selector"), s.Selector, "invalid label selector"))
	} else {
		errs = append(errs, podspec.ValidateReplicaTemplate(&s.Template, selector, "ReplicaSet", templatePath, o)...)
	}
	errs = append(errs, validateDeploymentStrategy(&s.Strategy, specPath.Child("strategy"))...)
	errs = append(errs, nonnegative(specPath,
		num("minReadySeconds", s.MinReadySeconds),
		optional("revisionHistoryLimit", s.RevisionHistoryLimit),
		optional("progressDeadlineSeconds", s.ProgressDeadlineSeconds))...)
	if d := s.ProgressDeadlineSeconds; d != nil && *d <= s.MinReadySeconds {
		errs = append(errs, field.Invalid(specPath.Child("progressDeadlineSeconds"), d, "must be greater than minReadySeconds"))
	}
	return errs
}

var deploymentStrategies = []appsv1.DeploymentStrategyType{appsv1.RecreateDeploymentStrategyType, appsv1.RollingUpdateDeploymentStrategyType}

func validateDeploymentStrategy(s *appsv1.DeploymentStrategy, path *field.Path) field.ErrorList {
	r, rolling := s.RollingUpdate, path.Child("rollingUpdate")
	switch s.Type {
	case appsv1.RecreateDeploymentStrategyType:
		if r != nil {
			return field.ErrorList{field.Forbidden(rolling, "may not be specified when strategy `type` is '"+string(appsv1.RecreateDeploymentStrategyType+"'"))}
		}
		return nil
	case appsv1.RollingUpdateDeploymentStrategyType:
		if r == nil {
			return field.ErrorList{field.Required(rolling, "this should be defaulted and never be nil")}
		}
	default:
		return field.ErrorList{field.NotSupported[appsv1.DeploymentStrategyType](path, validate.Internal(s), deploymentStrategies)}
	}
	unavailable := rolling.Child("maxUnavailable")
	errs := intOrPercent(r.MaxUnavailable, unavailable)
	errs = append(errs, intOrPercent(r.MaxSurge, rolling.Child("maxSurge"))...)
	if isZero(r.MaxUnavailable) && isZero(r.MaxSurge) {
		errs = append(errs, field.Invalid(unavailable, r.MaxUnavailable, "may not be 0 when `maxSurge` is 0"))
	}
	return append(errs, atMostAll(r.MaxUnavailable, unavailable)...)
}

func validateDeploymentStatus(s *appsv1.DeploymentStatus) field.ErrorList {
	errs := nonnegative(statusPath,
		num("observedGeneration", s.ObservedGeneration),
		num("replicas", s.Replicas),
		num("updatedReplicas", s.UpdatedReplicas),
		num("readyReplicas", s.ReadyReplicas),
		num("availableReplicas", s.AvailableReplicas),
		num("unavailableReplicas", s.UnavailableReplicas),
		optional("terminatingReplicas", s.TerminatingReplicas),
		optional("collisionCount", s.CollisionCount))
	errs = append(errs, atMost(statusPath, s.Replicas, greaterThanReplicas,
		num("updatedReplicas", s.UpdatedReplicas),
		num("readyReplicas", s.ReadyReplicas),
		num("availableReplicas", s.AvailableReplicas))...)
	return append(errs, atMost(statusPath, s.ReadyReplicas, "cannot be greater than readyReplicas", num("availableReplicas", s.AvailableReplicas))...)
}
