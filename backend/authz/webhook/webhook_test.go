package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"
	"pilothouse/backend/webhook/kubeconfig"
)

// service is an authorization webhook on loopback.
type service struct {
	*httptest.Server
	asked  atomic.Int64
	answer func(review string) (int, string)
}

func newService(t *testing.T, answer func(review string) (int, string)) *service {
	t.Helper()
	s := &service{answer: answer}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		var review json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		status, body := s.answer(string(review))
		w.WriteHeader(status)
		w.Write([]byte(body)) //nolint:errcheck // a test
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) authorizer(t *testing.T, o Options) *Authorizer {
	t.Helper()
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	o.File = filepath.Join(t.TempDir(), "webhook.kubeconfig")
	content := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: '%s/authorize', certificate-authority-data: %s}\n"+
		"contexts:\n- name: x\n  context: {cluster: c}\ncurrent-context: x\n", s.URL, ca)
	if err := os.WriteFile(o.File, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Pause = time.Millisecond
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func status(s string) string {
	return `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":` + s + `}`
}

var alice = &request.User{Name: "alice", UID: "7", Groups: []string{"dev"}, Extra: map[string][]string{"k": {"v"}}}

func TestWhatTheServiceIsSent(t *testing.T) {
	check := func(version string, a *authz.Attributes, want string) {
		t.Helper()
		var got string
		s := newService(t, func(review string) (int, string) { got = review; return 200, status(`{"allowed":true}`) })
		if d, _, err := s.authorizer(t, Options{Name: "sent", Version: version}).Authorize(context.Background(), a); d != authz.Allow || err != nil {
			t.Errorf("%v %v", d, err)
		}
		var g, w any
		json.Unmarshal([]byte(got), &g)  //nolint:errcheck // compared below
		json.Unmarshal([]byte(want), &w) //nolint:errcheck // compared below
		if w == nil || fmt.Sprint(g) != fmt.Sprint(w) {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
	list := &authz.Attributes{User: alice, Verb: "list", IsResource: true, Namespace: "n", Version: "v1", Resource: "pods",
		FieldSelector: "spec.nodeName=a,status.phase!=b", LabelSelector: "app in (x,y),tier!=z,live,!dead,n>5"}
	const selectors = `"fieldSelector":{"requirements":[{"key":"spec.nodeName","operator":"In","values":["a"]},{"key":"status.phase","operator":"NotIn","values":["b"]}]},
		"labelSelector":{"requirements":[{"key":"app","operator":"In","values":["x","y"]},{"key":"dead","operator":"DoesNotExist"},{"key":"live","operator":"Exists"},{"key":"tier","operator":"NotIn","values":["z"]}]}`
	const meta = `"kind":"SubjectAccessReview","metadata":{},"status":{"allowed":false},`
	check("v1", list, `{"apiVersion":"authorization.k8s.io/v1",`+meta+`"spec":{"resourceAttributes":{"namespace":"n","verb":"list","version":"v1","resource":"pods",`+selectors+`},
		"user":"alice","groups":["dev"],"uid":"7","extra":{"k":["v"]}}}`)
	check("v1beta1", list, `{"apiVersion":"authorization.k8s.io/v1beta1",`+meta+`"spec":{"resourceAttributes":{"namespace":"n","verb":"list","version":"v1","resource":"pods",`+selectors+`},
		"user":"alice","group":["dev"],"uid":"7","extra":{"k":["v"]}}}`)
	check("v1", &authz.Attributes{User: &request.User{Name: "bob"}, Verb: "get", Path: "/metrics"}, `{"apiVersion":"authorization.k8s.io/v1",`+meta+
		`"spec":{"nonResourceAttributes":{"path":"/metrics","verb":"get"},"user":"bob"}}`)
	check("v1", &authz.Attributes{User: &request.User{Name: "bob"}, Verb: "list", IsResource: true, Resource: "pods", FieldSelector: "=,==", LabelSelector: "a in"}, `{"apiVersion":"authorization.k8s.io/v1",`+meta+
		`"spec":{"resourceAttributes":{"verb":"list","resource":"pods"},"user":"bob"}}`)
}

func TestAnswers(t *testing.T) {
	var code int
	var body string
	s := newService(t, func(string) (int, string) { return code, body })
	open, closed := s.authorizer(t, Options{Version: "v1"}), s.authorizer(t, Options{Version: "v1", OnError: authz.Deny})
	check := func(status int, answer string, want authz.Decision, reason, fault string) {
		t.Helper()
		code, body = status, answer
		for _, a := range []*Authorizer{open, closed} {
			w := want
			if a == closed && fault != "" {
				w = authz.Deny
			}
			d, r, err := a.Authorize(context.Background(), &authz.Attributes{User: alice, Verb: "get", Path: "/x"})
			if d != w || r != reason || (err != nil) != (fault != "") || err != nil && !strings.Contains(err.Error(), fault) {
				t.Errorf("%d %s: %v %q %v", status, answer, d, r, err)
			}
		}
	}
	check(200, status(`{"allowed":true,"reason":"why"}`), authz.Allow, "why", "")
	check(201, status(`{"allowed":false,"reason":"no"}`), authz.NoOpinion, "no", "")
	check(200, status(`{"allowed":false,"denied":true,"reason":"never"}`), authz.Deny, "never", "")
	check(200, status(`{}`), authz.NoOpinion, "", "")
	check(200, `<html>`, authz.NoOpinion, "", "invalid character")
	check(200, `{"allowed":true}`, authz.NoOpinion, "", "not a SubjectAccessReview")
	check(200, `{"apiVersion":"v1","kind":"Status","status":{"allowed":true}}`, authz.NoOpinion, "", "not a SubjectAccessReview")
	check(403, status(`{"allowed":true}`), authz.NoOpinion, "", "403")
	code, body = 200, status(`{"allowed":true,"denied":true}`)
	if d, _, err := open.Authorize(context.Background(), &authz.Attributes{User: alice}); d != authz.Deny || err == nil {
		t.Errorf("both: %v %v", d, err)
	}
}

func TestOutages(t *testing.T) {
	failing, code := int64(0), 500
	s := newService(t, nil)
	s.answer = func(string) (int, string) {
		if s.asked.Load() <= failing {
			return code, "busy"
		}
		return 200, status(`{"allowed":true}`)
	}
	a := s.authorizer(t, Options{Version: "v1"})
	check := func(fails int64, status int, want authz.Decision, asked int64) {
		t.Helper()
		s.asked.Store(0)
		failing, code = fails, status
		d, _, err := a.Authorize(context.Background(), &authz.Attributes{User: alice})
		if d != want || (err == nil) != (want == authz.Allow) || s.asked.Load() != asked {
			t.Errorf("%v %v, asked %d times", d, err, s.asked.Load())
		}
	}
	check(kubeconfig.Tries-1, 500, authz.Allow, kubeconfig.Tries)
	check(kubeconfig.Tries-1, 429, authz.Allow, kubeconfig.Tries)
	check(kubeconfig.Tries, 500, authz.NoOpinion, kubeconfig.Tries)
	check(1, 503, authz.NoOpinion, 1) // kube-apiserver does not ask again
	s.Server.Close()
	check(0, 0, authz.NoOpinion, 0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if d, _, err := a.Authorize(ctx, &authz.Attributes{User: alice}); d != authz.NoOpinion || err == nil {
		t.Errorf("%v %v", d, err)
	}
}

func TestWhatIsKept(t *testing.T) {
	s := newService(t, func(review string) (int, string) {
		return 200, status(fmt.Sprintf(`{"allowed":%v}`, strings.Contains(review, `"/yes`)))
	})
	check := func(o Options, path string, times int, want int64) {
		t.Helper()
		o.Version = "v1"
		a := s.authorizer(t, o)
		s.asked.Store(0)
		for range times {
			if _, _, err := a.Authorize(context.Background(), &authz.Attributes{User: alice, Verb: "get", Path: path}); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.asked.Load(); n != want {
			t.Errorf("%s: asked %d times, want %d", path, n, want)
		}
	}
	kept := Options{AuthorizedTTL: time.Hour, UnauthorizedTTL: time.Hour}
	check(kept, "/yes", 3, 1)
	check(kept, "/no", 3, 1)
	check(kept, "/yes"+strings.Repeat("x", maxKept), 3, 3) // too long to be kept
	check(Options{UnauthorizedTTL: time.Hour}, "/yes", 3, 3)
	check(Options{AuthorizedTTL: time.Hour}, "/no", 3, 3)
	check(Options{AuthorizedTTL: time.Nanosecond}, "/yes", 3, 3)
}
