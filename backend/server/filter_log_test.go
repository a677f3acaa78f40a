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
	send := func(path, body, answer string) string {
		out.Reset()
		r := &request.Request{
			ID: "x", Method: "POST", Path: path, RawPath: path, RawQuery: "token=sesame", Body: []byte(body), Info: request.ParseInfo("POST", path, false, ""),
			Header: logged{"Authorization": "Bearer sesame", "Cookie": "session=sesame", "Accept": "text/plain"},
		}
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
	send("/api/v1/namespaces/a/secrets", `{"data":"sesame"}`, `{"data":"sesame"}`)
	send("/apis/authentication.k8s.io/v1/tokenreviews", `{"token":"sesame"}`, "")
	send("/api/v1/namespaces/a/serviceaccounts/b/token", "", `{"token":"sesame"}`)
	send("/login", "token=sesame", "")
	if text := send("/api/v1/namespaces/a/pods", strings.Repeat("x", 5000), ""); !strings.Contains(text, "TRUNCATED") || len(text) > 3000 {
		t.Error(len(text))
	}
}
