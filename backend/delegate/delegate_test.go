package delegate

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pilothouse/backend/client"
	"pilothouse/backend/config"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/storage/memory"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

const secret = "a-secret-token"

type header http.Header

func (h header) Get(name string) string      { return http.Header(h).Get(name) }
func (h header) Values(name string) []string { return http.Header(h).Values(name) }
func (h header) Each(f func(name, value string)) {
	for name, values := range h {
		for _, v := range values {
			f(name, v)
		}
	}
}

type chunks struct{ strings.Builder }

func (*chunks) Flush() error { return nil }

// mainServer gives a handler that reaches a server that answers with serve.
func mainServer(t *testing.T, serve http.HandlerFunc) (request.Handler, *httptest.Server) {
	t.Helper()
	server := httptest.NewTLSServer(serve)
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	handler, err := Remote(&rest.Config{Host: server.URL + "/base", BearerToken: secret, TLSClientConfig: rest.TLSClientConfig{CAData: ca}})
	if err != nil {
		t.Fatal(err)
	}
	return handler, server
}

func get(path, query string) *request.Request {
	return &request.Request{Method: "GET", Path: path, RawQuery: query, Header: header{"X-Kept": {"yes"}}}
}

func TestRequestsReachTheMainServer(t *testing.T) {
	handler, _ := mainServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "text/x")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintln(w, r.Method, r.URL, r.Header.Get("Authorization"), r.Header.Get("X-Kept"), string(body))
	})
	r := get("/api/v1/namespaces/a%2Fb", "x=1&y=%20")
	r.Method, r.Body = "PUT", []byte("what is sent")
	got, err := handler(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if want := "PUT /base/api/v1/namespaces/a%252Fb?x=1&y=%20 Bearer " + secret + " yes what is sent\n"; got.Status != http.StatusTeapot || got.ContentType != "text/x" || string(got.Body) != want {
		t.Errorf("%d %s %q, want %q", got.Status, got.ContentType, got.Body, want)
	}
}

// A main server that sends elsewhere is not followed there, and nobody else sees
// the token.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("followed to %s with %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		handler, _ := mainServer(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, code) })
		for _, query := range []string{"", "watch=true"} {
			if got, err := handler(context.Background(), get("/api", query)); err != nil || got.Status != code || got.Chunked != nil {
				t.Errorf("%d: %+v %v", code, got, err)
			}
		}
	}
}

func TestWatchesComeAsTheyAreSent(t *testing.T) {
	handler, _ := mainServer(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			fmt.Fprintln(w, "{}")
		}
	})
	got, err := handler(context.Background(), get("/api/v1/pods", "watch=true"))
	if err != nil || got.Chunked == nil {
		t.Fatalf("%+v %v", got, err)
	}
	var w chunks
	if err := got.Chunked(context.Background(), &w); err != nil || w.String() != "{}\n{}\n{}\n" {
		t.Errorf("%q %v", w.String(), err)
	}
}

