package plugins

import (
	"context"
	"slices"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
)

// denyServiceExternalIPs lets nobody begin to use external addresses, with which
// a service could take over somebody else's traffic.
type denyServiceExternalIPs struct{ handler }

func newDenyServiceExternalIPs(*deps) (admission.Plugin, error) {
	return &denyServiceExternalIPs{handler{"DenyServiceExternalIPs", writes(target{resource: "services"})}}, nil
}

// Validate lets addresses stay and go.
func (*denyServiceExternalIPs) Validate(_ context.Context, a *admission.Attributes) error {
	service, err := objectOf[*corev1.Service](a, "Service")
	if err != nil {
		return err
	}
	var known []string
	if old, ok := a.Old.(*corev1.Service); ok && old != nil {
		known = old.Spec.ExternalIPs
	}
	for _, ip := range service.Spec.ExternalIPs {
		if !slices.Contains(known, ip) {
			return admission.Forbid(a, "Use of external IPs is denied by admission control")
		}
	}
	return nil
}
