package pages

import (
	"context"
	"fmt"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/view"
)

func podBlocks(_ context.Context, c *Call, o *loaded) []view.Block {
	spec, status := o.object.Object["spec"], o.object.Object["status"]
	var f factList
	f.link("Node", digText(spec, "nodeName"), nodeHref(digText(spec, "nodeName")))
	f.link("Node it waits for", digText(status, "nominatedNodeName"), nodeHref(digText(status, "nominatedNodeName")))
	f.add("IP", strings.Join(fieldOf(dig(status, "podIPs"), "ip"), ", "))
	f.add("Host IP", digText(status, "hostIP"))
	f.link("Service account", digText(spec, "serviceAccountName"), objectPath(core("serviceaccounts"), o.namespace, digText(spec, "serviceAccountName")))
	f.add("QoS", digText(status, "qosClass"))
	c.fieldFact(&f, fieldFact{name: "Priority class", group: "scheduling.k8s.io", resource: "priorityclasses"}, dig(spec, "priorityClassName"))
	c.fieldFact(&f, fieldFact{name: "Runtime class", group: "node.k8s.io", resource: "runtimeclasses"}, dig(spec, "runtimeClassName"))
	f.add("Priority", digText(spec, "priority"))
	f.add("Restart policy", digText(spec, "restartPolicy"))
	f.moment("Started", digText(status, "startTime"))
	f.add("Why", strings.TrimSpace(digText(status, "reason")+" "+digText(status, "message")))
	blocks := []view.Block{{Title: "Where it runs", Facts: f}}
	if b := c.containerInputs(o.namespace, spec); b.Table != nil {
		blocks = append(blocks, b)
	}
	if b := volumesBlock(o.namespace, spec); b.Table != nil {
		blocks = append(blocks, b)
	}
	if b := c.tolerationsBlock(spec); b.Table != nil {
		blocks = append(blocks, b)
	}
	return blocks
}

func nodeHref(name string) string {
	if name == "" {
		return ""
	}
	return objectPath(nodes, "", name)
}

// fieldOf are the values of one field of the objects of a list.
func fieldOf(v any, name string) []string {
	var list []string
	for _, m := range objects(v) {
		list = append(list, text(m[name]))
	}
	return list
}

// containerInputs are the environment, the mounts and the probes of a pod's
// containers.
func (c *Call) containerInputs(namespace string, spec any) view.Block {
	b := view.Block{Title: "Environment, mounts, probes"}
	t := &view.Table{Columns: []messages.Text{"Container", "What", "Name", "Value"}}
	for _, part := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for _, k := range objects(dig(spec, part)) {
			name := text(k["name"])
			add := func(what, key string, value view.Cell) {
				t.Rows = append(t.Rows, append(plain(name, what, key), value))
			}
			for _, e := range objects(k["envFrom"]) {
				for field, resource := range map[string]string{"configMapRef": "configmaps", "secretRef": "secrets"} {
					if ref := digText(e, field+" name"); ref != "" {
						add("env", text(e["prefix"])+"*", linked(c.T("all of %s", resource+"/"+ref), objectPath(core(resource), namespace, ref)))
					}
				}
			}
			for _, e := range objects(k["env"]) {
				add("env", text(e["name"]), c.envValue(namespace, e))
			}
			for _, m := range objects(k["volumeMounts"]) {
				value := text(m["name"])
				if sub := text(m["subPath"]); sub != "" {
					value += "/" + sub
				}
				if m["readOnly"] == true {
					value = c.T("%s (read only)", value)
				}
				add("mount", text(m["mountPath"]), view.Cell{Text: value})
			}
			for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
				if p, ok := k[probe].(map[string]any); ok {
					add(strings.TrimSuffix(probe, "Probe"), "probe", view.Cell{Text: c.probeText(p)})
				}
			}
		}
	}
	if len(t.Rows) > 0 {
		b.Table = t
	}
	return b
}

