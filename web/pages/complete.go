package pages

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/web/apidoc"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"pilothouse/web/view"
)

// completion is one thing that could stand at a position, in the words of the
// editor.
type completion struct {
	_ view.Incomparable

	Label  string `json:"label"`
	Type   string `json:"type,omitempty"`
	Detail string `json:"detail,omitempty"`
	Info   string `json:"info,omitempty"`
	Apply  string `json:"apply,omitempty"`
	Boost  int    `json:"boost,omitempty"`
}

// complete tells what could stand at a position of YAML, from the API's own
// description.
func complete(ctx context.Context, c *Call) (*Answer, error) {
	text := unix(c.Form.Get("text"))
	position, err := strconv.Atoi(c.Form.Get("position"))
	if err != nil {
		return nil, badRequest("position is no number")
	}
	list, err := c.completions(ctx, apidoc.Find(text, utf16Offset(text, position)))
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(append([]completion{}, list...)) // never null
	if err != nil {
		return nil, err
	}
	return &Answer{Raw: raw, Type: "application/json"}, nil
}

// utf16Offset turns a browser's position, in UTF-16 units, into one in bytes.
func utf16Offset(text string, position int) int {
	units := 0
	for i, r := range text {
		if units >= position {
			return i
		}
		units++
		if r > 0xffff {
			units++
		}
	}
	return len(text)
}

func (c *Call) completions(ctx context.Context, p apidoc.Place) ([]completion, error) {
	t := c.Types()
	switch strings.Join(p.Path, ".") {
	case "apiVersion":
		return versions(t, p.Kind), nil
	case "kind":
		return kinds(t, p.APIVersion), nil
	}
	gv, err := schema.ParseGroupVersion(p.APIVersion)
	if err != nil || p.APIVersion == "" || p.Kind == "" {
		if len(p.Path) == 0 {
			return []completion{{Label: "apiVersion", Apply: "apiVersion: "}, {Label: "kind", Apply: "kind: "}}, nil
		}
		return nil, nil //nolint:nilerr // what has no version yet is completed later
	}
	d, err := c.Docs.Document(ctx, c.Client, apidoc.PathOf(gv))
	if err != nil || d == nil {
		return nil, err
	}
	root := d.Kind(p.Kind)
	if root == nil {
		return nil, nil
	}
	s := d.At(root, p.Path)
	if s == nil {
		return nil, nil
	}
	if p.Value {
		return valueCompletions(d.Resolve(s)), nil
	}
	return c.fieldCompletions(d, s, p), nil
}

// fieldCompletions are the fields of the object around a position that it has not yet.
func (c *Call) fieldCompletions(d *apidoc.Document, s *apidoc.Schema, p apidoc.Place) []completion {
	inner := d.Inner(s)
	var list []completion
	for _, name := range inner.Names() {
		if slices.Contains(p.There, name) || len(p.Path) == 0 && name == "status" {
			continue
		}
		f := inner.Properties[name]
		r := d.Resolve(f)
		one := completion{Label: name, Type: "property", Detail: d.TypeOf(f), Info: shorten(r.Description, 300), Apply: name + ": "}
		below := "\n" + strings.Repeat(" ", p.Indent+2)
		switch {
		case r.Items != nil:
			one.Apply = name + ":\n" + strings.Repeat(" ", p.Indent) + "- "
		case len(r.Properties) > 0 || r.Map.Schema != nil:
			one.Apply = name + ":" + below
		}
		if slices.Contains(inner.Required, name) {
			one.Boost, one.Detail = 10, c.T("%s, required", one.Detail)
		}
		list = append(list, one)
	}
	return list
}

func valueCompletions(s *apidoc.Schema) []completion {
	var list []completion
	for _, e := range s.Enum {
		if text := strings.Trim(string(e), `"`); text != "" {
			list = append(list, completion{Label: text, Type: "enum"})
		}
	}
	if s.Type == "boolean" {
		list = append(list, completion{Label: "true", Type: "keyword"}, completion{Label: "false", Type: "keyword"})
	}
	return list
}

func eachKind(t *registry.Table, f func(gv schema.GroupVersion, kind string)) {
	for _, g := range t.Groups() {
		for _, v := range g.Versions {
			for _, e := range v.Entries {
				if can(e, "create") {
					f(e.GVR().GroupVersion(), e.Resource.Kind)
				}
			}
		}
	}
}

func versions(t *registry.Table, kind string) []completion {
	var list []completion
	seen := map[string]bool{}
	eachKind(t, func(gv schema.GroupVersion, k string) {
		if (kind == "" || k == kind) && !seen[gv.String()] {
			seen[gv.String()] = true
			list = append(list, completion{Label: gv.String(), Type: "namespace"})
		}
	})
	return list
}

func kinds(t *registry.Table, apiVersion string) []completion {
	var list []completion
	eachKind(t, func(gv schema.GroupVersion, k string) {
		if apiVersion == "" || gv.String() == apiVersion {
			list = append(list, completion{Label: k, Type: "class", Detail: gv.String()})
		}
	})
	return list
}
