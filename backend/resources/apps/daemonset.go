package apps

import (
	"context"
	"strconv"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// daemonSetResource is one pod on each node that matches.
func daemonSetResource(env *registry.Env) registry.Resource {
	status := daemonSetStatusStrategy().Strategy()
	doc := appsv1.DaemonSetStatus{}.SwaggerDoc()
	return registry.Resource{
		Group:      appsv1.GroupName,
		Name:       "daemonsets",
		Singular:   "daemonset",
		Kind:       "DaemonSet",
		ShortNames: []string{"ds"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &appsv1.DaemonSet{} },
			Default: registry.Typed(setDaemonSetDefaults),
		}},
		Strategy: daemonSetStrategy(env).Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Integer("Desired", doc["desiredNumberScheduled"]),
			printers.Integer("Current", doc["currentNumberScheduled"]),
			printers.Integer("Ready", doc["numberReady"]),
			printers.Integer("Up-to-date", doc["updatedNumberScheduled"]),
			printers.Integer("Available", doc["numberAvailable"]),
			printers.Column("Node Selector", corev1.PodSpec{}.SwaggerDoc()["nodeSelector"]),
			printers.Age,
			wideColumns[0],
			wideColumns[1],
			printers.Wide("Selector", appsv1.DaemonSetSpec{}.SwaggerDoc()["selector"]),
		},
		Cells: registry.Row(func(d *appsv1.DaemonSet, now registry.Clock) []any {
			names, images := podspec.NamesAndImages(d.Spec.Template.Spec.Containers)
			return []any{
				d.Name, int64(d.Status.DesiredNumberScheduled), int64(d.Status.CurrentNumberScheduled),
				int64(d.Status.NumberReady), int64(d.Status.UpdatedNumberScheduled), int64(d.Status.NumberAvailable),
				labels.FormatLabels(d.Spec.Template.Spec.NodeSelector), printers.Since(d.CreationTimestamp, now),
				names, images, metav1.FormatLabelSelector(d.Spec.Selector),
			}
		}),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

func setDaemonSetDefaults(d *appsv1.DaemonSet) {
	// Whoever sends a DaemonSet is the manager of its template's generation, too.
	if _, there := d.Annotations[appsv1.DeprecatedTemplateGeneration]; !there {
		setTemplateGeneration(d, 0)
	}
	u := &d.Spec.UpdateStrategy
	if u.Type == "" {
		u.Type = appsv1.RollingUpdateDaemonSetStrategyType
	}
	if u.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		if u.RollingUpdate == nil {
			u.RollingUpdate = &appsv1.RollingUpdateDaemonSet{}
		}
		if u.RollingUpdate.MaxUnavailable == nil {
			u.RollingUpdate.MaxUnavailable = new(intstr.FromInt32(1))
		}
		if u.RollingUpdate.MaxSurge == nil {
			u.RollingUpdate.MaxSurge = new(intstr.FromInt32(0))
		}
	}
	if d.Spec.RevisionHistoryLimit == nil {
		d.Spec.RevisionHistoryLimit = new(int32(10))
	}
	podspec.SetTemplateDefaults(&d.Spec.Template)
}

// templateGeneration counts changes of the template. It was a field once; now
// only an annotation carries it, which clients can set when they create and not
// change.
func templateGeneration(d *appsv1.DaemonSet) int64 {
	n, _ := strconv.ParseInt(d.Annotations[appsv1.DeprecatedTemplateGeneration], 10, 64)
	return n
}

func setTemplateGeneration(d *appsv1.DaemonSet, n int64) {
	if d.Annotations == nil {
		d.Annotations = map[string]string{}
	}
	d.Annotations[appsv1.DeprecatedTemplateGeneration] = strconv.FormatInt(n, 10)
}

func daemonSetStrategy(env *registry.Env) registry.For[*appsv1.DaemonSet] {
	return registry.For[*appsv1.DaemonSet]{
		PrepareForCreate: func(_ context.Context, d *appsv1.DaemonSet) {
			d.Status = appsv1.DaemonSetStatus{}
			d.Generation = 1
			setTemplateGeneration(d, max(1, templateGeneration(d)))
			podspec.DropGated(&d.Spec.Template.Spec)
		},
		Validate: func(_ context.Context, d *appsv1.DaemonSet) field.ErrorList {
			return validateDaemonSet(&d.Spec, podspec.ForCreate(env.AllowPrivileged))
		},
		WarningsOnCreate: func(_ context.Context, d *appsv1.DaemonSet) []string {
			return podspec.TemplateWarnings(&d.Spec.Template, templatePath)
		},
		PrepareForUpdate: func(_ context.Context, d, old *appsv1.DaemonSet) {
			d.Status = old.Status
			podspec.DropGated(&d.Spec.Template.Spec)
			d.Generation = old.Generation
			generation := templateGeneration(old)
			if !podspec.SameTemplate(&d.Spec.Template, &old.Spec.Template) {
				generation++
			}
			setTemplateGeneration(d, generation)
			if !apiequality.Semantic.DeepEqual(d.Spec, old.Spec) {
				d.Generation++
			}
		},
		ValidateUpdate: func(_ context.Context, d, old *appsv1.DaemonSet) field.ErrorList {
			errs := apivalidation.ValidateImmutableField(d.Spec.Selector, old.Spec.Selector, specPath.Child("selector"))
			return append(errs, validateDaemonSet(&d.Spec, updateOptions(env, &old.Spec.Template))...)
		},
		WarningsOnUpdate: func(_ context.Context, d, old *appsv1.DaemonSet) []string {
			if d.Generation == old.Generation {
				return nil
			}
			return podspec.TemplateWarnings(&d.Spec.Template, templatePath)
		},
		ResetFields: map[string][]string{"apps/v1": {"status"}},
	}
}

