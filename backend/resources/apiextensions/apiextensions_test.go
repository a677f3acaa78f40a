package apiextensions

import (
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/resourcetest"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func kind(t *testing.T) resourcetest.Kind[*definition] {
	t.Helper()
	return resourcetest.Of[*definition](t, Resources(&registry.Env{Clock: resourcetest.Now}), "customresourcedefinitions")
}

const (
	schema  = "schema: {openAPIV3Schema: {type: object}}"
	version = "{name: v1, served: true, storage: true, " + schema + "}"
	names   = "names: {plural: boats, kind: Boat}"
	// label is what the rule for names says.
	label = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)

func TestDefaults(t *testing.T) {
	k := kind(t)
	k.JSON(k.New("{metadata: {name: boats.a.io}, spec: {group: a.io, scope: Namespaced, "+names+", versions: ["+version+"]}}"),
		`{metadata: {name: boats.a.io, generation: 1}, spec: {group: a.io, scope: Namespaced, names: {plural: boats, singular: boat, kind: Boat, listKind: BoatList},
		conversion: {strategy: None}, versions: [`+version+`]}, status: {acceptedNames: {kind: '', plural: ''}, conditions: null, storedVersions: [v1]}}`)
}

func TestDefinitions(t *testing.T) {
	k := kind(t)
	f := func(spec string, want ...string) {
		t.Helper()
		k.Create("{metadata: {name: boats.a.io}, spec: {"+spec+"}}", want...)
	}
	f("group: a.io, scope: Cluster, " + names + ", versions: [" + version + "]")
	f("group: a.io, scope: Some, names: {plural: boats, singular: Boat, kind: Bo_at, listKind: Bo_at, shortNames: [B], categories: [ALL]}, versions: [{name: V1, served: true, storage: false}]",
		`spec.scope: Unsupported value: "Some": supported values: "Cluster", "Namespaced"`,
		`spec.versions[0].schema.openAPIV3Schema: Required value`,
		`spec.versions[0].name: Invalid value: "V1": `+label,
		`spec.versions: Invalid value: [{"Name":"V1","Served":true,"Storage":false,"Deprecated":false,"DeprecationWarning":null,"Schema":null,"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}]: must have exactly one version marked as storage version`,
		`spec.version: Invalid value: "V1": `+label,
		`spec.names.singular: Invalid value: "Boat": `+label,
		`spec.names.kind: Invalid value: "Bo_at": may have mixed case, but should otherwise match: `+label,
		`spec.names.listKind: Invalid value: "Bo_at": may have mixed case, but should otherwise match: `+label,
		`spec.names.shortNames[0]: Invalid value: "B": `+label,
		`spec.names.listKind: Invalid value: "Bo_at": kind and listKind may not be the same`,
		`spec.names.categories[0]: Invalid value: "ALL": `+label,
		`status.storedVersions: Invalid value: null: must have at least one stored version`)
}

func TestVersions(t *testing.T) {
	k := kind(t)
	f := func(extra string, want ...string) {
		t.Helper()
		k.Create("{metadata: {name: boats.a.io}, spec: {group: a.io, scope: Cluster, "+names+", versions: [{name: v1, served: true, storage: true, "+schema+", "+extra+"}]}}", want...)
	}
	f("deprecated: true, deprecationWarning: old, subresources: {status: {}, scale: {specReplicasPath: .spec.n, statusReplicasPath: .status.n, labelSelectorPath: .status.s}}")
	f(`deprecationWarning: old, subresources: {scale: {specReplicasPath: spec.n, statusReplicasPath: .spec.n, labelSelectorPath: .metadata.name}}`,
		`spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions`,
		`spec.subresources.scale.specReplicasPath: Invalid value: "spec.n": must be a simple json path starting with .`,
		`spec.subresources.scale.statusReplicasPath: Invalid value: ".spec.n": should be a json path under .status`,
		`spec.subresources.scale.labelSelectorPath: Invalid value: ".metadata.name": should be a json path under either .spec or .status`)
	f("additionalPrinterColumns: [{}, {name: a, type: text, format: int, jsonPath: spec}]",
		`spec.additionalPrinterColumns[0].name: Required value`,
		`spec.additionalPrinterColumns[0].type: Required value: must be one of boolean,date,integer,number,string`,
		`spec.additionalPrinterColumns[0].JSONPath: Required value`,
		`spec.additionalPrinterColumns[1].type: Invalid value: "text": must be one of boolean,date,integer,number,string`,
		`spec.additionalPrinterColumns[1].format: Invalid value: "int": must be one of byte,date,date-time,double,float,int32,int64,password`,
		`spec.additionalPrinterColumns[1].JSONPath: Invalid value: "spec": must be a simple json path starting with .`)
}

