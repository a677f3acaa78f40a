package commands_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pilothouse/backend/apitest"
	"pilothouse/backend/commands"

	"github.com/spf13/cobra"
)

// run runs a command as it is typed.
func run(t *testing.T, kubeconfig, line string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "pilothouse", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(commands.Commands()...)
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
	ask("why "+refused.Header.Get("Audit-Id"), `answered +403 Forbidden`, `refused +no role that is bound`, `it needs the rule`, `- secrets`, `roles that have it:.*cluster-admin`)
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

// TestWhyAsksTheServerThatTookIt lets a server name another one, which is asked as
// the same user, and one that is away.
func TestWhyAsksTheServerThatTookIt(t *testing.T) {
	answer := func(w http.ResponseWriter, code int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer mine" {
			answer(w, 401, `{"kind":"Status","code":401,"reason":"Unauthorized","message":"who?"}`)
			return
		}
		answer(w, 200, `{"auditID":"x","verb":"delete","requestURI":"/api/v1/namespaces/shop/pods/p","code":200,"user":{"username":"dev"}}`)
	}))
	defer other.Close()
	away := httptest.NewTLSServer(nil)
	away.Close()
	asked := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		causes := fmt.Sprintf(`{"reason":"OtherServer","message":%q},{"reason":"OtherServer","message":%q}`, away.Listener.Addr(), other.Listener.Addr())
		if strings.HasSuffix(r.URL.Path, "/nobody") {
			causes = fmt.Sprintf(`{"reason":"OtherServer","message":%q}`, away.Listener.Addr())
		}
		answer(w, 404, `{"kind":"Status","code":404,"reason":"NotFound","message":"it is not remembered","details":{"causes":[`+causes+`]}}`)
	}))
	defer asked.Close()

	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	ca := filepath.Join(filepath.Dir(kubeconfig), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: asked.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`{"clusters":[{"name":"a","cluster":{"server":%q,"certificate-authority":%q}}],"users":[{"name":"a","user":{"token":"mine"}}],"contexts":[{"name":"a","context":{"cluster":"a","user":"a"}}],"current-context":"a"}`, asked.URL, ca)
	if err := os.WriteFile(kubeconfig, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, kubeconfig, "why x")
	for _, want := range []string{away.Listener.Addr().String() + " does not answer", "from " + other.Listener.Addr().String(), "delete /api/v1/namespaces/shop/pods/p", "by         dev"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: it does not say %q:\n%s", err, want, out)
		}
	}
	if out, err := run(t, kubeconfig, "why nobody"); err == nil || !strings.Contains(err.Error(), "it is not remembered") {
		t.Errorf("%v: %s", err, out)
	}
}
