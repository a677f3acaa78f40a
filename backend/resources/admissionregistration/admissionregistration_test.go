package admissionregistration

import (
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/resourcetest"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func kind[T scheme.Object](t *testing.T, name string) resourcetest.Kind[T] {
	t.Helper()
	return resourcetest.Of[T](t, Resources(&registry.Env{Clock: resourcetest.Now}), name)
}

const hook = "name: a.example.com, sideEffects: None, admissionReviewVersions: [v1]"

func TestDefaultsOfWebhooks(t *testing.T) {
	k := kind[*admissionregistrationv1.MutatingWebhookConfiguration](t, "mutatingwebhookconfigurations")
	k.JSON(k.New("webhooks: [{"+hook+", clientConfig: {service: {namespace: ns, name: s}}, rules: [{operations: ['*'], apiGroups: [''], apiVersions: [v1], resources: [pods]}]}]"),
		"{metadata: {generation: 1}, webhooks: [{"+hook+`, clientConfig: {service: {namespace: ns, name: s, port: 443}}, failurePolicy: Fail, matchPolicy: Equivalent,
		namespaceSelector: {}, objectSelector: {}, timeoutSeconds: 10, reinvocationPolicy: Never,
		rules: [{operations: ['*'], apiGroups: [''], apiVersions: [v1], resources: [pods], scope: '*'}]}]}`)
	k.Row("{metadata: {name: m}, webhooks: [{}, {}]}", "m | 2 | <unknown>")
}

func TestWebhooks(t *testing.T) {
	k := kind[*admissionregistrationv1.ValidatingWebhookConfiguration](t, "validatingwebhookconfigurations")
	f := func(hook string, want ...string) {
		t.Helper()
		k.Create("webhooks: [{"+hook+"}]", want...)
	}
	const client = "clientConfig: {url: 'https://example.com/a'}"
	f(hook + ", " + client + ", matchConditions: [{name: c, expression: 'object.metadata.name != \"x\" && authorizer.path(\"/x\").check(\"get\").allowed()'}]")
	f("clientConfig: {}, timeoutSeconds: 31, failurePolicy: Maybe, matchPolicy: Maybe",
		`webhooks[0].name: Required value`,
		`webhooks[0].failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore"`,
		`webhooks[0].matchPolicy: Unsupported value: "Maybe": supported values: "Equivalent", "Exact"`,
		`webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun`,
		`webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds`,
		`webhooks[0].clientConfig: Required value: exactly one of url or service is required`,
		`webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1`)
	f("name: a, sideEffects: Some, admissionReviewVersions: [v2, v2], clientConfig: {url: 'http://user@example.com/?a#b'}",
		`webhooks[0].name: Invalid value: "a": should be a domain with at least three segments separated by dots`,
		`webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"`,
		`webhooks[0].clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]`,
		`webhooks[0].clientConfig.url: Invalid value: "user": user information is not permitted in the URL`,
		`webhooks[0].clientConfig.url: Invalid value: "b": fragments are not permitted in the URL`,
		`webhooks[0].clientConfig.url: Invalid value: "a": query parameters are not permitted in the URL`,
		`webhooks[0].admissionReviewVersions[1]: Invalid value: "v2": duplicate version`,
		`webhooks[0].admissionReviewVersions: Invalid value: ["v2","v2"]: must include at least one of v1, v1beta1`)
	f(hook+", "+client+", matchConditions: [{name: '', expression: ''}, {name: a, expression: '1'}, {name: a, expression: 'params.x'}]",
		`webhooks[0].matchConditions[0].expression: Required value`,
		`webhooks[0].matchConditions[0].name: Required value`,
		`webhooks[0].matchConditions[1].expression: Invalid value: "1": must evaluate to bool but got int`,
		"webhooks[0].matchConditions[2].expression: Invalid value: \"params.x\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x\n | ^",
		`webhooks[0].matchConditions[2].name: Duplicate value: "a"`)
	k.Create("webhooks: [{"+hook+", "+client+"}, {"+hook+", "+client+"}]", `webhooks[1].name: Duplicate value: "a.example.com"`)
}

