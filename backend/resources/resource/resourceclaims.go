package resource

import (
	"context"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// resourceClaims ask for devices. The spec is fixed once created; scheduler and
// drivers write the status.
func resourceClaims(env *registry.Env) registry.Resource {
	status := registry.For[*resourcev1.ResourceClaim]{
		PrepareForUpdate: func(_ context.Context, c, old *resourcev1.ResourceClaim) {
			c.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(&c.ObjectMeta, &old.ObjectMeta)
			dropDeallocated(c, old)
		},
		ValidateUpdate: func(ctx context.Context, c, old *resourcev1.ResourceClaim) field.ErrorList {
			var errs field.ErrorList
			if adminResult(old.Status.Allocation) == nil {
				errs = validateAdminAccess(ctx, env.Registry, c.Namespace, adminResult(c.Status.Allocation))
			}
			return append(errs, validateClaimStatus(c, old, field.NewPath("status"))...)
		},
		ResetFields: map[string][]string{group + "/v1": {"spec"}},
	}.Strategy()
	return registry.Resource{
		Group:      group,
		Name:       "resourceclaims",
		Singular:   "resourceclaim",
		Kind:       "ResourceClaim",
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &resourcev1.ResourceClaim{} },
			Default: registry.Typed(func(c *resourcev1.ResourceClaim) {
				defaultClaim(&c.Spec.Devices)
				defaultAllocation(c.Status.Allocation)
			}),
		}},
		Strategy: registry.For[*resourcev1.ResourceClaim]{
			ValidateName:     apivalidation.NameIsDNSSubdomain,
			PrepareForCreate: func(_ context.Context, c *resourcev1.ResourceClaim) { c.Status = resourcev1.ResourceClaimStatus{} },
			Validate: func(ctx context.Context, c *resourcev1.ResourceClaim) field.ErrorList {
				errs := validateAdminAccess(ctx, env.Registry, c.Namespace, adminRequest(c.Spec.Devices.Requests))
				return append(errs, validateClaim(&c.Spec.Devices, field.NewPath("spec", "devices"))...)
			},
			PrepareForUpdate: func(_ context.Context, c, old *resourcev1.ResourceClaim) { c.Status = old.Status },
			ValidateUpdate: func(_ context.Context, c, old *resourcev1.ResourceClaim) field.ErrorList {
				sameParameters(c.Spec.Devices.Config, old.Spec.Devices.Config)
				return unchanged(c.Spec, old.Spec)
			},
			ResetFields:           map[string][]string{group + "/v1": {"status"}},
			ValidatesMetaOnUpdate: 1,
			DeleteReturnsObject:   true,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("State", "A summary of the current state (allocated, pending, reserved, etc.)."),
			printers.Age,
		},
		Cells: registry.Row(func(c *resourcev1.ResourceClaim, now registry.Clock) []any {
			return []any{c.Name, state(c), printers.Since(c.CreationTimestamp, now)}
		}),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

// sameParameters gives a claim's configuration the form of the old one's where
// nothing but spaces between them differs, which is no change.
func sameParameters(config, old []resourcev1.DeviceClaimConfiguration) {
	for i := range min(len(config), len(old)) {
		if is, was := config[i].Opaque, old[i].Opaque; is != nil && was != nil && validate.SameRaw(&is.Parameters, &was.Parameters) {
			is.Parameters = was.Parameters
		}
	}
}

// unchanged refuses a spec that is not as it was.
func unchanged[T any](spec, old T) field.ErrorList {
	if equality.Semantic.DeepEqual(spec, old) {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("spec"), validate.Internal(spec), apivalidation.FieldImmutableErrorMsg)}
}

func state(c *resourcev1.ResourceClaim) string {
	var states []string
	if c.DeletionTimestamp != nil {
		states = append(states, "deleted")
	}
	switch {
	case c.Status.Allocation != nil:
		states = append(states, "allocated")
		if len(c.Status.ReservedFor) > 0 {
			states = append(states, "reserved")
		}
	case c.DeletionTimestamp == nil:
		states = append(states, "pending")
	}
	return strings.Join(states, ",")
}

// dropDeallocated drops what drivers said about devices that the claim no longer
// has.
func dropDeallocated(c, old *resourcev1.ResourceClaim) {
	gone := allocatedDevices(old.Status.Allocation)
	for id := range allocatedDevices(c.Status.Allocation) {
		delete(gone, id)
	}
	c.Status.Devices = slices.DeleteFunc(c.Status.Devices, func(d resourcev1.AllocatedDeviceStatus) bool {
		return gone[statusID(&d)]
	})
	if len(c.Status.Devices) == 0 {
		c.Status.Devices = nil
	}
}
