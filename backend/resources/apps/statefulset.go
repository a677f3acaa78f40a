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
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// statefulSetResource is pods with names and claims of their own.
func statefulSetResource(env *registry.Env) registry.Resource {
	status := statefulSetStatusStrategy().Strategy()
	return registry.Resource{
		Group:      appsv1.GroupName,
		Name:       "statefulsets",
		Singular:   "statefulset",
		Kind:       "StatefulSet",
		ShortNames: []string{"sts"},
		Categories: []string{"all"},
		Namespaced: true,
		Blank: func() scheme.Object {
			return &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Replicas: new(int32(0))}}
		},
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &appsv1.StatefulSet{} },
			Default: registry.Typed(setStatefulSetDefaults),
		}},
		Strategy: statefulSetStrategy(env).Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Ready", "Number of the pod with ready state"),
			printers.Age,
			wideColumns[0],
			wideColumns[1],
		},
		Cells: registry.Row(func(s *appsv1.StatefulSet, now registry.Clock) []any {
			names, images := podspec.NamesAndImages(s.Spec.Template.Spec.Containers)
			return []any{
				s.Name, fmt.Sprintf("%d/%d", s.Status.ReadyReplicas, count(s.Spec.Replicas)),
				printers.Since(s.CreationTimestamp, now), names, images,
			}
		}),
		Subresources: []registry.Subresource{
			scale.Subresource(scale.Kind[*appsv1.StatefulSet]{
				Resource: schema.GroupResource{Group: appsv1.GroupName, Resource: "statefulsets"},
				Version:  "v1",
				Get: func(s *appsv1.StatefulSet) (int32, int32, string, error) {
					selector, err := scale.SelectorString(s.Spec.Selector)
					return count(s.Spec.Replicas), s.Status.Replicas, selector, err
				},
				Set: func(s *appsv1.StatefulSet, n int32) { s.Spec.Replicas = &n },
			}),
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

func setStatefulSetDefaults(set *appsv1.StatefulSet) {
	s := &set.Spec
	if s.PodManagementPolicy == "" {
		s.PodManagementPolicy = appsv1.OrderedReadyPodManagement
	}
	if s.UpdateStrategy.Type == "" {
		s.UpdateStrategy.Type = appsv1.RollingUpdateStatefulSetStrategyType
		if s.UpdateStrategy.RollingUpdate == nil {
			s.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{}
		}
	}
	if r := s.UpdateStrategy.RollingUpdate; r != nil && s.UpdateStrategy.Type == appsv1.RollingUpdateStatefulSetStrategyType && r.Partition == nil {
		r.Partition = new(int32(0))
	}
	if s.PersistentVolumeClaimRetentionPolicy == nil {
		s.PersistentVolumeClaimRetentionPolicy = &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{}
	}
	if p := s.PersistentVolumeClaimRetentionPolicy; p.WhenDeleted == "" {
		p.WhenDeleted = appsv1.RetainPersistentVolumeClaimRetentionPolicyType
	}
	if p := s.PersistentVolumeClaimRetentionPolicy; p.WhenScaled == "" {
		p.WhenScaled = appsv1.RetainPersistentVolumeClaimRetentionPolicyType
	}
	if s.Replicas == nil {
		s.Replicas = new(int32(1))
	}
	if s.RevisionHistoryLimit == nil {
		s.RevisionHistoryLimit = new(int32(10))
	}
	podspec.SetTemplateDefaults(&s.Template)
	for i := range s.VolumeClaimTemplates {
		t := &s.VolumeClaimTemplates[i]
		t.APIVersion, t.Kind = "v1", "PersistentVolumeClaim"
		if t.Status.Phase == "" {
			t.Status.Phase = corev1.ClaimPending
		}
		podspec.SetClaimSpecDefaults(&t.Spec)
		podspec.RoundUp(t.Status.Capacity)
		podspec.RoundUp(t.Status.AllocatedResources)
	}
}

// dropStatefulSetGated removes what belongs to feature gates that are off.
func dropStatefulSetGated(set *appsv1.StatefulSet) {
	if r := set.Spec.UpdateStrategy.RollingUpdate; r != nil {
		r.MaxUnavailable = nil
	}
	podspec.DropGated(&set.Spec.Template.Spec)
}

func statefulSetStrategy(env *registry.Env) registry.For[*appsv1.StatefulSet] {
	return registry.For[*appsv1.StatefulSet]{
		// Pods take the name and a number for their host names.
		ValidateName: apivalidation.NameIsDNSLabel,
		PrepareForCreate: func(_ context.Context, set *appsv1.StatefulSet) {
			set.Status = appsv1.StatefulSetStatus{}
			set.Generation = 1
			dropStatefulSetGated(set)
		},
		Validate: func(_ context.Context, set *appsv1.StatefulSet) field.ErrorList {
			return validateStatefulSet(&set.Spec, nil, podspec.ForCreate(env.AllowPrivileged))
		},
		WarningsOnCreate: func(_ context.Context, set *appsv1.StatefulSet) []string {
			return append(podspec.TemplateWarnings(&set.Spec.Template, templatePath), statefulSetWarnings(&set.Spec)...)
		},
		PrepareForUpdate: func(_ context.Context, set, old *appsv1.StatefulSet) {
			set.Status = old.Status
			dropStatefulSetGated(set)
			set.Generation = old.Generation
			if !apiequality.Semantic.DeepEqual(set.Spec, old.Spec) {
				set.Generation++
			}
		},
		ValidateUpdate: func(_ context.Context, set, old *appsv1.StatefulSet) field.ErrorList {
			errs := validateStatefulSet(&set.Spec, &old.Spec, updateOptions(env, &old.Spec.Template))
			return append(errs, fixedStatefulSetFields(&set.Spec, &old.Spec)...)
		},
		WarningsOnUpdate: func(_ context.Context, set, old *appsv1.StatefulSet) []string {
			var warnings []string
			if set.Generation != old.Generation {
				warnings = podspec.TemplateWarnings(&set.Spec.Template, templatePath)
			}
			return append(warnings, statefulSetWarnings(&set.Spec)...)
		},
		ResetFields: map[string][]string{"apps/v1": {"status"}},
	}
}

func statefulSetStatusStrategy() registry.For[*appsv1.StatefulSet] {
	return registry.For[*appsv1.StatefulSet]{
		PrepareForUpdate: func(_ context.Context, set, old *appsv1.StatefulSet) { set.Spec = old.Spec },
		ValidateUpdate: func(_ context.Context, set, old *appsv1.StatefulSet) field.ErrorList {
			return append(validateStatefulSetStatus(&set.Status), collisionsKept(set.Status.CollisionCount, old.Status.CollisionCount)...)
		},
		ResetFields: map[string][]string{"apps/v1": {"spec"}},
	}
}

func statefulSetWarnings(s *appsv1.StatefulSetSpec) []string {
	var warnings []string
	for i := range s.VolumeClaimTemplates {
		warnings = append(warnings, podspec.ClaimSpecWarnings(&s.VolumeClaimTemplates[i].Spec, specPath.Child("volumeClaimTemplates").Index(i))...)
	}
	if l := s.RevisionHistoryLimit; l != nil && *l < 0 {
		warnings = append(warnings, "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended")
	}
	return warnings
}

var retentionPolicies = []appsv1.PersistentVolumeClaimRetentionPolicyType{
	appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
	appsv1.DeletePersistentVolumeClaimRetentionPolicyType,
}

// validateStatefulSet has no old spec for a new set. What an update cannot
// change is not looked at again, since it may be older than the rule.
func validateStatefulSet(s, old *appsv1.StatefulSetSpec, o podspec.Options) field.ErrorList {
	var errs field.ErrorList
	switch s.PodManagementPolicy {
	case appsv1.OrderedReadyPodManagement, appsv1.ParallelPodManagement:
	case "":
		errs = append(errs, field.Required(specPath.Child("podManagementPolicy"), ""))
	default:
		errs = append(errs, field.Invalid(specPath.Child("podManagementPolicy"), s.PodManagementPolicy, fmt.Sprintf("must be '%s' or '%s'", appsv1.OrderedReadyPodManagement, appsv1.ParallelPodManagement)))
	}
	errs = append(errs, validateStatefulSetUpdateStrategy(&s.UpdateStrategy, specPath.Child("updateStrategy"))...)
	if p := s.PersistentVolumeClaimRetentionPolicy; p != nil {
		path := specPath.Child("persistentVolumeClaimRetentionPolicy")
		errs = append(errs, validate.OneOf(path.Child("whenDeleted"), p.WhenDeleted, retentionPolicies)...)
		errs = append(errs, validate.OneOf(path.Child("whenScaled"), p.WhenScaled, retentionPolicies)...)
	}
	if old == nil {
		for i := range s.VolumeClaimTemplates {
			errs = append(errs, podspec.ValidateClaimSpec(&s.VolumeClaimTemplates[i].Spec, specPath.Child("volumeClaimTemplates").Index(i).Child("spec"))...)
		}
	}
	errs = append(errs, nonnegative(specPath, optional("replicas", s.Replicas), num("minReadySeconds", s.MinReadySeconds))...)
	if s.Ordinals != nil {
		errs = append(errs, nonnegative(specPath.Child("ordinals"), num("start", s.Ordinals.Start))...)
	}
	if old == nil && s.ServiceName != "" {
		errs = append(errs, validate.DNSLabel(s.ServiceName, specPath.Child("serviceName"))...)
	}
	errs = append(errs, validateSelector(s.Selector, "statefulset", o)...)
	if selector, err := metav1.LabelSelectorAsSelector(s.Selector); err != nil {
		errs = append(errs, field.Invalid(specPath.Child("selector"), s.Selector, ""))
	} else {
		errs = append(errs, podspec.SelectorMatches(&s.Template, selector, templatePath)...)
		if old == nil || !podspec.SameTemplate(&s.Template, &old.Template) || !apiequality.Semantic.DeepEqual(s.VolumeClaimTemplates, old.VolumeClaimTemplates) {
			errs = append(errs, podspec.ValidateTemplate(asControlled(s), templatePath, o)...)
		}
	}
	errs = append(errs, podspec.AlwaysRestarts(&s.Template, templatePath)...)
	if s.Template.Spec.ActiveDeadlineSeconds != nil {
		errs = append(errs, field.Forbidden(templatePath.Child("spec", "activeDeadlineSeconds"), "activeDeadlineSeconds in StatefulSet is not Supported"))
	}
	return errs
}

// asControlled gives the template as the controller uses it: the volumes of the
// claims come first, and a volume of a claim's name gives way; it sets the
// hostname and the subdomain itself.
func asControlled(s *appsv1.StatefulSetSpec) *corev1.PodTemplateSpec {
	t := s.Template
	t.Spec.Hostname, t.Spec.Subdomain = "", ""
	if len(s.VolumeClaimTemplates) == 0 {
		return &t
	}
	claimed := map[string]bool{}
	t.Spec.Volumes = nil
	for i := range s.VolumeClaimTemplates {
		name := s.VolumeClaimTemplates[i].Name
		if claimed[name] {
			continue
		}
		claimed[name] = true
		t.Spec.Volumes = append(t.Spec.Volumes, corev1.Volume{
			Name:         name,
			VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}},
		})
	}
	for _, v := range s.Template.Spec.Volumes {
		if !claimed[v.Name] {
			t.Spec.Volumes = append(t.Spec.Volumes, v)
		}
	}
	return &t
}

