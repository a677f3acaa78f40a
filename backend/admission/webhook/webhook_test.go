package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/apitest"

	admissionv1 "k8s.io/api/admission/v1"
)

const (
	group      = "/apis/admissionregistration.k8s.io/v1/"
	configMaps = "/api/v1/namespaces/test/configmaps"
	dry        = "?dryRun=All"
)

// hooks is a webhook server with an answer for every path.
type hooks struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]http.HandlerFunc
}

func newHooks(t *testing.T) *hooks {
	h := &hooks{answers: map[string]http.HandlerFunc{}}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		f := h.answers[r.URL.Path]
		h.mu.Unlock()
		if f == nil {
			http.NotFound(w, r)
			return
		}
		f(w, r)
	}))
	h.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

func (h *hooks) on(path string, f http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers[path] = f
}

// review answers a path with what f makes of a request.
func (h *hooks) review(path string, f func(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse) {
	h.on(path, func(w http.ResponseWriter, r *http.Request) {
		var in admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out := admissionv1.AdmissionReview{TypeMeta: in.TypeMeta, Response: f(in.Request)}
		if out.Response.UID == "" {
			out.Response.UID = in.Request.UID
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) //nolint:errcheck // the server says what is wrong
	})
}

func (h *hooks) ca() string {
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
}

type server struct {
	*apitest.Caller
	t *testing.T
	h *hooks
}

func start(t *testing.T) *server {
	s := &server{apitest.Start(t).Admin(), t, newHooks(t)}
	s.create("/api/v1/namespaces", `{apiVersion: v1, kind: Namespace, metadata: {name: test}}`)
	return s
}

func (s *server) sub(name string, f func(s *server)) {
	s.t.Run(name, func(t *testing.T) { f(&server{s.Caller, t, s.h}) })
}

func (s *server) create(path, yaml string) *apitest.Answer {
	s.t.Helper()
	return s.try(path, yaml).Must(201)
}

func (s *server) try(path, yaml string) *apitest.Answer {
	s.t.Helper()
	return s.Do("POST", path, yaml, "Content-Type", "application/yaml")
}

// webhook makes a configuration with one webhook, reached by URL unless more has
// another clientConfig.
func (s *server) webhook(kind, name, more string) {
	s.t.Helper()
	if !strings.Contains(more, "clientConfig") {
		more += fmt.Sprintf(", clientConfig: {url: '%s/%s', caBundle: %s}", s.h.URL, name, s.h.ca())
	}
	if !strings.Contains(more, "rules:") {
		more += `, rules: [{apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [configmaps]}]`
	}
	if !strings.Contains(more, "admissionReviewVersions") {
		more += ", admissionReviewVersions: [v1]"
	}
	if !strings.Contains(more, "sideEffects") {
		more += ", sideEffects: None"
	}
	path := group + strings.ToLower(kind) + "webhookconfigurations"
	s.create(path, fmt.Sprintf("{apiVersion: admissionregistration.k8s.io/v1, kind: %sWebhookConfiguration, metadata: {name: %s}, webhooks: [{name: %s.example.com%s}]}", kind, name, name, more))
	s.t.Cleanup(func() { s.Delete(path + "/" + name).Must(200) })
}

const one = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}"

func (s *server) refused(a *apitest.Answer, code int, words string) {
	s.t.Helper()
	if a.Code != code || !strings.Contains(a.Status().Message, words) {
		s.t.Errorf("got %d %.600s, want %d with %q", a.Code, a.Body, code, words)
	}
}

func yes(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Allowed: true}
}

func patching(patch string) func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	return func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		kind := admissionv1.PatchTypeJSONPatch
		return &admissionv1.AdmissionResponse{Allowed: true, Patch: []byte(patch), PatchType: &kind}
	}
}

