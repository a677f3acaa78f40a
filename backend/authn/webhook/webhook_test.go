package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/request"
	"pilothouse/backend/webhook/kubeconfig"
)

// service is a token webhook on loopback.
type service struct {
	*httptest.Server
	asked atomic.Int64
	// answer gives status and body of an answer.
	answer func(review map[string]any, r *http.Request) (int, string)
}

func newService(t *testing.T, answer func(review map[string]any, r *http.Request) (int, string)) *service {
	t.Helper()
	s := &service{answer: answer}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		var review map[string]any
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		status, body := s.answer(review, r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write([]byte(body)) //nolint:errcheck // a test
	}))
	t.Cleanup(s.Close)
	return s
}

// file writes a kubeconfig for the service.
func (s *service) file(t *testing.T) string {
	t.Helper()
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	path := filepath.Join(t.TempDir(), "webhook.kubeconfig")
	content := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: '%s/review', certificate-authority-data: %s}\n"+
		"users:\n- name: u\n  user: {token: secret}\ncontexts:\n- name: x\n  context: {cluster: c, user: u}\ncurrent-context: x\n", s.URL, ca)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *service) authenticator(t *testing.T, version string) *Authenticator {
	t.Helper()
	a, err := New(Options{File: s.file(t), Version: version, Audiences: []string{"api"}, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func status(format string, args ...any) string {
	return `{"apiVersion":"authentication.k8s.io/v1beta1","kind":"TokenReview","status":` + fmt.Sprintf(format, args...) + `}`
}

const alice = `{"authenticated":true,"user":{"username":"alice","uid":"7","groups":["dev"],"extra":{"k":["v"]}}}`

func TestTheServiceIsAsked(t *testing.T) {
	for _, version := range []string{"v1", "v1beta1"} {
		s := newService(t, func(review map[string]any, r *http.Request) (int, string) {
			want := map[string]any{"token": "t", "audiences": []any{"api"}}
			if review["apiVersion"] != "authentication.k8s.io/"+version || review["kind"] != "TokenReview" || !reflect.DeepEqual(review["spec"], want) {
				t.Errorf("%v", review)
			}
			if r.URL.Path != "/review" || r.Header.Get("Authorization") != "Bearer secret" || r.Method != "POST" {
				t.Errorf("%s %s %s", r.Method, r.URL, r.Header)
			}
			return 200, status(alice)
		})
		id, err := s.authenticator(t, version).AuthenticateToken(context.Background(), "t", nil)
		if err != nil {
			t.Fatal(err)
		}
		want := &request.User{Name: "alice", UID: "7", Groups: []string{"dev"}, Extra: map[string][]string{"k": {"v"}}}
		if !reflect.DeepEqual(id.User, want) || !reflect.DeepEqual(id.Audiences, []string{"api"}) {
			t.Errorf("%+v", id)
		}
	}
}

func TestAnswers(t *testing.T) {
	var code int
	var body string
	s := newService(t, func(map[string]any, *http.Request) (int, string) { return code, body })
	a := s.authenticator(t, "v1")
	check := func(status int, answer, user, words string, audiences ...string) {
		t.Helper()
		code, body = status, answer
		id, err := a.AuthenticateToken(context.Background(), "t", audiences)
		name := ""
		if id != nil {
			name = id.User.Name
		}
		if name != user || (err != nil) != (words != "") || err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("%d %s: %q %v", status, answer, name, err)
		}
	}
	check(200, status(alice), "alice", "")
	check(201, status(alice), "alice", "")
	check(200, status(`{"authenticated":false}`), "", "")
	check(200, status(`{}`), "", "")
	check(200, status(`{"authenticated":false,"error":"revoked"}`), "", "revoked")
	check(200, status(`{"authenticated":false,"user":{"username":"root"}}`), "", "")
	check(200, status(`{"authenticated":true,"user":{"username":"bob"},"audiences":["vault"]}`), "bob", "", "vault")
	check(200, status(`{"authenticated":true,"user":{"username":"bob"},"audiences":["vault"]}`), "", "")              // for others
	check(200, status(`{"authenticated":true,"user":{"username":"bob"},"audiences":["vault"]}`), "", "", "else")      // for others
	check(200, status(alice), "", "", "vault")                                                                        // it does not know audiences
	check(200, `{"apiVersion":"v1","kind":"Status","status":{"authenticated":true}}`, "", "not a TokenReview")        //
	check(200, `{"apiVersion":"x/v1","kind":"TokenReview","status":{"authenticated":true}}`, "", "not a TokenReview") //
	check(200, `<html>`, "", "invalid character")
	check(200, status(`{"authenticated":"true"}`), "", "cannot unmarshal")
	check(200, status(alice)[:40], "", "unexpected end")
	check(200, strings.Repeat(" ", kubeconfig.MaxAnswer)+status(alice), "", "unexpected end")
	before := s.asked.Load()
	check(401, "", "", "401")
	check(403, status(alice), "", "403")
	if n := s.asked.Load() - before; n != 2 {
		t.Errorf("asked %d times about what will not pass", n)
	}
}

func TestOutages(t *testing.T) {
	failing := 0
	s := newService(t, nil)
	s.answer = func(map[string]any, *http.Request) (int, string) {
		if failing > 0 {
			failing--
			return 503, "busy"
		}
		return 200, status(alice)
	}
	a := s.authenticator(t, "v1")
	failing = kubeconfig.Tries - 1
	if id, err := a.AuthenticateToken(context.Background(), "t", nil); err != nil || id == nil {
		t.Errorf("a service that came back in time: %v", err)
	}
	failing = kubeconfig.Tries
	if id, err := a.AuthenticateToken(context.Background(), "t", nil); err == nil || id != nil {
		t.Error("a service that was away too long")
	}
	s.Server.Close()
	if id, err := a.AuthenticateToken(context.Background(), "t", nil); err == nil || id != nil {
		t.Error("a service that is gone")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := a.AuthenticateToken(ctx, "t", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that is gone waited: %v", err)
	}
}

func TestWhatIsKept(t *testing.T) {
	known := true
	s := newService(t, nil)
	s.answer = func(map[string]any, *http.Request) (int, string) {
		if known {
			return 200, status(alice)
		}
		return 200, status(`{"authenticated":false}`)
	}
	now := time.Now()
	c := authn.NewCache(s.authenticator(t, "v1"), authn.CacheOptions{Known: 2 * time.Minute, Unknown: 2 * time.Minute, Now: func() time.Time { return now }})
	ask := func(want bool, asked int64) {
		t.Helper()
		id, err := c.AuthenticateToken(context.Background(), "t", nil)
		if err != nil || (id != nil) != want || s.asked.Load() != asked {
			t.Errorf("%v %v, asked %d times", id, err, s.asked.Load())
		}
	}
	ask(true, 1)
	ask(true, 1)
	known = false
	now = now.Add(2 * time.Minute)
	ask(false, 2)
	ask(false, 2)
	s.Server.Close()
	ask(false, 2)
}

func TestAServiceOfAnotherAuthority(t *testing.T) {
	s, other := newService(t, nil), newService(t, nil)
	path := s.file(t)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	another := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(another, []byte(strings.Replace(string(content), s.URL, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{File: another, Version: "v1", Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := a.AuthenticateToken(context.Background(), "t", nil); id != nil || err == nil {
		t.Error("believed")
	}
}

func TestFaultsOfTheFile(t *testing.T) {
	check := func(content string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "webhook.kubeconfig")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{File: path, Version: "v1"}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", content, err)
		}
	}
	check("x")
	check("apiVersion: v1\nkind: Config\n")
	check("apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://x', certificate-authority: /no/such}}]\ncontexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n")
	if _, err := New(Options{File: "/no/such"}); err == nil {
		t.Error("no error for a file that is not there")
	}
}
