package backend_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend"
	"pilothouse/backend/apitest"
	"pilothouse/backend/config"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// authorizationHook is a service that lets anybody list pods of one node, allows
// nothing else, and denies secrets for ever. It can be out of order.
type authorizationHook struct {
	*httptest.Server
	broken atomic.Bool
	asked  atomic.Int64
	file   string
}

func newAuthorizationHook(t *testing.T) *authorizationHook {
	t.Helper()
	h := &authorizationHook{}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.asked.Add(1)
		var review authorizationv1.SubjectAccessReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil || h.broken.Load() {
			http.Error(w, "out of order", http.StatusBadGateway)
			return
		}
		if a := review.Spec.ResourceAttributes; a != nil {
			review.Status.Denied = a.Resource == "secrets"
			review.Status.Allowed = a.Resource == "pods" && a.FieldSelector != nil && a.FieldSelector.Requirements[0].Key == "spec.nodeName"
			review.Status.Reason = "the hook says so"
		}
		json.NewEncoder(w).Encode(review) //nolint:errcheck // a test
	}))
	t.Cleanup(h.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
	h.file = writeFile(t, fmt.Sprintf(
		"apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: '%s', certificate-authority-data: %s}}]\ncontexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n",
		h.URL, base64.StdEncoding.EncodeToString(ca)))
	return h
}

const (
	nodePods = "/api/v1/namespaces/default/pods?fieldSelector=spec.nodeName%3Da"
	allPods  = "/api/v1/namespaces/default/pods"
	secrets  = "/api/v1/namespaces/default/secrets"
)

func TestAuthorizationWebhookOfTheFlags(t *testing.T) {
	h := newAuthorizationHook(t)
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "erin"}, {Name: "dora"}}, Change: func(o *config.Options) {
		o.Authz.Modes = []string{"Webhook", "RBAC"}
		o.Authz.Webhook.ConfigFile, o.Authz.Webhook.Version, o.Authz.Webhook.UnauthorizedTTL = h.file, "v1", 0
	}})
	erin := s.As("erin")
	erin.Get(nodePods).Must(200)
	if m := erin.Get(allPods).Must(403).Status().Message; !strings.HasSuffix(m, `in the namespace "default": the hook says so`) {
		t.Error(m)
	}
	s.Admin().Get(secrets).Must(200) // the masters are asked about nowhere
	// What RBAC says holds where the hook has no opinion, not where it denies.
	const bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
	s.Admin().Post(bindings, `{"metadata":{"name":"erin"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"erin"}]}`).Must(201)
	erin.Get(allPods).Must(200)
	erin.Get(secrets).Must(403)
	var review authorizationv1.SubjectAccessReview
	s.Admin().Post("/apis/authorization.k8s.io/v1/subjectaccessreviews", `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"nobody","resourceAttributes":{"verb":"list","resource":"pods","fieldSelector":{"requirements":[{"key":"spec.nodeName","operator":"In","values":["a"]}]}}}}`).Must(201).Into(&review)
	if !review.Status.Allowed || review.Status.Reason != "the hook says so" {
		t.Errorf("%+v", review.Status)
	}
	var rules authorizationv1.SelfSubjectRulesReview
	erin.Post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", `{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectRulesReview","spec":{"namespace":"default"}}`).Must(201).Into(&rules)
	if !rules.Status.Incomplete || rules.Status.EvaluationError != "webhook authorizer does not support user rule resolution" || len(rules.Status.ResourceRules) == 0 {
		t.Errorf("%+v", rules.Status)
	}
	// In an outage RBAC decides, and what the hook allowed is kept.
	h.broken.Store(true)
	erin.Get(nodePods).Must(200)
	erin.Get(secrets).Must(200)
	s.As("dora").Get("/api/v1/nodes").Must(500) // nobody allows it, and the hook might have
	h.broken.Store(false)
	erin.Get(secrets).Must(403)
}

func authorizationFile(hook, policy, conditions string, rest ...string) string {
	return "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n" +
		"- type: Webhook\n  name: guard\n  webhook:\n    timeout: 30s\n    subjectAccessReviewVersion: v1\n    cacheAuthorizedRequests: false\n    cacheUnauthorizedRequests: false\n" +
		"    matchConditionSubjectAccessReviewVersion: v1\n    failurePolicy: " + policy + "\n    connectionInfo: {type: KubeConfigFile, kubeConfigFile: " + hook + "}\n" +
		"    matchConditions: [{expression: \"" + conditions + "\"}]\n" + strings.Join(rest, "")
}

func TestAuthorizationConfigurationIsFollowed(t *testing.T) {
	h := newAuthorizationHook(t)
	const rbac = "- {type: RBAC, name: rbac}\n"
	path := writeFile(t, authorizationFile(h.file, "Deny", "has(request.resourceAttributes) && request.user == 'erin'", "- {type: Node, name: node}\n", rbac))
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "erin"}, {Name: "dora"}}, Change: func(o *config.Options) { o.Authz.ConfigFile = path }})
	erin, dora := s.As("erin"), s.As("dora")
	erin.Get(nodePods).Must(200)
	before := h.asked.Load()
	dora.Get(nodePods).Must(403)
	dora.Get("/version").Must(200)
	if n := h.asked.Load() - before; n != 0 {
		t.Errorf("asked %d times about others", n)
	}
	h.broken.Store(true)
	erin.Get(nodePods).Must(500)
	dora.Get("/version").Must(200)
	h.broken.Store(false)
	// A file that cannot be used changes nothing; the next one does.
	rewrite := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite("kind: Rubbish")
	erin.Get(nodePods).Must(200)
	rewrite(authorizationFile(h.file, "NoOpinion", "request.user == 'dora'", "- {type: Node, name: node}\n", rbac))
	code := 0
	for end := time.Now().Add(time.Minute); code != 200 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		code = dora.Get(nodePods).Code
	}
	if code != 200 {
		t.Fatalf("the new file does not hold: %d", code)
	}
	erin.Get(nodePods).Must(403)
}

func TestAuthorizationThatCannotStart(t *testing.T) {
	check := func(want string, change func(o *config.Options)) {
		t.Helper()
		o := config.Default()
		o.Storage.DataDir, o.Serving.SecurePort, o.Serving.DashboardAddress = t.TempDir(), 0, "127.0.0.1:0"
		change(o)
		s, err := backend.New(o)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	check("--authorization-config: open /nowhere", func(o *config.Options) { o.Authz.ConfigFile = "/nowhere" })
	check("authorizers[0].matchConditions[0].expression", func(o *config.Options) {
		o.Authz.ConfigFile = writeFile(t, authorizationFile(writeFile(t, "x"), "Deny", "1 +"))
	})
	check("--authorization-config: authorizer guard: read", func(o *config.Options) {
		o.Authz.ConfigFile = writeFile(t, authorizationFile(writeFile(t, "x"), "Deny", "true"))
	})
	check("--authorization-webhook-config-file: authorizer default: read", func(o *config.Options) {
		o.Authz.Modes, o.Authz.Webhook.ConfigFile = []string{"Webhook"}, "/nowhere"
	})
}
