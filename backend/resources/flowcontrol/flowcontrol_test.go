package flowcontrol

import (
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/resourcetest"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
)

func schemas(t *testing.T) resourcetest.Kind[*flowcontrolv1.FlowSchema] {
	return resourcetest.Of[*flowcontrolv1.FlowSchema](t, Resources(&registry.Env{}), "flowschemas")
}

func levels(t *testing.T) resourcetest.Kind[*level] {
	return resourcetest.Of[*level](t, Resources(&registry.Env{}), "prioritylevelconfigurations")
}

func TestFlowSchemas(t *testing.T) {
	k := schemas(t)
	k.JSON(k.New("{metadata: {name: f}, spec: {priorityLevelConfiguration: {name: l}}, status: {conditions: [{type: Dangling}]}}"),
		"{metadata: {name: f, generation: 1}, spec: {matchingPrecedence: 1000, priorityLevelConfiguration: {name: l}}, status: {}}")
	k.Create("{metadata: {name: f}, spec: {matchingPrecedence: 10001, distinguisherMethod: {type: ByColor}, priorityLevelConfiguration: {name: ''}, rules: [{}]}}",
		`spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000`,
		`spec.distinguisherMethod.type: Unsupported value: {"Type":"ByColor"}: supported values: "ByNamespace", "ByUser"`,
		`spec.priorityLevelConfiguration.name: Required value: must reference a priority level`,
		`spec.rules[0].subjects: Required value: subjects must contain at least one value`,
		`spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty`)
	k.Create("{metadata: {name: f}, spec: {matchingPrecedence: 1, priorityLevelConfiguration: {name: L}}}",
		`spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1`,
		`spec.priorityLevelConfiguration.name: Invalid value: "L": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`)
	k.Row("{metadata: {name: f}, spec: {priorityLevelConfiguration: {name: l}, distinguisherMethod: {type: ByUser}}, status: {conditions: [{type: Dangling, status: 'False'}]}}",
		"f | l | 1000 | ByUser | <unknown> | False")
	k.Row("{metadata: {name: f}, spec: {priorityLevelConfiguration: {name: l}}}", "f | l | 1000 | <none> | <unknown> | ?")
}

func TestFlowSchemaRules(t *testing.T) {
	k := schemas(t)
	f := func(subjects, resources, others string, want ...string) {
		t.Helper()
		k.Create("{metadata: {name: f}, spec: {priorityLevelConfiguration: {name: l}, rules: [{subjects: ["+subjects+"], resourceRules: ["+resources+"], nonResourceRules: ["+others+"]}]}}", want...)
	}
	const user, all = "{kind: User, user: {name: u}}", "{verbs: ['*'], nonResourceURLs: ['*']}"
	f(user, "{verbs: [get], apiGroups: ['*'], resources: [pods], namespaces: [a, b]}", "{verbs: [get], nonResourceURLs: [/, /a, /a/*]}")
	f("{kind: User}, {kind: Group, user: {name: u}}, {kind: ServiceAccount, serviceAccount: {name: '*'}}, {kind: Robot}", "", all,
		`spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'`,
		`spec.rules[0].subjects[1].group: Required value: group is required when subject kind is 'Group'`,
		`spec.rules[0].subjects[1].user: Forbidden: user is forbidden when subject kind is not 'User'`,
		`spec.rules[0].subjects[2].serviceAccount.namespace: Required value: must specify namespace for service account`,
		`spec.rules[0].subjects[3].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"`)
	f(user, "{verbs: [get, '*'], apiGroups: [], resources: [a, '*'], namespaces: []}, {verbs: [fly], apiGroups: [''], resources: [pods], clusterScope: true}, {verbs: [get], apiGroups: [''], resources: [pods], namespaces: ['*', a]}", "",
		`spec.rules[0].resourceRules[0].verbs: Invalid value: ["get","*"]: if '*' is present, must not specify other verbs`,
		`spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at least one api group`,
		`spec.rules[0].resourceRules[0].resources: Invalid value: ["a","*"]: if '*' is present, must not specify other resources`,
		`spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace`,
		`spec.rules[0].resourceRules[1].verbs: Unsupported value: ["fly"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"`,
		`spec.rules[0].resourceRules[2].namespaces: Invalid value: ["*","a"]: if '*' is present, must not specify other namespaces`)
	f(user, "", "{verbs: [get], nonResourceURLs: ['', a, '/a b', //a, /*/a]}",
		`spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "": must not be empty`,
		`spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: "a": must start with slash`,
		`spec.rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: "/a b": must not contain white-space`,
		`spec.rules[0].nonResourceRules[0].nonResourceURLs[3]: Invalid value: "//a": must not contain double slash`,
		`spec.rules[0].nonResourceRules[0].nonResourceURLs[4]: Invalid value: "/*/a": wildcard can only do suffix matching`)
}

