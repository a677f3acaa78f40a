package apitest_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"
	"pilothouse/backend/life"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// lived gives what is remembered of a request.
func lived(c *apitest.Caller, id string) life.View {
	var v life.View
	c.Get(life.Path + "/" + id).Must(200).Into(&v)
	return v
}

// stage gives a stage or a part of one by its name.
func stage(list []life.StageView, name string) *life.StageView {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
		if s := stage(list[i].Parts, name); s != nil {
			return s
		}
	}
	return nil
}

func TestLifeOfACreate(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "ann"}, {Name: "eve"}}})
	c := s.Admin()
	c.Post("/apis/rbac.authorization.k8s.io/v1/clusterroles", `{"metadata":{"name":"podmaker"},"rules":[{"verbs":["create"],"apiGroups":[""],"resources":["pods"]}]}`).Must(201)
	c.Post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", `{"metadata":{"name":"ann-edits"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"podmaker"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"ann"}]}`).Must(201)
	s.As("ann").Do("POST", pods, podBody("p"), "Audit-ID", "the-create").Must(201)
	v := lived(c, "the-create")
	if v.User == nil || v.User.Name != "ann" || v.Authenticator != "token file" || v.Code != 201 || v.Verb != "create" || v.Kind != "pods" || v.Namespace != "default" || v.Micros <= 0 {
		t.Errorf("%+v", v)
	}
	if a := v.Authorization; a == nil || a.Decision != "allow" || a.Binding != "ClusterRoleBinding ann-edits" || a.Role != "ClusterRole podmaker" || a.Rule == nil || len(a.Rule.Resources) == 0 || a.Changed {
		t.Errorf("%+v", v.Authorization)
	}
	if len(v.Written) != 1 || v.Written[0].Key != "default/p" || v.Written[0].Revision == 0 {
		t.Errorf("%+v", v.Written)
	}
	for _, name := range []string{"Authenticated", "Authorized", "Body decoded", "Fields tracked", "Mutating admission", "Object validated", "Validating admission", "Object stored in database"} {
		if stage(v.Stages, name) == nil {
			t.Errorf("there is no stage %s in %s", name, v.Trace)
		}
	}
	if a := stage(v.Stages, "ServiceAccount"); a == nil || !strings.Contains(asJSON(t, a.Changes), `"path":"spec.serviceAccountName","after":"default"`) {
		t.Errorf("ServiceAccount: %+v", a)
	}
	if a := stage(v.Stages, "Priority"); a == nil || !strings.Contains(asJSON(t, a.Changes), `"path":"spec.priority","after":0`) {
		t.Errorf("Priority: %+v", a)
	}
	// Who may see it.
	s.As("ann").Get(life.MinePath + "/the-create").Must(200)
	s.As("ann").Get(life.Path + "/the-create").Must(403)
	s.As("eve").Get(life.MinePath + "/the-create").Must(404)
	s.Anonymous().Get(life.MinePath).Must(403)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLifeOfRefusals(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "eve"}}})
	c := s.Admin()
	s.As("eve").Do("GET", "/api/v1/namespaces/default/secrets", nil, "Audit-ID", "the-list").Must(403)
	v := lived(c, "the-list")
	a := v.Authorization
	if v.Code != 403 || a == nil || a.Decision != "forbid" || a.Needed == nil || strings.Join(a.Needed.Verbs, "") != "list" || strings.Join(a.Needed.Resources, "") != "secrets" || !strings.Contains(strings.Join(a.Roles, " "), "cluster-admin") {
		t.Errorf("%+v %+v", v, a)
	}
	c.Do("POST", pods, `{"metadata":{"name":"UPPER"},"spec":{"containers":[]}}`, "Audit-ID", "the-invalid").Must(422)
	if v := lived(c, "the-invalid"); len(v.Causes) == 0 || v.Causes[0].Field == "" || v.Reason != "Invalid" || stage(v.Stages, "Object validated") == nil {
		t.Errorf("%+v", v)
	}
	c.Do("DELETE", "/api/v1/namespaces/kube-system", nil, "Audit-ID", "the-delete").Must(403)
	if p := stage(lived(c, "the-delete").Stages, "NamespaceLifecycle"); p == nil || !strings.Contains(p.Error, "may not be deleted") {
		t.Errorf("%+v", p)
	}
	s.Anonymous().Do("GET", "/api/v1/pods", nil, "Audit-ID", "nobody", "Authorization", "Bearer wrong").Must(401)
	if v := lived(c, "nobody"); v.Code != 401 || v.User != nil {
		t.Errorf("%+v", v)
	}
	var list life.List
	c.Get(life.Path + "?what=notable&limit=50").Must(200).Into(&list)
	seen := map[string]bool{}
	for _, v := range list.Requests {
		seen[v.AuditID] = true
	}
	if !seen["the-list"] || !seen["the-invalid"] || !seen["the-delete"] || !seen["nobody"] {
		t.Errorf("%v", seen)
	}
}

