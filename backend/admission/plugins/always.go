package plugins

import (
	"context"
	"errors"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
)

// AlwaysAdmit and AlwaysDeny are of no use but to tests; Kubernetes keeps their
// names.

func newAlwaysAdmit(*deps) (admission.Plugin, error) {
	return &handler{"AlwaysAdmit", func(admission.Operation, *registry.Entry, string) bool { return false }}, nil
}

type alwaysDeny struct{ handler }

func newAlwaysDeny(*deps) (admission.Plugin, error) {
	return &alwaysDeny{handler{"AlwaysDeny", func(admission.Operation, *registry.Entry, string) bool { return true }}}, nil
}

// Validate refuses.
func (*alwaysDeny) Validate(_ context.Context, a *admission.Attributes) error {
	return admission.Forbidden(a, errors.New("admission control is denying all modifications"))
}