func TestConversion(t *testing.T) {
	k := kind(t)
	f := func(conversion string, want ...string) {
		t.Helper()
		k.Create("{metadata: {name: boats.a.io}, spec: {group: a.io, scope: Cluster, "+names+", versions: ["+version+"], conversion: {"+conversion+"}}}", want...)
	}
	f("strategy: Webhook, webhook: {conversionReviewVersions: [v1], clientConfig: {service: {namespace: ns, name: s, path: /c}}}")
	f("strategy: Some", `spec.conversion.strategy: Unsupported value: "Some": supported values: "None", "Webhook"`)
	f("strategy: Webhook, webhook: {conversionReviewVersions: [v7, v7], clientConfig: {url: 'http://a'}}",
		`spec.conversion.webhookClientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]`,
		`spec.conversion.conversionReviewVersions[1]: Invalid value: "v7": duplicate version`,
		`spec.conversion.conversionReviewVersions: Invalid value: ["v7","v7"]: must include at least one of v1, v1beta1`)
	f("strategy: None, webhook: {conversionReviewVersions: [v1], clientConfig: {url: 'https://a'}}",
		`spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook`,
		`spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook`)
}

func TestNamesAndApproval(t *testing.T) {
	k := kind(t)
	const rest = "scope: Cluster, " + names + ", versions: [" + version + "]}}"
	k.Create("{metadata: {name: boats}, spec: {group: a.io, "+rest, `metadata.name: Invalid value: "boats": must be spec.names.plural+"."+spec.group`)
	k.Create("{metadata: {name: boats.a.k8s.io}, spec: {group: a.k8s.io, "+rest,
		`metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111`)
	k.Create("{metadata: {name: boats.a.k8s.io, annotations: {api-approved.kubernetes.io: because}}, spec: {group: a.k8s.io, "+rest,
		`metadata.annotations[api-approved.kubernetes.io]: Invalid value: "because": protected groups must have approval annotation "api-approved.kubernetes.io" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111`)
	k.Create("{metadata: {name: boats.a.k8s.io, annotations: {api-approved.kubernetes.io: 'unapproved, mine'}}, spec: {group: a.k8s.io, " + rest)
}

func TestUpdates(t *testing.T) {
	k := kind(t)
	const status = ", status: {storedVersions: [v1], conditions: [{type: Established, status: 'True'}]}}"
	const old = "{metadata: {name: boats.a.io, generation: 1}, spec: {group: a.io, scope: Cluster, " + names + ", versions: [" + version + "]}" + status
	d := k.Update(old, "{metadata: {name: boats.a.io, generation: 1}, spec: {group: b.io, scope: Namespaced, names: {plural: ships, kind: Ship}, versions: [{name: v2, served: true, storage: true, "+schema+"}]}"+status,
		`spec.scope: Invalid value: "Namespaced": field is immutable`,
		`spec.names.kind: Invalid value: "Ship": field is immutable`,
		`spec.group: Invalid value: "b.io": field is immutable`,
		`spec.names.plural: Invalid value: "ships": field is immutable`,
		`status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions`)
	if d.Generation != 2 {
		t.Errorf("generation %d", d.Generation)
	}
	d = k.UpdateSubresource("status", old, "{metadata: {name: boats.a.io}, spec: {group: b.io}, status: {acceptedNames: {plural: B, kind: B}, conditions: [{type: Established, status: 'True'}], storedVersions: [v1]}}",
		`status.acceptedNames.plural: Invalid value: "B": `+label)
	if d.Spec.Group != "a.io" || d.Status.Conditions[0].Type != apiextensionsv1.Established {
		t.Errorf("status wrote %+v", d)
	}
}
