package life

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type headers map[string]string

func (h headers) Get(name string) string    { return h[name] }
func (h headers) Values(string) []string    { return nil }
func (h headers) Each(func(string, string)) {}
func ask(method, path, user string) *request.Request {
	return &request.Request{
		ID: "id-" + path, Method: method, Path: path, RawPath: path, Header: headers{"User-Agent": "test"}, RemoteAddr: "10.0.0.1:1", Received: time.Now(),
		User: &request.User{Name: user, Groups: []string{request.GroupAuthenticated}}, Info: request.ParseInfo(method, path, false, ""),
	}
}

func recorder(o Options) *Recorder {
	if o.Keep == 0 {
		o.Keep = 8
	}
	o.Masked = func(r *request.Request) string { return r.RawPath }
	o.Status = func(_ *request.Request, err error) *metav1.Status {
		return &metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: err.Error()}
	}
	return New(o)
}

func run(rec *Recorder, r *request.Request, h request.Handler) {
	rec.Filter(h)(context.Background(), r) //nolint:errcheck // the record tells
}

func fine(context.Context, *request.Request) (*request.Response, error) {
	return &request.Response{}, nil
}

func TestNewestAreKept(t *testing.T) {
	rec := recorder(Options{})
	for i := range 100 {
		run(rec, ask("GET", fmt.Sprintf("/api/v1/namespaces/a/pods/p%d", i), "ann"), fine)
	}
	run(rec, ask("DELETE", "/api/v1/namespaces/a/pods/p", "ann"), func(context.Context, *request.Request) (*request.Response, error) {
		return nil, errors.New("no")
	})
	all := rec.List(1000, func(*Record) bool { return true })
	if len(all) != 9 || all[0].Code != 403 || all[1].Info.Name != "p99" || all[8].Info.Name != "p92" {
		t.Errorf("%d %+v", len(all), all[0])
	}
	if rec.Find("id-/api/v1/namespaces/a/pods/p95") == nil || rec.Find("id-/api/v1/namespaces/a/pods/p1") != nil {
		t.Error("the wrong ones are found")
	}
}

// A flood of reads does not wash away what somebody will ask about.
func TestRefusalsOutliveReads(t *testing.T) {
	rec := recorder(Options{})
	run(rec, ask("GET", "/api/v1/secrets", "eve"), func(context.Context, *request.Request) (*request.Response, error) { return nil, errors.New("no") })
	for range 100 {
		run(rec, ask("GET", "/healthz", "ann"), fine)
	}
	if r := rec.Find("id-/api/v1/secrets"); r == nil || r.Status.Message != "no" {
		t.Errorf("%+v", r)
	}
}

func TestStreamsAreOpenUntilTheyEnd(t *testing.T) {
	rec := recorder(Options{})
	r := ask("GET", "/api/v1/pods", "ann")
	r.Info.Verb = "watch"
	p, err := rec.Filter(func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{Chunked: func(context.Context, request.ChunkWriter) error { return nil }}, nil
	})(context.Background(), r)
	if err != nil || !rec.Find(r.ID).Open {
		t.Fatal("not open")
	}
	if err := p.Chunked(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if list := rec.List(9, func(*Record) bool { return true }); rec.Find(r.ID).Open || len(list) != 1 || list[0].Open {
		t.Error("still open")
	}
}

