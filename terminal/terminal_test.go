package terminal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pilothouse/backend/apitest"
	"pilothouse/terminal"

	"github.com/spf13/cobra"
)

// run runs a command as it is typed.
func run(t *testing.T, kubeconfig, line string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "pilothouse", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(terminal.Commands()...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(append(strings.Fields(line), "--kubeconfig", kubeconfig))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// TestTheThreeQuestions is the story that e2e/tests/past.test.js tells in the
// dashboard.
func TestTheThreeQuestions(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "dev", Groups: []string{"developers"}}}})
	admin, dev := s.Admin(), s.As("dev")
	const rbac, sets, pods = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/", "/apis/apps/v1/namespaces/shop/replicasets", "/api/v1/namespaces/shop/pods"
	admin.Post("/api/v1/namespaces", `{"metadata":{"name":"shop"}}`).Must(201)
	admin.Post(rbac+"roles", `{"metadata":{"name":"scaler"},"rules":[{"verbs":["get","patch"],"apiGroups":["apps"],"resources":["replicasets"]},{"verbs":["delete"],"apiGroups":[""],"resources":["pods"]}]}`).Must(201)
	admin.Post(rbac+"rolebindings", `{"metadata":{"name":"devs"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"scaler"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"developers"}]}`).Must(201)
	admin.Post(sets, `{"metadata":{"name":"web"},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`).Must(201)
	admin.Post(pods, `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}`).Must(201)
	scale := dev.Patch(sets+"/web", `{"spec":{"replicas":1}}`).Must(200)
	dev.Do("DELETE", pods+"/p?gracePeriodSeconds=0", nil).Must(200)
	refused := dev.Get("/api/v1/namespaces/shop/secrets").Must(403)

	ask := func(line string, want ...string) string {
		t.Helper()
		out, err := run(t, s.KubeconfigPath(), line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, w := range want {
			if !regexp.MustCompile(w).MatchString(out) {
				t.Errorf("%s does not tell %q:\n%s", line, w, out)
			}
		}
		return out
	}
	ask("history rs/web -n shop", `updated by dev \(patch`, `~ spec\.replicas: 0 -> 1`, `created by kubernetes-admin \(create`)
	ask("why "+scale.Header.Get("Audit-Id"), `by +dev \(developers`, `known by token file`, `RoleBinding "devs/shop" of Role "scaler"`, `Object stored in database`)
	deleted := ask("history pod p -n shop", `deleted by dev \(delete`)
	ask("changes -n shop --resource pods", `deleted pods shop/p by dev`)
	ask("why "+refused.Header.Get("Audit-Id"), `answered +403 Forbidden`, `it needs the rule`, `- secrets`, `roles that have it:.*cluster-admin`)
	ask("who-can delete pods -n shop", `Group developers +RoleBinding shop/devs +Role scaler`, `Group system:masters`)
	ask("who-can get /metrics", `Group system:masters|system:monitoring`)

	version := regexp.MustCompile(`resourceVersion (\d+)`).FindStringSubmatch(deleted)[1]
	ask("history pods/p -n shop --show "+version, `kind: Pod`, `image: i`)
	ask("history pods/p -n shop --restore "+version, `created again`)
	admin.Get(pods + "/p").Must(200)
	first := regexp.MustCompile(`created by .* resourceVersion (\d+)`).FindStringSubmatch(ask("history replicasets.apps/web -n shop"))[1]
	ask("history rs/web -n shop --restore "+first, `restored`)
	if o := admin.Get(sets + "/web").Must(200); !strings.Contains(string(o.Body), `"replicas":0`) {
		t.Errorf("%s", o.Body)
	}
	for line, want := range map[string]string{
		"why nobody":                         "is not remembered",
		"history things/x":                   "no resource",
		"history pods":                       "KIND/NAME",
		"history pods/p -n shop --show 1":    "no resourceVersion 1",
		"who-can get things":                 "no resource",
		"history pods/none -n shop --show x": "no resourceVersion",
	} {
		if out, err := run(t, s.KubeconfigPath(), line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %s", line, err, out)
		}
	}
	if _, err := run(t, filepath.Join(t.TempDir(), "none"), "why x"); err == nil || !strings.Contains(err.Error(), "--kubeconfig") {
		t.Error(err)
	}
	if err := os.Remove(s.KubeconfigPath()); err != nil {
		t.Fatal(err)
	}
}