func daemonSetStatusStrategy() registry.For[*appsv1.DaemonSet] {
	return registry.For[*appsv1.DaemonSet]{
		PrepareForUpdate: func(_ context.Context, d, old *appsv1.DaemonSet) {
			d.Spec = old.Spec
			setTemplateGeneration(d, templateGeneration(old))
		},
		ValidateUpdate: func(_ context.Context, d, old *appsv1.DaemonSet) field.ErrorList {
			return append(validateDaemonSetStatus(&d.Status), collisionsKept(d.Status.CollisionCount, old.Status.CollisionCount)...)
		},
		ResetFields: map[string][]string{"apps/v1": {"spec"}},
	}
}

func validateDaemonSet(s *appsv1.DaemonSetSpec, o podspec.Options) field.ErrorList {
	path := specPath.Child("selector")
	errs := metav1validation.ValidateLabelSelector(s.Selector, metav1validation.LabelSelectorValidationOptions{AllowInvalidLabelValueInSelector: o.AllowInvalidSelectorValues}, path)
	if selector, err := metav1.LabelSelectorAsSelector(s.Selector); err == nil && !selector.Matches(labels.Set(s.Template.Labels)) {
		errs = append(errs, field.Invalid(templatePath.Child("metadata", "labels"), s.Template.Labels, "`selector` does not match template `labels`"))
	}
	if s.Selector != nil && len(s.Selector.MatchLabels)+len(s.Selector.MatchExpressions) == 0 {
		errs = append(errs, field.Invalid(path, s.Selector, "empty selector is invalid for daemonset"))
	}
	errs = append(errs, podspec.ValidateTemplate(&s.Template, templatePath, o)...)
	errs = append(errs, podspec.AlwaysRestarts(&s.Template, templatePath)...)
	if s.Template.Spec.ActiveDeadlineSeconds != nil {
		errs = append(errs, field.Forbidden(templatePath.Child("spec", "activeDeadlineSeconds"), "activeDeadlineSeconds in DaemonSet is not Supported"))
	}
	errs = append(errs, nonnegative(specPath, num("minReadySeconds", s.MinReadySeconds))...)
	errs = append(errs, validateDaemonSetStrategy(&s.UpdateStrategy, specPath.Child("updateStrategy"))...)
	return append(errs, nonnegative(specPath, optional("revisionHistoryLimit", s.RevisionHistoryLimit))...)
}

var daemonSetStrategies = []appsv1.DaemonSetUpdateStrategyType{appsv1.RollingUpdateDaemonSetStrategyType, appsv1.OnDeleteDaemonSetStrategyType}

// validateDaemonSetStrategy lets old pods go before new ones come, or new ones
// come before old ones go, not both.
func validateDaemonSetStrategy(s *appsv1.DaemonSetUpdateStrategy, path *field.Path) field.ErrorList {
	rolling := path.Child("rollingUpdate")
	switch s.Type {
	case appsv1.OnDeleteDaemonSetStrategyType:
		return nil
	case appsv1.RollingUpdateDaemonSetStrategyType:
		if s.RollingUpdate == nil {
			return field.ErrorList{field.Required(rolling, "")}
		}
	default:
		return field.ErrorList{field.NotSupported[appsv1.DaemonSetUpdateStrategyType](path, validate.Internal(s), daemonSetStrategies)}
	}
	r := s.RollingUpdate
	unavailable, surge := rolling.Child("maxUnavailable"), rolling.Child("maxSurge")
	errs := intOrPercent(r.MaxUnavailable, unavailable)
	errs = append(errs, intOrPercent(r.MaxSurge, surge)...)
	errs = append(errs, atMostAll(r.MaxUnavailable, unavailable)...)
	errs = append(errs, atMostAll(r.MaxSurge, surge)...)
	switch hasUnavailable, hasSurge := !isZero(r.MaxUnavailable), !isZero(r.MaxSurge); {
	case hasUnavailable && hasSurge:
		errs = append(errs, field.Invalid(surge, r.MaxSurge, "may not be set when maxUnavailable is non-zero"))
	case !hasUnavailable && !hasSurge:
		errs = append(errs, field.Required(unavailable, "cannot be 0 when maxSurge is 0"))
	}
	return errs
}

func validateDaemonSetStatus(s *appsv1.DaemonSetStatus) field.ErrorList {
	return nonnegative(statusPath,
		num("currentNumberScheduled", s.CurrentNumberScheduled),
		num("numberMisscheduled", s.NumberMisscheduled),
		num("desiredNumberScheduled", s.DesiredNumberScheduled),
		num("numberReady", s.NumberReady),
		num("observedGeneration", s.ObservedGeneration),
		num("updatedNumberScheduled", s.UpdatedNumberScheduled),
		num("numberAvailable", s.NumberAvailable),
		num("numberUnavailable", s.NumberUnavailable),
		optional("collisionCount", s.CollisionCount))
}
