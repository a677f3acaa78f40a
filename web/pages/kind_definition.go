package pages

import (
	"context"
	"strings"

	"pilothouse/web/apidoc"
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
	f.add("Conversion", digText(spec, "conversion", "strategy"))
	f.add("Stored as", strings.Join(stringList(dig(o.object.Object, "status", "storedVersions")), ", "))
	t := &view.Table{Columns: []string{"Version", "Served", "Stored", "Subresources", "Columns", "Schema"}}
	for _, v := range objects(dig(spec, "versions")) {
		gv := schema.GroupVersion{Group: digText(spec, "group"), Version: text(v["name"])}
		name := view.Cell{Text: text(v["name"])}
		if v["deprecated"] == true {
			name.Text, name.Tone = name.Text+" deprecated", view.Warn
		}
		var columns []string
		for _, k := range objects(v["additionalPrinterColumns"]) {
			columns = append(columns, text(k["name"]))
		}
		subresources, _ := v["subresources"].(map[string]any)
		t.Rows = append(t.Rows, []view.Cell{
			name, {Text: yesNo(v["served"])}, {Text: yesNo(v["storage"])}, {Text: strings.Join(sortedKeys(subresources), ", ")}, {Text: strings.Join(columns, ", ")},
			linked("fields", kindPage(apidoc.PathOf(gv), digText(names, "kind"), "")),
		})
	}
	blocks := []view.Block{{Title: "Type", Facts: f}, {Title: "Versions", Table: t}}
	a, ok := c.served(digText(spec, "group"), digText(names, "plural"))
	if !ok {
		return append(blocks, view.Block{Title: "Objects", Note: "It is not served yet."})
	}
	b := view.Block{Title: "Objects", More: &view.Link{Text: "as a list", Href: listPath(a.gvr, "")}}
	if _, _, total, err := rows.First(ctx, c.Client, rows.Key{GVR: a.gvr}, 1); err != nil {
		b.Note = c.reason(err)
	} else {
		b.Note = "There are " + thousandsText(total) + "."
	}
	return append(blocks, b)
}

func yesNo(v any) string {
	if v == true {
		return "yes"
	}
	return "no"
}
