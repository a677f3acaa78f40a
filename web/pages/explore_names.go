package pages

import (
	"context"
	"encoding/json"
	"strings"

	"pilothouse/web/apidoc"
	"pilothouse/web/rows"
)

// exploreNames gives the names of the objects that an operation can be about, in
// the namespace that has been typed: those that the user may list.
func exploreNames(ctx context.Context, c *Call) (*Answer, error) {
	d, err := c.Docs.Document(ctx, c.Client, c.Query.Get("gv"))
	if err != nil {
		return nil, err
	}
	var o *apidoc.Operation
	if d != nil {
		o = d.Operation(c.Query.Get("method"), c.Query.Get("path"))
	}
	if o == nil {
		return nil, notServed(c.URL())
	}
	names := []string{}
	if key, ok := c.namesOf(d, o, c.Query.Get("p.namespace")); ok {
		names = append(names, c.names(ctx, key)...)
	}
	raw, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	return &Answer{Raw: raw, Type: "application/json"}, nil
}

// namesOf is the list whose objects an operation's name can be: the resource of
// its path, which is not always the kind that it answers with.
func (c *Call) namesOf(d *apidoc.Document, o *apidoc.Operation, namespace string) (rows.Key, bool) {
	resource, namespaced := resourceOf(d.Path, o.Path)
	resource, _, _ = strings.Cut(resource, "/")
	gv := gvOf(d.Path)
	e, ok := c.Types().Lookup(gv.Group, gv.Version, resource)
	if !ok || !can(e, "list") || !strings.Contains(o.Path, "{name}") {
		return rows.Key{}, false
	}
	if !namespaced || strings.Contains(namespace, "/") {
		namespace = ""
	}
	return rows.Key{GVR: e.GVR(), Namespace: namespace}, true
}
