package aggregator_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pilothouse/backend/apitest"
)

const group = "ext.example.com"

const things = "/apis/" + group + "/v1/namespaces/demo/things"

func TestRequestsAreSentOn(t *testing.T) {
	a := newSample(t, group, true)
	s := start(t, a)
	identity(t, s)
	watch(t, s, a)
	upgrade(t, s)
	redirect(t, s, a)
	if code := s.Anonymous().Get(things).Code; code != 403 {
		t.Errorf("nobody in particular gets %d", code)
	}
	if got := s.Admin().Get("/apis/" + group + "/v1/nothing"); got.Code != 404 || string(got.Body) != "404 page not found\n" {
		t.Errorf("what the other server answers: %d %s", got.Code, got.Body)
	}
}

func identity(t *testing.T, s *apitest.Server) {
	t.Helper()
	got := s.As("alice").Do("POST", things+"/a?x=1&y=2", `{"a":1}`, "Cookie", "session=secret", "Proxy-Authorization", "Basic eDp5",
		"X-Remote-User", "root", "X-Remote-Group", "system:masters", "X-Remote-Extra-Scopes", "all", "X-Kept", "yes", "Connection", "X-Hop", "X-Hop", "1",
		"Sec-WebSocket-Protocol", "base64url.bearer.authorization.k8s.io.c2VjcmV0").Must(200)
	var saw struct {
		Header                           http.Header
		Certificate, Query, Body, Method string
	}
	got.Into(&saw)
	if saw.Certificate != "front-proxy-client" || saw.Query != "x=1&y=2" || saw.Body != `{"a":1}` || saw.Method != "POST" {
		t.Errorf("%+v", saw)
	}
	want := map[string]string{
		"X-Remote-User": "[alice]", "X-Remote-Group": "[system:masters crew system:authenticated]", "X-Kept": "[yes]",
		"X-Remote-Extra-Scopes": "[]", "X-Hop": "[]", "Content-Type": "[application/json]", "Content-Length": "[7]",
		"Authorization": "[]", "Cookie": "[]", "Proxy-Authorization": "[]", "Sec-Websocket-Protocol": "[]",
	}
	for name, value := range want {
		if has := fmt.Sprint(saw.Header[name]); has != value {
			t.Errorf("%s: %s, want %s", name, has, value)
		}
	}
	for name, values := range saw.Header {
		if joined := strings.Join(values, " "); strings.Contains(joined, "secret") || strings.Contains(joined, "token-alice") {
			t.Errorf("%s leaks %s", name, joined)
		}
	}
	if got.Header.Get("X-Sample") != "yes" || got.Header.Get("Set-Cookie") != "" || len(got.Header.Values("Audit-Id")) != 1 {
		t.Errorf("answer has %v", got.Header)
	}
}

// watch checks that events come as they are sent.
func watch(t *testing.T, s *apitest.Server, a *sample) {
	t.Helper()
	w := s.Admin().Watch(things)
	for i := range 3 {
		a.more <- fmt.Sprintf(`{"type":"ADDED","object":{"kind":"Thing","apiVersion":"%s/v1","metadata":{"name":"a%d"}}}`, group, i)
		if e := w.Next(); e.Object.GetName() != fmt.Sprintf("a%d", i) {
			t.Fatalf("event %d is %v", i, e)
		}
	}
	w.Close()
}

func upgrade(t *testing.T, s *apitest.Server) {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.URL(), "https://"), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the server of this test
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s/a/attach HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-alice\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly\n", things)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "echo" || resp.Header.Get("X-Who") != "alice" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	fmt.Fprintln(conn, "late")
	for _, want := range []string{"early\n", "late\n"} {
		if line, err := r.ReadString('\n'); line != want {
			t.Errorf("%q, want %q: %v", line, want, err)
		}
	}
}

