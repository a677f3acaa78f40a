package pages

import (
	"errors"
	"net/http"
	"strings"

	"pilothouse/backend/client"
	"pilothouse/web/messages"
	"pilothouse/web/unseen"
	"pilothouse/web/view"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fault makes of an error what a page says about it. What is no API error is
// told by id only; ok is false for it, and it is to be logged.
func (c *Call) Fault(err error) (f *view.Fault, ok bool) {
	var api apierrors.APIStatus
	if !errors.As(err, &api) {
		if isQuery(err) {
			return &view.Fault{Title: c.T("This is not valid"), Message: unseen.Text(c.Problem(err)), Code: http.StatusBadRequest, Reason: "BadRequest"}, true
		}
		if text, ok := c.Language.Problem(err); ok {
			return &view.Fault{Title: c.T("The server refused"), Message: text, Code: http.StatusBadRequest, Reason: "BadRequest"}, true
		}
		return &view.Fault{
			Title: c.T("Something went wrong"), Message: c.T("The server's log tells more."), Code: http.StatusInternalServerError,
			Reason: "InternalError", AuditID: c.R.ID,
		}, false
	}
	s := api.Status()
	f = &view.Fault{Title: c.T(title(&s)), Message: unseen.Text(s.Message), Reason: string(s.Reason), Code: int(s.Code)}
	if asked, ok := errors.AsType[*client.Refused](err); ok {
		f.AuditID = asked.AuditID // of the request to the API, which the audit log knows
	}
	if again(f.Code) {
		if s.Details != nil {
			f.After = min(int(s.Details.RetryAfterSeconds), mostAfter)
		}
		if c.R.Method == http.MethodGet && c.R.Path != "/ui/live" {
			f.Again = c.URL()
		}
	}
	if own, ok := errors.AsType[*refusal](err); ok {
		f.Message = c.Language.Error(own.text)
	}
	if s.Details != nil {
		for _, cause := range s.Details.Causes {
			f.Causes = append(f.Causes, view.Cause{Field: cause.Field, Message: cause.Message})
		}
	}
	if s.Reason == metav1.StatusReasonForbidden {
		c.explain(f, s.Message)
	}
	return f, true
}

// mostAfter bounds, in seconds, the wait that a page counts down.
const mostAfter = 60

// again tells answers that may be another one a moment later.
func again(code int) bool {
	return code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= http.StatusInternalServerError
}

func title(s *metav1.Status) messages.Text {
	switch s.Reason {
	case metav1.StatusReasonForbidden:
		return "You may not do this"
	case metav1.StatusReasonNotFound:
		return "Not found"
	case metav1.StatusReasonUnauthorized:
		return "You are not logged in"
	case metav1.StatusReasonConflict:
		return "Someone else has changed it"
	case metav1.StatusReasonInvalid:
		return "This is not valid"
	case metav1.StatusReasonTooManyRequests:
		return "The server has too much to do"
	case metav1.StatusReasonServiceUnavailable, metav1.StatusReasonTimeout, metav1.StatusReasonServerTimeout:
		return "The server does not answer now"
	case metav1.StatusReasonAlreadyExists:
		return "It is there already"
	}
	if s.Code >= http.StatusInternalServerError {
		return "Something went wrong"
	}
	return "The server refused"
}

// explain tells what is missing and which rule would grant it. The message has
// the form that Kubernetes gives refusals: ... User "U" cannot VERB resource "R" in
// API group "G" in the namespace "N", or cannot VERB path "P".
func (c *Call) explain(f *view.Fault, message string) {
	before, rest, ok := strings.Cut(message, " cannot ")
	if !ok || c.Session == nil {
		return
	}
	who := c.User().Name
	if name, _ := quoted(before[max(0, strings.LastIndex(before, `User "`)):]); name != "" {
		who = name // before it the object may be named
	}
	if verb, path, ok := strings.Cut(rest, " path "); ok && !strings.Contains(verb, " ") {
		path, _ := quoted(path)
		f.Denied = deniedPath(who, verb, path)
		return
	}
	verb, rest, ok := strings.Cut(rest, " resource ")
	if !ok {
		return
	}
	resource, rest := quoted(rest)
	group, rest := quoted(rest)
	namespace, _ := quoted(rest)
	f.Denied = denied(who, verb, resource, group, namespace)
}

func quoted(s string) (text, rest string) {
	_, s, ok := strings.Cut(s, `"`)
	if !ok {
		return "", ""
	}
	text, rest, _ = strings.Cut(s, `"`)
	return text, rest
}
