package storage

import (
	"context"
	"math"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// csiDrivers tell what a CSI driver wants of Kubernetes. Their generation rises
// with the spec, from none.
func csiDrivers() registry.Resource {
	doc := storagev1.CSIDriverSpec{}.SwaggerDoc()
	return registry.Resource{
		Group:    group,
		Name:     "csidrivers",
		Singular: "csidriver",
		Kind:     "CSIDriver",
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &storagev1.CSIDriver{} },
			Default: registry.Typed(defaultCSIDriver),
		}},
		Strategy: registry.For[*storagev1.CSIDriver]{
			ValidateName: apivalidation.NameIsDNSSubdomain,
			Validate: func(_ context.Context, d *storagev1.CSIDriver) field.ErrorList {
				return validateCSIDriverSpec(&d.Spec, field.NewPath("spec"))
			},
			WarningsOnCreate: func(_ context.Context, d *storagev1.CSIDriver) []string { return csiDriverWarnings(d, nil) },
			PrepareForCreate: func(_ context.Context, d *storagev1.CSIDriver) { dropGated(d, nil) },
			PrepareForUpdate: func(_ context.Context, d, old *storagev1.CSIDriver) {
				dropGated(d, old)
				if !equality.Semantic.DeepEqual(d.Spec, old.Spec) {
					d.Generation = old.Generation + 1
				}
			},
			ValidateUpdate: func(_ context.Context, d, old *storagev1.CSIDriver) field.ErrorList {
				return validateCSIDriverUpdate(d, old)
			},
			WarningsOnUpdate:       func(_ context.Context, d, old *storagev1.CSIDriver) []string { return csiDriverWarnings(d, old) },
			RequireResourceVersion: true,
			DeleteReturnsObject:    true,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Boolean("AttachRequired", doc["attachRequired"]),
			printers.Boolean("PodInfoOnMount", doc["podInfoOnMount"]),
			printers.Boolean("StorageCapacity", doc["storageCapacity"]),
			printers.Column("TokenRequests", doc["tokenRequests"]),
			printers.Boolean("RequiresRepublish", doc["requiresRepublish"]),
			printers.Column("Modes", doc["volumeLifecycleModes"]),
			printers.Age,
		},
		Cells: registry.Row(csiDriverCells),
	}
}

func defaultCSIDriver(d *storagev1.CSIDriver) {
	s := &d.Spec
	setDefault(&s.AttachRequired, true)
	setDefault(&s.PodInfoOnMount, false)
	setDefault(&s.StorageCapacity, false)
	setDefault(&s.FSGroupPolicy, storagev1.ReadWriteOnceWithFSTypeFSGroupPolicy)
	if len(s.VolumeLifecycleModes) == 0 {
		s.VolumeLifecycleModes = []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecyclePersistent}
	}
	setDefault(&s.RequiresRepublish, false)
	setDefault(&s.SELinuxMount, false)
}

