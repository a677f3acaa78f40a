package webhook_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"
	"pilothouse/backend/metrics/metricstest"

	admissionv1 "k8s.io/api/admission/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// TestPatchesAreAudited has the patch of a webhook in events with bodies, and
// the fact of a change in all.
func TestPatchesAreAudited(t *testing.T) {
	dir := t.TempDir()
	policy, log := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit.log")
	const rules = `{apiVersion: audit.k8s.io/v1, kind: Policy, omitStages: [RequestReceived], rules: [
		{level: Request, verbs: [create], resources: [{resources: [configmaps]}]}, {level: Metadata, verbs: [create], resources: [{resources: [secrets]}]}, {level: None}]}`
	if err := os.WriteFile(policy, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	c := apitest.Start(t, apitest.Options{Change: func(o *config.Options) { o.Audit.PolicyFile, o.Audit.Log.Path = policy, log }}).Admin()
	s := &server{c, t, newHooks(t)}
	s.create("/api/v1/namespaces", `{apiVersion: v1, kind: Namespace, metadata: {name: test}}`)
	s.h.review("/patches", patching(`[{"op":"add","path":"/metadata/labels","value":{"by":"hook"}}]`))
	s.webhook("Mutating", "patches", `, rules: [{apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [configmaps, secrets]}]`)
	s.create(configMaps+dry, one)
	s.create("/api/v1/namespaces/test/secrets"+dry, "{apiVersion: v1, kind: Secret, metadata: {name: one}}")
	raw, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]string{}
	for line := range strings.Lines(string(raw)) {
		var e auditv1.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.ObjectRef != nil && e.ObjectRef.Namespace == "test" {
			found[e.ObjectRef.Resource] = e.Annotations
		}
	}
	const key = "patch.webhook.admission.k8s.io/round_0_index_0"
	want := `{"configuration":"patches","webhook":"patches.example.com","patch":[{"op":"add","path":"/metadata/labels","value":{"by":"hook"}}],"patchType":"JSONPatch"}`
	if got := found["configmaps"][key]; got != want {
		t.Errorf("the patch of a request with a body is %s", got)
	}
	if got, there := found["secrets"][key]; there {
		t.Errorf("the patch of a secret is told: %s", got)
	}
	for _, resource := range []string{"configmaps", "secrets"} {
		if got := found[resource]["mutation.webhook.admission.k8s.io/round_0_index_0"]; got != `{"configuration":"patches","webhook":"patches.example.com","mutated":true}` {
			t.Errorf("the mutation of %s is %s", resource, got)
		}
	}
}

func TestCallsAreCounted(t *testing.T) {
	s, before := start(t), metricstest.Read(t)
	// The server itself writes config maps too; these have a label.
	const own, object = ", objectSelector: {matchLabels: {count: me}}", "{apiVersion: v1, kind: ConfigMap, metadata: {name: one, labels: {count: me}}}"
	s.sub("mutating", func(s *server) {
		s.h.review("/counted", patching(`[{"op":"add","path":"/metadata/labels","value":{"by":"hook"}}]`))
		s.webhook("Mutating", "counted", own+`, matchConditions: [{name: c, expression: "object.metadata.name != 'skip'"}]`)
		s.create(configMaps+dry, object)
		s.create(configMaps+dry, strings.ReplaceAll(object, "one", "skip"))
	})
	s.sub("says no", func(s *server) {
		s.h.review("/refuses", func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
			return &admissionv1.AdmissionResponse{}
		})
		s.webhook("Validating", "refuses", own)
		s.refused(s.try(configMaps+dry, object), 400, "denied")
	})
	s.sub("fails", func(s *server) {
		s.webhook("Validating", "missing", own)
		s.refused(s.try(configMaps+dry, object), 500, "failed calling webhook")
	})
	s.sub("fails open", func(s *server) {
		s.webhook("Mutating", "open", own+", failurePolicy: Ignore")
		s.create(configMaps+dry, object)
	})
	before.Grown(t,
		`apiserver_admission_webhook_request_total{code="200",name="counted.example.com",operation="CREATE",rejected="false",type="admit"} 1`,
		`apiserver_admission_webhook_admission_duration_seconds_count{name="counted.example.com",operation="CREATE",rejected="false",type="admit"} 1`,
		`apiserver_admission_match_condition_exclusions_total{kind="webhook",name="counted.example.com",operation="CREATE",type="admit"} 1`,
		`apiserver_admission_match_condition_evaluation_seconds_count{kind="webhook",name="counted.example.com",operation="CREATE",type="admit"} 2`,
		`apiserver_admission_webhook_request_total{code="400",name="refuses.example.com",operation="CREATE",rejected="true",type="validating"} 1`,
		`apiserver_admission_webhook_rejection_count{error_type="no_error",name="refuses.example.com",operation="CREATE",rejection_code="400",type="validating"} 1`,
		`apiserver_admission_webhook_rejection_count{error_type="calling_webhook_error",name="missing.example.com",operation="CREATE",rejection_code="404",type="validating"} 1`,
		`apiserver_admission_webhook_fail_open_count{name="open.example.com",type="admit"} 1`,
		`apiserver_admission_webhook_request_total{code="404",name="open.example.com",operation="CREATE",rejected="false",type="admit"} 1`,
	)
	now := metricstest.Read(t)
	for _, name := range []string{
		`apiserver_admission_controller_admission_duration_seconds_count{name="ValidatingAdmissionWebhook",operation="CREATE",rejected="true",type="validate"}`,
		`apiserver_admission_step_admission_duration_seconds_count{operation="CREATE",rejected="true",type="validate"}`,
		`apiserver_admission_step_admission_duration_seconds_summary_count{operation="CREATE",rejected="true",type="validate"}`,
	} {
		if now[name] <= before[name] {
			t.Errorf("%s: %v, then %v", name, before[name], now[name])
		}
	}
}
