package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// plainHeader is the header of a request that no network has seen.
type plainHeader http.Header

func (h plainHeader) Get(name string) string      { return http.Header(h).Get(name) }
func (h plainHeader) Values(name string) []string { return http.Header(h).Values(name) }
func (h plainHeader) Each(f func(name, value string)) {
	for name, values := range h {
		for _, v := range values {
			f(name, v)
		}
	}
}

func ask(method, uri string, headers ...string) *request.Request {
	u, err := url.Parse(uri)
	if err != nil {
		panic(err)
	}
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return &request.Request{Method: method, Path: u.Path, RawPath: u.EscapedPath(), RawQuery: u.RawQuery, Header: plainHeader(h), Received: time.Now()}
}

func filtered(h request.Handler, change ...func(*FilterOptions)) request.Handler {
	o := FilterOptions{Authenticator: authn.Anonymous(), Authorizer: authz.AlwaysAllow(), RequestTimeout: time.Minute}
	for _, f := range change {
		f(&o)
	}
	return Chain(h, Filters(o)...)
}

func answer(t *testing.T, h request.Handler, r *request.Request) (*request.Response, *metav1.Status) {
	t.Helper()
	p, err := h(context.Background(), r)
	must(t, err)
	status := &metav1.Status{}
	if strings.HasPrefix(p.ContentType, typeJSON) {
		must(t, json.Unmarshal(p.Body, status))
	}
	return p, status
}

func failing(err error) request.Handler {
	return func(context.Context, *request.Request) (*request.Response, error) { return nil, err }
}

func TestErrorsBecomeStatuses(t *testing.T) {
	check := func(err error, code int32, reason metav1.StatusReason, message string) {
		t.Helper()
		p, s := answer(t, filtered(failing(err)), ask("GET", "/x", "Audit-ID", "id-1"))
		if s.Code != code || int(code) != p.Status || s.Reason != reason || s.Message != message || s.Kind != "Status" || s.APIVersion != "v1" || s.Status != "Failure" {
			t.Errorf("%v: %d %+v", err, p.Status, s)
		}
	}
	check(apierrors.NewBadRequest("no"), 400, "BadRequest", "no")
	check(errors.Join(errors.New("s3cret"), apierrors.NewGone("old")), 410, "Gone", "old")
	check(&apierrors.StatusError{ErrStatus: metav1.Status{Message: "odd"}}, 500, "", "odd")
	check(errors.New("s3cret"), 500, "InternalError", "Internal error occurred: the server's log tells more under id-1")
	check(context.DeadlineExceeded, 504, "Timeout", "Timeout: request did not complete within the allotted timeout")
	check(context.Canceled, 503, "ServiceUnavailable", "the server is shutting down")
}

func TestErrorsComeInTheFormThatIsAccepted(t *testing.T) {
	check := func(accept, contentType string, decode func(body []byte) (*metav1.Status, error)) {
		t.Helper()
		p, _ := answer(t, filtered(failing(apierrors.NewBadRequest("no"))), ask("GET", "/x", "Accept", accept))
		if p.ContentType != contentType {
			t.Errorf("%s: %s", accept, p.ContentType)
			return
		}
		if s, err := decode(p.Body); err != nil || s.Message != "no" || s.Code != 400 {
			t.Errorf("%s: %v %+v", accept, err, s)
		}
	}
	fromJSON := func(b []byte) (*metav1.Status, error) { s := &metav1.Status{}; return s, json.Unmarshal(b, s) }
	fromYAML := func(b []byte) (*metav1.Status, error) { s := &metav1.Status{}; return s, yaml.Unmarshal(b, s) }
	fromProtobuf := func(b []byte) (*metav1.Status, error) {
		var u runtime.Unknown
		if len(b) < 4 || string(b[:4]) != "k8s\x00" {
			return nil, errors.New("no magic number")
		}
		if err := u.Unmarshal(b[4:]); err != nil {
			return nil, err
		}
		s := &metav1.Status{}
		return s, s.Unmarshal(u.Raw)
	}
	check("", typeJSON, fromJSON)
	check("text/event-stream", typeJSON, fromJSON)
	check("application/yaml", typeYAML, fromYAML)
	check("application/vnd.kubernetes.protobuf,application/json", typeProtobuf, fromProtobuf)
	check("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", typeJSON, fromJSON)
}

