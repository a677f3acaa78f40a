package pages

import (
	"context"
	"net/http"
	"strings"
	"time"

	"pilothouse/backend/client"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/apidoc"
	"pilothouse/web/rows"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/klog/v2"
	"sigs.k8s.io/yaml"
)

// loaded is an object with what its address says.
type loaded struct {
	address
	raw     []byte
	object  unstructured.Unstructured
	columns []rows.Column
	row     *rows.Row
	// stale is when what is shown is not right any more by the time alone: a lease runs
	// out; zero for never.
	stale time.Time
}

// until notes that something that is shown is right until t only.
func (o *loaded) until(t time.Time) {
	if o.stale.IsZero() || t.Before(o.stale) {
		o.stale = t
	}
}

// fresh is in how many seconds the page is to be made anew, at most a day; 0 for never.
func (o *loaded) fresh() int {
	if o.stale.IsZero() {
		return 0
	}
	return int(min(max(time.Until(o.stale), 0)/time.Second+1, 24*60*60))
}

// object is the page of an object.
func object(ctx context.Context, c *Call, a address) (*Answer, error) {
	if !can(a.entry, "get") {
		return nil, notServed(c.R.Path)
	}
	o, err := c.load(ctx, a)
	if apierrors.IsNotFound(err) {
		return c.deletedObject(ctx, a, err)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case c.Query.Get("download") == "log" && hasLogs(o):
		return c.downloadLogs(ctx, o.logQuery(c.Query), o.name)
	case c.Query.Get("download") != "":
		return download(o)
	case c.Query.Get("edit") != "" && can(a.entry, "update"):
		return editPage(ctx, c, o)
	case c.Query.Get("delete") != "" && can(a.entry, "delete"):
		return deletePage(ctx, c, o)
	}
	if c.Query.Get("act") != "" {
		return doPage(ctx, c, o)
	}
	v := c.objectView(o)
	c.fillDoings(ctx, o, &v)
	c.fillActs(ctx, o, &v)
	body, ok, err := c.fillTabs(ctx, o, &v)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notServed(c.URL())
	}
	return &Answer{
		Title: v.Name + " · " + v.Kind, Body: tmpl.Object(v, body), Fragment: c.Panel, Current: listPath(a.gvr, ""), Crumbs: objectCrumbs(a),
	}, nil
}

func objectCrumbs(a address) []view.Link {
	crumbs := []view.Link{{Text: groupName(a.gvr.Group), Href: "/ui/resources", Data: true}, {Text: a.entry.Resource.Name, Href: listPath(a.gvr, ""), Data: true}}
	if a.namespace != "" {
		crumbs = append(crumbs, view.Link{Text: a.namespace, Href: listPath(a.gvr, a.namespace), Data: true})
	}
	return append(crumbs, view.Link{Text: a.name, Data: true})
}

// load reads an object and its row.
func (c *Call) load(ctx context.Context, a address) (*loaded, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	o := &loaded{address: a}
	var err error
	if o.raw, err = c.Client.Bytes(ctx, client.Call{Method: http.MethodGet, Path: client.Path(a.gvr, a.namespace, a.name, "")}); err != nil {
		return nil, err
	}
	if err = o.object.UnmarshalJSON(o.raw); err != nil {
		return nil, err
	}
	// The columns say little that the object does not: without them its page stands.
	if o.columns, o.row, err = rows.One(ctx, c.Client, rows.Key{GVR: a.gvr, Namespace: a.namespace}, a.name); err != nil {
		klog.V(2).InfoS("The columns of an object cannot be read", "object", klog.KRef(a.namespace, a.name), "resource", a.gvr, "err", err)
		o.columns, o.row = nil, &rows.Row{}
	}
	return o, nil
}

func (c *Call) objectView(o *loaded) view.Object {
	v := view.Object{
		Kind: o.object.GetKind(), Name: o.name, Namespace: o.namespace, GroupVersion: o.gvr.GroupVersion().String(),
		UID: string(o.object.GetUID()), Version: o.object.GetResourceVersion(),
		Path: objectPath(o.gvr, o.namespace, o.name), APIPath: client.Path(o.gvr, o.namespace, o.name, ""),
		ListHref: listPath(o.gvr, o.namespace), Panel: c.Panel, FormToken: c.FormToken(),
	}
	v.Command = "kubectl get " + kubectlName(c.Types(), o.gvr) + " " + shellQuote(o.name)
	if o.namespace != "" {
		v.Command += " -n " + shellQuote(o.namespace)
	}
	if c.Query.Get("tab") == "yaml" {
		v.Command += " -o yaml"
	}
	call := client.Call{Method: http.MethodGet, Path: v.APIPath}
	if c.Query.Get("tab") == "yaml" {
		call.Accept = "application/yaml"
	}
	v.Curl = c.curl(call)
	for i, column := range o.columns {
		if text := cellOf(o.row, i); (column.Name == "Status" || column.Name == "Phase") && text != "" {
			v.Status = view.Cell{Text: shorten(text, shownStatus), Tone: view.Tone(column.Name, text)}
		}
	}
	marks := c.toDelete()
	v.Held = marks.On(v.UID)
	v.Version += marksVersion(marks)
	if at := o.object.GetDeletionTimestamp(); at != nil {
		v.Deleting = at.UTC().Format(time.RFC3339)
	}
	return v
}

// shownStatus bounds the letters of a status beside an object's name.
const shownStatus = 60

// yamlOf is an object as YAML, without managedFields unless they are wanted.
func yamlOf(o *unstructured.Unstructured, managed bool) (string, error) {
	if !managed && len(o.GetManagedFields()) > 0 {
		o = o.DeepCopy()
		o.SetManagedFields(nil)
	}
	raw, err := yaml.Marshal(o.Object)
	return string(raw), err
}

func yamlTab(ctx context.Context, c *Call, o *loaded, v *view.Object) (templ.Component, error) {
	managed := c.Query.Get("managed") != ""
	text, err := yamlOf(&o.object, managed)
	if err != nil {
		return nil, err
	}
	owners := c.Query.Get("owners") != ""
	y := &view.YAML{Lines: view.YAMLLines(text), Managed: managed, Owners: owners, Download: v.Path + "?download=1", Toggle: v.Path + "?tab=yaml", OwnersHref: v.Path + "?tab=yaml"}
	c.linkFields(ctx, o, y.Lines, text)
	y.Explore = kindPage(apidoc.PathOf(o.gvr.GroupVersion()), o.object.GetKind(), "")
	if !managed {
		y.Toggle += "&managed=1"
	}
	if !owners {
		y.OwnersHref += "&owners=1"
	} else {
		markOwners(y.Lines, text, ownersOf(&o.object))
	}
	return tmpl.YAML(y), nil
}

// download gives the object's YAML as a file that kubectl can apply.
func download(o *loaded) (*Answer, error) {
	text, err := yamlOf(&o.object, false)
	if err != nil {
		return nil, err
	}
	name := fileName(o.object.GetKind() + "-" + o.name)
	a := &Answer{Raw: []byte(text), Type: "application/yaml; charset=utf-8"}
	a.header("Content-Disposition", `attachment; filename="`+name+`.yaml"`)
	return a, nil
}

// fileName makes a name that every system takes.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
}
