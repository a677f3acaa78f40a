package pages

import (
	"context"
	"strings"

	"pilothouse/web/apidoc"
	"pilothouse/web/view"

	yaml "go.yaml.in/yaml/v3"
)

// linkedLines bounds the lines whose fields lead to the explorer; nobody reads
// what is longer field by field.
const linkedLines = 5000

// linkFields has the keys of an object's YAML lead to their descriptions in the
// explorer.
func (c *Call) linkFields(ctx context.Context, o *loaded, lines []view.Line, text string) {
	if len(lines) > linkedLines {
		return
	}
	path := apidoc.PathOf(o.gvr.GroupVersion())
	d, err := c.Docs.Document(ctx, c.Client, path)
	if err != nil || d == nil {
		return
	}
	kind := o.object.GetKind()
	root := d.Kind(kind)
	var doc yaml.Node
	if root == nil || yaml.Unmarshal([]byte(text), &doc) != nil || len(doc.Content) == 0 {
		return
	}
	var walk func(n *yaml.Node, s *apidoc.Schema, field string)
	walk = func(n *yaml.Node, s *apidoc.Schema, field string) {
		switch n.Kind {
		case yaml.SequenceNode:
			for _, item := range n.Content {
				walk(item, s, field)
			}
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				key := n.Content[i]
				at, inner := strings.TrimPrefix(field+"."+key.Value, "."), d.Field(s, key.Value)
				if inner == nil { // a key of a map, which is described where that is
					at = field
				}
				if at != "" && key.Line >= 1 && key.Line <= len(lines) {
					lines[key.Line-1].Href = kindPage(path, kind, at)
				}
				if inner != nil {
					walk(n.Content[i+1], inner, at)
				}
			}
		}
	}
	walk(doc.Content[0], root, "")
}

// jsonPath is the path of a field in each object: with [*] behind lists.
func jsonPath(d *apidoc.Document, root *apidoc.Schema, path []string) string {
	var b strings.Builder
	for i, name := range path {
		s := d.At(root, path[:i+1])
		b.WriteString("." + name)
		if i < len(path)-1 && s != nil && d.Resolve(s).Items != nil {
			b.WriteString("[*]")
		}
	}
	return b.String()
}
