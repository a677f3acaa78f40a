package resource

import (
	"context"
	"fmt"

	"pilothouse/backend/registry"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateAdminAccess lets administrators' access to devices be asked for only
// in namespaces that are labelled for it. The path says where it is asked for,
// nil if nowhere.
func validateAdminAccess(ctx context.Context, r *registry.Registry, namespace string, at *field.Path) field.ErrorList {
	if at == nil {
		return nil
	}
	if r == nil {
		return field.ErrorList{field.InternalError(at, fmt.Errorf("no namespaces to look at"))}
	}
	ns, err := r.Store("", "namespaces").Get(ctx, "", namespace, registry.GetOptions{})
	if err != nil {
		return field.ErrorList{field.InternalError(at, fmt.Errorf("could not retrieve namespace to verify admin access: %w", err))}
	}
	const label = resourcev1.DRAAdminNamespaceLabelKey
	if ns.Labels.Get(label) != "true" {
		return field.ErrorList{field.Forbidden(at, fmt.Sprintf("admin access to devices requires the `%s: true` label on the containing namespace", label))}
	}
	return nil
}

// adminRequest gives the path of the first request for administrators' access,
// nil if there is none.
func adminRequest(requests []resourcev1.DeviceRequest) *field.Path {
	for i, r := range requests {
		if r.Exactly != nil && r.Exactly.AdminAccess != nil && *r.Exactly.AdminAccess {
			return field.NewPath("spec", "devices", "requests").Index(i).Child("adminAccess")
		}
	}
	return nil
}

// adminResult gives the path of the first device that is allocated for
// administrators' access, nil if there is none.
func adminResult(a *resourcev1.AllocationResult) *field.Path {
	if a == nil {
		return nil
	}
	for i, r := range a.Devices.Results {
		if r.AdminAccess != nil && *r.AdminAccess {
			return field.NewPath("status", "allocation", "devices", "results").Index(i).Child("adminAccess")
		}
	}
	return nil
}
