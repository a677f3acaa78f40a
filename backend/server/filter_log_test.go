package server

import (
	"context"
	"flag"
	"strings"
	"testing"

	"pilothouse/backend/request"

	"github.com/go-logr/logr/funcr"
	"k8s.io/klog/v2"
)

type logged map[string]string

func (h logged) Get(name string) string { return h[name] }
func (h logged) Values(string) []string { return nil }
func (h logged) Each(f func(k, v string)) {
	for k, v := range h {
		f(k, v)
	}
}

// What is logged at the higher levels, and what never is.
func TestLogHoldsNoSecrets(t *testing.T) {
	var out strings.Builder
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	klog.InitFlags(fs)
	if err := fs.Set("v", "8"); err != nil {
		t.Fatal(err)
	}
	klog.SetLogger(funcr.New(func(prefix, args string) { out.WriteString(args + "\n") }, funcr.Options{Verbosity: 10}))
	defer klog.ClearLogger()
	defer fs.Set("v", "0") //nolint:errcheck // it was set before
	contentType := "application/json"
	send := func(path, body, answer string) string {
		out.Reset()
		r := &request.Request{
			ID: "x", Method: "POST", Path: path, RawPath: path, RawQuery: "token=sesame", Body: []byte(body), Info: request.ParseInfo("POST", path, false, ""),
			Header: logged{"Authorization": "Bearer sesame", "Cookie": "session=sesame", "Accept": "text/plain", "Content-Type": contentType},
		}
		r.Annotate("authorization.k8s.io/decision", "allow")
		r.Annotate("authorization.k8s.io/reason", "RBAC: allowed by a binding")
		h := logRequests(func(context.Context, *request.Request) (*request.Response, error) {
			return &request.Response{Body: []byte(answer)}, nil
		})
		if _, err := h(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "sesame") {
			t.Errorf("%s: a secret is logged: %s", path, out.String())
		}
		return out.String()
	}
	if text := send("/api/v1/namespaces/a/pods", `{"a":1}`, `{"b":2}`); !strings.Contains(text, "text/plain") || !strings.Contains(text, `{\"a\":1}`) || !strings.Contains(text, `{\"b\":2}`) {
		t.Error(text)
	}
	if text := send("/api/v1/namespaces/a/pods", "", ""); !strings.Contains(text, "HTTP decision") || !strings.Contains(text, "RBAC: allowed by a binding") {
		t.Errorf("why it was allowed is not logged: %s", text)
	}
	contentType = "application/vnd.kubernetes.protobuf"
	raw := "k8s\x00\n\x0f\n\x02v1\x12\tConfigMap\x12\x12\n\x10\n\x04name\x12\x00\x1a\x00\"\x00*\x002\x00"
	if text := send("/api/v1/namespaces/a/configmaps", raw, ""); !strings.Contains(text, "name") || !strings.Contains(text, "ConfigMap") || strings.Contains(text, `\x00`) || strings.Contains(text, `\n\x0f`) {
		t.Errorf("protobuf is not logged as JSON: %s", text)
	}
	if text := send("/api/v1/namespaces/a/configmaps", "k8s\x00\xff\xff", ""); !strings.Contains(text, "6 bytes of application/vnd.kubernetes.protobuf") {
		t.Error(text)
	}
	contentType = "application/json"
	send("/api/v1/namespaces/a/secrets", `{"data":"sesame"}`, `{"data":"sesame"}`)
	send("/apis/authentication.k8s.io/v1/tokenreviews", `{"token":"sesame"}`, "")
	send("/api/v1/namespaces/a/serviceaccounts/b/token", "", `{"token":"sesame"}`)
	send("/login", "token=sesame", "")
	if text := send("/api/v1/namespaces/a/pods", strings.Repeat("x", 5000), ""); !strings.Contains(text, "TRUNCATED") || len(text) > 3000 {
		t.Error(len(text))
	}
}

// morsels is a stream of morsels.
type morsels []string

func (p morsels) Len() int64 { return int64(len(strings.Join(p, ""))) }
func (p morsels) WriteTo(w request.Writer) error {
	for i, s := range p {
		var err error
		if i%2 == 0 {
			_, err = w.WriteString(s)
		} else {
			_, err = w.Write([]byte(s))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Streams are logged like other bodies, at -v=8 only, and never of Secrets.
func TestStreamsAreLogged(t *testing.T) {
	var out strings.Builder
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	klog.InitFlags(fs)
	klog.SetLogger(funcr.New(func(prefix, args string) { out.WriteString(args + "\n") }, funcr.Options{Verbosity: 10}))
	defer klog.ClearLogger()
	defer fs.Set("v", "0") //nolint:errcheck // it was set before
	list := func(v, path string, body ...string) (string, request.Stream) {
		t.Helper()
		if err := fs.Set("v", v); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		r := &request.Request{ID: "x", Method: "GET", Path: path, RawPath: path, Info: request.ParseInfo("GET", path, false, ""), Header: logged{}}
		p, err := logRequests(func(context.Context, *request.Request) (*request.Response, error) {
			return &request.Response{ContentType: "application/json", Stream: morsels(body)}, nil
		})(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		var written strings.Builder
		if err := p.Stream.WriteTo(&written); err != nil || written.String() != strings.Join(body, "") || p.Stream.Len() != int64(written.Len()) {
			t.Errorf("%v: the client got %d bytes of %d", err, written.Len(), p.Stream.Len())
		}
		return out.String(), p.Stream
	}
	const pods, secrets = "/api/v1/namespaces/a/pods", "/api/v1/namespaces/a/secrets"
	if text, _ := list("8", pods, `{"items":[`, `{"a":1}`, `,{"b":2}`, `]}`); !strings.Contains(text, `{\"items\":[{\"a\":1},{\"b\":2}]}`) {
		t.Error(text)
	}
	if text, _ := list("8", pods, strings.Repeat("x", 1000), strings.Repeat("y", 5000)); !strings.Contains(text, "xy") || !strings.Contains(text, "...TRUNCATED") || len(text) > 3000 {
		t.Error(len(text))
	}
	if text, s := list("8", secrets, `{"items":["sesame"]}`); strings.Contains(text, "sesame") || !isMorsels(s) {
		t.Errorf("a secret is logged: %s", text)
	}
	if text, s := list("7", pods, `{"items":[]}`); strings.Contains(text, "items") || !isMorsels(s) {
		t.Errorf("below 8 a stream is touched: %s", text)
	}
}

func isMorsels(s request.Stream) bool { _, ok := s.(morsels); return ok }
