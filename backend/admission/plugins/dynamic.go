package plugins

import (
	"pilothouse/backend/admission"
	"pilothouse/backend/admission/policy"
)

// What users add to admission themselves: policies and webhooks, each in a
// package of its own.

func newValidatingAdmissionPolicy(d *deps) (admission.Plugin, error) {
	return policy.NewValidating(d.Registry, d.Authorizer), nil
}
