package backend

import (
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/plugins"
	"pilothouse/backend/admission/quota"
	"pilothouse/backend/authz"
	"pilothouse/backend/config"
	"pilothouse/backend/registry"
	"pilothouse/backend/webhook"
)

// admissionChain gives what looks at writes, as the flags choose it. The list of
// the plugins is in admission/plugins/order.go.
func admissionChain(o *config.Options, r *registry.Registry, a authz.Authorizer, l *quota.Ledger, w *webhook.Clients) (*admission.Chain, error) {
	return plugins.New(plugins.Env{
		Registry: r, Authorizer: a, Clock: time.Now, Quota: l, Webhooks: w,
		Options: plugins.Options{
			Enable: o.Admission.Enable, Disable: o.Admission.Disable, ConfigFile: o.Admission.ConfigFile,
			NotReadyTolerationSeconds: o.Admission.NotReadyTolerationSeconds, UnreachableTolerationSeconds: o.Admission.UnreachableTolerationSeconds,
		},
	})
}
