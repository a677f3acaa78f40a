package pages

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/client"
	fields "pilothouse/backend/diff"
	"pilothouse/backend/life"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// requestChoices are the tabs of the page of requests.
var requestChoices = []struct {
	what string
	text messages.Text
}{
	{"writes", "Writes"}, {"refused", "Refused"}, {"failed", "Failed"}, {"slow", "Slow"}, {"notable", "All notable"}, {"all", "All"},
}

// requestQuery is what the API is asked for what the page is asked for.
func requestQuery(q url.Values) url.Values {
	what := cmp.Or(q.Get("what"), "writes")
	if what == "all" {
		what = ""
	}
	return with(nil, "what", what, "q", q.Get("q"), "user", q.Get("user"))
}

// requests is the page of what the server remembers.
func requests(ctx context.Context, c *Call) (*Answer, error) {
	v := view.Requests{NoAudit: !c.mayGo(ctx, "/ui/audit"), What: cmp.Or(c.Query.Get("what"), "writes"), Query: c.Query.Get("q"), User: c.Query.Get("user")}
	for _, one := range requestChoices {
		v.Choices = append(v.Choices, view.Choice{Text: one.text, Href: join("/ui/requests", with(c.Query, "what", one.what)), Current: one.what == v.What})
	}
	q := requestQuery(c.Query)
	var list life.List
	path, err := c.mineOr(ctx, life.Path, life.MinePath, q, &list)
	if err != nil {
		return nil, err
	}
	v.Mine = path == life.MinePath
	v.Command, v.Curl = c.rawCommands(path, q)
	for i := range list.Requests {
		v.Rows = append(v.Rows, c.requestRow(&list.Requests[i]))
	}
	return &Answer{Title: c.T("Requests"), Body: tmpl.Requests(v), Crumbs: []view.Link{{Text: c.T("Requests")}}}, nil
}

// mineOr reads path, or the one for one's own when that is forbidden, and tells
// which it was.
func (c *Call) mineOr(ctx context.Context, path, mine string, q url.Values, into any) (string, error) {
	for _, p := range []string{path, mine} {
		raw, err := c.Client.Bytes(ctx, client.Call{Method: http.MethodGet, Path: p, Query: q})
		if apierrors.IsForbidden(err) && p == path {
			continue
		}
		if err != nil {
			return p, err
		}
		return p, json.Unmarshal(raw, into)
	}
	return mine, nil
}

func (c *Call) requestRow(r *life.View) view.RequestRow {
	row := view.RequestRow{
		ID: r.AuditID, Href: requestPath(r.AuditID), Time: r.Received.UTC().Format(time.RFC3339Nano), Verb: r.Verb,
		Took: micros(r.Micros), Open: r.Open,
	}
	row.Code, row.Tone = answerOf(r.Code, r.Reason)
	switch {
	case r.Open:
		row.Took, row.Note = c.T("open"), "stream"
	case r.DryRun:
		row.Note = "dry run"
	case r.Slow:
		row.Note = "slow"
	}
	if r.User != nil {
		row.User = r.User.Name
	}
	if r.As != nil {
		row.As = r.As.Name
	}
	name := r.Name
	if name == "" && len(r.Written) == 1 {
		_, name, _ = strings.Cut("/"+r.Written[0].Key, "/")
		name = name[strings.LastIndexByte(name, '/')+1:]
	}
	c.about(&row, r.URI, audited{r.Group, r.Version, r.Kind, r.Subresource, r.Namespace, name})
	return row
}

// audited is what a request was about.
type audited struct{ group, version, resource, subresource, namespace, name string }

// about says in a row what a request was about, and leads there.
func (c *Call) about(row *view.RequestRow, uri string, a audited) {
	row.Object, row.URI = uri, uri
	if a.resource == "" {
		return
	}
	what := strings.TrimSuffix(a.resource+"."+a.group, ".")
	if a.subresource != "" {
		what += "/" + a.subresource
	}
	switch {
	case a.name != "" && a.namespace != "" && a.resource != "namespaces":
		row.Object = what + " " + a.namespace + "/" + a.name
	case a.name != "":
		row.Object = what + " " + a.name
	case a.namespace != "":
		row.Object = c.T("%s in %s", what, a.namespace)
	default:
		row.Object = what
	}
	if a.name != "" {
		row.ObjectTo = c.pageOf(a.group, a.version, a.resource, a.namespace, a.name)
	}
}

func requestPath(id string) string { return "/ui/requests/" + url.PathEscape(id) }

// pageOf is the page of an object, empty when there is none.
func (c *Call) pageOf(group, version, resource, namespace, name string) string {
	if version == "" {
		version = c.versionOf(group, resource)
	}
	e, ok := c.Types().Lookup(group, version, resource)
	if !ok || !can(e, "get") {
		return ""
	}
	if !e.Resource.Namespaced {
		namespace = ""
	}
	return objectPath(schema.GroupVersionResource{Group: group, Version: version, Resource: resource}, namespace, name)
}

