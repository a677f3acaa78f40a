package plugins

import (
	"pilothouse/backend/admission"
	"pilothouse/backend/admission/policy"
	"pilothouse/backend/admission/webhook"
)

// What users add to admission themselves: policies and webhooks, each in a
// package of its own.

func newMutatingAdmissionPolicy(d *deps) (admission.Plugin, error) {
	return policy.NewMutating(d.Registry, d.Authorizer), nil
}

func newValidatingAdmissionPolicy(d *deps) (admission.Plugin, error) {
	return policy.NewValidating(d.Registry, d.Authorizer), nil
}

func newMutatingAdmissionWebhook(d *deps) (admission.Plugin, error) {
	return webhook.NewMutating(d.webhookOptions()), nil
}

func newValidatingAdmissionWebhook(d *deps) (admission.Plugin, error) {
	return webhook.NewValidating(d.webhookOptions()), nil
}

func (d *deps) webhookOptions() webhook.Options {
	return webhook.Options{Registry: d.Registry, Authorizer: d.Authorizer, Clients: d.Webhooks}
}
