package pages

import (
	"context"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/view"
)

// webhookBlocks say of each webhook which requests it sees, where they go, and
// what happens when it does not answer.
func webhookBlocks(_ context.Context, c *Call, o *loaded) []view.Block {
	t := &view.Table{Columns: []messages.Text{"Webhook", "For", "To", "On failure", "For at most", "Only"}, Empty: "It has no webhooks."}
	for _, w := range objects(o.object.Object["webhooks"]) {
		t.Rows = append(t.Rows, []view.Cell{
			{Text: text(w["name"])}, {Text: rulesText(w["rules"])}, webhookTarget(dig(w, "clientConfig")),
			{Text: text(w["failurePolicy"])}, {Text: c.T("%s s", text(w["timeoutSeconds"]))}, {Text: c.narrowing(w)},
		})
	}
	return []view.Block{{Title: "Webhooks", Table: t}}
}

func webhookTarget(config any) view.Cell {
	if address := digText(config, "url"); address != "" {
		return view.Cell{Text: address}
	}
	namespace, name := digText(config, "service namespace"), digText(config, "service name")
	port := digText(config, "service port")
	if port == "" {
		port = "443"
	}
	return linked(namespace+"/"+name+":"+port+digText(config, "service path"), objectPath(core("services"), namespace, name))
}

// rulesText is which requests rules are for: "CREATE, UPDATE pods, apps/deployments".
func rulesText(v any) string {
	var list []string
	for _, r := range objects(v) {
		groups, resources := stringList(r["apiGroups"]), []string{}
		for _, resource := range stringList(r["resources"]) {
			for _, g := range groups {
				resources = append(resources, strings.TrimPrefix(g+"/"+resource, "/"))
			}
		}
		one := strings.Join(stringList(r["operations"]), ", ") + " " + strings.Join(resources, ", ")
		if names := stringList(r["resourceNames"]); len(names) > 0 {
			one += " " + strings.Join(names, ", ")
		}
		list = append(list, one)
	}
	return strings.Join(list, "; ")
}

// narrowing are the selectors and conditions that leave requests out.
func (c *Call) narrowing(v map[string]any) string {
	var list []string
	if s := selectorText(v["namespaceSelector"]); s != "" {
		list = append(list, c.T("in namespaces %s", s))
	}
	if s := selectorText(v["objectSelector"]); s != "" {
		list = append(list, c.T("objects %s", s))
	}
	for _, m := range objects(v["matchConditions"]) {
		list = append(list, text(m["expression"]))
	}
	return strings.Join(list, "; ")
}

// policyBlocks are what an admission policy is for and asks, and where it is in
// force.
func policyBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	spec, _ := o.object.Object["spec"].(map[string]any)
	var f factList
	f.add("For", rulesText(dig(spec, "matchConstraints resourceRules")))
	f.add("Not for", rulesText(dig(spec, "matchConstraints excludeResourceRules")))
	limits, _ := dig(spec, "matchConstraints").(map[string]any)
	f.add("Only", c.narrowing(withValue(limits, "matchConditions", spec["matchConditions"])))
	f.add("On failure", digText(spec, "failurePolicy"))
	f.add("Parameters", strings.TrimSpace(digText(spec, "paramKind apiVersion")+" "+digText(spec, "paramKind kind")))
	blocks := []view.Block{{Title: "Policy", Facts: f}}
	for _, part := range []struct {
		title   messages.Text
		field   string
		columns []messages.Text
		fields  []string
	}{
		{"Variables", "variables", []messages.Text{"Name", "Expression"}, []string{"name", "expression"}},
		{"Rules", "validations", []messages.Text{"Expression", "Message", "Reason"}, []string{"expression", "message", "reason"}},
		{"Annotations of the audit", "auditAnnotations", []messages.Text{"Name", "Expression"}, []string{"key", "valueExpression"}},
	} {
		t := &view.Table{Columns: part.columns}
		for _, v := range objects(spec[part.field]) {
			var row []view.Cell
			for _, name := range part.fields {
				value := text(v[name])
				if value == "" && name == "message" {
					value = text(v["messageExpression"])
				}
				row = append(row, view.Cell{Text: value})
			}
			t.Rows = append(t.Rows, row)
		}
		if len(t.Rows) > 0 {
			blocks = append(blocks, view.Block{Title: part.title, Table: t})
		}
	}
	if list := objects(spec["mutations"]); len(list) > 0 {
		t := &view.Table{Columns: []messages.Text{"Type", "Expression"}}
		for _, m := range list {
			kind := text(m["patchType"])
			t.Rows = append(t.Rows, plain(kind, digText(m, strings.ToLower(kind[:min(1, len(kind))])+kind[min(1, len(kind)):]+" expression")))
		}
		blocks = append(blocks, view.Block{Title: "Changes that it makes", Table: t})
	}
	return append(blocks, c.bindingsOfPolicy(ctx, o))
}

// withValue is a map with one more value.
func withValue(m map[string]any, name string, value any) map[string]any {
	out := map[string]any{name: value}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// bindingsOfPolicy are the bindings that put a policy in force.
func (c *Call) bindingsOfPolicy(ctx context.Context, o *loaded) view.Block {
	b := view.Block{Title: "Where it is in force", Table: &view.Table{Columns: []messages.Text{"Binding", "What it does", "Parameters", "Only"}, Empty: "Nowhere: it has no binding."}}
	a, ok := c.served(o.gvr.Group, strings.TrimSuffix(o.gvr.Resource, "policies")+"policybindings")
	if !ok {
		return b
	}
	list, err := c.listObjects(ctx, a, "", "")
	if err != nil {
		b.Note, b.Table = messages.Data(c.reason(err)), nil
		return b
	}
	for _, m := range list {
		if digText(m, "spec policyName") == o.name {
			name := digText(m, "metadata name")
			limits, _ := dig(m, "spec matchResources").(map[string]any)
			b.Table.Rows = append(b.Table.Rows, []view.Cell{
				linked(name, objectPath(a.gvr, "", name)), {Text: strings.Join(stringList(dig(m, "spec validationActions")), ", ")}, {Text: paramText(dig(m, "spec paramRef"))}, {Text: c.narrowing(limits)},
			})
		}
	}
	return b
}

func paramText(ref any) string {
	if selector := selectorText(dig(ref, "selector")); selector != "" {
		return selector
	}
	return strings.Trim(digText(ref, "namespace")+"/"+digText(ref, "name"), "/")
}

// policyBindingBlocks are a binding's policy and what it narrows it to.
func policyBindingBlocks(_ context.Context, c *Call, o *loaded) []view.Block {
	spec := o.object.Object["spec"]
	var f factList
	policy := digText(spec, "policyName")
	gvr := o.gvr
	gvr.Resource = strings.TrimSuffix(gvr.Resource, "bindings")
	gvr.Resource = strings.TrimSuffix(gvr.Resource, "policy") + "policies"
	f.link("Policy", policy, objectPath(gvr, "", policy))
	f.add("What it does", strings.Join(stringList(dig(spec, "validationActions")), ", "))
	f.add("Parameters", paramText(dig(spec, "paramRef")))
	limits, _ := dig(spec, "matchResources").(map[string]any)
	f.add("For", rulesText(limits["resourceRules"]))
	f.add("Not for", rulesText(limits["excludeResourceRules"]))
	f.add("Only", c.narrowing(limits))
	return []view.Block{{Title: "Binding", Facts: f}}
}