func (c *Call) envValue(namespace string, e map[string]any) view.Cell {
	if from, ok := e["valueFrom"].(map[string]any); ok {
		for field, resource := range map[string]string{"configMapKeyRef": "configmaps", "secretKeyRef": "secrets"} {
			if ref := digText(from, field+" name"); ref != "" {
				return linked(c.T("%s of %s", digText(from, field+" key"), resource+"/"+ref), objectPath(core(resource), namespace, ref))
			}
		}
		if field := digText(from, "fieldRef fieldPath"); field != "" {
			return view.Cell{Text: c.T("field %s", field)}
		}
		if field := digText(from, "resourceFieldRef resource"); field != "" {
			return view.Cell{Text: c.T("resource %s", field)}
		}
	}
	return view.Cell{Text: shorten(text(e["value"]), 300)}
}

// probeText is a probe in a line: "GET :8080/ready every 10s".
func (c *Call) probeText(p map[string]any) string {
	what := "?"
	switch {
	case p["httpGet"] != nil:
		what = fmt.Sprintf("%s :%s%s", strings.TrimPrefix(digText(p, "httpGet scheme")+" GET", " "), digText(p, "httpGet port"), digText(p, "httpGet path"))
	case p["tcpSocket"] != nil:
		what = "TCP :" + digText(p, "tcpSocket port")
	case p["grpc"] != nil:
		what = "gRPC :" + digText(p, "grpc port")
	case p["exec"] != nil:
		what = "exec " + strings.Join(stringList(dig(p, "exec command")), " ")
	}
	for _, part := range []struct {
		field string
		text  messages.Text
	}{{"initialDelaySeconds", "after %d s"}, {"periodSeconds", "every %d s"}, {"timeoutSeconds", "for at most %d s"}} {
		if n := digInt(p, part.field); n > 0 {
			what += ", " + c.T(part.text, n)
		}
	}
	return what
}

// volumesBlock are a pod's volumes with what is in them.
func volumesBlock(namespace string, spec any) view.Block {
	b := view.Block{Title: "Volumes"}
	for _, v := range objects(dig(spec, "volumes")) {
		if b.Table == nil {
			b.Table = &view.Table{Columns: []messages.Text{"Name", "Type", "From"}}
		}
		kind, from := volumeSource(namespace, v)
		b.Table.Rows = append(b.Table.Rows, append(plain(text(v["name"]), kind), from))
	}
	return b
}

func volumeSource(namespace string, v map[string]any) (kind string, from view.Cell) {
	for _, k := range sortedKeys(v) {
		if k == "name" {
			continue
		}
		switch k {
		case "configMap":
			name := digText(v, k+" name")
			return k, linked(name, objectPath(core("configmaps"), namespace, name))
		case "secret":
			name := digText(v, k+" secretName")
			return k, linked(name, objectPath(core("secrets"), namespace, name))
		case "persistentVolumeClaim":
			name := digText(v, k+" claimName")
			return k, linked(name, objectPath(core("persistentvolumeclaims"), namespace, name))
		case "projected":
			var parts []string
			for _, s := range objects(dig(v, k+" sources")) {
				for _, source := range sortedKeys(s) {
					parts = append(parts, strings.TrimSpace(source+" "+digText(s, source+" name")))
				}
			}
			return k, view.Cell{Text: strings.Join(parts, ", ")}
		}
		var parts []string
		if m, ok := v[k].(map[string]any); ok {
			for _, field := range sortedKeys(m) {
				parts = append(parts, field+" "+text(m[field]))
			}
		}
		return k, view.Cell{Text: shorten(strings.Join(parts, ", "), 200)}
	}
	return "", view.Cell{}
}

func (c *Call) tolerationsBlock(spec any) view.Block {
	b := view.Block{Title: "Where it may run", Closed: true}
	t := &view.Table{Columns: []messages.Text{"Kind", "Term", "Effect"}}
	if m, ok := dig(spec, "nodeSelector").(map[string]any); ok {
		for _, k := range sortedKeys(m) {
			t.Rows = append(t.Rows, plain(c.T("node selector"), k+"="+text(m[k]), ""))
		}
	}
	for _, x := range objects(dig(spec, "tolerations")) {
		term := text(x["key"])
		if term == "" {
			term = c.T("any taint")
		}
		if value := text(x["value"]); value != "" {
			term += "=" + value
		}
		effect := text(x["effect"])
		if s := text(x["tolerationSeconds"]); s != "" {
			effect = c.T("%s for %s s", effect, s)
		}
		t.Rows = append(t.Rows, plain(c.T("toleration"), term, effect))
	}
	if len(t.Rows) > 0 {
		b.Table = t
	}
	return b
}
