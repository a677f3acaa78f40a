package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/metrics/metricstest"
)

const group = "/apis/admissionregistration.k8s.io/v1/"

// server is a server with one namespace for all tests of this file, which keep
// out of each other's way by names.
type server struct {
	*apitest.Caller
	t *testing.T
}

func start(t *testing.T, users ...apitest.User) *server {
	s := &server{apitest.Start(t, apitest.Options{Users: users}).Admin(), t}
	s.create("/api/v1/namespaces", `{apiVersion: v1, kind: Namespace, metadata: {name: test, labels: {team: a}}}`)
	return s
}

func (s *server) create(path, yaml string) *apitest.Answer {
	s.t.Helper()
	return s.try(path, yaml).Must(201)
}

func (s *server) try(path, yaml string) *apitest.Answer {
	s.t.Helper()
	return s.Do("POST", path, yaml, "Content-Type", "application/yaml")
}

// policy makes a policy and a binding of its name. kind is Validating or Mutating.
func (s *server) policy(kind, name, spec, binding string) {
	s.t.Helper()
	low := strings.ToLower(kind)
	s.create(group+low+"admissionpolicies", fmt.Sprintf("{apiVersion: admissionregistration.k8s.io/v1, kind: %sAdmissionPolicy, metadata: {name: %s}, spec: %s}", kind, name, spec))
	if binding != "" {
		binding = ", " + binding
	}
	s.create(group+low+"admissionpolicybindings", fmt.Sprintf("{apiVersion: admissionregistration.k8s.io/v1, kind: %sAdmissionPolicyBinding, metadata: {name: %s}, spec: {policyName: %s%s}}", kind, name, name, binding))
	s.t.Cleanup(func() {
		s.Delete(group + low + "admissionpolicybindings/" + name).Must(200)
		s.Delete(group + low + "admissionpolicies/" + name).Must(200)
	})
}

func configMap(name, rest string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: %s}%s}", name, rest)
}

const (
	configMaps = "/api/v1/namespaces/test/configmaps"
	dry        = "?dryRun=All"
	deny       = "validationActions: [Deny]"
	ofMaps     = `matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [configmaps]}]}`
)

func refused(t *testing.T, a *apitest.Answer, code int, words string) {
	t.Helper()
	if a.Code != code || !strings.Contains(a.Status().Message, words) {
		t.Errorf("got %d %s, want %d with %q", a.Code, a.Body, code, words)
	}
}

func TestChecksAreCounted(t *testing.T) {
	s := start(t)
	const own = `matchConditions: [{name: c, expression: "object.metadata.name == 'counted'"}]`
	validating := func(name, expression, failure, actions string) {
		s.policy("Validating", name, "{failurePolicy: "+failure+", "+ofMaps+", "+own+", validations: [{expression: \""+expression+"\"}]}", "validationActions: ["+actions+"]")
	}
	validating("counted-warns", "false", "Fail", "Warn, Audit")
	validating("counted-ignores", "object.data.missing == 'x'", "Ignore", "Deny")
	validating("counted-denies", "false", "Fail", "Deny")
	s.policy("Mutating", "counted-changes", `{reinvocationPolicy: Never, `+ofMaps+", "+own+`, mutations: [{patchType: JSONPatch, jsonPatch: {expression: "[JSONPatch{op: 'add', path: '/metadata/labels', value: {'by': 'policy'}}]"}}]}`, "")
	before := metricstest.Read(t)
	refused(t, s.try(configMaps+dry, configMap("counted", "")), 422, "counted-denies")
	after := metricstest.Read(t)
	for _, one := range []string{
		`apiserver_validating_admission_policy_check_total{enforcement_action="warn",error_type="no_error",policy="counted-warns",policy_binding="counted-warns"}`,
		`apiserver_validating_admission_policy_check_total{enforcement_action="audit",error_type="no_error",policy="counted-warns",policy_binding="counted-warns"}`,
		`apiserver_validating_admission_policy_check_total{enforcement_action="allow",error_type="invalid_error",policy="counted-ignores",policy_binding="counted-ignores"}`,
		`apiserver_validating_admission_policy_check_total{enforcement_action="deny",error_type="no_error",policy="counted-denies",policy_binding="counted-denies"}`,
		`apiserver_validating_admission_policy_check_duration_seconds_count{enforcement_action="deny",error_type="no_error",policy="counted-denies",policy_binding="counted-denies"}`,
		`apiserver_mutating_admission_policy_check_total{error_type="no_error",policy="counted-changes",policy_binding="counted-changes"}`,
		`apiserver_admission_match_condition_evaluation_seconds_count{kind="policy",name="counted-denies",operation="CREATE",type="validate"}`,
	} {
		if after[one] != before[one]+1 && !strings.Contains(one, "match_condition") || after[one] <= before[one] {
			t.Errorf("%s: %v, then %v", one, before[one], after[one])
		}
	}
}

