package pages

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/endpoints"
	"pilothouse/backend/history"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// shownChanges is how many fields of one write are shown.
const shownChanges = 25

// historyTab shows what became of an object.
func historyTab(ctx context.Context, c *Call, o *loaded, v *view.Object) (templ.Component, error) {
	h, err := c.history(ctx, o.address)
	if err != nil {
		return nil, err
	}
	t := c.historyOf(ctx, o.address, h, "update")
	if len(t.Versions) > 0 {
		t.Versions[0].Newest, t.Versions[0].Restorable = true, false
	}
	v.Command = "pilothouse history " + kubectlName(c.Types(), o.gvr) + "/" + shellQuote(o.name)
	if o.namespace != "" {
		v.Command += " -n " + shellQuote(o.namespace)
	}
	v.Curl = c.curlGet(v.APIPath, url.Values{"history": {"true"}})
	return tmpl.History(t), nil
}

// history asks for the past of an object.
func (c *Call) history(ctx context.Context, a address) (*endpoints.History, error) {
	raw, err := c.Client.Bytes(ctx, client.Call{Method: http.MethodGet, Path: client.Path(a.gvr, a.namespace, a.name, ""), Query: url.Values{"history": {"true"}}})
	if err != nil {
		return nil, err
	}
	var h endpoints.History
	if err := json.Unmarshal(raw, &h); err != nil {
		return nil, err
	}
	if h.Kind != "History" {
		return nil, notFound("this server keeps no history (--history-retention)")
	}
	return &h, nil
}

// historyOf is the past of an object; verb is the right that restoring it needs.
func (c *Call) historyOf(ctx context.Context, a address, h *endpoints.History, verb string) view.HistoryTab {
	t := view.HistoryTab{More: h.More, FormToken: c.FormToken(), Path: objectPath(a.gvr, a.namespace, a.name), Audit: c.auditOf(ctx, a), RestoreDenied: c.may(ctx, right{verb: verb, address: a})}
	if !h.Since.IsZero() {
		t.Since = h.Since.UTC().Format(time.RFC3339)
	}
	for i := range h.Versions {
		r := c.versionRow(&h.Versions[i])
		r.Restorable = can(a.entry, "update")
		r.Exact = join("/ui/version", url.Values{"path": {t.Path}, "version": {r.Version}})
		t.Versions = append(t.Versions, r)
	}
	return t
}

var actionTexts = map[string]messages.Text{"create": "created", "update": "updated", "delete": "deleted"}

var actionTones = map[string]string{"create": "good", "update": "", "delete": "bad"}

func (c *Call) versionRow(v *endpoints.Version) view.VersionRow {
	r := view.VersionRow{
		Version: v.ResourceVersion, Action: actionTexts[v.Action], Tone: actionTones[v.Action], Object: strings.TrimSuffix(v.Resource+"."+v.Group, ".") + " " + v.Name,
		Changes: fieldChanges(v.Changes, shownChanges), Left: max(0, len(v.Changes)-shownChanges),
	}
	if v.Namespace != "" {
		r.Object = strings.TrimSuffix(v.Resource+"."+v.Group, ".") + " " + v.Namespace + "/" + v.Name
	}
	if r.Href = c.pageOf(v.Group, v.Version, v.Resource, v.Namespace, v.Name); r.Href != "" {
		r.Href += "?tab=history"
	}
	if !v.Time.IsZero() {
		r.Time = v.Time.UTC().Format(time.RFC3339)
	}
	if by := v.By; by != nil {
		r.User, r.As, r.Verb, r.Server = by.User, by.As, by.Verb, by.Server
		if by.AuditID != "" {
			r.RequestHref = requestPath(by.AuditID)
		}
	}
	return r
}

// deletedObject is the page of an object that is not there any more; missing is
// the error when nothing is known of it.
func (c *Call) deletedObject(ctx context.Context, a address, missing error) (*Answer, error) {
	h, err := c.history(ctx, a)
	if err != nil || len(h.Versions) == 0 {
		return nil, missing
	}
	v := view.Deleted{Kind: a.entry.Resource.Kind, Name: a.name, Namespace: a.namespace, ListHref: listPath(a.gvr, a.namespace), History: c.historyOf(ctx, a, h, "create"), Panel: c.Panel}
	v.History.Gone = true
	return &Answer{
		Status: http.StatusNotFound, Title: v.Name + " · " + v.Kind, Body: tmpl.Deleted(v), Fragment: c.Panel, Current: listPath(a.gvr, ""), Crumbs: objectCrumbs(a),
	}, nil
}