func TestRulesOfWebhooks(t *testing.T) {
	k := kind[*admissionregistrationv1.ValidatingWebhookConfiguration](t, "validatingwebhookconfigurations")
	f := func(rule string, want ...string) {
		t.Helper()
		k.Create("webhooks: [{"+hook+", clientConfig: {url: 'https://a/'}, rules: [{"+rule+"}]}]", want...)
	}
	f("operations: [CREATE], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'], scope: Namespaced")
	f("",
		`webhooks[0].rules[0].operations: Required value`,
		`webhooks[0].rules[0].apiGroups: Required value`,
		`webhooks[0].rules[0].apiVersions: Required value`,
		`webhooks[0].rules[0].resources: Required value`)
	f("operations: ['*', FLY], apiGroups: ['*', a], apiVersions: [''], resources: ['*', pods, pods/*, pods/log, '*/scale', x/scale, '*/*'], scope: Some",
		`webhooks[0].rules[0].operations: Invalid value: ["*","FLY"]: if '*' is present, must not specify other operations`,
		`webhooks[0].rules[0].operations[1]: Unsupported value: "FLY": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"`,
		`webhooks[0].rules[0].apiGroups: Invalid value: ["*","a"]: if '*' is present, must not specify other API groups`,
		`webhooks[0].rules[0].apiVersions[0]: Required value`,
		`webhooks[0].rules[0].resources[3]: Invalid value: "pods/log": if 'pods/*' is present, must not specify pods/log`,
		`webhooks[0].rules[0].resources[5]: Invalid value: "x/scale": if '*/scale' is present, must not specify x/scale`,
		`webhooks[0].rules[0].resources: Invalid value: ["*","pods","pods/*","pods/log","*/scale","x/scale","*/*"]: if '*/*' is present, must not specify other resources`,
		`webhooks[0].rules[0].resources: Invalid value: ["*","pods","pods/*","pods/log","*/scale","x/scale","*/*"]: if '*' is present, must not specify other resources without subresources`,
		`webhooks[0].rules[0].scope: Unsupported value: "Some": supported values: "*", "Cluster", "Namespaced"`)
}

func TestUpdatesOfWebhooks(t *testing.T) {
	k := kind[*admissionregistrationv1.ValidatingWebhookConfiguration](t, "validatingwebhookconfigurations")
	const old = "webhooks: [{name: a.example.com, sideEffects: Some, admissionReviewVersions: [v9], clientConfig: {url: 'https://a/'}}]"
	if c := k.Update(old, "webhooks: [{name: a.example.com, sideEffects: Unknown, admissionReviewVersions: [v8], clientConfig: {url: 'https://a/'}}]"); c.Generation != 1 {
		t.Errorf("generation %d", c.Generation)
	}
	k.Update("webhooks: [{"+hook+", clientConfig: {url: 'https://a/'}}]", old,
		`webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"`,
		`webhooks[0].admissionReviewVersions: Invalid value: ["v9"]: must include at least one of v1, v1beta1`)
}

const constraints = "matchConstraints: {resourceRules: [{operations: [CREATE], apiGroups: [''], apiVersions: [v1], resources: [pods]}]}"