func TestValidating(t *testing.T) {
	s := start(t, apitest.User{Name: "alice", Groups: []string{"system:masters"}})
	sub := func(name string, f func(t *testing.T, s *server)) {
		t.Run(name, func(t *testing.T) { f(t, &server{s.Caller, t}) })
	}
	sub("holds from the answer on, and no longer than its binding", func(t *testing.T, s *server) {
		t.Run("while it is there", func(t *testing.T) {
			(&server{s.Caller, t}).policy("Validating", "now", "{"+ofMaps+`, validations: [{expression: "false", message: never}]}`, deny)
			refused(t, s.try(configMaps+dry, configMap("a", "")), 422, "ValidatingAdmissionPolicy 'now' with binding 'now' denied request: never")
		})
		s.create(configMaps+dry, configMap("a", ""))
	})
	sub("excluded names", func(t *testing.T, s *server) {
		s.policy("Validating", "names", `{matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: ["*"], operations: ["*"], resources: ["*"], resourceNames: [a, b]}],
			excludeResourceRules: [{apiGroups: [""], apiVersions: ["*"], operations: ["*"], resources: [configmaps], resourceNames: [b]}]}, validations: [{expression: "false"}]}`, deny)
		refused(t, s.try(configMaps+dry, configMap("a", "")), 422, "failed expression: false")
		s.create(configMaps+dry, configMap("b", ""))
		s.create(configMaps+dry, configMap("c", ""))
	})
	sub("another version of the resource", func(t *testing.T, s *server) {
		s.policy("Validating", "equivalent", `{matchConstraints: {resourceRules: [{apiGroups: [autoscaling], apiVersions: [v1], operations: [CREATE], resources: [horizontalpodautoscalers]}]},
			validations: [{expression: "object.apiVersion == 'autoscaling/v1' && object.spec.targetCPUUtilizationPercentage == 50 && request.kind.version == 'v1' && request.requestKind.version == 'v2'", messageExpression: "string(object.spec.targetCPUUtilizationPercentage)"}]}`, deny)
		hpa := func(percent int) string {
			return fmt.Sprintf(`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: a, apiVersion: apps/v1},
				metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: %d}}}]}}`, percent)
		}
		path := "/apis/autoscaling/v2/namespaces/test/horizontalpodautoscalers" + dry
		s.create(path, hpa(50))
		refused(t, s.try(path, hpa(60)), 422, "denied request: 60")
	})
	sub("exact versions only", func(t *testing.T, s *server) {
		s.policy("Validating", "exact", `{matchConstraints: {matchPolicy: Exact, resourceRules: [{apiGroups: [autoscaling], apiVersions: [v1], operations: [CREATE], resources: [horizontalpodautoscalers]}]},
			validations: [{expression: "false"}]}`, deny)
		s.create("/apis/autoscaling/v2/namespaces/test/horizontalpodautoscalers"+dry, `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: a, apiVersion: apps/v1}}}`)
	})
	sub("a scale", func(t *testing.T, s *server) {
		s.create("/apis/apps/v1/namespaces/test/deployments", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: scaled}, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}}`)
		s.policy("Validating", "scale", `{matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments/scale]}]},
			validations: [{expression: "object.spec.replicas < 5 && oldObject.kind == 'Scale' && request.subResource == 'scale'"}]}`, deny)
		path := "/apis/apps/v1/namespaces/test/deployments/scaled/scale"
		s.Patch(path, `{"spec":{"replicas":4}}`).Must(200)
		refused(t, s.Patch(path, `{"spec":{"replicas":5}}`), 422, "failed expression: object.spec.replicas < 5")
	})
	sub("deletes and the namespace", func(t *testing.T, s *server) {
		s.create(configMaps, configMap("kept", ""))
		s.policy("Validating", "deletes", "{"+ofMaps+`, matchConditions: [{name: deletes, expression: "request.operation == 'DELETE'"}],
			validations: [{expression: "object == null && oldObject.metadata.name != 'kept' && namespaceObject.metadata.labels.team == 'a'"}]}`, deny)
		s.Delete(configMaps + "/missing").Must(404)
		refused(t, s.Delete(configMaps+"/kept"), 422, `configmaps "kept" is forbidden: ValidatingAdmissionPolicy 'deletes'`)
	})
	sub("the authorizer", func(t *testing.T, s *server) {
		s.policy("Validating", "asks", "{"+ofMaps+`, validations: [{expression: "authorizer.requestResource.check('create').allowed() && !authorizer.serviceAccount('test', 'nobody').group('').resource('secrets').namespace('test').check('get').allowed()"}]}`, deny)
		s.create(configMaps+dry, configMap("a", ""))
	})
	sub("failures", func(t *testing.T, s *server) {
		s.policy("Validating", "fails", "{"+ofMaps+`, validations: [{expression: "object.data.missing == 'x'"}]}`, deny)
		refused(t, s.try(configMaps+dry, configMap("a", "")), 422, "expression 'object.data.missing == 'x'' resulted in error: no such key: data")
	})
	sub("too costly", func(t *testing.T, s *server) {
		many := "[" + strings.Repeat("1, ", 300) + "1]"
		s.policy("Validating", "costly", "{"+ofMaps+`, variables: [{name: many, expression: "`+many+`"}], validations: [{expression: "variables.many.all(a, variables.many.all(b, variables.many.all(c, variables.many.all(d, a + b + c + d > 0))))"}]}`, deny)
		refused(t, s.try(configMaps+dry, configMap("a", "")), 422, "cost limit exceeded")
	})
	sub("warnings", func(t *testing.T, s *server) {
		s.policy("Validating", "warns", "{"+ofMaps+`, validations: [{expression: "false", message: careful}]}`, "validationActions: [Warn, Audit]")
		a := s.create(configMaps+dry, configMap("a", ""))
		if got := a.Header.Get("Warning"); got != `299 - "Validation failed for ValidatingAdmissionPolicy 'warns' with binding 'warns': careful"` {
			t.Errorf("got %q", got)
		}
	})
	sub("parameters of a selector", func(t *testing.T, s *server) {
		s.create("/api/v1/namespaces/test/secrets", `{apiVersion: v1, kind: Secret, metadata: {name: p1, labels: {for: policy}}, stringData: {max: "1"}}`)
		s.policy("Validating", "selected", "{"+ofMaps+`, paramKind: {apiVersion: v1, kind: Secret}, validations: [{expression: "size(object.?data.orValue({})) <= size(params.data)", messageExpression: "'more than ' + params.metadata.name"}]}`,
			deny+", paramRef: {selector: {matchLabels: {for: policy}}, parameterNotFoundAction: Allow}")
		refused(t, s.try(configMaps+dry, configMap("a", ", data: {a: b, c: d}")), 422, "more than p1")
		s.create(configMaps+dry, configMap("a", ", data: {a: b}"))
		s.Delete("/api/v1/namespaces/test/secrets/p1").Must(200)
		s.create(configMaps+dry, configMap("a", ", data: {a: b, c: d}")) // nothing found, which is allowed
	})
	sub("parameters of an unknown kind", func(t *testing.T, s *server) {
		s.policy("Validating", "unknown", "{"+ofMaps+`, paramKind: {apiVersion: example.com/v1, kind: Nothing}, validations: [{expression: "params != null"}]}`,
			deny+", paramRef: {name: x, parameterNotFoundAction: Deny}")
		refused(t, s.try(configMaps+dry, configMap("a", "")), 422, "ValidatingAdmissionPolicy 'unknown' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'example.com/v1, Kind=Nothing'")
	})
	sub("policies do not keep themselves", func(t *testing.T, s *server) {
		s.policy("Validating", "all", `{matchConstraints: {resourceRules: [{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*/*"]}]}, validations: [{expression: "false"}]}`, deny)
		refused(t, s.try(configMaps+dry, configMap("a", "")), 422, "'all'")
		// Taking it away again is what the end of this test does.
	})
	sub("types are checked", func(t *testing.T, s *server) {
		s.policy("Validating", "typed", `{matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]},
			validations: [{expression: "object.spec.replicsa < 5"}, {expression: "object.spec.replicas < 5"}]}`, deny)
		var p struct {
			Status struct {
				ObservedGeneration int
				TypeChecking       struct {
					ExpressionWarnings []struct{ FieldRef, Warning string }
				}
			}
		}
		for end := time.Now().Add(time.Minute); p.Status.ObservedGeneration == 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			s.Get(group + "validatingadmissionpolicies/typed").Must(200).Into(&p)
		}
		w := p.Status.TypeChecking.ExpressionWarnings
		if p.Status.ObservedGeneration != 1 || len(w) != 1 || w[0].FieldRef != "spec.validations[0].expression" ||
			!strings.HasPrefix(w[0].Warning, "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replicsa'") {
			t.Errorf("got %+v", p.Status)
		}
	})
}

func TestMutating(t *testing.T) {
	s := start(t)
	const never = "reinvocationPolicy: Never, "
	sub := func(name string, f func(t *testing.T, s *server)) {
		t.Run(name, func(t *testing.T) { f(t, &server{s.Caller, t}) })
	}
	apply := func(expression string) string {
		return `mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression: "` + expression + `"}}]`
	}
	patch := func(expression string) string {
		return `mutations: [{patchType: JSONPatch, jsonPatch: {expression: "` + expression + `"}}]`
	}
	const pods = "/api/v1/namespaces/test/pods" + dry
	const ofPods = `matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}`
	sub("lists merge by their keys", func(t *testing.T, s *server) {
		s.policy("Mutating", "sidecar", "{"+never+ofPods+", "+apply("Object{spec: Object.spec{containers: [Object.spec.containers{name: 'proxy', image: 'proxy:1', env: [Object.spec.containers.env{name: 'FOR', value: object.metadata.name}]}]}}")+"}", "")
		var p struct {
			Spec struct {
				Containers []struct{ Name, Image, ImagePullPolicy string }
			}
		}
		s.create(pods, `{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {serviceAccountName: default, automountServiceAccountToken: false, containers: [{name: main, image: main}]}}`).Into(&p)
		if len(p.Spec.Containers) != 2 || p.Spec.Containers[1].Image != "proxy:1" || p.Spec.Containers[1].ImagePullPolicy != "IfNotPresent" {
			t.Errorf("got %+v", p.Spec.Containers)
		}
	})
	sub("what is atomic stays whole", func(t *testing.T, s *server) {
		s.policy("Mutating", "atomic", "{"+never+ofPods+", "+apply("Object{spec: Object.spec{containers: [Object.spec.containers{name: 'main', command: ['sh']}]}}")+"}", "")
		a := s.try(pods, `{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {serviceAccountName: default, containers: [{name: main, image: main}]}}`)
		refused(t, a, 403, "policy 'atomic' with binding 'atomic' denied request: error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.containers[0].command")
	})
	sub("types that do not fit", func(t *testing.T, s *server) {
		s.policy("Mutating", "misfit", "{"+never+ofMaps+", "+apply("Object{metadata: Object.spec{labels: {'a': 'b'}}}")+"}", "")
		refused(t, s.try(configMaps+dry, configMap("a", "")), 403, "denied request: type mismatch")
	})
	sub("a patch that breaks the object", func(t *testing.T, s *server) {
		s.policy("Mutating", "breaks", "{"+never+ofMaps+", "+patch("[JSONPatch{op: 'add', path: '/dota', value: {'a': 'b'}}]")+"}", "")
		refused(t, s.try(configMaps+dry, configMap("a", "")), 500, `strict decoding error: unknown field "dota"`)
	})
	sub("a patch that is not for the object", func(t *testing.T, s *server) {
		s.policy("Mutating", "test", "{"+never+ofMaps+", "+patch("[JSONPatch{op: 'test', path: '/metadata/name', value: 'other'}, JSONPatch{op: 'remove', path: '/metadata/name'}]")+"}", "")
		s.create(configMaps+dry, configMap("a", ""))
	})
	sub("ignored failures", func(t *testing.T, s *server) {
		s.policy("Mutating", "ignored", "{failurePolicy: Ignore, "+never+ofMaps+", "+apply("Object{data: {'a': object.data.missing}}")+"}", "")
		s.create(configMaps+dry, configMap("a", ""))
	})
	sub("custom resources", func(t *testing.T, s *server) {
		s.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: things.example.com}, spec: {group: example.com, scope: Namespaced, names: {plural: things, kind: Thing},
			versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}, parts: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name], items: {type: object, required: [name], properties: {name: {type: string}, size: {type: integer, default: 7}}}}}}}}}}]}}`)
		s.policy("Mutating", "things", `{`+never+`matchConstraints: {resourceRules: [{apiGroups: [example.com], apiVersions: [v1], operations: ["*"], resources: [things]}]}, `+
			apply("Object{spec: Object.spec{size: object.spec.size + 1, parts: [Object.spec.parts{name: 'added'}]}}")+"}", "")
		path := "/apis/example.com/v1/namespaces/test/things"
		var a *apitest.Answer
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if a = s.try(path, `{apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, spec: {size: 1, parts: [{name: own, size: 1}]}}`); a.Code != 404 {
				break
			}
		}
		if want := `"spec":{"parts":[{"name":"own","size":1},{"name":"added","size":7}],"size":2}`; a.Code != 201 || !strings.Contains(string(a.Body), want) {
			t.Errorf("got %d %s", a.Code, a.Body)
		}
	})
	sub("one sees what another has changed behind it", func(t *testing.T, s *server) {
		s.policy("Mutating", "a-counts", "{reinvocationPolicy: IfNeeded, "+ofMaps+", "+apply("Object{data: {'seen': string(size(object.?data.orValue({})))}}")+"}", "")
		s.policy("Mutating", "b-adds", "{"+never+ofMaps+", "+apply("Object{data: {'added': 'yes'}}")+"}", "")
		a := s.create(configMaps+dry, configMap("a", ""))
		if !strings.Contains(string(a.Body), `"data":{"added":"yes","seen":"2"}`) {
			t.Errorf("got %s", a.Body)
		}
	})
}
