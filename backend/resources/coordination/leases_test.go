package coordination

import (
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/resourcetest"

	coordinationv1 "k8s.io/api/coordination/v1"
)

func TestLeases(t *testing.T) {
	k := resourcetest.Of[*coordinationv1.Lease](t, Resources(&registry.Env{}), "leases")
	k.Create("spec: {}")
	k.Create("spec: {holderIdentity: me, leaseDurationSeconds: 15, leaseTransitions: 0, acquireTime: '2026-01-01T00:00:00.123456Z'}")
	k.Create("spec: {leaseDurationSeconds: 0, leaseTransitions: -1}",
		`spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0`,
		`spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0`)
	k.Update("spec: {}", "spec: {leaseDurationSeconds: -1}", `spec.leaseDurationSeconds: Invalid value: -1: must be greater than 0`)
	k.Row("{metadata: {name: l, creationTimestamp: '2026-01-01T01:59:00Z'}, spec: {holderIdentity: me}}", "l | me | 60s")
	k.Row("metadata: {name: l}", "l |  | <unknown>")
	if !k.Strategy.RequireResourceVersion || !k.Strategy.AllowCreateOnUpdate {
		t.Error("a lease has to be updated by version, and PUT creates it")
	}
}
