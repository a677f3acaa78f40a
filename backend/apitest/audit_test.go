package apitest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pilothouse/backend/config"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- {level: None, users: ["system:apiserver"]}
- {level: None, userGroups: ["system:serviceaccounts"]}
- {level: Metadata, resources: [{resources: [secrets]}, {group: authentication.k8s.io}]}
- {level: Request, verbs: [get, watch], omitStages: [RequestReceived]}
- {level: RequestResponse, namespaces: [default], omitStages: [RequestReceived]}
- {level: Metadata, omitStages: [RequestReceived]}
`

// audited starts a server that audits to a file.
func audited(t *testing.T, change func(o *config.Options)) (*Server, string) {
	t.Helper()
	dir := t.TempDir()
	policy, log := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit.log")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	return Start(t, Options{Users: []User{{Name: "ann"}, {Name: "boss", Groups: []string{"system:masters"}}}, Change: func(o *config.Options) {
		o.Audit.PolicyFile, o.Audit.Log.Path = policy, log
		if change != nil {
			change(o)
		}
	}}), log
}

// auditEvents reads the events whose ids begin with "test-", by id and stage.
func auditEvents(t *testing.T, path string) (map[string]auditv1.Event, string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]auditv1.Event{}
	for line := range strings.Lines(string(raw)) {
		var e auditv1.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if strings.HasPrefix(string(e.AuditID), "test-") {
			out[strings.TrimPrefix(string(e.AuditID), "test-")+" "+string(e.Stage)] = e
		}
	}
	return out, string(raw)
}

func TestAuditOfASession(t *testing.T) {
	for _, mode := range []string{"blocking", "batch"} {
		t.Run(mode, func(t *testing.T) { auditSession(t, mode) })
	}
}

func auditSession(t *testing.T, mode string) {
	s, path := audited(t, func(o *config.Options) { o.Audit.Log.Batch.Mode = mode })
	boss := s.As("boss")
	do := func(c *Caller, id, method, uri string, body any, code int, headers ...string) {
		t.Helper()
		a := c.Do(method, uri, body, append(headers, "Audit-ID", "test-"+id)...).Must(code)
		if a.Header.Get("Audit-Id") != "test-"+id {
			t.Errorf("Audit-Id %q", a.Header.Get("Audit-Id"))
		}
	}
	const maps = "/api/v1/namespaces/default/configmaps"
	do(boss, "create", "POST", maps, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"m"},"data":{"a":"b"}}`, 201, "X-Forwarded-For", "10.1.2.3, 10.9.9.9", "User-Agent", "tester")
	do(boss, "yaml", "POST", maps, "kind: ConfigMap\napiVersion: v1\nmetadata: {name: yam}\n", 201, "Content-Type", "application/yaml")
	do(boss, "patch", "PATCH", maps+"/m", `{"data":{"a":"c"}}`, 200, "Content-Type", "application/merge-patch+json")
	do(boss, "list", "GET", maps, nil, 200)
	do(boss, "table", "GET", maps, nil, 200, "Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	do(boss, "get", "GET", maps+"/m", nil, 200)
	do(boss, "delete", "DELETE", maps+"/m", nil, 200)
	do(boss, "missing", "GET", maps+"/none", nil, 404)
	do(boss, "secret", "POST", "/api/v1/namespaces/default/secrets", `{"metadata":{"name":"s"},"stringData":{"p":"hush-hush"}}`, 201)
	do(boss, "review", "POST", "/apis/authentication.k8s.io/v1/tokenreviews", `{"spec":{"token":"token-ann"}}`, 201)
	do(boss, "as", "GET", maps, nil, 403, "Impersonate-User", "eve")
	do(s.As("ann"), "forbidden", "POST", maps, `{"metadata":{"name":"n"}}`, 403)
	do(s.As("nobody"), "unknown", "GET", maps+"/m?access_token=sesame", nil, 401)
	do(s.Anonymous(), "version", "GET", "/version", nil, 200)
	w := boss.Watch(maps + "?timeoutSeconds=1&resourceVersion=0")
	w.Ended()
	s.Stop()
	got, raw := auditEvents(t, path)

	event := func(id, stage string, level auditv1.Level, code int32) auditv1.Event {
		t.Helper()
		e, ok := got[id+" "+stage]
		if !ok {
			t.Fatalf("no event %s %s in %s", id, stage, raw)
		}
		if e.Level != level || code != 0 && (e.ResponseStatus == nil || e.ResponseStatus.Code != code) {
			t.Errorf("%s: %s %+v", id, e.Level, e.ResponseStatus)
		}
		if e.Kind != "Event" || e.APIVersion != "audit.k8s.io/v1" || e.RequestReceivedTimestamp.IsZero() || e.StageTimestamp.Before(&e.RequestReceivedTimestamp) {
			t.Errorf("%s: %+v", id, e)
		}
		return e
	}
	const done = "ResponseComplete"
	has := func(what string, text []byte, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %s in %s", what, want, text)
			}
		}
	}
	body := func(e auditv1.Event) (request, response []byte) {
		if e.RequestObject != nil {
			request = e.RequestObject.Raw
		}
		if e.ResponseObject != nil {
			response = e.ResponseObject.Raw
		}
		return
	}

	e := event("create", done, "RequestResponse", 201)
	if r := e.ObjectRef; r.Resource != "configmaps" || r.Namespace != "default" || r.Name != "m" || r.APIVersion != "v1" {
		t.Errorf("create: %+v", r)
	}
	if e.User.Username != "boss" || e.User.UID != "uid-boss" || e.UserAgent != "tester" || e.Verb != "create" || e.RequestURI != maps ||
		strings.Join(e.SourceIPs, " ") != "10.1.2.3 10.9.9.9 127.0.0.1" || e.Annotations["authorization.k8s.io/decision"] != "allow" {
		t.Errorf("create: %+v", e)
	}
	in, out := body(e)
	has("create", in, `"a":"b"`)
	has("create", out, `"uid":`, `"a":"b"`)
	if strings.Contains(string(out), "managedFields") {
		t.Errorf("managed fields: %s", out)
	}
	in, _ = body(event("yaml", done, "RequestResponse", 201))
	has("yaml", in, `"name":"yam"`)
	in, out = body(event("patch", done, "RequestResponse", 200))
	has("patch", in, `{"data":{"a":"c"}}`)
	has("patch", out, `"a":"c"`)
	_, out = body(event("list", done, "RequestResponse", 200))
	has("list", out, `"kind":"ConfigMapList"`, `"a":"c"`)
	_, out = body(event("table", done, "RequestResponse", 200))
	has("table", out, `"kind":"Table"`)
	if strings.Contains(string(out), "managedFields") {
		t.Errorf("managed fields: %s", out)
	}
	if in, out = body(event("get", done, "Request", 200)); in != nil || out != nil {
		t.Errorf("get: %s %s", in, out)
	}
	if e := event("delete", done, "RequestResponse", 200); e.ResponseStatus.Status != "Success" || e.ResponseStatus.Details == nil {
		t.Errorf("delete: %+v", e.ResponseStatus)
	}
	if e := event("missing", done, "Request", 404); e.ResponseStatus.Reason != "NotFound" || e.ResponseStatus.Status != "Failure" {
		t.Errorf("missing: %+v", e.ResponseStatus)
	}
	event("secret", "RequestReceived", "Metadata", 0)
	event("secret", done, "Metadata", 201)
	event("review", done, "Metadata", 201)
	if e := event("as", done, "RequestResponse", 403); e.User.Username != "boss" || e.ImpersonatedUser == nil || e.ImpersonatedUser.Username != "eve" || e.Annotations["authorization.k8s.io/decision"] != "forbid" {
		t.Errorf("as: %+v", e)
	}
	if e := event("forbidden", done, "RequestResponse", 403); e.RequestObject != nil || e.User.Username != "ann" {
		t.Errorf("forbidden: %+v", e)
	}
	if e := event("unknown", "ResponseStarted", "Request", 401); e.User.Username != "" || e.ResponseStatus.Message != "Unauthorized" || !strings.Contains(e.RequestURI, "access_token=masked") {
		t.Errorf("unknown: %+v", e)
	}
	if _, twice := got["unknown "+done]; twice {
		t.Error("a refused sender has two events")
	}
	if e := event("version", done, "Request", 200); e.ObjectRef != nil || e.User.Username != "system:anonymous" {
		t.Errorf("version: %+v", e)
	}
	for _, secret := range []string{"token-boss", "token-ann", "token-nobody", "hush-hush", "sesame"} {
		if strings.Contains(raw, secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
	for _, stage := range []string{"ResponseStarted", done} {
		if !strings.Contains(raw, `"stage":"`+stage+`","requestURI":"`+maps+`?timeoutSeconds=1\u0026resourceVersion=0\u0026watch=true"`) {
			t.Errorf("the watch has no event %s", stage)
		}
	}
}

func TestAuditFilesThatCannotBeRead(t *testing.T) {
	c := config.Default()
	c.Audit.Log.Format = "xml"
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "--audit-log-format") {
		t.Error(err)
	}
	c = config.Default()
	c.Audit.Webhook.Batch.BufferSize = 0
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "--audit-webhook-batch-buffer-size") {
		t.Error(err)
	}
}
