package pages

import (
	"context"
	"net/url"
	"slices"
	"sort"
	"strings"

	tmpl "pilothouse/templates/pages"
	"pilothouse/web/apidoc"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxHits bounds what a search in the API's description gives.
const maxHits = 120

// explore is the index of the API, from its own description.
func explore(ctx context.Context, c *Call) (*Answer, error) {
	docs, err := c.Docs.All(ctx, c.Client)
	if err != nil {
		return nil, err
	}
	q := c.Query
	v := view.Explore{Types: c.typesVersion(), Away: c.away(ctx), Query: strings.TrimSpace(q.Get("q")), Group: q.Get("group"), Version: q.Get("version"), Verb: q.Get("verb"), Scope: q.Get("scope"), Shape: q.Get("shape")}
	kinds := map[string]bool{}
	for _, d := range docs {
		v.Operations += len(d.Operations)
		for name := range d.Schemas {
			kinds[name] = true // several documents have the same ones
		}
		for _, o := range d.Operations {
			if o.Action != "" && !slices.Contains(v.Verbs, o.Action) {
				v.Verbs = append(v.Verbs, o.Action)
			}
		}
		if g := groupOf(d.Path); !slices.Contains(v.Groups, g) {
			v.Groups = append(v.Groups, g)
		}
		if version := gvOf(d.Path).Version; version != "" && !slices.Contains(v.Versions, version) {
			v.Versions = append(v.Versions, version)
		}
	}
	v.Kinds = len(kinds)
	sort.Strings(v.Verbs)
	sort.Strings(v.Versions)
	sort.SliceStable(docs, func(i, j int) bool { return docRank(docs[i]) < docRank(docs[j]) })
	if v.Query != "" {
		v.Hits = searchDocs(docs, strings.ToLower(v.Query), &v)
		if len(v.Hits) == 0 {
			v.Note = c.T("Nothing in the API's description has this text.")
		}
	} else {
		v.Sections = exploreSections(c.Language, docs, &v)
		c.markVersions(v.Sections)
	}
	v.Command, v.Curl = c.rawCommands("/openapi/v3", nil)
	return &Answer{Title: c.T("API explorer"), Body: tmpl.Explore(v), Crumbs: []view.Link{{Text: c.T("API explorer")}}}, nil
}

// groupOf is the group of a document's path, "other" for what is no resource.
func groupOf(path string) string {
	parts := strings.Split(path, "/")
	switch {
	case parts[0] == "api":
		return "core"
	case parts[0] == "apis" && len(parts) > 1:
		return parts[1]
	}
	return "other"
}

// docRank puts what is no resource last.
func docRank(d *apidoc.Document) int {
	if gvOf(d.Path).Version == "" {
		return 1
	}
	return 0
}

func opHref(d *apidoc.Document, o *apidoc.Operation) string {
	return join("/ui/explore/op", url.Values{"gv": {d.Path}, "method": {o.Method}, "path": {o.Path}})
}

// exploreSections puts the operations in rows of resources.
func exploreSections(l *messages.Language, docs []*apidoc.Document, v *view.Explore) []view.ExploreSection {
	var list []view.ExploreSection
	for _, d := range docs {
		if !inGroup(d, v) {
			continue
		}
		rows := map[string]*exploreRow{}
		for _, o := range d.Operations {
			addOperation(l, rows, d, o, v)
		}
		s := view.ExploreSection{Name: strings.TrimPrefix(strings.TrimPrefix(d.Path, "apis/"), "api/"), Path: d.Path}
		s.Level, s.Meaning = stability(gvOf(d.Path).Version)
		for _, name := range sortedKeys(rows) {
			rows[name].sortOut(l)
			s.Rows = append(s.Rows, rows[name].ExploreRow)
		}
		if len(s.Rows) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// inGroup tells the documents of the group and version that are wanted.
func inGroup(d *apidoc.Document, v *view.Explore) bool {
	return (v.Group == "" || groupOf(d.Path) == v.Group) && (v.Version == "" || gvOf(d.Path).Version == v.Version)
}

// isWanted tells the operations of the verb, the scope and the shape that are
// wanted.
func isWanted(d *apidoc.Document, o *apidoc.Operation, v *view.Explore) bool {
	resource, namespaced := resourceOf(d.Path, o.Path)
	_, _, sub := strings.Cut(strings.TrimPrefix(resource, "/"), "/")
	switch {
	case v.Verb != "" && o.Action != v.Verb,
		v.Scope == "namespaced" && !namespaced, v.Scope == "cluster" && namespaced,
		v.Shape == "resources only" && sub, v.Shape == "subresources only" && !sub:
		return false
	}
	return true
}

// markVersions says which version of a group is the preferred one, and what is
// deprecated.
func (c *Call) markVersions(list []view.ExploreSection) {
	t := c.Types()
	for i := range list {
		s := &list[i]
		gv := gvOf(s.Path)
		if g, ok := t.Group(gv.Group); ok && gv.Version != "" {
			s.Preferred = len(g.Versions) > 1 && g.Versions[0].Name == gv.Version
		}
		for j := range s.Rows {
			if e, ok := t.Lookup(gv.Group, gv.Version, s.Rows[j].Resource); ok {
				s.Rows[j].Deprecated = e.Version.Deprecated
			}
		}
	}
}

type exploreRow struct{ view.ExploreRow }

// actionOrder is the order in which people look for operations.
var actionOrder = []string{"list", "watch", "get", "post", "put", "patch", "delete", "deletecollection"}

// sortOut orders a row's operations, and tells those of all namespaces from
// those of one.
func (r *exploreRow) sortOut(l *messages.Language) {
	for i := range r.Operations {
		o := &r.Operations[i]
		if r.Namespaced && !strings.Contains(o.Title, "{namespace}") {
			o.Action = l.T("%s (all)", o.Action)
		}
	}
	sort.SliceStable(r.Operations, func(i, j int) bool { return actionRank(r.Operations[i].Action) < actionRank(r.Operations[j].Action) })
}

func actionRank(action string) int {
	word, _, _ := strings.Cut(action, " ")
	if i := slices.Index(actionOrder, word); i >= 0 {
		return i
	}
	return len(actionOrder)
}

func addOperation(l *messages.Language, rows map[string]*exploreRow, d *apidoc.Document, o *apidoc.Operation, v *view.Explore) {
	resource, namespaced := resourceOf(d.Path, o.Path)
	_, _, sub := strings.Cut(resource, "/")
	if !isWanted(d, o, v) {
		return
	}
	row := rows[resource]
	if row == nil {
		row = &exploreRow{view.ExploreRow{Resource: resource, Kind: o.GVK.Kind, Sub: sub}}
		rows[resource] = row
	}
	row.Namespaced = row.Namespaced || namespaced
	if row.Href == "" && d.Kind(o.GVK.Kind) != nil && d.Path == apidoc.PathOf(o.GVK.GroupVersion()) {
		row.Href = kindPage(d.Path, o.GVK.Kind, "")
	}
	action := o.Action
	if action == "" {
		action = strings.ToLower(o.Method)
	}
	if action == "connect" {
		action += " " + strings.ToLower(o.Method)
	}
	if strings.HasPrefix(o.Path, "/"+d.Path+"/watch/") {
		return // the old way to watch, beside ?watch=true
	}
	if strings.HasSuffix(o.Path, "/{path}") {
		action = l.T("%s below", action)
	}
	row.Operations = append(row.Operations, view.ExploreOperation{Action: action, Href: opHref(d, o), Title: o.Method + " " + o.Path})
}

// resourceOf is the resource that a path of a document is about, with its
// subresource, or the path itself.
func resourceOf(doc, path string) (resource string, namespaced bool) {
	rest, ok := strings.CutPrefix(path, "/"+doc+"/")
	if !ok || !strings.HasPrefix(doc, "api") {
		return path, false
	}
	rest = strings.TrimPrefix(rest, "watch/")
	if after, ok := strings.CutPrefix(rest, "namespaces/{namespace}/"); ok {
		rest, namespaced = after, true
	}
	parts := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	resource = parts[0]
	if len(parts) > 2 {
		resource += "/" + parts[2]
	}
	if resource == "" {
		return path, false
	}
	return resource, namespaced
}

// searchDocs looks for a text in paths, kinds, fields and descriptions.
func searchDocs(docs []*apidoc.Document, q string, v *view.Explore) []view.ExploreHit {
	type hit struct {
		view.ExploreHit
		rank int
	}
	var list []hit
	add := func(rank int, h view.ExploreHit) { list = append(list, hit{h, rank}) }
	seen := map[string]bool{}
	for _, d := range docs {
		if !inGroup(d, v) {
			continue
		}
		for _, o := range d.Operations {
			if (strings.Contains(strings.ToLower(o.Path), q) || strings.Contains(strings.ToLower(o.ID), q)) && isWanted(d, o, v) {
				add(3, view.ExploreHit{What: messages.Data(o.Method), Text: o.Path, Note: o.Description, Href: opHref(d, o)})
			}
		}
		for _, name := range sortedKeys(d.Schemas) {
			s := d.Schemas[name]
			short := name[strings.LastIndexByte(name, '.')+1:]
			href := join("/ui/explore/kind", url.Values{"gv": {d.Path}, "name": {name}})
			if !seen[name] && strings.Contains(strings.ToLower(short), q) {
				r := rank(strings.ToLower(short), q)
				add(r, view.ExploreHit{What: "kind", Text: short, Where: d.Path, Note: firstSentence(s.Description), Href: href})
			}
			if !seen[name] {
				for _, f := range s.Names() {
					description := s.Properties[f].Description
					switch {
					case strings.Contains(strings.ToLower(f), q):
						add(2+rank(strings.ToLower(f), q), view.ExploreHit{What: "field", Text: short + "." + f, Where: d.Path, Note: firstSentence(description), Href: href + "#" + f})
					case len(q) > 3 && strings.Contains(strings.ToLower(description), q):
						add(6, view.ExploreHit{What: "field", Text: short + "." + f, Where: d.Path, Note: excerpt(description, q), Href: href + "#" + f})
					}
				}
			}
			seen[name] = true // many documents have the same one
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].rank < list[j].rank })
	var out []view.ExploreHit
	for _, h := range list[:min(len(list), maxHits)] {
		out = append(out, h.ExploreHit)
	}
	return out
}

// excerpt is the part of a text around what was looked for.
func excerpt(text, q string) string {
	i := strings.Index(strings.ToLower(text), q)
	if i < 0 || i > len(text) {
		return firstSentence(text)
	}
	from := max(0, i-80)
	to := min(len(text), i+len(q)+120)
	return "… " + strings.ToValidUTF8(text[from:to], "") + " …"
}

func gvOf(path string) schema.GroupVersion {
	parts := strings.Split(path, "/")
	switch {
	case len(parts) == 2 && parts[0] == "api":
		return schema.GroupVersion{Version: parts[1]}
	case len(parts) == 3 && parts[0] == "apis":
		return schema.GroupVersion{Group: parts[1], Version: parts[2]}
	}
	return schema.GroupVersion{}
}
