package aggregator_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/pki"
)

const services = "/apis/apiregistration.k8s.io/v1/apiservices"

// sample is an API server that extends the one under test.
type sample struct {
	group string
	ca    []byte
	port  int
	// elsewhere is where its redirects lead.
	elsewhere string
	// aggregated makes it speak the aggregated form of discovery.
	aggregated bool
	more       chan string // what a watch of a namespace sends

	mu     sync.Mutex
	seen   []*http.Request
	things map[string]bool
	down   bool
	// held keeps all but the first who ask for the version waiting until it is
	// closed; cut counts those of them who go away.
	held       chan struct{}
	asked, cut int
}

func newSample(t *testing.T, group string, aggregated bool) *sample {
	t.Helper()
	keys, err := pki.Open(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	serving, err := keys.Serving(pki.ServingOptions{Names: []string{"ext.demo.svc"}})
	if err != nil {
		t.Fatal(err)
	}
	s := &sample{group: group, ca: keys.CA.CertPEM, aggregated: aggregated, more: make(chan string), things: map[string]bool{}}
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{*serving.Certificate()}, ClientAuth: tls.RequestClientCert}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if s.port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sample) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.seen = append(s.seen, r)
	down := s.down
	s.mu.Unlock()
	base := "/apis/" + s.group + "/v1"
	resource := map[string]any{"name": "things", "singularName": "thing", "namespaced": true, "kind": "Thing", "verbs": []string{"get", "list", "watch", "delete"}}
	switch {
	case down:
		http.Error(w, "not now", http.StatusInternalServerError)
	case r.URL.Path == "/apis" && s.aggregated:
		w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		fmt.Fprintf(w, `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[{"metadata":{"name":%q},"versions":[{"version":"v1","resources":[`+
			`{"resource":"things","responseKind":{"group":%q,"version":"v1","kind":"Thing"},"scope":"Namespaced","singularResource":"thing","verbs":["get","list","watch","delete"]}]}]}]}`, s.group, s.group)
	case r.URL.Path == base:
		s.hold(r)
		answer(w, map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": s.group + "/v1", "resources": []any{
			resource, map[string]any{"name": "things/status", "namespaced": true, "kind": "Thing", "verbs": []string{"get"}},
		}})
	case r.URL.Path == "/openapi/v3":
		answer(w, map[string]any{"paths": map[string]any{base[1:]: map[string]any{"serverRelativeURL": "/openapi/v3" + base + "?hash=1"}}})
	case r.URL.Path == "/openapi/v3"+base:
		answer(w, map[string]any{"openapi": "3.0.0", "info": map[string]any{"title": "sample"}, "paths": map[string]any{}})
	case r.URL.Query().Get("watch") == "true":
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		more := s.more
		if !strings.Contains(r.URL.Path, "/namespaces/") { // the garbage collector's, of all namespaces
			more = nil
		}
		for {
			select {
			case line := <-more:
				fmt.Fprintln(w, line)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	case strings.HasSuffix(r.URL.Path, "/attach"):
		s.echo(w, r)
	case strings.HasSuffix(r.URL.Path, "/things"):
		s.list(w)
	case strings.HasSuffix(r.URL.Path, "/elsewhere"):
		http.Redirect(w, r, s.elsewhere, http.StatusFound)
	case strings.Contains(r.URL.Path, "/things/") && r.Method == http.MethodDelete:
		s.mu.Lock()
		delete(s.things, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		s.mu.Unlock()
		answer(w, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	case strings.Contains(r.URL.Path, "/things/"):
		body, _ := io.ReadAll(r.Body)
		cn := ""
		if len(r.TLS.PeerCertificates) > 0 {
			cn = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("X-Sample", "yes")
		answer(w, map[string]any{"header": r.Header, "certificate": cn, "query": r.URL.RawQuery, "body": string(body), "method": r.Method})
	default:
		http.NotFound(w, r)
	}
}

func (s *sample) hold(r *http.Request) {
	s.mu.Lock()
	s.asked++
	held := s.held
	if s.asked == 1 {
		held = nil
	}
	s.mu.Unlock()
	if held == nil {
		return
	}
	select {
	case <-held:
	case <-r.Context().Done():
		s.set(func() { s.cut++ })
	}
}

func (s *sample) list(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []any{}
	for name := range s.things {
		items = append(items, map[string]any{"metadata": map[string]any{"name": name}})
	}
	answer(w, map[string]any{"kind": "ThingList", "apiVersion": s.group + "/v1", "metadata": map[string]any{}, "items": items})
}

// echo switches to a protocol that sends back what it gets.
func (s *sample) echo(w http.ResponseWriter, r *http.Request) {
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(buf, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nX-Who: %s\r\n\r\n", r.Header.Get("Upgrade"), r.Header.Get("X-Remote-User"))
	buf.Flush()
	for {
		line, err := buf.ReadString('\n')
		if err != nil {
			return
		}
		buf.WriteString(line)
		buf.Flush()
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) //nolint:errcheck // the test sees what is missing
}

// set changes the sample while it serves.
func (s *sample) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// service is the Service before the sample: a name outside of the cluster, since
// no endpoint may be on loopback.
func service(name string) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"type": "ExternalName", "externalName": "localhost"}}
}

func apiService(group string, change map[string]any) map[string]any {
	spec := map[string]any{"group": group, "version": "v1", "groupPriorityMinimum": 500, "versionPriority": 10}
	for k, v := range change {
		spec[k] = v
	}
	return map[string]any{"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": map[string]any{"name": "v1." + group}, "spec": spec}
}

func at(name string, port int) map[string]any {
	return map[string]any{"namespace": "demo", "name": name, "port": port}
}

// awaits waits until f gives what is wanted.
func awaits(t *testing.T, want string, f func() string) {
	t.Helper()
	got := ""
	for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if got = f(); got == want {
			return
		}
	}
	t.Fatalf("want %s, got %s", want, got)
}

// availability is the condition of an APIService in one line.
func availability(s *apitest.Server, group string) func() string {
	return func() string {
		var obj struct {
			Status struct {
				Conditions []struct{ Type, Status, Reason, Message string }
			}
		}
		s.Admin().Get(services + "/v1." + group).Must(200).Into(&obj)
		for _, c := range obj.Status.Conditions {
			return fmt.Sprintf("%s %s %s: %s", c.Type, c.Status, c.Reason, c.Message)
		}
		return ""
	}
}

const passed = "Available True Passed: all checks passed"

// start starts a server with the sample behind it.
func start(t *testing.T, samples ...*sample) *apitest.Server {
	t.Helper()
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "alice", Groups: []string{"system:masters", "crew"}}}})
	s.Admin().Post("/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": "demo"}}).Must(201)
	s.Admin().Post("/api/v1/namespaces/demo/services", service("ext")).Must(201)
	for _, a := range samples {
		s.Admin().Post(services, apiService(a.group, map[string]any{"service": at("ext", a.port), "caBundle": a.ca})).Must(201)
		awaits(t, passed, availability(s, a.group))
	}
	return s
}