func (c *Call) versionOf(group, resource string) string {
	if e := preferred(c.Types(), schema.GroupResource{Group: group, Resource: resource}); e != nil {
		return e.Version.Name
	}
	return ""
}

// answerOf is a status code in words, with how good it is.
func answerOf(code int, reason string) (text, tone string) {
	text = strconv.Itoa(code)
	if reason == "" {
		reason = http.StatusText(code)
	}
	if reason != "" {
		text += " " + reason
	}
	switch {
	case code >= 500:
		return text, "bad"
	case code >= 400:
		return text, "warn"
	}
	return text, "good"
}

// micros is a time that a request took.
func micros(n int64) string {
	switch d := time.Duration(n) * time.Microsecond; {
	case d < time.Millisecond:
		return strconv.FormatInt(n, 10) + " µs"
	case d < time.Second:
		return strconv.FormatFloat(float64(n)/1000, 'f', 1, 64) + " ms"
	default:
		return d.Round(10 * time.Millisecond).String()
	}
}

// lifeOf is the page of one request.
func lifeOf(ctx context.Context, c *Call) (*Answer, error) {
	id := strings.TrimPrefix(c.R.Path, "/ui/requests/")
	if id == "" {
		return requests(ctx, c)
	}
	var r life.View
	_, err := c.mineOr(ctx, life.Path+"/"+id, life.MinePath+"/"+id, nil, &r)
	if apierrors.IsNotFound(err) {
		return c.recordedLife(ctx, id, err)
	}
	if err != nil {
		return nil, err
	}
	v := view.Life{
		ID: id, Title: r.Verb + " " + r.URI, Took: micros(r.Micros), Message: r.Message, Warnings: r.Warnings, Trace: r.Trace,
		Command: "pilothouse why " + shellQuote(id), Curl: c.curlGet(life.Path+"/"+id, nil),
	}
	v.Answer, v.Tone = answerOf(r.Code, r.Reason)
	for _, cause := range r.Causes {
		v.Causes = append(v.Causes, view.Cause{Field: cause.Field, Message: cause.Message})
	}
	v.Facts = c.lifeFacts(&r)
	for _, w := range r.Written {
		v.Written = append(v.Written, c.writtenLink(w))
	}
	if r.MoreWritten > 0 {
		v.Written = append(v.Written, view.Link{Text: c.T("and %d more", r.MoreWritten)})
	}
	v.Access, v.Undetailed = c.accessStory(&r), r.Undetailed
	v.Bar, v.Stages = stages(r.Stages, r.Micros)
	for _, k := range sortedKeys(r.Annotations) {
		v.Notes = append(v.Notes, view.Param{Name: k, Value: r.Annotations[k]})
	}
	c.journalled(ctx, &v, &r)
	return c.lifeAnswer(v), nil
}

func (c *Call) lifeAnswer(v view.Life) *Answer {
	return &Answer{Title: v.Title, Body: tmpl.Life(v), Crumbs: []view.Link{{Text: c.T("Requests"), Href: "/ui/requests"}, {Text: v.ID, Data: true}}}
}

func (c *Call) lifeFacts(r *life.View) []view.Fact {
	fact := func(name messages.Text, text string) view.Fact {
		return view.Fact{Name: name, Cell: view.Cell{Text: text}}
	}
	facts := []view.Fact{fact("When", c.Exact(r.Received.UTC()))}
	if r.User != nil {
		facts = append(facts, fact("Who", r.User.Name), fact("Groups", strings.Join(r.User.Groups, ", ")))
	} else {
		facts = append(facts, fact("Who", c.T("nobody that the server knows")))
	}
	if r.As != nil {
		facts = append(facts, fact("Acting as", r.As.Name+" ("+strings.Join(r.As.Groups, ", ")+")"))
	}
	known := r.Authenticator
	if known == "" && r.User != nil {
		known = c.T("the server itself, or a session of the dashboard")
	}
	if known != "" {
		facts = append(facts, fact("Known by", known))
	}
	facts = append(facts, fact("From", r.From), fact("With", cmp.Or(r.Agent, c.T("no user agent"))), fact("Audit id", r.AuditID))
	if r.DryRun {
		facts = append(facts, fact("Dry run", c.T("nothing was to be written")))
	}
	if r.Open {
		facts = append(facts, fact("Stream", c.T("still open")))
	}
	return facts
}

