package plugins

import (
	"fmt"
	"path/filepath"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/policy"
	"pilothouse/backend/admission/webhook"
	calls "pilothouse/backend/webhook"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
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
	o, err := d.webhookOptions("MutatingAdmissionWebhook")
	if err != nil {
		return nil, err
	}
	return webhook.NewMutating(o), nil
}

func newValidatingAdmissionWebhook(d *deps) (admission.Plugin, error) {
	o, err := d.webhookOptions("ValidatingAdmissionWebhook")
	if err != nil {
		return nil, err
	}
	return webhook.NewValidating(o), nil
}

// webhookConfig is a WebhookAdmissionConfiguration.
type webhookConfig struct {
	metav1.TypeMeta `json:",inline"`
	// KubeConfigFile has users whose names are the hosts of webhooks.
	KubeConfigFile string `json:"kubeConfigFile,omitempty"`
}

func (d *deps) webhookOptions(plugin string) (webhook.Options, error) {
	o := webhook.Options{Registry: d.Registry, Authorizer: d.Authorizer, Clients: d.Webhooks}
	var c webhookConfig
	if err := yaml.UnmarshalStrict(d.config(plugin), &c); err != nil {
		return o, err
	}
	switch c.Kind {
	case "", "WebhookAdmissionConfiguration", "WebhookAdmission":
	default:
		return o, fmt.Errorf("kind %q is no WebhookAdmissionConfiguration", c.Kind)
	}
	if c.KubeConfigFile == "" {
		return o, nil
	}
	if !filepath.IsAbs(c.KubeConfigFile) {
		return o, fmt.Errorf("kubeConfigFile: Invalid value: %q: must be an absolute file path", c.KubeConfigFile)
	}
	var err error
	if o.Credentials, err = calls.OpenCredentials(c.KubeConfigFile); err != nil {
		return o, fmt.Errorf("kubeConfigFile: %w", err)
	}
	return o, nil
}