func redirect(t *testing.T, s *apitest.Server, a *sample) {
	t.Helper()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("followed to %s", r.URL) }))
	defer elsewhere.Close()
	a.elsewhere = elsewhere.URL
	got := s.Admin().Get(things + "/a/elsewhere")
	if got.Code != 502 || got.Header.Get("Location") != "" || !strings.HasPrefix(string(got.Body), "the backend attempted to redirect this request, which is not permitted") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestDocumentsAreMerged(t *testing.T) {
	for _, a := range []*sample{newSample(t, group, true), newSample(t, group, false)} {
		s := start(t, a)
		awaits(t, "Current Thing Namespaced", discovered(s))
		awaits(t, "200", func() string { return fmt.Sprint(s.Admin().Get("/openapi/v3/apis/" + group + "/v1").Code) })
		if body := string(s.Admin().Get("/openapi/v3").Must(200).Body); !strings.Contains(body, `"apis/`+group+`/v1"`) {
			t.Error("the group version is not in the index of OpenAPI")
		}
		if body := string(s.Admin().Get("/apis/" + group).Must(200).Body); !strings.Contains(body, `"preferredVersion":{"groupVersion":"`+group+`/v1"`) {
			t.Errorf("the group's document is %s", body)
		}
		a.set(func() { a.down = true })
		s.Admin().Patch("/api/v1/namespaces/demo/services/ext", `{"metadata":{"labels":{"a":"b"}}}`).Must(200)
		awaits(t, "Stale", discovered(s))
		if got := s.Admin().Get(things); got.Code != 503 || string(got.Body) != "service unavailable\n" {
			t.Errorf("%d %s", got.Code, got.Body)
		}
		if got := availability(s, group)(); !strings.HasPrefix(got, "Available False FailedDiscoveryCheck: failing or missing response from https://localhost:") || !strings.HasSuffix(got, ": 500") {
			t.Error(got)
		}
		a.set(func() { a.down = false })
		s.Admin().Patch("/api/v1/namespaces/demo/services/ext", `{"metadata":{"labels":{"a":"c"}}}`).Must(200)
		awaits(t, "Current Thing Namespaced", discovered(s))
		s.Admin().Delete(services + "/v1." + group).Must(200)
		awaits(t, "", discovered(s))
		awaits(t, "404", func() string { return fmt.Sprint(s.Admin().Get("/openapi/v3/apis/" + group + "/v1").Code) })
		if got := s.Admin().Get(things); got.Code != 404 {
			t.Errorf("after its end: %d", got.Code)
		}
		s.Stop()
	}
}

// discovered says what the aggregated document says of the sample's version.
func discovered(s *apitest.Server) func() string {
	return func() string {
		var list struct {
			Items []struct {
				Metadata struct{ Name string }
				Versions []struct {
					Freshness string
					Resources []struct {
						ResponseKind struct{ Kind string }
						Scope        string
					}
				}
			}
		}
		raw := s.Admin().Do("GET", "/apis", nil, "Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList").Must(200).Body
		if err := json.Unmarshal(raw, &list); err != nil {
			return err.Error()
		}
		for _, g := range list.Items {
			if g.Metadata.Name == group {
				v := g.Versions[0]
				if len(v.Resources) == 0 {
					return v.Freshness
				}
				return v.Freshness + " " + v.Resources[0].ResponseKind.Kind + " " + v.Resources[0].Scope
			}
		}
		return ""
	}
}

func TestWhyNotAvailable(t *testing.T) {
	a := newSample(t, group, true)
	s := start(t)
	admin := s.Admin()
	admin.Post("/api/v1/namespaces/demo/services", map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "in"},
		"spec": map[string]any{"ports": []any{map[string]any{"name": "https", "port": 443}}}}).Must(201)
	is := func(g string, spec map[string]any, want string) {
		t.Helper()
		admin.Post(services, apiService(g, spec)).Must(201)
		awaits(t, "Available "+want, func() string {
			got, _, _ := strings.Cut(availability(s, g)(), ": tls:")
			return got
		})
	}
	is("a.example.com", map[string]any{"service": at("none", 443)}, `False ServiceNotFound: service/none in "demo" is not present`)
	is("b.example.com", map[string]any{"service": at("in", 444)}, `False ServicePortError: service/in in "demo" is not listening on port 444`)
	is("c.example.com", map[string]any{"service": at("in", 443)}, `False EndpointsNotFound: cannot find endpointslices for service/in in "demo"`)
	is("d.example.com", nil, "True Local: Local APIServices are always available")
	admin.Post("/apis/discovery.k8s.io/v1/namespaces/demo/endpointslices", map[string]any{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": map[string]any{"name": "in-1", "labels": map[string]any{"kubernetes.io/service-name": "in"}},
		"addressType": "IPv4", "endpoints": []any{}, "ports": []any{map[string]any{"name": "https", "port": 8443}},
	}).Must(201)
	awaits(t, `Available False MissingEndpoints: endpointslices for service/in in "demo" have no addresses with port name "https"`, availability(s, "c.example.com"))
	// Certificates: unknown authority, the right one, none looked at, no bundle.
	url := fmt.Sprintf("https://localhost:%d/apis/", a.port)
	is("e.example.com", map[string]any{"service": at("ext", a.port)},
		fmt.Sprintf("False FailedDiscoveryCheck: failing or missing response from %se.example.com/v1: Get %q", url, url+"e.example.com/v1"))
	is("f.example.com", map[string]any{"service": at("ext", a.port), "caBundle": []byte("x")},
		"False FailedDiscoveryCheck: failing or missing response from "+url+"f.example.com/v1: unable to load root certificates: unable to parse bytes as PEM block")
	is(group, map[string]any{"service": at("ext", a.port), "insecureSkipTLSVerify": true}, strings.TrimPrefix(passed, "Available "))
	admin.Patch(services+"/v1."+group, `{"spec":{"service":null,"insecureSkipTLSVerify":false}}`).Must(200)
	awaits(t, "Available True Local: Local APIServices are always available", availability(s, group))
}