func TestAServerThatIsNotTheMainOne(t *testing.T) {
	_, server := mainServer(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a server with another certificate sees %q", r.Header.Get("Authorization"))
	})
	handler, err := Remote(&rest.Config{Host: server.URL, BearerToken: secret})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := handler(context.Background(), get("/api", "")); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("an unknown certificate: %v", err)
	}
	handler, server = mainServer(t, nil)
	server.Close()
	if _, err := handler(context.Background(), get("/api", "")); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a server that is gone: %v", err)
	}
	for _, bad := range []*rest.Config{
		{Host: "https://a b"},
		{Host: "https://x", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("no certificate")}},
		{Host: "https://x", BearerToken: "a", Username: "b", Password: "c", TLSClientConfig: rest.TLSClientConfig{Insecure: true, CAData: []byte("x")}},
	} {
		if _, err := Remote(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	if _, err := Connect(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a kubeconfig that is not there is taken")
	}
}

const kubeconfig = `
apiVersion: v1
kind: Config
current-context: main
contexts: [{name: main, context: {cluster: main, user: delegate}}]
clusters: [{name: main, cluster: {server: "https://main.example:6443/", insecure-skip-tls-verify: true}}]
users: [{name: delegate, user: {token: ` + secret + `}}]
`

func TestConfigureByWhatTheMainServerSays(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "main.kubeconfig")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	configure := func(says string, err error) (*config.Options, error) {
		o := config.Default()
		o.Extension.DelegateKubeconfig = file
		main := client.New(func(_ context.Context, r *request.Request) (*request.Response, error) {
			if r.Path != "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication" {
				t.Errorf("%s %s", r.Method, r.Path)
			}
			return &request.Response{Status: 200, ContentType: "application/json", Body: []byte(`{"apiVersion":"v1","kind":"ConfigMap","data":` + says + `}`)}, err
		}, nil, "test")
		return o, Configure(context.Background(), o, main, filepath.Join(dir, "delegate"))
	}
	bad := func(says string, err error, want string) {
		t.Helper()
		if _, got := configure(says, err); got == nil || !strings.Contains(got.Error(), want) || strings.Contains(got.Error(), secret) {
			t.Errorf("%s: %v, want %s", says, got, want)
		}
	}
	gone := errors.New("it is gone")
	bad("{}", gone, "does not say whom to believe: ")
	bad("{}", nil, "the main server has no front proxy")
	bad(`{"requestheader-client-ca-file":"CA","requestheader-allowed-names":"[1]"}`, nil, "requestheader-allowed-names: json: ")
	bad(`{"requestheader-client-ca-file":"CA","requestheader-group-headers":"{"}`, nil, "requestheader-group-headers: ")

	good := `{"client-ca-file":"CLIENTS","requestheader-client-ca-file":"PROXY","requestheader-allowed-names":"[\"proxy\"]","requestheader-username-headers":"[\"X-Who\"]",` +
		`"requestheader-group-headers":"[\"X-Crew\"]","requestheader-extra-headers-prefix":"[\"X-More-\"]","requestheader-uid-headers":"[\"X-Id\"]"}`
	for _, fault := range []error{nil, gone} { // the second time by what was said the first time
		o, err := configure(good, fault)
		if err != nil {
			t.Fatal(err)
		}
		h := o.Authn.RequestHeader
		if got := fmt.Sprint(h.AllowedNames, h.UsernameHeaders, h.UIDHeaders, h.GroupHeaders, h.ExtraHeadersPrefixes); got != "[proxy] [X-Who] [X-Id] [X-Crew] [X-More-]" {
			t.Error(got)
		}
		if !reflect.DeepEqual(o.Authz.Modes, []string{"Webhook"}) || !reflect.DeepEqual(o.Features.Controllers, []string{"-*"}) {
			t.Errorf("%v %v", o.Authz.Modes, o.Features.Controllers)
		}
		for file, want := range map[string]string{
			h.ClientCAFile: "PROXY", o.Authn.ClientCAFile: "CLIENTS",
			o.Authn.TokenWebhook.ConfigFile: "server: https://main.example:6443/apis/authentication.k8s.io/v1/tokenreviews\n",
			o.Authz.Webhook.ConfigFile:      "server: https://main.example:6443/apis/authorization.k8s.io/v1/subjectaccessreviews\n",
		} {
			raw, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(raw), want) {
				t.Errorf("%s: %s %v, want %s", file, raw, err, want)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s is %v", file, info.Mode())
			}
		}
	}
}

// APIServices of others are left alone, and one's own that nothing is served for
// go by their UID.
func TestOnlyOwnAPIServicesAreTakenAway(t *testing.T) {
	engine := memory.New()
	defer engine.Close()
	table, err := registry.New(registry.Options{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	var asked []string
	main := client.New(func(_ context.Context, r *request.Request) (*request.Response, error) {
		asked = append(asked, r.Method+" "+r.Path+" "+string(r.Body))
		return &request.Response{Status: 200, ContentType: "application/json", Body: []byte(`{"apiVersion":"v1","kind":"Status","status":"Success"}`)}, nil
	}, nil, "test")
	d := New(Options{Main: main, Registry: table, Serves: func(string) bool { return true }, Service: apiregistrationv1.ServiceReference{Namespace: "ns", Name: "me"}})
	service := func(name, label string) *apiregistrationv1.APIService {
		s := &apiregistrationv1.APIService{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name), Labels: map[string]string{}}}
		if label != "" {
			s.Labels[delegateLabel] = label
		}
		return s
	}
	if err := d.register(context.Background(), []*apiregistrationv1.APIService{service("v1.a", ""), service("v1.b", "ns.other"), service("v1.c", "ns.me")}); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 1 || !strings.HasPrefix(asked[0], "DELETE /apis/apiregistration.k8s.io/v1/apiservices/v1.c ") || !strings.Contains(asked[0], "uid-of-v1.c") {
		t.Errorf("%q", asked)
	}
}