func TestUpdatesOfFlowSchemas(t *testing.T) {
	k := schemas(t)
	const old = "{metadata: {name: f, generation: 3}, spec: {priorityLevelConfiguration: {name: l}}}"
	if s := k.Update(old, "{metadata: {name: f, generation: 3}, spec: {priorityLevelConfiguration: {name: m}}, status: {conditions: [{type: Dangling}]}}"); s.Generation != 4 || s.Status.Conditions != nil {
		t.Errorf("%+v", s)
	}
	k.UpdateSubresource("status", old, "{metadata: {name: f}, spec: {priorityLevelConfiguration: {name: l}}, status: {conditions: [{type: ''}, {type: A}, {type: A}]}}",
		`status.conditions[0].type: Required value`,
		`status.conditions[2].type: Duplicate value: "A"`)
}

func TestLevels(t *testing.T) {
	k := levels(t)
	k.JSON(k.New("{metadata: {name: l}, spec: {type: Limited, limited: {limitResponse: {type: Queue, queuing: {}}}}}"), `{metadata: {name: l, generation: 1}, spec: {type: Limited,
		limited: {nominalConcurrencyShares: 30, lendablePercent: 0, limitResponse: {type: Queue, queuing: {queues: 64, handSize: 8, queueLengthLimit: 50}}}}, status: {}}`)
	k.Create("{metadata: {name: l}, spec: {type: Limited, limited: {nominalConcurrencyShares: 0, limitResponse: {type: Reject}}}}")
	k.Create("{metadata: {name: l}, spec: {type: Limited, exempt: {}, limited: {nominalConcurrencyShares: -1, lendablePercent: 101, borrowingLimitPercent: -1, limitResponse: {type: Queue, queuing: {queues: 10, handSize: 11, queueLengthLimit: -1}}}}}",
		`spec.exempt: Forbidden: must be nil if the type is Limited`,
		`spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer`,
		`spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive`,
		`spec.limited.limitResponse.queuing.handSize: Invalid value: 11: should not be greater than queues (10)`,
		`spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive`,
		`spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer`)
	k.Create("{metadata: {name: l}, spec: {type: Limited, limited: {limitResponse: {type: Queue, queuing: {queues: 1000, handSize: 8}}}}}",
		`spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 1000 and handSize 8 should not be greater than 60`)
	k.Create("{metadata: {name: l}, spec: {type: Exempt}}", `spec.type: Invalid value: "Exempt": type must be 'Exempt' if and only if name is 'exempt'`)
	k.Create("{metadata: {name: l}, spec: {type: Limited}}", `spec.limited: Required value: must not be empty when type is Limited`)
	k.Create("{metadata: {name: l}, spec: {type: Limited, limited: {limitResponse: {type: Some}}}}",
		`spec.limited.limitResponse.type: Unsupported value: "Some": supported values: "Queue", "Reject"`)
	k.Row("{metadata: {name: l}, spec: {type: Limited, limited: {limitResponse: {type: Queue, queuing: {}}}}}", "l | Limited | 30 | 64 | 8 | 50 | <unknown>")
	k.Row("{metadata: {name: exempt}, spec: {type: Exempt}}", "exempt | Exempt | <none> | <none> | <none> | <none> | <unknown>")
}

func TestMandatoryObjects(t *testing.T) {
	for name, spec := range mandatoryLevels {
		l := &level{Spec: spec}
		l.Name = name
		resourcetest.Expect(t, validateLevel(l))
	}
	for name, spec := range mandatorySchemas {
		s := &flowcontrolv1.FlowSchema{Spec: spec}
		s.Name = name
		resourcetest.Expect(t, validateFlowSchema(s))
	}
	levels(t).Create("{metadata: {name: exempt}, spec: {type: Exempt, exempt: {nominalConcurrencyShares: 5}}}")
	levels(t).Create("{metadata: {name: catch-all}, spec: {type: Limited, limited: {limitResponse: {type: Reject}}}}",
		`spec: Invalid value: {"Type":"Limited","Limited":{"NominalConcurrencyShares":30,"LimitResponse":{"Type":"Reject","Queuing":null},"LendablePercent":0,"BorrowingLimitPercent":null},"Exempt":null}: spec of 'catch-all' must equal the fixed value`)
	schemas(t).Create("{metadata: {name: catch-all}, spec: {priorityLevelConfiguration: {name: l}}}",
		`spec: Invalid value: {"PriorityLevelConfiguration":{"Name":"l"},"MatchingPrecedence":1000,"DistinguisherMethod":null,"Rules":null}: spec of 'catch-all' must equal the fixed value`)
}