// A webhook's change is told with the webhook's name, and so is its refusal.
func TestLifeWithAWebhook(t *testing.T) {
	var traceparent atomic.Pointer[string] // of any request: controllers create ConfigMaps, too
	hook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		if sent := r.Header.Get("Traceparent"); sent != "" {
			traceparent.Store(&sent)
		}
		time.Sleep(25 * time.Millisecond) // it is to be slow
		patch := admissionv1.PatchTypeJSONPatch
		review.Response = &admissionv1.AdmissionResponse{
			UID: review.Request.UID, Allowed: review.Request.Name != "bad", PatchType: &patch,
			Patch: []byte(`[{"op":"add","path":"/data","value":{"by":"hook"}}]`), Result: &metav1.Status{Message: "I say no"},
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(&review) //nolint:errcheck // a test
	}))
	defer hook.Close()
	c := apitest.Start(t, apitest.Options{Change: func(o *config.Options) { o.Features.SlowRequest = 20 * time.Millisecond }}).Admin()
	none, fail := admissionregistrationv1.SideEffectClassNone, admissionregistrationv1.Fail
	c.Post("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "hooks"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "one.example.com", SideEffects: &none, FailurePolicy: &fail, TimeoutSeconds: ptr.To[int32](30), AdmissionReviewVersions: []string{"v1"},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &hook.URL, CABundle: pemOf(hook)},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{"CREATE"},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}).Must(201)
	const maps = "/api/v1/namespaces/default/configmaps"
	c.Do("POST", maps, `{"metadata":{"name":"a"}}`, "Audit-ID", "changed").Must(201)
	v := lived(c, "changed")
	p := stage(v.Stages, "one.example.com")
	if p == nil || p.Detail != "MutatingWebhookConfiguration hooks" || asJSON(t, p.Changes) != `[{"path":"data","after":{"by":"hook"}}]` || !v.Slow {
		t.Errorf("%+v", p)
	}
	if sent := traceparent.Load(); sent != nil {
		t.Errorf("a trace without tracing: %s", *sent)
	}
	c.Do("POST", maps, `{"metadata":{"name":"bad"}}`, "Audit-ID", "refused").Must(400)
	if p := stage(lived(c, "refused").Stages, "one.example.com"); p == nil || !strings.Contains(p.Error, "I say no") {
		t.Errorf("%+v", p)
	}
}

func TestVerbosityAtRunTime(t *testing.T) {
	c := apitest.Start(t).Admin()
	if a := c.Do("PUT", "/debug/flags/v", "1").Must(200); string(a.Body) != "successfully set klog.logging.verbosity to 1" {
		t.Errorf("%s", a.Body)
	}
	c.Do("PUT", "/debug/flags/v", "0").Must(200)
	c.Do("PUT", "/debug/flags/v", "much").Must(400)
	c.Get("/debug/flags/v").Must(406)
	c.Get("/debug/flags").Must(200)
}

func TestWhoCan(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "eve"}}})
	a := s.Admin().Get("/debug/who-can?verb=delete&resource=pods&namespace=default").Must(200)
	if text := string(a.Body); !strings.Contains(text, `"name":"system:masters"`) || !strings.Contains(text, `"role":"ClusterRole cluster-admin"`) {
		t.Error(text)
	}
	s.Admin().Get("/debug/who-can?verb=delete").Must(400)
	s.As("eve").Get("/debug/who-can?verb=delete&resource=pods").Must(403)
}

// pemOf is the certificate that a server is to be trusted by.
func pemOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}
