package node

import (
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/resourcetest"

	nodev1 "k8s.io/api/node/v1"
)

func TestRuntimeClasses(t *testing.T) {
	k := resourcetest.Of[*nodev1.RuntimeClass](t, Resources(&registry.Env{}), "runtimeclasses")
	k.Create("{handler: runc, overhead: {podFixed: {cpu: 100m, memory: 1Mi}}, scheduling: {nodeSelector: {a: b}, tolerations: [{key: k, operator: Exists, effect: NoSchedule}]}}")
	k.Create("{}", `handler: Required value`)
	k.Create("{handler: A_b, overhead: {podFixed: {cpu: -1, hugepages-2Mi: 3Mi}}, scheduling: {nodeSelector: {a: 'b c'}, tolerations: [{key: k}, {key: k, operator: Exists, value: v}, {key: k}]}}",
		`handler: Invalid value: "A_b": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
		`overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0`,
		`overhead.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
		`scheduling.nodeSelector: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
		"scheduling.tolerations[1].operator: Invalid value: \"v\": value must be empty when `operator` is 'Exists'",
		`scheduling.tolerations[2]: Duplicate value: {"Key":"k","Operator":"","Value":"","Effect":"","TolerationSeconds":null}`)
	k.Update("handler: a", "{handler: b, overhead: {podFixed: {cpu: -1}}}",
		`overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0`,
		`handler: Invalid value: "b": field is immutable`)
	k.Row("{metadata: {name: r, creationTimestamp: '2025-12-31T00:00:00Z'}, handler: runc}", "r | runc | 26h")
}

func TestOverheadIsRounded(t *testing.T) {
	k := resourcetest.Of[*nodev1.RuntimeClass](t, Resources(&registry.Env{}), "runtimeclasses")
	c := k.Read("{handler: a, overhead: {podFixed: {cpu: 100u}}}")
	if cpu := c.Overhead.PodFixed.Cpu().String(); cpu != "1m" {
		t.Errorf("cpu %s", cpu)
	}
}