// TestOneAnswerIsEnough: the other tries are answered, too, and nobody goes away.
func TestOneAnswerIsEnough(t *testing.T) {
	a := newSample(t, group, true)
	a.held = make(chan struct{})
	s := start(t, a) // waits until it is available
	s.Admin().Get("/apis/" + group + "/v1/namespaces/demo/things").Must(200)
	awaits(t, "all have asked, 0 went away", func() (said string) {
		a.set(func() {
			if said = fmt.Sprintf("%d have asked, %d went away", a.asked, a.cut); a.asked >= 5 {
				said = fmt.Sprintf("all have asked, %d went away", a.cut)
			}
		})
		return said
	})
	close(a.held)
}

func TestNamespacesWaitForOtherServers(t *testing.T) {
	a := newSample(t, group, true)
	a.things["left"] = true
	s := start(t, a)
	admin := s.Admin()
	awaits(t, "Current Thing Namespaced", discovered(s))
	a.set(func() { a.down = true })
	admin.Patch("/api/v1/namespaces/demo/services/ext", `{"metadata":{"labels":{"a":"b"}}}`).Must(200)
	awaits(t, "Stale", discovered(s))
	admin.Post("/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": "going"}}).Must(201)
	admin.Delete("/api/v1/namespaces/going").Must(200)
	awaits(t, "True Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: ext.example.com/v1: stale GroupVersion discovery: ext.example.com/v1", func() string {
		var n struct {
			Status struct {
				Conditions []struct{ Type, Status, Message string }
			}
		}
		admin.Get("/api/v1/namespaces/going").Must(200).Into(&n)
		for _, c := range n.Status.Conditions {
			if c.Type == "NamespaceDeletionDiscoveryFailure" {
				return c.Status + " " + c.Message
			}
		}
		return ""
	})
	a.set(func() { a.down = false })
	admin.Patch("/api/v1/namespaces/demo/services/ext", `{"metadata":{"labels":{"a":"c"}}}`).Must(200)
	awaits(t, "404", func() string { return fmt.Sprint(admin.Get("/api/v1/namespaces/going").Code) })
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.things) != 0 {
		t.Error("the namespace went, its content did not")
	}
}

func TestCustomResourcesAreRegistered(t *testing.T) {
	s := start(t)
	admin := s.Admin()
	admin.Post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "widgets.crd.example.com"},
		"spec": map[string]any{"group": "crd.example.com", "scope": "Namespaced", "names": map[string]any{"plural": "widgets", "kind": "Widget"}, "versions": []any{
			map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}}},
		}},
	}).Must(201)
	const path = services + "/v1.crd.example.com"
	state := func() string {
		var o struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct{ GroupPriorityMinimum, VersionPriority int }
		}
		got := admin.Get(path)
		if got.Code != 200 {
			return fmt.Sprint(got.Code)
		}
		got.Into(&o)
		return fmt.Sprint(o.Metadata.Labels["kube-aggregator.kubernetes.io/automanaged"], o.Spec.GroupPriorityMinimum, o.Spec.VersionPriority)
	}
	const whole = "true1000 100"
	awaits(t, whole, state)
	admin.Patch(path, `{"spec":{"versionPriority":7}}`).Must(200)
	awaits(t, whole, state)
	admin.Delete(path).Must(200)
	awaits(t, whole, state)
	admin.Delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.crd.example.com").Must(200)
	awaits(t, "404", state)
}

func TestLargeAnswers(t *testing.T) {
	a := newSample(t, group, true)
	s := start(t, a)
	for i := range 20000 {
		a.things[fmt.Sprintf("thing-with-a-long-name-%d", i)] = true
	}
	got := s.Admin().Get(things).Must(200)
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal(got.Body, &list); err != nil || len(list.Items) != 20000 {
		t.Errorf("%d items: %v", len(list.Items), err)
	}
}
