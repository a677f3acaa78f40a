package pages

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/request"
	"pilothouse/web/session"
	"pilothouse/web/view"
)

func TestPatchesForKubectl(t *testing.T) {
	f := func(path, kind, query, want string) {
		t.Helper()
		q, _ := url.ParseQuery(query)
		if got := kubectlRaw(client.Call{Method: http.MethodPatch, Path: path, Query: q, ContentType: kind, Body: []byte(`{"a":1}`)}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("/api/v1/namespaces/shop/configmaps/c", "application/merge-patch+json", "dryRun=All", `kubectl patch configmaps.v1 c -n shop --type=merge -p '{"a":1}' --dry-run=server`)
	f("/apis/apps/v1/namespaces/shop/deployments/d/scale", "application/json-patch+json", "", `kubectl patch deployments.v1.apps d -n shop --subresource=scale --type=json -p '{"a":1}'`)
	f("/api/v1/nodes/n", "application/strategic-merge-patch+json", "", `kubectl patch nodes.v1 n --type=strategic -p '{"a":1}'`)
	f("/api/v1/nodes/n", "application/apply-patch+yaml", "fieldManager=me&force=true", `kubectl apply --server-side -f - --field-manager=me --force-conflicts`)
	f("/version", "application/merge-patch+json", "", "")
}

func TestWhatIsTooLargeToBeKeptIsAskedForAgain(t *testing.T) {
	c := &Call{Site: &Site{Answers: NewAnswers(time.Now)}, Session: &session.Session{ID: "ann"}, R: &request.Request{Header: noHeader{}}}
	show := func(method string, size int) view.TryResult {
		var r view.TryResult
		call := client.Call{Method: method, Path: "/api/v1/pods", Query: url.Values{"limit": {"5"}}, Accept: "text/plain"}
		c.show(&r, call, &request.Response{ContentType: "text/plain", Body: make([]byte, size)})
		return r
	}
	if r := show(http.MethodGet, 100); r.Download != "" || r.Cut != "" {
		t.Errorf("a small answer is cut: %q", r.Cut)
	}
	if r := show(http.MethodGet, maxShown+1); r.Whole == "" || r.Download != r.Whole+"?download=1" {
		t.Errorf("a large answer is downloaded at %q", r.Download)
	}
	if r := show(http.MethodGet, maxAnswer+1); r.Whole != "" || r.Download != answersPath+"again?accept=text%2Fplain&path=%2Fapi%2Fv1%2Fpods&query=limit%3D5" {
		t.Errorf("an answer beyond the bound is downloaded at %q", r.Download)
	}
	if r := show(http.MethodPost, maxAnswer+1); r.Download != "" || !strings.Contains(r.Cut, "33,554,433") {
		t.Errorf("what has an effect is done again at %q; %q", r.Download, r.Cut)
	}
}

type noHeader struct{}

func (noHeader) Get(string) string         { return "" }
func (noHeader) Values(string) []string    { return nil }
func (noHeader) Each(func(string, string)) {}
