package audit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pilothouse/backend/request"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

const head = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"

func policyOf(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := ParsePolicy([]byte(head + text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicyMatches(t *testing.T) {
	ann := &request.User{Name: "ann", Groups: []string{"devs", "system:authenticated"}}
	f := func(rule string, u *request.User, method, path string, want bool) {
		t.Helper()
		info := request.ParseInfo(method, path, false, "")
		got := policyOf(t, "rules:\n- {level: Metadata, "+rule+"}\n").Match(u, &info).Level == auditv1.LevelMetadata
		if got != want {
			t.Errorf("%s on %s %s: %v", rule, method, path, got)
		}
	}
	const pods, pod = "/api/v1/namespaces/a/pods", "/api/v1/namespaces/a/pods/p"
	f("users: [ann]", ann, "GET", pods, true)
	f("users: [bob]", ann, "GET", pods, false)
	f("users: [ann]", nil, "GET", pods, false)
	f("userGroups: [x, devs]", ann, "GET", pods, true)
	f("userGroups: [x]", ann, "GET", pods, false)
	f("userGroups: [x]", nil, "GET", pods, false)
	f("verbs: [list]", ann, "GET", pods, true)
	f("verbs: [get]", ann, "GET", pods, false)
	f("verbs: [get]", ann, "GET", "/healthz", true)
	f("namespaces: [a]", ann, "GET", pods, true)
	f("namespaces: [b]", ann, "GET", pods, false)
	f("namespaces: [\"\"]", ann, "GET", "/api/v1/nodes", true)
	f("namespaces: [\"\"]", ann, "GET", "/healthz", false)
	f("resources: [{group: \"\"}]", ann, "GET", pods, true)
	f("resources: [{group: apps}]", ann, "GET", pods, false)
	f("resources: [{group: \"*\"}]", ann, "GET", "/apis/apps/v1/deployments", true)
	f("resources: [{resources: [pods]}]", ann, "GET", pod+"/status", false)
	f("resources: [{resources: [pods/status]}]", ann, "GET", pod+"/status", true)
	f("resources: [{resources: [pods/*]}]", ann, "GET", pod+"/status", true)
	f("resources: [{resources: [pods/*]}]", ann, "GET", pod, true) // as Kubernetes
	f("resources: [{resources: [\"*/status\"]}]", ann, "GET", pod+"/status", true)
	f("resources: [{resources: [\"*/status\"]}]", ann, "GET", pod, false)
	f("resources: [{resources: [\"*\"]}]", ann, "GET", pod+"/log", true)
	f("resources: [{resources: [pods], resourceNames: [p]}]", ann, "GET", pod, true)
	f("resources: [{resources: [pods], resourceNames: [q]}]", ann, "GET", pod, false)
	f("nonResourceURLs: [/healthz]", ann, "GET", "/healthz", true)
	f("nonResourceURLs: [/healthz]", ann, "GET", "/healthz/etcd", false)
	f("nonResourceURLs: [\"/healthz*\"]", ann, "GET", "/healthz/etcd", true)
	f("nonResourceURLs: [\"*\"]", ann, "GET", "/version", true)
	f("nonResourceURLs: [\"*\"]", ann, "GET", pods, false)
}

func TestFirstRuleWins(t *testing.T) {
	p := policyOf(t, `
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- {level: None, verbs: [watch]}
- {level: Request, verbs: [get], omitStages: [Panic], omitManagedFields: false}
- {level: Metadata, verbs: [get, list]}
`)
	f := func(verb string, level auditv1.Level, omitManaged bool, omits ...auditv1.Stage) {
		t.Helper()
		c := p.Match(nil, &request.Info{Verb: verb})
		if c.Level != level || c.OmitManagedFields != omitManaged || c.omitted != stagesOf(omits) {
			t.Errorf("%s: %+v", verb, c)
		}
	}
	f("watch", "None", true, "RequestReceived")
	f("get", "Request", false, "RequestReceived", "Panic")
	f("list", "Metadata", true, "RequestReceived")
	f("create", "None", true, "RequestReceived")
}

func TestBadPolicies(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "policy.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadPolicy(path)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
	}
	f("", "want apiVersion")
	f("apiVersion: v1\nkind: Policy\n", "want apiVersion")
	f(head, "no rules")
	f(head+"rules: [{}]", "rules[0].level: Required value")
	f(head+"rules: [{level: All}]", "Unsupported value")
	f(head+"rules: [{level: None, user: [x]}]", `unknown field "rules[0].user"`)
	f(head+"rules: [{level: None, level: Metadata}]", "already set")
	f(head+"omitStages: [End]\nrules: [{level: None}]", "omitStages[0]")
	f(head+"rules: [{level: None, nonResourceURLs: [x]}]", "must begin with a '/'")
	f(head+"rules: [{level: None, nonResourceURLs: [/a*b]}]", "must be the final character")
	f(head+"rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]", "cannot apply to both")
	f(head+"rules: [{level: None, resources: [{group: A/v1}]}]", "rules[0].resources[0].group")
	f(head+"rules: [{level: None, resources: [{resourceNames: [a]}]}]", "requires at least one resource")
	f("{", "policy.yaml")
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(head + "rules: [{level: Metadata, resources: [{resources: [\"*/status\", pods/*]}]}]"))
	f.Add([]byte(`{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"None","nonResourceURLs":["/x*"]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePolicy(b)
		if err != nil {
			return
		}
		for _, path := range []string{"/healthz", "/api/v1/namespaces/a/pods/p/status"} {
			info := request.ParseInfo("GET", path, false, "")
			if p.Match(nil, &info).Level == "" {
				t.Error("no level")
			}
		}
	})
}
