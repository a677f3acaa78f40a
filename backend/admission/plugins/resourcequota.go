package plugins

import (
	"context"
	"fmt"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/quota"
	"pilothouse/backend/registry"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// resourceQuota charges new objects, and those that grow, to the quotas of
// their namespace.
type resourceQuota struct {
	ledger  *quota.Ledger
	limited []quota.LimitedResource
}

// quotaConfig is a ResourceQuotaConfiguration.
type quotaConfig struct {
	metav1.TypeMeta  `json:",inline"`
	LimitedResources []quota.LimitedResource `json:"limitedResources,omitempty"`
}

func newResourceQuota(d *deps) (admission.Plugin, error) {
	var c quotaConfig
	if err := yaml.UnmarshalStrict(d.config("ResourceQuota"), &c); err != nil {
		return nil, err
	}
	switch c.Kind {
	case "", "ResourceQuotaConfiguration", "Configuration":
	default:
		return nil, fmt.Errorf("kind %q is no ResourceQuotaConfiguration", c.Kind)
	}
	return &resourceQuota{d.Quota, c.LimitedResources}, nil
}

// Name is what the flags call the plugin.
func (p *resourceQuota) Name() string { return "ResourceQuota" }

// Handles tells whether a write can change what quotas count.
func (p *resourceQuota) Handles(op admission.Operation, e *registry.Entry, subresource string) bool {
	return p.ledger.Handles(op, e.Resource, subresource)
}

// Validate charges the write. It comes last, so that nothing is charged that
// another plugin refuses.
func (p *resourceQuota) Validate(ctx context.Context, a *admission.Attributes) error {
	finish, err := p.ledger.Charge(ctx, a, p.limited)
	if err != nil {
		return err
	}
	a.OnEnd(finish)
	return nil
}