func TestBadWebhooks(t *testing.T) {
	s := start(t)
	const called = `Internal error occurred: failed calling webhook "bad.example.com": `
	bad := func(name, words string, f http.HandlerFunc, more ...string) {
		settings := strings.Join(more, "")
		if !strings.Contains(settings, "timeoutSeconds") {
			settings += ", timeoutSeconds: 30"
		}
		s.sub(name, func(s *server) {
			s.h.on("/bad", f)
			s.webhook("Validating", "bad", settings)
			begin := time.Now()
			s.refused(s.try(configMaps+dry, one), 500, called+words)
			if took := time.Since(begin); took > time.Minute {
				s.t.Errorf("it took %v", took)
			}
			s.Patch(group+"validatingwebhookconfigurations/bad", `{"webhooks":null}`).Must(200)
		})
		s.sub(name+", ignored", func(s *server) {
			s.webhook("Validating", "bad", ", failurePolicy: Ignore"+settings)
			s.create(configMaps+dry, one)
		})
	}
	gone := make(chan struct{})
	defer close(gone)
	bad("hangs", `failed to call webhook: Post "`+s.h.URL+`/bad?timeout=1s": context deadline exceeded`, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-gone:
		}
	}, ", timeoutSeconds: 1")
	bad("crashes", "failed to call webhook: Post ", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	bad("garbage", "failed to call webhook: couldn't get version/kind; json parse error: ", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("no JSON")) })
	bad("nothing", "failed to call webhook: 0-length response", func(http.ResponseWriter, *http.Request) {})
	bad("another kind", "received invalid webhook response: webhook response was absent", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`))
	})
	bad("huge", "failed to call webhook: the answer is larger than", func(w http.ResponseWriter, _ *http.Request) {
		piece := []byte(strings.Repeat(" ", 1<<20))
		for range 20 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	bad("redirects", "failed to call webhook: the server responded with the status code 302", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	bad("an error", `failed to call webhook: an error on the server ("boom") has prevented the request from succeeding`, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "boom", http.StatusInternalServerError)
	})
	bad("nobody knows its certificate", `failed to call webhook: Post "`+s.h.URL+`/bad?timeout=30s": tls: failed to verify certificate: x509: certificate signed by unknown authority`, nil,
		", clientConfig: {url: '"+s.h.URL+"/bad'}")

	s.sub("wrong uid", func(s *server) {
		s.h.review("/uid", func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
			return &admissionv1.AdmissionResponse{UID: "other", Allowed: true}
		})
		s.webhook("Validating", "uid", "")
		a := s.try(configMaps+dry, one)
		s.refused(a, 500, `received invalid webhook response: expected response.uid="`)
	})
	s.sub("a patch that breaks the object", func(s *server) {
		s.h.review("/breaks", patching(`[{"op":"replace","path":"/data","value":7}]`))
		s.webhook("Mutating", "breaks", "")
		s.refused(s.try(configMaps+dry, "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {a: b}}"), 500, "cannot unmarshal number")
	})
	s.sub("a patch to nowhere", func(s *server) {
		s.h.review("/nowhere", patching(`[{"op":"remove","path":"/data/missing"}]`))
		s.webhook("Mutating", "nowhere", ", failurePolicy: Ignore")
		s.refused(s.try(configMaps+dry, one), 500, "remove operation does not apply: doc is missing path")
	})
	s.sub("a patch that grows without end", func(s *server) {
		patch := `[{"op":"add","path":"/data","value":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`
		for i := range 1000 {
			patch += `,{"op":"copy","from":"/data","path":"/metadata/annotations` + strconv.Itoa(i) + `"}`
		}
		s.h.review("/grows", patching(patch+"]"))
		s.webhook("Mutating", "grows", "")
		s.refused(s.try(configMaps+dry, one), 500, "Unable to complete the copy, the accumulated size increase of copy")
	})
}