// writtenLink leads from a commit to the object's history.
func (c *Call) writtenLink(w life.Written) view.Link {
	text := c.T("%s %s at %s", w.Resource, w.Key, strconv.FormatInt(w.Revision, 10))
	if w.Delete {
		text = c.T("%s %s at %s (deleted)", w.Resource, w.Key, strconv.FormatInt(w.Revision, 10))
	}
	gr := schema.ParseGroupResource(w.Resource)
	namespace, name, ok := strings.Cut(w.Key, "/")
	if !ok {
		namespace, name = "", w.Key
	}
	href := c.pageOf(gr.Group, "", gr.Resource, namespace, name)
	if href != "" {
		href += "?tab=history"
	}
	return view.Link{Text: text, Href: href}
}

// accessStory is why a request was allowed, or what it would have needed.
func (c *Call) accessStory(r *life.View) *view.AccessStory {
	a := r.Authorization
	if a == nil {
		return nil
	}
	s := &view.AccessStory{Allowed: a.Decision == "allow", Reason: a.Reason}
	if s.Allowed && s.Reason == "" {
		s.Reason = c.T("members of system:masters may do everything")
	}
	rule := a.Rule
	if !s.Allowed {
		rule = a.Needed
		for i, name := range a.Roles {
			if i == 12 {
				s.Roles = append(s.Roles, view.Link{Text: c.T("and %d more", len(a.Roles)-i), Href: "/ui/apis/rbac.authorization.k8s.io/v1/clusterroles"})
				break
			}
			s.Roles = append(s.Roles, roleNamed(name))
		}
		if r.Kind != "" {
			resource := r.Kind
			if r.Group != "" {
				resource += "." + r.Group
			}
			if r.Subresource != "" {
				resource += "/" + r.Subresource
			}
			s.WhoCan = join("/ui/whocan", with(nil, "verb", r.Verb, "resource", resource, "ns", r.Namespace))
		}
	}
	if a.Binding != "" {
		s.Facts = append(s.Facts, view.Fact{Name: "Binding", Cell: rbacCell(a.Binding)})
	}
	if a.Role != "" {
		s.Facts = append(s.Facts, view.Fact{Name: "Role", Cell: view.Cell{Text: a.Role}})
	}
	if rule != nil {
		if text, err := yaml.Marshal(rule); err == nil {
			s.Rule = string(text)
		}
	}
	if a.Changed {
		s.Note = "Roles or bindings have changed since: this is what would allow it now."
	}
	return s
}

const rbacPath = "/ui/apis/rbac.authorization.k8s.io/v1/"

func roleNamed(name string) view.Link {
	if namespace, role, ok := strings.Cut(name, "/"); ok {
		return view.Link{Text: name, Href: rbacPath + "namespaces/" + url.PathEscape(namespace) + "/roles/" + url.PathEscape(role)}
	}
	return view.Link{Text: name, Href: rbacPath + "clusterroles/" + url.PathEscape(name)}
}

func rbacCell(text string) view.Cell {
	kind, name, _ := strings.Cut(text, " ")
	if kind == "ClusterRoleBinding" {
		return view.Cell{Text: text, Href: rbacPath + "clusterrolebindings/" + url.PathEscape(name)}
	}
	namespace, name, _ := strings.Cut(name, "/")
	return view.Cell{Text: text, Href: rbacPath + "namespaces/" + url.PathEscape(namespace) + "/rolebindings/" + url.PathEscape(name)}
}

// stageColours is how many colours the bar has.
const stageColours = 12

// stages gives the bar and the rows of a request's steps.
func stages(list []life.StageView, total int64) (bar []view.StagePart, rows []view.StageRow) {
	total = max(total, 1)
	for i, s := range list {
		colour := i % stageColours
		at := min(s.Began*1000/total, 999)
		bar = append(bar, view.StagePart{Name: s.Name, Took: micros(s.Micros), At: int(at), Wide: int(min(max(s.Micros*1000/total, 1), 1000-at)), Class: colour})
		rows = append(rows, stageRows(&s, 0, colour)...)
	}
	return bar, rows
}

func stageRows(s *life.StageView, depth, colour int) []view.StageRow {
	rows := []view.StageRow{{
		Name: s.Name, Detail: s.Detail, Took: micros(s.Micros), Began: micros(s.Began), Depth: depth, Class: colour, Error: s.Error, Changes: fieldChanges(s.Changes, 40),
	}}
	for i := range s.Parts {
		rows = append(rows, stageRows(&s.Parts[i], min(depth+1, 2), colour)...)
	}
	return rows
}

// fieldChanges shows the first changes of a list.
func fieldChanges(list []fields.Change, most int) []view.FieldChange {
	var out []view.FieldChange
	for i := range list {
		if i == most {
			break
		}
		c := &list[i]
		out = append(out, view.FieldChange{Sign: c.Sign(), Path: c.Path, Before: shorten(string(c.Before), 400), After: shorten(string(c.After), 400)})
	}
	return out
}
