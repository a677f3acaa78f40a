package webhook_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/webhook"
	"pilothouse/backend/authz"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources"
	"pilothouse/backend/storage/memory"
	calls "pilothouse/backend/webhook"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BenchmarkWebhook is what a mutating webhook that changes nothing costs a
// create of a pod: asked by the plugin, beside a bare client that sends the same
// bytes to the same webhook. What lies between is the overhead.
func BenchmarkWebhook(b *testing.B) {
	var sent []byte
	hook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var review struct {
			Request struct{ UID string }
		}
		if json.Unmarshal(body, &review) != nil {
			return
		}
		if sent == nil {
			sent = body
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,"allowed":true}}`, review.Request.UID)
	}))
	defer hook.Close()
	engine := memory.New()
	defer engine.Close()
	r, err := registry.New(registry.Options{Engine: engine})
	if err != nil {
		b.Fatal(err)
	}
	if err := r.Add(resources.All(&registry.Env{Clock: time.Now, Registry: r})...); err != nil {
		b.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	h := &hooks{Server: hook}
	ca, err := json.Marshal(h.ca())
	if err != nil {
		b.Fatal(err)
	}
	create(b, r, "", "namespaces", `{"metadata":{"name":"test"}}`)
	create(b, r, "admissionregistration.k8s.io", "mutatingwebhookconfigurations", `{"metadata":{"name":"a"},"webhooks":[{"name":"a.example.com","clientConfig":{"url":"`+hook.URL+`","caBundle":`+string(ca)+`},
		"rules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}],"sideEffects":"None","admissionReviewVersions":["v1"],"timeoutSeconds":30}]}`)
	clients := calls.New(nil)
	defer clients.Close()
	plugin := webhook.NewMutating(webhook.Options{Registry: r, Authorizer: authz.AlwaysAllow(), Clients: clients})
	e, ok := r.Table().Lookup("", "v1", "pods")
	if !ok {
		b.Fatal("no pods")
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "test", Labels: map[string]string{"app": "a"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a:1", Env: []corev1.EnvVar{{Name: "A", Value: "b"}}}}},
	}
	b.Run("asked by the plugin", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			err := plugin.Mutate(context.Background(), &admission.Attributes{
				Operation: admission.Create, User: &request.User{Name: "alice"}, Entry: e, Kind: e.GVK(), Resource: e.GVR(),
				Namespace: "test", Name: "a", Object: pod, Options: &metav1.CreateOptions{},
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(sent, &review); err != nil || review.Request.Name != "a" {
		b.Fatalf("the webhook was sent %s", sent)
	}
	roots := x509.NewCertPool()
	roots.AddCert(hook.Certificate())
	bare := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	defer bare.CloseIdleConnections()
	b.Run("asked by a bare client", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p, err := bare.Post(hook.URL, "application/json", bytes.NewReader(sent))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadAll(p.Body); err != nil {
				b.Fatal(err)
			}
			p.Body.Close()
		}
	})
}

func create(b *testing.B, r *registry.Registry, group, resource, object string) {
	b.Helper()
	e, ok := r.Table().Lookup(group, "v1", resource)
	if !ok {
		b.Fatalf("no %s", resource)
	}
	obj := e.Version.New()
	if err := json.Unmarshal([]byte(object), obj); err != nil {
		b.Fatal(err)
	}
	e.Version.Default(obj)
	if _, err := e.Store.Create(context.Background(), obj, registry.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
}