func TestInfoOfQueries(t *testing.T) {
	var got request.Info
	h := filtered(func(_ context.Context, r *request.Request) (*request.Response, error) { got = r.Info; return nil, nil })
	check := func(method, uri, verb, name string) {
		t.Helper()
		answer(t, h, ask(method, uri))
		if got.Verb != verb || got.Name != name {
			t.Errorf("%s %s: %s %q, want %s %q", method, uri, got.Verb, got.Name, verb, name)
		}
	}
	const pods = "/api/v1/namespaces/a/pods"
	check("GET", pods, "list", "")
	check("GET", pods+"?watch", "watch", "")
	check("GET", pods+"?watch=", "watch", "")
	check("GET", pods+"?watch=true", "watch", "")
	check("GET", pods+"?watch=perhaps", "watch", "")
	check("GET", pods+"?watch=0", "list", "")
	check("GET", pods+"?watch=False", "list", "")
	check("GET", pods+"?watch=false&watch=true", "list", "")
	check("GET", pods+"?fieldSelector=metadata.name%3Dweb", "list", "web")
	check("GET", pods+"?watch=1&fieldSelector=spec.nodeName%3Dn,metadata.name%3Dweb", "watch", "web")
	check("GET", pods+"?fieldSelector=metadata.name!%3Dweb", "list", "")
	check("GET", pods+"?fieldSelector=metadata.name%3Da%2Fb", "list", "")
	check("GET", pods+"?fieldSelector=%3D%3D%3D", "list", "")
	check("GET", pods+"/web?watch=true", "get", "web")
	check("POST", pods+"?watch=true", "create", "")
	check("DELETE", pods+"?fieldSelector=metadata.name%3Dweb", "deletecollection", "")
	check("GET", "/api/v1/watch/namespaces/a/pods?fieldSelector=metadata.name%3Dweb", "watch", "")
	check("GET", "/healthz?watch=1", "get", "")
}

func TestTimeouts(t *testing.T) {
	var end time.Time
	var has bool
	h := filtered(func(ctx context.Context, r *request.Request) (*request.Response, error) {
		end, has = ctx.Deadline()
		return nil, nil
	})
	check := func(uri string, want time.Duration) {
		t.Helper()
		r := ask("GET", uri)
		answer(t, h, r)
		if has != (want > 0) || has && !end.Equal(r.Received.Add(want)) {
			t.Errorf("%s: %v %v, want %v", uri, has, end.Sub(r.Received), want)
		}
	}
	check("/api/v1/pods", time.Minute)
	check("/api/v1/pods?timeout=10s", 10*time.Second)
	check("/api/v1/pods?timeout=0", time.Minute)
	check("/api/v1/pods?timeout=-1s", time.Minute)
	check("/api/v1/pods?timeout=2h", time.Minute)
	check("/api/v1/pods?watch=1", 0)
	check("/api/v1/namespaces/a/pods/b/log", 0)
	p, s := answer(t, h, ask("GET", "/api/v1/pods?timeout=soon"))
	if p.Status != 400 || s.Message != `invalid timeout specified in the request URL - time: invalid duration "soon"` {
		t.Errorf("%+v", s)
	}
}

