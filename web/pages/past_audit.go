package pages

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/audit"
	"pilothouse/backend/client"
	"pilothouse/backend/life"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// auditPath is where the API has the journal.
const auditPath = "/debug/audit"

// auditFields are the fields of the page's filter, by the API's names.
var auditFields = []view.Field{
	{Name: "user", Label: "User"}, {Name: "verb", Label: "Verb", Hint: "delete"}, {Name: "resource", Label: "Resource", Hint: "pods, jobs.batch"},
	{Name: "namespace", Label: "Namespace"}, {Name: "name", Label: "Name"}, {Name: "since", Label: "time\x04From", Hint: "14:00, 15m"}, {Name: "until", Label: "time\x04To", Hint: "now"},
	{Name: "code", Label: "Status", Hint: "409, 4xx"}, {Name: "q", Label: "Contains"},
}

const auditRows = 300

// auditOf is the page of all that the journal has about an object, empty for users
// who may not read it.
func (c *Call) auditOf(ctx context.Context, a address) string {
	if !c.mayGo(ctx, "/ui/audit") {
		return ""
	}
	return join("/ui/audit", with(nil, "resource", a.gvr.GroupResource().String(), "namespace", a.namespace, "name", a.name))
}

// auditQuery is what the API is asked for what the page is asked for, with the
// fields of the page's filter.
func auditQuery(page url.Values, now time.Time) (q url.Values, fields []view.Field, problem error) {
	for _, f := range auditFields {
		f.Value = strings.TrimSpace(page.Get(f.Name))
		fields = append(fields, f)
		value := f.Value
		if (f.Name == "since" || f.Name == "until") && value != "" {
			at, err := moment(value, now)
			if err != nil {
				problem = err
			}
			value = at.Format(time.RFC3339)
		}
		switch f.Name {
		case "code":
			if value = strings.ToLower(value); value != "" && !audit.IsCode(value) {
				problem = messages.Errorf("%q is no status: write a code such as 409, or a class such as 4xx", value)
			}
		case "resource":
			gr := schema.ParseGroupResource(value)
			value = gr.Resource
			q = with(q, "group", gr.Group)
		}
		q = with(q, f.Name, value)
	}
	if page.Get("refused") == "true" {
		q = with(q, "refused", "true")
	}
	return q, fields, problem
}

// auditPage asks the journal.
func auditPage(ctx context.Context, c *Call) (*Answer, error) {
	v := view.AuditPage{Refused: c.Query.Get("refused") == "true"}
	q, fields, problem := auditQuery(c.Query, c.Clock())
	v.Fields = fields
	q = with(q, "limit", strconv.Itoa(auditRows+1))
	v.Command, v.Curl = c.rawCommands(auditPath, q)
	answer := &Answer{Title: c.T("Audit"), Crumbs: []view.Link{{Text: c.T("Audit")}}}
	if problem != nil {
		v.Problem, answer.Status = c.Problem(problem), http.StatusBadRequest
		answer.Body = tmpl.Audit(v)
		return answer, nil
	}
	entries, err := c.audit(ctx, q)
	if err != nil {
		return nil, err
	}
	room := listedBodies
	for i := range entries {
		if v.More = i == auditRows; v.More {
			break
		}
		row := c.auditRow(&entries[i])
		row.Bodies, room = listedAuditBodies(&entries[i], room)
		v.Rows = append(v.Rows, row)
	}
	answer.Body = tmpl.Audit(v)
	return answer, nil
}

func (c *Call) audit(ctx context.Context, q url.Values) ([]audit.Entry, error) {
	raw, err := c.Client.Bytes(ctx, client.Call{Method: http.MethodGet, Path: auditPath, Query: q})
	if err != nil {
		return nil, err
	}
	var list struct {
		Events []audit.Entry `json:"events"`
	}
	return list.Events, json.Unmarshal(raw, &list)
}

func (c *Call) auditRow(e *audit.Entry) view.RequestRow {
	row := view.RequestRow{
		ID: string(e.AuditID), Href: requestPath(string(e.AuditID)), Time: e.RequestReceivedTimestamp.UTC().Format(time.RFC3339Nano),
		User: e.User.Username, Verb: e.Verb,
		Took: micros(e.StageTimestamp.Sub(e.RequestReceivedTimestamp.Time).Microseconds()),
	}
	if row.User == "" {
		row.User = c.T("(nobody known)")
	}
	if e.ImpersonatedUser != nil {
		row.As = e.ImpersonatedUser.Username
	}
	if s := e.ResponseStatus; s != nil {
		row.Code, row.Tone = answerOf(int(s.Code), string(s.Reason))
	}
	var a audited
	if ref := e.ObjectRef; ref != nil {
		a = audited{ref.APIGroup, ref.APIVersion, ref.Resource, ref.Subresource, ref.Namespace, ref.Name}
	}
	c.about(&row, e.RequestURI, a)
	return row
}

// journalled adds to the page of a request that memory knows what the audit
// policy has recorded of it; for whoever may see that.
func (c *Call) journalled(ctx context.Context, v *view.Life, r *life.View) {
	q := with(nil, "id", v.ID, "limit", "1", "since", r.Received.Add(-time.Second).UTC().Format(time.RFC3339Nano))
	entries, err := c.audit(ctx, q)
	if err != nil || len(entries) == 0 {
		return
	}
	v.Level, v.Bodies = string(entries[0].Level), auditBodies(&entries[0], wholeBody)
}

// recordedLife is the page of a request that only the journal knows; missing is
// the error when it does not either.
func (c *Call) recordedLife(ctx context.Context, id string, missing error) (*Answer, error) {
	entries, err := c.audit(ctx, url.Values{"id": {id}})
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || err == nil && len(entries) == 0 {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	e := &entries[0]
	fact := func(name messages.Text, text string) view.Fact {
		return view.Fact{Name: name, Cell: view.Cell{Text: text}}
	}
	v := view.Life{
		ID: id, Title: e.Verb + " " + e.RequestURI, Recorded: true, Took: micros(e.StageTimestamp.Sub(e.RequestReceivedTimestamp.Time).Microseconds()),
		Command: "kubectl get --raw " + shellQuote(auditPath+"?id="+id), Curl: c.curlGet(auditPath, url.Values{"id": {id}}),
		Facts: []view.Fact{
			fact("When", c.Exact(e.RequestReceivedTimestamp.UTC())), fact("Who", e.User.Username),
			fact("Groups", strings.Join(e.User.Groups, ", ")), fact("From", strings.Join(e.SourceIPs, ", ")), fact("With", e.UserAgent), fact("Audit id", id),
		},
	}
	if s := e.ResponseStatus; s != nil {
		v.Answer, v.Tone = answerOf(int(s.Code), string(s.Reason))
		v.Message = s.Message
	}
	if e.ImpersonatedUser != nil {
		v.Facts = append(v.Facts, fact("Acting as", e.ImpersonatedUser.Username))
	}
	for _, revision := range e.Written {
		v.Written = append(v.Written, view.Link{Text: c.T("version %s", strconv.FormatInt(revision, 10))})
	}
	for _, k := range sortedKeys(e.Annotations) {
		v.Notes = append(v.Notes, view.Param{Name: k, Value: e.Annotations[k]})
	}
	v.Level, v.Bodies = string(e.Level), auditBodies(e, wholeBody)
	return c.lifeAnswer(v), nil
}