func TestValidatingPolicies(t *testing.T) {
	k := kind[*admissionregistrationv1.ValidatingAdmissionPolicy](t, "validatingadmissionpolicies")
	f := func(spec string, want ...string) {
		t.Helper()
		k.Create("{metadata: {name: p}, spec: {"+spec+"}}", want...)
	}
	f(constraints + ", variables: [{name: size, expression: object.spec.replicas}], validations: [{expression: 'variables.size < 3', messageExpression: '\"no \" + string(variables.size)', reason: Invalid}], auditAnnotations: [{key: k, valueExpression: '\"v\"'}]")
	f("", `spec.matchConstraints: Required value`,
		`spec.validations: Required value: validations or auditAnnotations must contain at least one item`,
		`spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item`)
	f(constraints+", failurePolicy: Some, paramKind: {apiVersion: a/b/c, kind: ''}, variables: [{name: for, expression: ''}], validations: [{expression: '1', message: \"a\\nb\", messageExpression: '1', reason: Odd}, {expression: ' ', message: ' '}]",
		`spec.failurePolicy: Unsupported value: "Some": supported values: "Fail", "Ignore"`,
		`spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c`,
		`spec.paramKind.kind: Required value`,
		`spec.variables[0].name: Invalid value: "for": must be a valid CEL identifier`,
		`spec.variables[0].expression: Required value: expression is not specified`,
		`spec.validations[0].expression: Invalid value: "1": must evaluate to bool but got int`,
		`spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string but got int`,
		`spec.validations[0].message: Invalid value: "a\nb": must not contain line breaks`,
		`spec.validations[0].reason: Unsupported value: "Odd": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"`,
		`spec.validations[1].expression: Required value: expression is not specified`,
		`spec.validations[1].message: Invalid value: " ": must be non-empty if specified`)
	f(constraints+", auditAnnotations: [{key: a b, valueExpression: ''}, {key: k, valueExpression: '1'}, {key: k, valueExpression: 'null'}]",
		`spec.auditAnnotations[0].key: Invalid value: "p/a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
		`spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified`,
		`spec.auditAnnotations[1].valueExpression: Invalid value: "1": must evaluate to one of [string null_type] but got int`,
		`spec.auditAnnotations[2].key: Duplicate value: "k"`)
	k.Row("{metadata: {name: p}, spec: {paramKind: {apiVersion: v1, kind: ConfigMap}, validations: [{}, {}]}}", "p | 2 | v1/ConfigMap | <unknown>")
	k.Row("{metadata: {name: p}}", "p | 0 | <unset> | <unknown>")
}

func TestStatusOfValidatingPolicies(t *testing.T) {
	k := kind[*admissionregistrationv1.ValidatingAdmissionPolicy](t, "validatingadmissionpolicies")
	const old = "{metadata: {name: p}, spec: {validations: [{expression: 'true'}]}}"
	p := k.UpdateSubresource("status", old, "{metadata: {name: p}, spec: {}, status: {typeChecking: {expressionWarnings: [{fieldRef: 'spec[', warning: ''}]}}}",
		`status.typeChecking.expressionWarnings[0].warning: Required value`,
		`status.typeChecking.expressionWarnings[0].fieldRef: Invalid value: "spec[": invalid JSONPath: unterminated array`)
	if len(p.Spec.Validations) != 1 {
		t.Error("a status update changed the spec")
	}
}

func TestMutatingPolicies(t *testing.T) {
	k := kind[*admissionregistrationv1.MutatingAdmissionPolicy](t, "mutatingadmissionpolicies")
	f := func(spec string, want ...string) {
		t.Helper()
		k.Create("{metadata: {name: p}, spec: {"+spec+"}}", want...)
	}
	f(constraints + `, reinvocationPolicy: Never, mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: {"a": "b"}}}'}}, {patchType: JSONPatch, jsonPatch: {expression: '[JSONPatch{op: "add", path: "/a", value: 1}]'}}]`)
	f(constraints+`, reinvocationPolicy: Sometimes, mutations: [{patchType: Odd}, {patchType: JSONPatch, applyConfiguration: {expression: 'object'}}, {patchType: JSONPatch, jsonPatch: {expression: '1'}}]`,
		`spec.mutations[0].patchType: Unsupported value: "Odd": supported values: "ApplyConfiguration", "JSONPatch"`,
		`spec.mutations[1].jsonPatch: Required value: must be specified when patchType is JSONPatch`,
		`spec.mutations[1].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch`,
		`spec.mutations[2].jsonPatch.expression: Invalid value: "1": must evaluate to list(JSONPatch) but got int`,
		`spec.reinvocationPolicy: Unsupported value: "Sometimes": supported values: "IfNeeded", "Never"`)
}

func TestPolicyBindings(t *testing.T) {
	k := kind[*admissionregistrationv1.ValidatingAdmissionPolicyBinding](t, "validatingadmissionpolicybindings")
	k.Create("{metadata: {name: b}, spec: {policyName: p, validationActions: [Deny, Audit]}}")
	k.Create("{metadata: {name: b}, spec: {policyName: '', validationActions: [Deny, Deny, Warn, Shout], paramRef: {}}}",
		`spec.policyName: Required value`,
		`spec.paramRef: Required value: one of name or selector must be specified`,
		`spec.paramRef.parameterNotFoundAction: Required value`,
		`spec.validationActions[1]: Duplicate value: "Deny"`,
		`spec.validationActions[3]: Unsupported value: "Shout": supported values: "Audit", "Deny", "Warn"`,
		`spec.validationActions: Invalid value: ["Deny","Deny","Warn","Shout"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)`)
	k.Create("{metadata: {name: b}, spec: {policyName: p, paramRef: {name: x, selector: {}, parameterNotFoundAction: Allow}}}",
		`spec.paramRef.name: Forbidden: name and selector are mutually exclusive`,
		`spec.paramRef.selector: Forbidden: name and selector are mutually exclusive`,
		`spec.validationActions: Required value: at least one validation action is required`)
	k.Row("{metadata: {name: b}, spec: {policyName: p, paramRef: {name: x, namespace: ns}}}", "b | p | ns/x | <unknown>")
}
