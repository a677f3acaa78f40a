package pages

import (
	"context"
	"strings"

	"pilothouse/web/apidoc"
	"pilothouse/web/messages"
	"pilothouse/web/rows"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// definitionBlocks are a CustomResourceDefinition's names and versions, and its
// objects.
func definitionBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	spec := o.object.Object["spec"]
	names := dig(spec, "names")
	var f factList
	f.add("Kind", digText(names, "kind"))
	f.add("Group", digText(spec, "group"))
	f.add("Scope", digText(spec, "scope"))
	f.add("Short names", strings.Join(stringList(dig(names, "shortNames")), ", "))
	f.add("Categories", strings.Join(stringList(dig(names, "categories")), ", "))
	f.add("Conversion", digText(spec, "conversion strategy"))
	f.add("Stored as", strings.Join(stringList(dig(o.object.Object, "status storedVersions")), ", "))
	t := &view.Table{Columns: []messages.Text{"Version", "Served", "Stored", "Subresources", "Columns", "Schema"}}
	for _, v := range objects(dig(spec, "versions")) {
		gv := schema.GroupVersion{Group: digText(spec, "group"), Version: text(v["name"])}
		name := view.Cell{Text: text(v["name"])}
		if v["deprecated"] == true {
			name.Text, name.Tone = c.T("%s deprecated", name.Text), view.Warn
		}
		var columns []string
		for _, k := range objects(v["additionalPrinterColumns"]) {
			columns = append(columns, text(k["name"]))
		}
		subresources, _ := v["subresources"].(map[string]any)
		t.Rows = append(t.Rows, []view.Cell{
			name, {Text: c.yesNo(v["served"] == true)}, {Text: c.yesNo(v["storage"] == true)}, {Text: strings.Join(sortedKeys(subresources), ", ")}, {Text: strings.Join(columns, ", ")},
			linked(c.T("fields"), kindPage(apidoc.PathOf(gv), digText(names, "kind"), "")),
		})
	}
	blocks := []view.Block{{Title: "Type", Facts: f}, {Title: "Versions", Table: t}}
	a, ok := c.served(digText(spec, "group"), digText(names, "plural"))
	if !ok {
		return append(blocks, view.Block{Title: "Objects", Note: "It is not served yet."})
	}
	b := view.Block{Title: "Objects", More: &view.Link{Text: c.T("as a list"), Href: listPath(a.gvr, "")}}
	if _, _, total, err := rows.First(ctx, c.Client, rows.Key{GVR: a.gvr}, 1); err != nil {
		b.Note = messages.Data(c.reason(err))
	} else {
		b.Note = messages.Said(c.N(total, "There is %d.", "There are %d."))
	}
	return append(blocks, b)
}

func (c *Call) yesNo(v bool) string {
	if v {
		return c.T("yes")
	}
	return c.T("no")
}