func TestValidating(t *testing.T) {
	s := start(t)
	s.sub("says no", func(s *server) {
		s.h.review("/says-no", func(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
			a := &admissionv1.AdmissionResponse{Warnings: []string{"careful"}}
			if r.UserInfo.Username != "kubernetes-admin" && r.Operation != "CREATE" || r.DryRun == nil || !*r.DryRun || !strings.Contains(string(r.Options.Raw), `"kind":"CreateOptions"`) {
				a.Allowed = true
			}
			return a
		})
		s.webhook("Validating", "says-no", "")
		a := s.try(configMaps+dry, one)
		s.refused(a, 400, `admission webhook "says-no.example.com" denied the request without explanation`)
		if got := a.Header.Get("Warning"); got != `299 - "careful"` {
			s.t.Errorf("got %q", got)
		}
	})
	s.sub("all are asked at the same time", func(s *server) {
		var both sync.WaitGroup
		both.Add(2)
		together := func(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
			if *r.DryRun {
				both.Done()
				both.Wait()
			}
			return yes(r)
		}
		s.h.review("/first", together)
		s.h.review("/second", together)
		s.webhook("Validating", "first", "")
		s.webhook("Validating", "second", "")
		s.create(configMaps+dry, one)
	})
	s.sub("another version of the resource", func(s *server) {
		s.h.review("/old", func(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
			var o struct {
				APIVersion string
				Spec       struct{ TargetCPUUtilizationPercentage int }
			}
			_ = json.Unmarshal(r.Object.Raw, &o) //nolint:errcheck // seen below
			return &admissionv1.AdmissionResponse{Allowed: o.APIVersion == "autoscaling/v1" && o.Spec.TargetCPUUtilizationPercentage == 50 && r.RequestKind.Version == "v2"}
		})
		s.webhook("Validating", "old", ", rules: [{apiGroups: [autoscaling], apiVersions: [v1], operations: [CREATE], resources: [horizontalpodautoscalers]}]")
		s.create("/apis/autoscaling/v2/namespaces/test/horizontalpodautoscalers"+dry, `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: a, apiVersion: apps/v1},
			metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]}}`)
	})
	s.sub("behind a Service", func(s *server) {
		s.h.review("/checked", func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
			return &admissionv1.AdmissionResponse{}
		})
		_, port, _ := strings.Cut(strings.TrimPrefix(s.h.URL, "https://"), ":")
		s.create("/api/v1/namespaces/test/services", `{apiVersion: v1, kind: Service, metadata: {name: hook}, spec: {selector: {app: hook}, ports: [{name: https, port: 443}]}}`)
		s.create("/apis/discovery.k8s.io/v1/namespaces/test/endpointslices", `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: hook-1, labels: {kubernetes.io/service-name: hook}}, addressType: IPv4, ports: [{name: https, port: `+port+`}], endpoints: [{addresses: [192.0.2.1], conditions: {ready: false}}, {addresses: [192.0.2.2], conditions: {ready: false}}]}`)
		s.webhook("Validating", "service", ", timeoutSeconds: 30, clientConfig: {service: {namespace: test, name: hook, path: /checked}, caBundle: "+s.h.ca()+"}")
		s.refused(s.try(configMaps+dry, one), 500, `Post "https://hook.test.svc:443/checked?timeout=30s": no endpoints available for service "hook"`)
		s.create("/api/v1/namespaces/test/services", `{apiVersion: v1, kind: Service, metadata: {name: elsewhere}, spec: {type: ExternalName, externalName: localhost}}`)
		s.webhook("Validating", "a-name", ", timeoutSeconds: 30, clientConfig: {service: {namespace: test, name: elsewhere, path: /checked, port: "+port+"}, caBundle: "+s.h.ca()+"}")
		// The server is reached; its certificate is for another name.
		s.refused(s.try(configMaps+dry, one), 500, "tls: failed to verify certificate: x509: certificate is valid for example.com, *.example.com, not elsewhere.test.svc")
	})
	s.sub("the old version of reviews", func(s *server) {
		s.h.on("/v1beta1", func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) //nolint:errcheck // a short body fails below
			allowed := strings.Contains(string(body), `"apiVersion":"admission.k8s.io/v1beta1"`)
			fmt.Fprintf(w, `{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","response":{"allowed":%v}}`, allowed)
		})
		s.webhook("Validating", "v1beta1", ", admissionReviewVersions: [v9, v1beta1, v1]")
		s.create(configMaps+dry, one)
	})
	s.sub("conditions that fail", func(s *server) {
		s.webhook("Validating", "conditions", `, matchConditions: [{name: a, expression: "object.data.missing == 'x'"}]`)
		s.refused(s.try(configMaps+dry, one), 403, `configmaps "one" is forbidden: expression 'object.data.missing == 'x'' resulted in error: no such key: data`)
	})
	s.sub("deletes", func(s *server) {
		s.h.review("/deletes", func(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
			return &admissionv1.AdmissionResponse{Allowed: !(r.Operation == "DELETE" && len(r.OldObject.Raw) > 10 && len(r.Object.Raw) == 0)}
		})
		s.create(configMaps, "{apiVersion: v1, kind: ConfigMap, metadata: {name: kept}}")
		s.webhook("Validating", "deletes", "")
		s.refused(s.Delete(configMaps+"/kept"), 400, `admission webhook "deletes.example.com" denied the request`)
	})
}