func validateStatefulSetUpdateStrategy(u *appsv1.StatefulSetUpdateStrategy, path *field.Path) field.ErrorList {
	rolling := path.Child("rollingUpdate")
	switch u.Type {
	case "":
		return field.ErrorList{field.Required(path, "")}
	case appsv1.OnDeleteStatefulSetStrategyType:
		if u.RollingUpdate != nil {
			return field.ErrorList{field.Invalid(rolling, validate.Internal(u.RollingUpdate), fmt.Sprintf("only allowed for updateStrategy '%s'", appsv1.RollingUpdateStatefulSetStrategyType))}
		}
		return nil
	case appsv1.RollingUpdateStatefulSetStrategyType:
		if u.RollingUpdate == nil {
			return nil
		}
		return nonnegative(rolling, optional("partition", u.RollingUpdate.Partition))
	}
	return field.ErrorList{field.Invalid(path, validate.Internal(u), fmt.Sprintf("must be '%s' or '%s'", appsv1.RollingUpdateStatefulSetStrategyType, appsv1.OnDeleteStatefulSetStrategyType))}
}

// fixedStatefulSetFields wants everything to be as it was besides what an
// update may change.
func fixedStatefulSetFields(s, old *appsv1.StatefulSetSpec) field.ErrorList {
	fixed := *s
	fixed.Replicas = old.Replicas
	fixed.Ordinals = old.Ordinals
	fixed.Template = old.Template
	fixed.UpdateStrategy = old.UpdateStrategy
	fixed.RevisionHistoryLimit = old.RevisionHistoryLimit
	fixed.PersistentVolumeClaimRetentionPolicy = old.PersistentVolumeClaimRetentionPolicy
	fixed.MinReadySeconds = old.MinReadySeconds
	if apiequality.Semantic.DeepEqual(&fixed, old) {
		return nil
	}
	return field.ErrorList{field.Forbidden(specPath, "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden")}
}

func validateStatefulSetStatus(s *appsv1.StatefulSetStatus) field.ErrorList {
	errs := nonnegative(statusPath,
		num("replicas", s.Replicas),
		num("readyReplicas", s.ReadyReplicas),
		num("currentReplicas", s.CurrentReplicas),
		num("updatedReplicas", s.UpdatedReplicas),
		num("availableReplicas", s.AvailableReplicas),
		num("observedGeneration", s.ObservedGeneration),
		optional("collisionCount", s.CollisionCount))
	errs = append(errs, atMost(statusPath, s.Replicas, greaterThanReplicas,
		num("readyReplicas", s.ReadyReplicas),
		num("currentReplicas", s.CurrentReplicas),
		num("updatedReplicas", s.UpdatedReplicas),
		num("availableReplicas", s.AvailableReplicas))...)
	return append(errs, atMost(statusPath, s.ReadyReplicas, "cannot be greater than status.readyReplicas", num("availableReplicas", s.AvailableReplicas))...)
}
