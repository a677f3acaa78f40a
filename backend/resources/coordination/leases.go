package coordination

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	coordinationv1 "k8s.io/api/coordination/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// leases are heartbeats and locks. PUT creates them, and an update must name
// the resourceVersion that it replaces.
func leases() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "leases",
		Singular:   "lease",
		Kind:       "Lease",
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &coordinationv1.Lease{} },
		}},
		Strategy: registry.For[*coordinationv1.Lease]{
			ValidateName: apivalidation.NameIsDNSSubdomain,
			PrepareForCreate: func(_ context.Context, l *coordinationv1.Lease) {
				dropCoordinatedElection(l, nil)
			},
			Validate: func(_ context.Context, l *coordinationv1.Lease) field.ErrorList { return validateLease(l) },
			PrepareForUpdate: func(_ context.Context, l, old *coordinationv1.Lease) {
				dropCoordinatedElection(l, old)
			},
			ValidateUpdate:         func(_ context.Context, l, _ *coordinationv1.Lease) field.ErrorList { return validateLease(l) },
			AllowCreateOnUpdate:    true,
			RequireResourceVersion: true,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Holder", coordinationv1.LeaseSpec{}.SwaggerDoc()["holderIdentity"]),
			printers.Age,
		},
		Cells: registry.Row(func(l *coordinationv1.Lease, now registry.Clock) []any {
			holder := ""
			if l.Spec.HolderIdentity != nil {
				holder = *l.Spec.HolderIdentity
			}
			return []any{l.Name, holder, printers.Since(l.CreationTimestamp, now)}
		}),
	}
}

// dropCoordinatedElection drops the fields of coordinated leader election,
// which upstream has behind a gate that is off, unless the object has them.
func dropCoordinatedElection(l, old *coordinationv1.Lease) {
	if old == nil || old.Spec.Strategy == nil {
		l.Spec.Strategy = nil
	}
	if old == nil || old.Spec.PreferredHolder == nil {
		l.Spec.PreferredHolder = nil
	}
}

func validateLease(l *coordinationv1.Lease) field.ErrorList {
	var errs field.ErrorList
	spec := field.NewPath("spec")
	if n := l.Spec.LeaseDurationSeconds; n != nil && *n <= 0 {
		errs = append(errs, field.Invalid(spec.Child("leaseDurationSeconds"), *n, "must be greater than 0"))
	}
	if n := l.Spec.LeaseTransitions; n != nil && *n < 0 {
		errs = append(errs, field.Invalid(spec.Child("leaseTransitions"), *n, "must be greater than or equal to 0"))
	}
	return errs
}