// versionAt reads an object as it was after a write; after a delete it is what
// was deleted.
func (c *Call) versionAt(ctx context.Context, a address, version string) (*unstructured.Unstructured, error) {
	raw, err := c.Client.Bytes(ctx, client.Call{
		Method: http.MethodGet, Path: client.Path(a.gvr, a.namespace, a.name, ""), Query: url.Values{"history": {"true"}, "objects": {"true"}, "limit": {"2000"}},
	})
	if err != nil {
		return nil, err
	}
	var h endpoints.History
	if err := json.Unmarshal(raw, &h); err != nil {
		return nil, err
	}
	for i := range h.Versions {
		if h.Versions[i].ResourceVersion == version {
			o := &unstructured.Unstructured{}
			return o, o.UnmarshalJSON(h.Versions[i].Object)
		}
	}
	return nil, notFound("version %s is not kept any more", version)
}

// version gives a version of an object as YAML.
func version(ctx context.Context, c *Call) (*Answer, error) {
	a, ok := parseAddress(c.Types(), c.Query.Get("path"))
	if !ok || a.name == "" {
		return nil, notServed(c.Query.Get("path"))
	}
	o, err := c.versionAt(ctx, a, c.Query.Get("version"))
	if err != nil {
		return nil, err
	}
	text, err := yamlOf(o, false)
	if err != nil {
		return nil, err
	}
	crumbs := objectCrumbs(a)
	crumbs[len(crumbs)-1].Href = objectPath(a.gvr, a.namespace, a.name) + "?tab=history"
	v := view.YAML{Lines: view.YAMLLines(text), Managed: false}
	return &Answer{
		Title: c.T("%s at %s", a.name, o.GetResourceVersion()), Body: tmpl.Version(c.T("%s %s at version %s", a.entry.Resource.Kind, a.name, c.Query.Get("version")), v.Lines),
		Current: listPath(a.gvr, ""), Crumbs: append(crumbs, view.Link{Text: c.T("version %s", c.Query.Get("version"))}),
	}, nil
}

// restore writes a version of an object back: an update of what is there, or a
// create of what is not.
func restore(ctx context.Context, c *Call) (*Answer, error) {
	path := c.Form.Get("path")
	a, ok := parseAddress(c.Types(), path)
	if !ok || a.name == "" {
		return nil, notServed(path)
	}
	o, err := c.versionAt(ctx, a, c.Form.Get("version"))
	if err != nil {
		return nil, err
	}
	text := c.T("%s %s is as it was at version %s.", a.entry.Resource.Kind, a.name, c.Form.Get("version"))
	if err := c.undoably(ctx, text, a, func() error { return c.writeBack(ctx, a, o) }); err != nil {
		return nil, err
	}
	return &Answer{Redirect: objectPath(a.gvr, a.namespace, a.name) + "?tab=history"}, nil
}

func (c *Call) writeBack(ctx context.Context, a address, o *unstructured.Unstructured) error {
	call := client.Call{Method: http.MethodPut, Path: client.Path(a.gvr, a.namespace, a.name, ""), ContentType: "application/json"}
	raw, err := c.Client.Bytes(ctx, client.Call{Method: http.MethodGet, Path: call.Path})
	switch {
	case apierrors.IsNotFound(err):
		call.Method, call.Path = http.MethodPost, client.Path(a.gvr, a.namespace, "", "")
		history.Restorable(o, nil)
	case err != nil:
		return err
	default:
		current := &unstructured.Unstructured{}
		if err := current.UnmarshalJSON(raw); err != nil {
			return err
		}
		history.Restorable(o, current)
	}
	if call.Body, err = o.MarshalJSON(); err != nil {
		return err
	}
	_, err = c.Client.Bytes(ctx, call)
	return err
}
