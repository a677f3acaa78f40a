package pages

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"pilothouse/backend/registry"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/apidoc"
	"pilothouse/web/messages"
	"pilothouse/web/rows"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// kindPage is the page of a kind or of a field of it, given by its path.
func kindPage(doc, kind, field string) string {
	q := url.Values{"gv": {doc}, "kind": {kind}}
	if field != "" {
		q.Set("field", field)
	}
	return join("/ui/explore/kind", q)
}

// exploreKind shows a kind, or a field, with the fields one level below. The
// rest is a link away: schemas go in circles.
func exploreKind(ctx context.Context, c *Call) (*Answer, error) {
	doc, kind, name := c.Query.Get("gv"), c.Query.Get("kind"), c.Query.Get("name")
	d, err := c.Docs.Document(ctx, c.Client, doc)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, notServed(c.URL())
	}
	root := d.Kind(kind)
	if name != "" {
		root = d.Schemas[name]
		kind = name[strings.LastIndexByte(name, '.')+1:]
	}
	var path []string
	if f := c.Query.Get("field"); f != "" {
		path = strings.Split(f, ".")
	}
	if root == nil || len(path) > 64 {
		return nil, notServed(c.URL())
	}
	s := d.At(root, path)
	if s == nil {
		return nil, notServed(c.URL())
	}
	href := func(field string) string {
		if name == "" {
			return kindPage(doc, kind, field)
		}
		return join("/ui/explore/kind", with(url.Values{"gv": {doc}, "name": {name}}, "field", field))
	}
	v := c.schemaPage(d, s, kind, path, href)
	v.GroupVersion = strings.TrimPrefix(strings.TrimPrefix(doc, "apis/"), "api/")
	v.Level, v.Meaning = stability(gvOf(doc).Version)
	gvk := gvOf(doc).WithKind(kind)
	e, served := c.Types().ForKind(gvk)
	if served && d.Kind(kind) != nil && (name == "" || d.Kind(kind).Name == name) {
		v.Command = "kubectl explain " + strings.Join(append([]string{kubectlName(c.Types(), e.GVR())}, path...), ".")
		v.Curl = c.curlGet("/openapi/v3/"+doc, nil)
		v.Deprecated = e.Version.Deprecated
		switch {
		case len(path) == 0:
			c.aboutKind(ctx, d, e, &v)
		case can(e, "list"):
			column := jsonPath(d, d.Kind(kind), path)
			v.ListHref = join(listPath(e.GVR(), ""), with(nil, "cols", "Name,"+column))
			v.Objects = c.T("%s of all objects", column)
		}
	}
	return &Answer{Title: v.Title, Body: tmpl.Schema(v), Crumbs: []view.Link{{Text: c.T("API explorer"), Href: "/ui/explore"}, {Text: v.Title, Data: true}}}, nil
}

func (c *Call) schemaPage(d *apidoc.Document, s *apidoc.Schema, kind string, path []string, href func(string) string) view.SchemaPage {
	resolved, inner := d.Resolve(s), d.Inner(s)
	v := view.SchemaPage{Title: kind, Type: d.TypeOf(s), Description: resolved.Description, Facts: constraints(resolved)}
	v.Trail = []view.Link{{Text: kind, Href: href("")}}
	for i, f := range path {
		v.Trail = append(v.Trail, view.Link{Text: f, Href: href(strings.Join(path[:i+1], "."))})
		v.Title = f
	}
	v.Trail[len(v.Trail)-1].Href = ""
	for _, f := range inner.Names() {
		p := inner.Properties[f]
		r := d.Resolve(p)
		field := view.SchemaField{Name: f, ID: f, Type: d.TypeOf(p), Description: r.Description, Required: slices.Contains(inner.Required, f)}
		field.Href = href(strings.Join(append(slices.Clone(path), f), "."))
		for _, fact := range constraints(r) {
			field.Notes = append(field.Notes, c.T("%s: %s", fact.Name, fact.Text))
		}
		v.Fields = append(v.Fields, field)
	}
	return v
}

// constraints are what a schema says besides its type.
func constraints(s *apidoc.Schema) []view.Fact {
	var list []view.Fact
	add := func(name messages.Text, text string) {
		if text != "" {
			list = append(list, view.Fact{Name: name, Cell: view.Cell{Text: text}})
		}
	}
	var enum []string
	for _, e := range s.Enum {
		enum = append(enum, strings.Trim(string(e), `"`))
	}
	add("one of", strings.Join(enum, ", "))
	if d := string(s.Default); d != "" && d != "{}" && d != `""` && d != "null" {
		add("default", d)
	}
	add("pattern", s.Pattern)
	if s.Minimum != nil {
		add("at least", strconv.FormatFloat(*s.Minimum, 'f', -1, 64))
	}
	if s.Maximum != nil {
		add("at most", strconv.FormatFloat(*s.Maximum, 'f', -1, 64))
	}
	add("list", s.ListType)
	add("merged by", strings.Join(s.ListKeys, ", "))
	return list
}

// aboutKind adds what is known of a kind besides its schema: its operations, how
// many objects there are, and an example, which is one of them or the least that
// a new one needs.
func (c *Call) aboutKind(ctx context.Context, d *apidoc.Document, e *registry.Entry, v *view.SchemaPage) {
	row := exploreRow{view.ExploreRow{Namespaced: e.Resource.Namespaced}}
	for _, o := range d.Operations {
		if resource, _ := resourceOf(d.Path, o.Path); resource == e.Resource.Name && !strings.HasPrefix(o.Path, "/"+d.Path+"/watch/") {
			row.Operations = append(row.Operations, view.ExploreOperation{Action: o.Action, Href: opHref(d, o), Title: o.Method + " " + o.Path})
		}
	}
	row.sortOut(c.Language)
	v.Operations = row.Operations
	if can(e, "watch") {
		v.WatchHref = listPath(e.GVR(), "") + "?view=watch"
	}
	if !can(e, "list") {
		return
	}
	v.ListHref = listPath(e.GVR(), "")
	v.Objects = c.T("Objects")
	if _, list, total, err := rows.First(ctx, c.Client, rows.Key{GVR: e.GVR()}, 1); err == nil {
		v.Objects = c.T("Objects: %d", total)
		if len(list) > 0 {
			v.Example = c.example(ctx, e.GVR(), list[0])
		}
	}
	if v.Example == nil && can(e, "create") {
		v.Example = view.YAMLLines(skeleton(address{entry: e, gvr: e.GVR()}, "default"))
	}
}

// example is an object of the cluster without what the server adds.
func (c *Call) example(ctx context.Context, gvr schema.GroupVersionResource, r *rows.Row) []view.Line {
	if gvr.Resource == "secrets" {
		return nil
	}
	o, err := c.load(ctx, address{gvr: gvr, namespace: r.Namespace, name: r.Name})
	if err != nil {
		return nil
	}
	u := o.object.DeepCopy()
	delete(u.Object, "status")
	if m, ok := u.Object["metadata"].(map[string]any); ok {
		for _, k := range []string{"managedFields", "uid", "resourceVersion", "creationTimestamp", "generation", "ownerReferences"} {
			delete(m, k)
		}
	}
	raw, err := yaml.Marshal(u.Object)
	if err != nil {
		return nil
	}
	lines := view.YAMLLines(string(raw))
	return lines[:min(len(lines), 60)]
}