func TestRequestThatTakesTooLong(t *testing.T) {
	h := filtered(func(ctx context.Context, r *request.Request) (*request.Response, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, func(o *FilterOptions) { o.RequestTimeout = 10 * time.Millisecond })
	if p, s := answer(t, h, ask("GET", "/api/v1/pods")); p.Status != 504 || s.Reason != metav1.StatusReasonTimeout {
		t.Errorf("%+v", s)
	}
}

func TestRequestsAboveTheLimitAreRefused(t *testing.T) {
	entered, release := make(chan struct{}, 10), make(chan struct{})
	master := &request.User{Name: "root", Groups: []string{request.GroupMasters}}
	h := filtered(func(ctx context.Context, r *request.Request) (*request.Response, error) {
		entered <- struct{}{}
		<-release
		return nil, nil
	}, func(o *FilterOptions) { o.MaxInFlight, o.MaxMutatingInFlight = 2, 1 })
	done := make(chan struct{}, 10)
	begin := func(r *request.Request) {
		go func() { h(context.Background(), r); done <- struct{}{} }()
		<-entered
	}
	begin(ask("GET", "/api/v1/pods"))
	begin(ask("GET", "/api/v1/pods"))
	begin(ask("POST", "/api/v1/pods"))
	for _, method := range []string{"GET", "PUT"} {
		p, s := answer(t, h, ask(method, "/api/v1/namespaces/a/pods/b"))
		retry := ""
		for _, l := range p.Header {
			if l.Name == "Retry-After" {
				retry = l.Value
			}
		}
		if p.Status != 429 || retry != "1" || s.Message != "Too many requests, please try again later." {
			t.Errorf("%s: %+v %v", method, s, p.Header)
		}
	}
	begin(ask("GET", "/api/v1/pods?watch=1"))
	r := ask("GET", "/api/v1/pods")
	r.User = master
	begin(r)
	close(release)
	for range 5 {
		<-done
	}
	if p, _ := answer(t, h, ask("GET", "/api/v1/pods")); p.Status >= 400 {
		t.Errorf("after the others have ended: %d", p.Status)
	}
}

func TestWhoIsRefused(t *testing.T) {
	tokens := authn.TokenFunc(func(_ context.Context, token string) (*request.User, error) {
		if token == "good" {
			return &request.User{Name: "alice"}, nil
		}
		return nil, nil
	})
	h := filtered(text("in"), func(o *FilterOptions) {
		o.Authenticator = authn.OrElse(authn.WithGroups(authn.Bearer(tokens)), authn.Anonymous())
		o.Authorizer = authz.Union(authz.Masters(), authz.Func(func(_ context.Context, a *authz.Attributes) (authz.Decision, string, error) {
			if a.Path == "/healthz" || a.User.InGroup(request.GroupAuthenticated) && !a.IsResource {
				return authz.Allow, "", nil
			}
			return authz.NoOpinion, "", nil
		}))
	})
	check := func(code int, message, uri string, headers ...string) {
		t.Helper()
		p, err := h(context.Background(), ask("GET", uri, headers...))
		must(t, err)
		status := &metav1.Status{}
		json.Unmarshal(p.Body, status)
		if statusOf(p) != code || status.Message != message {
			t.Errorf("%s %v: %d %s", uri, headers, statusOf(p), p.Body)
		}
	}
	check(200, "", "/healthz")
	check(200, "", "/apis/apps/v1", "Authorization", "Bearer good")
	check(403, `forbidden: User "system:anonymous" cannot get path "/apis/apps/v1"`, "/apis/apps/v1")
	check(401, "Unauthorized", "/healthz", "Authorization", "Bearer bad")
	check(403, `pods is forbidden: User "alice" cannot list resource "pods" in API group "" at the cluster scope`,
		"/api/v1/pods", "Authorization", "bearer good more words")
	check(403, `deployments.apps "web" is forbidden: User "alice" cannot get resource "deployments/status" in API group "apps" in the namespace "x"`,
		"/apis/apps/v1/namespaces/x/deployments/web/status", "Authorization", "Bearer good")
}

func TestSecretsAreMaskedInLogs(t *testing.T) {
	check := func(uri, want string) {
		t.Helper()
		r := ask("GET", "/")
		r.RawPath, r.RawQuery, _ = strings.Cut(uri, "?")
		if got := MaskedURI(r); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
	check("/a", "/a")
	check("/a?watch=1&access_token=s3cret", "/a?watch=1&access_token=masked")
	check("/a?Access_Token=s3cret&b", "/a?Access_Token=masked&b")
	check("/a?%74oken=s3cret", "/a?%74oken=masked")
	check("/a?%zz=s3cret", "/a?%zz=masked")
	check("/login?login=s3cret", "/login?login=masked")
}

func TestOverTheNetworkIdentityIsCheckedOncePerConnection(t *testing.T) {
	asked := 0
	f := start(t, echo, func(o *fixtureOptions) {
		inner := o.Authenticator
		o.Authenticator = authn.Func(func(ctx context.Context, r *request.Request) (*request.User, error) {
			user, err := inner.Authenticate(ctx, r)
			if r.Conn.Remembered() != nil {
				asked++
			}
			return user, err
		})
	})
	client := f.client()
	for range 3 {
		resp, err := client.Get(f.url + "/")
		must(t, err)
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if asked != 3 {
		t.Errorf("the connection remembered its certificate %d times of 3", asked)
	}
}
