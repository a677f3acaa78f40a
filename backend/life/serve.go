package life

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The paths of the API. Whoever may get Path sees all requests, everybody who is
// known their own at MinePath.
const (
	Path     = "/debug/requests"
	MinePath = Path + "/mine"
)

const (
	usualLimit = 200
	maxLimit   = 5000
)

// Handles tells the paths that Serve answers.
func Handles(path string) bool { return path == Path || strings.HasPrefix(path, Path+"/") }

// Paths are the paths for a list of them.
func Paths() []string { return []string{Path, MinePath} }

// AllowOwn lets everybody who is known see their own requests.
func AllowOwn() authz.Authorizer {
	return authz.Func(func(_ context.Context, a *authz.Attributes) (authz.Decision, string, error) {
		if !a.IsResource && a.Verb == "get" && (a.Path == MinePath || strings.HasPrefix(a.Path, MinePath+"/")) && a.User.InGroup(request.GroupAuthenticated) {
			return authz.Allow, "everybody may see their own requests", nil
		}
		return authz.NoOpinion, "", nil
	})
}

// Elsewhere tells which other servers may remember a request, by their addresses:
// sure tells that it is the one that took it.
type Elsewhere func(ctx context.Context, id string) (servers []string, sure bool)

// Serve gives the handler of the API; explain tells why a request was allowed or
// not. elsewhere is nil for a server that is alone.
func (rec *Recorder) Serve(explain func(*Record) *Access, elsewhere Elsewhere) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return nil, &apierrors.StatusError{ErrStatus: metav1.Status{
				Status: metav1.StatusFailure, Code: http.StatusMethodNotAllowed, Reason: metav1.StatusReasonMethodNotAllowed, Message: "requests can only be read",
			}}
		}
		rest, mine := strings.CutPrefix(r.Path, MinePath)
		if !mine {
			rest = strings.TrimPrefix(r.Path, Path)
		}
		own := func(one *Record) bool { return !mine || one.By(r.User) }
		if id := strings.Trim(rest, "/"); id != "" {
			one := rec.Find(id)
			if one == nil || !own(one) {
				if elsewhere == nil {
					return nil, notRemembered(id, nil, false)
				}
				servers, sure := elsewhere(ctx, id)
				return nil, notRemembered(id, servers, sure)
			}
			return answer(full(one, explain))
		}
		q, err := parseQuestion(r.Query())
		if err != nil {
			return nil, err
		}
		list := List{Requests: []View{}}
		for _, one := range rec.List(q.limit, func(one *Record) bool { return own(one) && q.fits(one) }) {
			list.Requests = append(list.Requests, summary(one))
		}
		return answer(list)
	}
}

// CauseServer is the type of the causes that name the servers that may remember a
// request.
const CauseServer metav1.CauseType = "OtherServer"

func notRemembered(id string, servers []string, sure bool) error {
	status := metav1.Status{Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound}
	switch {
	case sure:
		status.Message = fmt.Sprintf("request %q went through the server at %s, which keeps its newest in memory: ask that one", id, strings.Join(servers, ", "))
	case len(servers) > 0:
		status.Message = fmt.Sprintf("request %q is not remembered: each server keeps its newest in memory; it may have gone through %s", id, strings.Join(servers, " or "))
	default:
		status.Message = fmt.Sprintf("request %q is not remembered: the server keeps the newest in memory", id)
	}
	if len(servers) > 0 {
		status.Details = &metav1.StatusDetails{}
		for _, server := range servers {
			status.Details.Causes = append(status.Details.Causes, metav1.StatusCause{Type: CauseServer, Field: "server", Message: server})
		}
	}
	return &apierrors.StatusError{ErrStatus: status}
}

func answer(v any) (*request.Response, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &request.Response{ContentType: "application/json", Body: append(body, '\n')}, nil
}

// question selects requests.
type question struct {
	verb, user, resource, namespace, name, text string
	what                                        string
	since                                       time.Time
	limit                                       int
}

func parseQuestion(q url.Values) (*question, error) {
	out := &question{
		verb: q.Get("verb"), user: q.Get("user"), resource: q.Get("resource"), namespace: q.Get("namespace"), name: q.Get("name"),
		text: strings.ToLower(q.Get("q")), what: q.Get("what"), limit: usualLimit,
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("limit must be between 1 and %d", maxLimit))
		}
		out.limit = n
	}
	if text := q.Get("since"); text != "" {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, apierrors.NewBadRequest("since must be a time as in RFC 3339")
		}
		out.since = at
	}
	switch out.what {
	case "", "slow", "refused", "failed", "writes", "notable":
	default:
		return nil, apierrors.NewBadRequest("what must be slow, refused, failed, writes or notable")
	}
	return out, nil
}

func (q *question) fits(r *Record) bool {
	i := &r.Info
	same := func(want, have string) bool { return want == "" || want == have }
	if !same(q.verb, i.Verb) || !same(q.resource, i.Resource) || !same(q.namespace, i.Namespace) || !same(q.name, i.Name) ||
		!r.Received.After(q.since) || q.user != "" && !r.By(&request.User{Name: q.user}) {
		return false
	}
	if q.text != "" && !strings.Contains(strings.ToLower(r.URI+" "+i.Verb+" "+nameOf(r.User)+" "+nameOf(r.Impersonator)+" "+r.ID+" "+r.Agent), q.text) {
		return false
	}
	switch q.what {
	case "slow":
		return r.Slow
	case "refused":
		return r.Code == http.StatusUnauthorized || r.Code == http.StatusForbidden
	case "failed":
		return r.Code >= 500
	case "writes":
		return i.Mutating()
	case "notable":
		return r.Slow || r.refused()
	}
	return true
}

func nameOf(u *request.User) string {
	if u == nil {
		return ""
	}
	return u.Name
}
