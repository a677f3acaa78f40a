package apiregistration

import (
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/resourcetest"

	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

func TestAPIServices(t *testing.T) {
	k := resourcetest.Of[*apiregistrationv1.APIService](t, Resources(&registry.Env{Clock: resourcetest.Now}), "apiservices")
	k.JSON(k.New("{metadata: {name: v1.a.io}, spec: {group: a.io, version: v1, groupPriorityMinimum: 1, versionPriority: 1, service: {namespace: x, name: s}}, status: {conditions: [{type: Available}]}}"),
		"{metadata: {name: v1.a.io}, spec: {group: a.io, version: v1, groupPriorityMinimum: 1, versionPriority: 1, service: {namespace: x, name: s, port: 443}}, status: {}}")
	k.Create("{metadata: {name: v1.}, spec: {version: v1, groupPriorityMinimum: 1, versionPriority: 1}}")
	k.Create("{metadata: {name: v1.b.io}, spec: {group: A, version: V, groupPriorityMinimum: 20001, versionPriority: 0, service: {namespace: '', name: '', port: 0}}}",
		`metadata.name: Invalid value: "v1.b.io": must be `+"`spec.version+\".\"+spec.group`: \"V.A\"",
		`spec.group: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
		`spec.version: Invalid value: "V": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`,
		`spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000`,
		`spec.versionPriority: Invalid value: 0: must be positive and less than 1000`,
		`spec.service.namespace: Required value`,
		`spec.service.name: Required value`,
		`spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive`)
	k.Row("{metadata: {name: v1.a.io}, spec: {group: a.io, version: v1, service: {namespace: x, name: s}}, status: {conditions: [{type: Available, status: 'False', reason: Gone}]}}",
		"v1.a.io | x/s | False (Gone) | <unknown>")
	k.Row("{metadata: {name: v1.}, spec: {version: v1}}", "v1. | Local | Unknown | <unknown>")
}

func TestStatusOfAPIServices(t *testing.T) {
	k := resourcetest.Of[*apiregistrationv1.APIService](t, Resources(&registry.Env{Clock: resourcetest.Now}), "apiservices")
	const old = "{metadata: {name: v1.a.io}, spec: {group: a.io, version: v1}}"
	s := k.UpdateSubresource("status", old, "{metadata: {name: v1.a.io, labels: {a: b}}, spec: {group: b.io, version: v1}, status: {conditions: [{type: Available, status: Maybe}]}}",
		`status.conditions[0].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown"`)
	if s.Spec.Group != "a.io" || s.Labels != nil {
		t.Errorf("status wrote %+v", s)
	}
}