func TestStepsNest(t *testing.T) {
	ms := time.Millisecond
	marks := []request.Mark{
		{Name: "Authenticated", At: 1 * ms},
		{Name: "webhook a", At: 5 * ms, Depth: 2, More: &request.More{Began: 2 * ms}},
		{Name: "webhook b", At: 9 * ms, Depth: 2, More: &request.More{Began: 5 * ms, Error: "denied"}},
		{Name: "Webhooks", At: 10 * ms, Depth: 1},
		{Name: "Mutating admission", At: 11 * ms},
	}
	var out []string
	var show func(steps []Step, indent string)
	show = func(steps []Step, indent string) {
		for _, s := range steps {
			out = append(out, fmt.Sprintf("%s%s %v+%v%s", indent, s.Name, s.Began, s.Took, s.Error))
			show(s.Parts, indent+" ")
		}
	}
	show(Steps(marks, 20*ms), "")
	want := "Authenticated 0s+1ms|Mutating admission 2ms+9ms| Webhooks 2ms+8ms|  webhook a 2ms+3ms|  webhook b 5ms+4msdenied|Answered 11ms+9ms"
	if got := strings.Join(out, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTraceOfASlowRequest(t *testing.T) {
	r := &Record{
		ID: "x", URI: "/api/v1/namespaces/a/pods", Info: request.ParseInfo("POST", "/api/v1/namespaces/a/pods", false, ""), Code: 201, Took: 20 * time.Millisecond,
		Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), User: &request.User{Name: "ann"}, From: "10.0.0.1:1", Agent: "kubectl",
		Marks: []request.Mark{
			{Name: "Body decoded", At: 5 * time.Millisecond},
			{Name: "LimitRanger", At: 9 * time.Millisecond, Depth: 1},
			{Name: "Mutating admission", At: 10 * time.Millisecond},
			{Name: "Object stored in database", At: 20 * time.Millisecond},
		},
	}
	want := `Trace[7]: "Create" audit-id:x,client:10.0.0.1:1,user:ann,user-agent:kubectl,url:/api/v1/namespaces/a/pods,resource:pods,code:201 (02-Jan-2026 03:04:05.000) (total time: 20ms):
Trace[7]: ---"Body decoded" 5ms (03:04:05.005)
Trace[7]: ["Mutating admission" 5ms (03:04:05.005)
Trace[7]:  ---"LimitRanger" 4ms (03:04:05.009)]
Trace[7]: ---"Object stored in database" 10ms (03:04:05.020)
Trace[7]: [20ms] [20ms] END`
	if got := r.Trace(7); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestServe(t *testing.T) {
	var ended []*Record
	rec := recorder(Options{Ended: func(r *Record) { ended = append(ended, r) }})
	run(rec, ask("GET", "/api/v1/namespaces/a/pods/p", "ann"), fine)
	run(rec, ask("POST", "/api/v1/namespaces/a/pods", "bob"), func(_ context.Context, r *request.Request) (*request.Response, error) {
		r.Wrote(request.Written{Resource: "pods", Key: "a/q", Revision: 7})
		return &request.Response{Status: 201}, nil
	})
	if len(ended) != 2 {
		t.Errorf("told of %d", len(ended))
	}
	h := rec.Serve(func(*Record) *Access { return &Access{Decision: "allow"} }, nil)
	get := func(user, path string, query url.Values) (string, error) {
		r := ask("GET", path, user)
		r.RawQuery = query.Encode()
		p, err := h(context.Background(), r)
		if err != nil {
			return "", err
		}
		return string(p.Body), nil
	}
	list := func(user, path string, query url.Values, want ...string) {
		t.Helper()
		text, err := get(user, path, query)
		var l List
		if err != nil || json.Unmarshal([]byte(text), &l) != nil {
			t.Fatal(err, text)
		}
		var got []string
		for _, v := range l.Requests {
			got = append(got, v.Verb+" "+v.User.Name)
		}
		if strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("%s %v: %v, want %v", path, query, got, want)
		}
	}
	list("root", Path, nil, "create bob", "get ann")
	list("root", Path, url.Values{"what": {"writes"}}, "create bob")
	list("root", Path, url.Values{"user": {"ann"}}, "get ann")
	list("root", Path, url.Values{"q": {"pods/p"}}, "get ann")
	list("root", Path, url.Values{"limit": {"1"}}, "create bob")
	list("root", Path, url.Values{"since": {time.Now().Add(time.Hour).Format(time.RFC3339)}})
	list("ann", MinePath, nil, "get ann")
	if text, err := get("bob", MinePath+"/id-/api/v1/namespaces/a/pods", nil); err != nil || !strings.Contains(text, `"resourceVersion":7`) || !strings.Contains(text, `"decision":"allow"`) {
		t.Error(text, err)
	}
	if text, err := get("ann", MinePath+"/id-/api/v1/namespaces/a/pods", nil); err == nil {
		t.Error("another's request is shown", text)
	}
	for _, bad := range []url.Values{{"limit": {"0"}}, {"limit": {"x"}}, {"since": {"yesterday"}}, {"what": {"all"}}} {
		if _, err := get("root", Path, bad); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestAllowOwn(t *testing.T) {
	f := func(path, verb, group string, want authz.Decision) {
		t.Helper()
		a := authz.Attributes{User: &request.User{Name: "u", Groups: []string{group}}, Verb: verb, Path: path}
		if got, _, err := AllowOwn().Authorize(context.Background(), &a); got != want || err != nil {
			t.Errorf("%s %s as %s: %v %v", verb, path, group, got, err)
		}
	}
	f(MinePath, "get", request.GroupAuthenticated, authz.Allow)
	f(MinePath+"/x", "get", request.GroupAuthenticated, authz.Allow)
	f(MinePath, "get", request.GroupUnauthenticated, authz.NoOpinion)
	f(MinePath, "put", request.GroupAuthenticated, authz.NoOpinion)
	f(MinePath+"x", "get", request.GroupAuthenticated, authz.NoOpinion)
	f(Path, "get", request.GroupAuthenticated, authz.NoOpinion)
}

// What following a request costs: the filter, six stages, two writes of
// annotations and the ring.
func BenchmarkRing(b *testing.B) {
	rec := recorder(Options{Keep: 1024, Slow: time.Minute})
	h := rec.Filter(func(_ context.Context, r *request.Request) (*request.Response, error) {
		for _, stage := range []string{"Authenticated", "Authorized", "Body decoded", "Object validated", "Object encoded", "Object stored in database"} {
			r.Mark(stage)
		}
		r.KnownBy("token file")
		r.Wrote(request.Written{Resource: "pods", Key: "a/q", Revision: 7})
		return &request.Response{}, nil
	})
	one := ask("POST", "/api/v1/namespaces/default/pods", "ann")
	one.Annotate("authorization.k8s.io/decision", "allow")
	one.Annotate("authorization.k8s.io/reason", "RBAC: allowed")
	b.ReportAllocs()
	for b.Loop() {
		one.Received = time.Now()
		if _, err := h(context.Background(), one); err != nil {
			b.Fatal(err)
		}
	}
}
