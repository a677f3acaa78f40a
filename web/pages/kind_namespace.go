package pages

import (
	"context"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/rows"
	"pilothouse/web/view"
)

// namespaceCounts are what a namespace's overview counts.
const namespaceCounts typeNames = "pods deployments.apps statefulsets.apps daemonsets.apps jobs.batch cronjobs.batch services ingresses.networking.k8s.io " +
	"configmaps secrets persistentvolumeclaims serviceaccounts"

// namespaceBlocks are a namespace's quotas, its limits, and what is in it.
func namespaceBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	var blocks []view.Block
	if a, ok := c.served("", "resourcequotas"); ok {
		list, err := c.listObjects(ctx, a, o.name, "")
		if err != nil {
			blocks = append(blocks, view.Block{Title: "Quotas", Note: messages.Data(c.reason(err))})
		}
		for _, m := range list {
			name := digText(m, "metadata name")
			blocks = append(blocks, view.Block{Title: messages.Said(c.T("Quota %s", name)), Gauges: quotaGauges(m), More: &view.Link{Text: c.T("verb\x04open"), Href: objectPath(a.gvr, o.name, name)}})
		}
	}
	t := &view.Table{Columns: []messages.Text{"Kind", "Objects"}}
	for _, gr := range namespaceCounts.list() {
		a, ok := c.served(gr.Group, gr.Resource)
		if !ok {
			continue
		}
		a.namespace = o.name
		cell := view.Cell{Num: true}
		if c.may(ctx, right{verb: "list", address: a}) != nil {
			cell.Text = c.T("not yours to list")
		} else if _, _, total, err := rows.First(ctx, c.Client, rows.Key{GVR: a.gvr, Namespace: o.name}, 1); err != nil {
			cell.Text = c.reason(err)
		} else {
			cell.Text = c.Number(total)
		}
		t.Rows = append(t.Rows, []view.Cell{linked(plural(a.entry.Resource.Kind), listPath(a.gvr, o.name)), cell})
	}
	blocks = append(blocks, view.Block{Title: "What is in it", Table: t})
	if a, ok := c.served("", "limitranges"); ok {
		list, _ := c.listObjects(ctx, a, o.name, "") // who may not list limits sees none
		for _, m := range list {
			blocks = append(blocks, view.Block{Title: messages.Said(c.T("Limits %s", digText(m, "metadata name"))), Table: limitTable(m)})
		}
	}
	return blocks
}

func quotaBlocks(_ context.Context, _ *Call, o *loaded) []view.Block {
	var f factList
	f.add("Scopes", strings.Join(stringList(dig(o.object.Object, "spec scopes")), ", "))
	return []view.Block{{Title: "Used", Gauges: quotaGauges(o.object.Object), Facts: f}}
}

func quotaGauges(o map[string]any) []view.Gauge {
	hard, _ := dig(o, "status hard").(map[string]any)
	if len(hard) == 0 {
		hard, _ = dig(o, "spec hard").(map[string]any)
	}
	var list []view.Gauge
	for _, name := range sortedKeys(hard) {
		used := digText(o, "status used "+name)
		if used == "" {
			used = "0"
		}
		list = append(list, gauge(messages.Data(name), used, text(hard[name])))
	}
	return list
}

func limitBlocks(_ context.Context, _ *Call, o *loaded) []view.Block {
	return []view.Block{{Title: "Limits", Table: limitTable(o.object.Object)}}
}

func limitTable(o map[string]any) *view.Table {
	fields := []string{"min", "max", "defaultRequest", "default", "maxLimitRequestRatio"}
	t := &view.Table{Columns: []messages.Text{"Type", "Resource", "Least", "Most", "Default request", "Default limit", "Ratio"}}
	for _, l := range objects(dig(o, "spec limits")) {
		names := map[string]any{}
		for _, f := range fields {
			m, _ := l[f].(map[string]any)
			for k := range m {
				names[k] = nil
			}
		}
		for _, name := range sortedKeys(names) {
			cells := []string{text(l["type"]), name}
			for _, f := range fields {
				cells = append(cells, digText(l, f+" "+name))
			}
			t.Rows = append(t.Rows, plain(cells...))
		}
	}
	return t
}