func TestMutating(t *testing.T) {
	s := start(t)
	s.sub("in the order of names, and again", func(s *server) {
		var mu sync.Mutex
		var seen []string
		note := func(name string, next func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse) func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
			return func(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
				mu.Lock()
				defer mu.Unlock()
				if *r.DryRun { // others write config maps too, in earnest
					seen = append(seen, name)
				}
				return next(r)
			}
		}
		s.h.review("/b", note("b", patching(`[{"op":"add","path":"/data","value":{"b":"x"}}]`)))
		s.h.review("/a", note("a", yes))
		s.h.review("/c", note("c", yes))
		s.webhook("Mutating", "b", "")
		s.webhook("Mutating", "c", ", reinvocationPolicy: IfNeeded")
		s.webhook("Mutating", "a", ", reinvocationPolicy: IfNeeded")
		a := s.create(configMaps+dry, one)
		if got := strings.Join(seen, ""); got != "abca" || !strings.Contains(string(a.Body), `"data":{"b":"x"}`) {
			s.t.Errorf("called %q, got %s", got, a.Body)
		}
	})
	s.sub("an object is not moved", func(s *server) {
		s.create("/api/v1/namespaces", "{apiVersion: v1, kind: Namespace, metadata: {name: elsewhere}}")
		s.h.review("/f", patching(`[{"op":"replace","path":"/metadata/namespace","value":"elsewhere"}]`))
		s.webhook("Mutating", "f", ", objectSelector: {matchLabels: {move: me}}")
		moved := "{apiVersion: v1, kind: ConfigMap, metadata: {name: moved, labels: {move: me}}}"
		s.refused(s.try(configMaps, moved), 400, "the namespace of the provided object does not match the namespace sent on the request")
		s.Get(configMaps + "/moved").Must(404)
		s.Get("/api/v1/namespaces/elsewhere/configmaps/moved").Must(404)
	})
	s.sub("a change that another webhook's selector sees", func(s *server) {
		s.h.review("/d", patching(`[{"op":"add","path":"/metadata/labels","value":{"by":"d"}}]`))
		s.h.review("/e", patching(`[{"op":"add","path":"/metadata/labels/and","value":"e"}]`))
		s.webhook("Mutating", "d", "")
		s.webhook("Mutating", "e", ", objectSelector: {matchLabels: {by: d}}")
		a := s.create(configMaps+dry, one)
		if !strings.Contains(string(a.Body), `"labels":{"and":"e","by":"d"}`) {
			s.t.Errorf("got %s", a.Body)
		}
	})
	s.sub("in another version", func(s *server) {
		s.h.review("/hpa", patching(`[{"op":"replace","path":"/spec/targetCPUUtilizationPercentage","value":70}]`))
		s.webhook("Mutating", "hpa", ", rules: [{apiGroups: [autoscaling], apiVersions: [v1], operations: [CREATE], resources: [horizontalpodautoscalers]}]")
		a := s.create("/apis/autoscaling/v2/namespaces/test/horizontalpodautoscalers"+dry, `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: a, apiVersion: apps/v1},
			metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]}}`)
		if !strings.Contains(string(a.Body), `"averageUtilization":70`) {
			s.t.Errorf("got %s", a.Body)
		}
	})
	s.sub("a delete cannot be changed", func(s *server) {
		s.h.review("/del", patching(`[{"op":"remove","path":"/data"}]`))
		s.create(configMaps, "{apiVersion: v1, kind: ConfigMap, metadata: {name: kept}}")
		s.webhook("Mutating", "del", "")
		s.refused(s.Delete(configMaps+"/kept"), 500, `admission webhook "del.example.com" attempted to modify the object, which is not supported for this operation`)
	})
	s.sub("its own configurations are out of its reach", func(s *server) {
		s.webhook("Mutating", "all", `, rules: [{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"]}]`)
		s.refused(s.try(configMaps+dry, one), 500, "the server could not find the requested resource")
	})
}