// dropGated drops a field that upstream has behind a gate that is off, unless
// the object has it.
func dropGated(d, old *storagev1.CSIDriver) {
	if old == nil || old.Spec.PreventPodSchedulingIfMissing == nil {
		d.Spec.PreventPodSchedulingIfMissing = nil
	}
}

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func csiDriverCells(d *storagev1.CSIDriver, now registry.Clock) []any {
	s := &d.Spec
	tokens := "<unset>"
	if s.TokenRequests != nil {
		audiences := make([]string, 0, len(s.TokenRequests))
		for _, t := range s.TokenRequests {
			audiences = append(audiences, t.Audience)
		}
		tokens = strings.Join(audiences, ",")
	}
	var modes []string
	for _, m := range s.VolumeLifecycleModes {
		modes = append(modes, string(m))
	}
	if len(modes) == 0 {
		modes = []string{"<none>"}
	}
	return []any{
		d.Name,
		s.AttachRequired == nil || *s.AttachRequired,
		isTrue(s.PodInfoOnMount),
		isTrue(s.StorageCapacity),
		tokens,
		isTrue(s.RequiresRepublish),
		strings.Join(modes, ","),
		printers.Since(d.CreationTimestamp, now),
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

const tokenWarning = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, " +
	"set to true to prevent possible logging of tokens in volume attributes"

// csiDriverWarnings tells a driver that asks for tokens to say how it gets
// them; an update is warned about only if it changes what is asked for.
func csiDriverWarnings(d, old *storagev1.CSIDriver) []string {
	if len(d.Spec.TokenRequests) == 0 || d.Spec.ServiceAccountTokenInSecrets != nil {
		return nil
	}
	if old != nil && equality.Semantic.DeepEqual(d.Spec.TokenRequests, old.Spec.TokenRequests) {
		return nil
	}
	return []string{tokenWarning}
}

var fsGroupPolicies = []storagev1.FSGroupPolicy{
	storagev1.FileFSGroupPolicy,
	storagev1.NoneFSGroupPolicy,
	storagev1.ReadWriteOnceWithFSTypeFSGroupPolicy,
}

func validateCSIDriverSpec(s *storagev1.CSIDriverSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	required := func(value *bool, name string) {
		if value == nil {
			errs = append(errs, field.Required(at.Child(name), ""))
		}
	}
	required(s.AttachRequired, "attachedRequired")
	required(s.PodInfoOnMount, "podInfoOnMount")
	required(s.StorageCapacity, "storageCapacity")
	if s.FSGroupPolicy != nil {
		errs = append(errs, validate.OneOf(at.Child("fsGroupPolicy"), *s.FSGroupPolicy, fsGroupPolicies)...)
	}
	errs = append(errs, validateTokenRequests(s.TokenRequests, at.Child("tokenRequests"))...)
	for _, mode := range s.VolumeLifecycleModes {
		errs = append(errs, validate.OneOf(at.Child("volumeLifecycleModes"), mode,
			[]storagev1.VolumeLifecycleMode{storagev1.VolumeLifecyclePersistent, storagev1.VolumeLifecycleEphemeral})...)
	}
	required(s.SELinuxMount, "seLinuxMount")
	if period := s.NodeAllocatableUpdatePeriodSeconds; period != nil && *period < 10 {
		errs = append(errs, field.Invalid(at.Child("nodeAllocatableUpdatePeriodSeconds"), *period, "must be greater than or equal to 10 seconds"))
	}
	return append(errs, validateTokensInSecrets(s, at)...)
}

func validateTokensInSecrets(s *storagev1.CSIDriverSpec, at *field.Path) field.ErrorList {
	if s.ServiceAccountTokenInSecrets == nil || len(s.TokenRequests) > 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(at.Child("serviceAccountTokenInSecrets"), *s.ServiceAccountTokenInSecrets,
		"serviceAccountTokenInSecrets is set but no tokenRequests are specified")}
}

// validateTokenRequests wants an audience once, and tokens that last between
// ten minutes and 2^32 seconds.
func validateTokenRequests(requests []storagev1.TokenRequest, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i, r := range requests {
		if seen[r.Audience] {
			errs = append(errs, field.Duplicate(at.Index(i).Child("audience"), r.Audience))
			continue
		}
		seen[r.Audience] = true
		if r.ExpirationSeconds == nil {
			continue
		}
		expiration := at.Index(i).Child("expirationSeconds")
		if *r.ExpirationSeconds < 600 {
			errs = append(errs, field.Invalid(expiration, *r.ExpirationSeconds, "may not specify a duration less than 10 minutes"))
		}
		if *r.ExpirationSeconds > math.MaxUint32+1 {
			errs = append(errs, field.Invalid(expiration, *r.ExpirationSeconds, "may not specify a duration larger than 2^32 seconds"))
		}
	}
	return errs
}

func validateCSIDriverUpdate(d, old *storagev1.CSIDriver) field.ErrorList {
	spec := field.NewPath("spec")
	errs := validateCSIDriverSpec(&d.Spec, spec)
	errs = append(errs, apivalidation.ValidateImmutableField(d.Spec.AttachRequired, old.Spec.AttachRequired, spec.Child("attachedRequired"))...)
	return append(errs, apivalidation.ValidateImmutableField(d.Spec.VolumeLifecycleModes, old.Spec.VolumeLifecycleModes, spec.Child("volumeLifecycleModes"))...)
}
