package life

import (
	"time"

	"pilothouse/backend/diff"
	"pilothouse/backend/request"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// View is a request as /debug/requests shows it. A list leaves out the fields
// from Annotations on.
type View struct {
	AuditID  string `json:"auditID"`
	Method   string `json:"method"`
	URI      string `json:"requestURI"`
	Verb     string `json:"verb"`
	Resource `json:",inline"`

	User          *UserView `json:"user,omitempty"`
	As            *UserView `json:"impersonatedUser,omitempty"`
	Authenticator string    `json:"authenticator,omitempty"`
	From          string    `json:"sourceIP,omitempty"`
	Agent         string    `json:"userAgent,omitempty"`
	Received      time.Time `json:"received"`
	Micros        int64     `json:"micros"`
	Code          int       `json:"code"`
	Reason        string    `json:"reason,omitempty"`
	Message       string    `json:"message,omitempty"`
	Open          bool      `json:"open,omitempty"`
	Slow          bool      `json:"slow,omitempty"`
	DryRun        bool      `json:"dryRun,omitempty"`
	Written       []Written `json:"written,omitempty"`
	MoreWritten   int       `json:"moreWritten,omitempty"`

	Annotations   map[string]string    `json:"annotations,omitempty"`
	Undetailed    bool                 `json:"undetailed,omitempty"`
	Warnings      []string             `json:"warnings,omitempty"`
	Causes        []metav1.StatusCause `json:"causes,omitempty"`
	Authorization *Access              `json:"authorization,omitempty"`
	Stages        []StageView          `json:"stages,omitempty"`
	Trace         string               `json:"trace,omitempty"`
}

// Resource is what a request is about.
type Resource struct {
	Group       string `json:"group,omitempty"`
	Version     string `json:"version,omitempty"`
	Kind        string `json:"resource,omitempty"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
}

// UserView is who somebody is.
type UserView struct {
	Name   string   `json:"username"`
	UID    string   `json:"uid,omitempty"`
	Groups []string `json:"groups,omitempty"`
}

// Written is one commit.
type Written struct {
	Resource string `json:"resource"`
	Key      string `json:"key"`
	Revision int64  `json:"resourceVersion"`
	Delete   bool   `json:"delete,omitempty"`
}

// StageView is a step and its parts.
type StageView struct {
	Name    string        `json:"name"`
	Began   int64         `json:"beganMicros"`
	Micros  int64         `json:"micros"`
	Detail  string        `json:"detail,omitempty"`
	Error   string        `json:"error,omitempty"`
	Changes []diff.Change `json:"changes,omitempty"`
	Parts   []StageView   `json:"parts,omitempty"`
}

// Access is why a request was allowed, or what it would have needed.
type Access struct {
	Decision string `json:"decision"`
	Reason   string `json:"reason,omitempty"`
	// Binding, Role and Rule are what allows the request now; Changed tells that
	// this is not what allowed it then.
	Binding string             `json:"binding,omitempty"`
	Role    string             `json:"role,omitempty"`
	Rule    *rbacv1.PolicyRule `json:"rule,omitempty"`
	Changed bool               `json:"changed,omitempty"`
	// Needed is the rule that would allow the request, Roles those that have
	// such a rule already.
	Needed *rbacv1.PolicyRule `json:"needed,omitempty"`
	Roles  []string           `json:"roles,omitempty"`
}

func viewUser(u *request.User) *UserView {
	if u == nil {
		return nil
	}
	return &UserView{u.Name, u.UID, u.Groups}
}

// summary is the view of a request in a list.
func summary(r *Record) View {
	i := &r.Info
	v := View{
		AuditID: r.ID, Method: r.Method, URI: r.URI, Verb: i.Verb, User: viewUser(r.User), Authenticator: r.Authenticator, From: r.From, Agent: r.Agent,
		Received: r.Received, Micros: r.Took.Microseconds(), Code: r.Code, Open: r.Open, Slow: r.Slow, DryRun: r.DryRun, MoreWritten: r.MoreWritten,
	}
	if r.Impersonator != nil {
		v.User, v.As = viewUser(r.Impersonator), viewUser(r.User)
	}
	if i.IsResource {
		v.Resource = Resource{i.Group, i.Version, i.Resource, i.Subresource, i.Namespace, i.Name}
	}
	if r.Status != nil {
		v.Reason, v.Message = string(r.Status.Reason), r.Status.Message
	}
	for _, w := range r.Written {
		v.Written = append(v.Written, Written(w))
	}
	return v
}

// full is all that is known of a request.
func full(r *Record, explain func(*Record) *Access) View {
	v := summary(r)
	v.Warnings, v.Undetailed = r.Warnings, r.Undetailed
	if r.Status != nil && r.Status.Details != nil {
		v.Causes = r.Status.Details.Causes
	}
	for i := 0; i+1 < len(r.Annotations); i += 2 {
		if v.Annotations == nil {
			v.Annotations = map[string]string{}
		}
		v.Annotations[r.Annotations[i]] = r.Annotations[i+1]
	}
	if explain != nil {
		v.Authorization = explain(r)
	}
	v.Stages = stageViews(Steps(r.Marks, r.Took))
	v.Trace = r.Trace(0)
	return v
}

func stageViews(steps []Step) []StageView {
	out := make([]StageView, 0, len(steps))
	for _, s := range steps {
		out = append(out, StageView{s.Name, s.Began.Microseconds(), s.Took.Microseconds(), s.Detail, s.Error, s.Changes, stageViews(s.Parts)})
	}
	return out
}

// List is the answer to a question for requests.
type List struct {
	Requests []View `json:"requests"`
}
