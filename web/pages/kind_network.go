package pages

import (
	"context"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/view"
)

// serviceBlocks are a service's addresses and ports, and where they lead.
func serviceBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	spec := o.object.Object["spec"]
	var f factList
	f.add("Type", digText(spec, "type"))
	f.add("Cluster IP", strings.Join(stringList(dig(spec, "clusterIPs")), ", "))
	f.add("External IP", strings.Join(stringList(dig(spec, "externalIPs")), ", "))
	f.add("External name", digText(spec, "externalName"))
	f.add("Load balancer", strings.Join(ingressAddresses(o.object.Object), ", "))
	f.add("Session affinity", digText(spec, "sessionAffinity"))
	f.add("Traffic from outside", digText(spec, "externalTrafficPolicy"))
	f.add("Traffic from inside", digText(spec, "internalTrafficPolicy"))
	f.add("DNS", o.name+"."+o.namespace+".svc")
	selector := labelsText(dig(spec, "selector"))
	f.link("Selector", selector, join(listPath(core("pods"), o.namespace), with(nil, "q", "-l "+selector)))
	ports := &view.Table{Columns: []messages.Text{"Name", "Port", "To", "Node port", "Protocol"}}
	for _, p := range objects(dig(spec, "ports")) {
		ports.Rows = append(ports.Rows, plain(text(p["name"]), text(p["port"]), text(p["targetPort"]), text(p["nodePort"]), strings.TrimSpace(text(p["protocol"])+" "+text(p["appProtocol"]))))
	}
	blocks := []view.Block{{Title: "Address", Facts: f}, {Title: "Ports", Table: ports}, c.endpointsOf(ctx, o)}
	if b := c.ingressesTo(ctx, o); b.Table != nil {
		blocks = append(blocks, b)
	}
	return blocks
}

func ingressAddresses(o map[string]any) []string {
	var list []string
	for _, i := range objects(dig(o, "status loadBalancer ingress")) {
		list = append(list, text(i["ip"])+text(i["hostname"]))
	}
	return list
}

// endpointsOf is the table of a service's endpoints, from its slices.
func (c *Call) endpointsOf(ctx context.Context, o *loaded) view.Block {
	b := view.Block{Title: "Endpoints"}
	a, ok := c.served("discovery.k8s.io", "endpointslices")
	if !ok {
		return b
	}
	slices, err := c.listObjects(ctx, a, o.namespace, "kubernetes.io/service-name="+o.name)
	if err != nil {
		b.Note = messages.Data(c.reason(err))
		return b
	}
	b.Table = &view.Table{Columns: endpointColumns, Empty: "No endpoint: nothing answers at this service."}
	ready := 0
	for _, s := range slices {
		rows, n := c.endpointRows(o.namespace, s)
		b.Table.Rows, ready = append(b.Table.Rows, rows...), ready+n
	}
	b.Title = messages.Said(c.T("Endpoints · %d of %d ready", ready, len(b.Table.Rows)))
	return b
}

var endpointColumns = []messages.Text{"Address", "Ports", "State", "To", "Node", "Zone"}

// endpointRows are the endpoints of a slice, and how many of them are ready.
func (c *Call) endpointRows(namespace string, slice map[string]any) (rows [][]view.Cell, ready int) {
	var ports []string
	for _, p := range objects(slice["ports"]) {
		ports = append(ports, strings.TrimSpace(text(p["name"])+" "+text(p["port"])))
	}
	for _, e := range objects(slice["endpoints"]) {
		state, tone := c.T("ready"), view.Good
		switch {
		case dig(e, "conditions terminating") == true:
			state, tone = c.T("terminating"), view.Gone
		case dig(e, "conditions ready") == false:
			state, tone = c.T("not ready"), view.Warn
		default:
			ready++
		}
		to := view.Cell{}
		if kind, name := digText(e, "targetRef kind"), digText(e, "targetRef name"); name != "" {
			to.Text = name
			if kind == "Pod" {
				to.Href = objectPath(core("pods"), namespace, name)
			}
		}
		node := text(e["nodeName"])
		rows = append(rows, []view.Cell{
			{Text: strings.Join(stringList(e["addresses"]), ", ")}, {Text: strings.Join(ports, ", ")}, toned(state, tone), to, linked(node, nodeHref(node)), {Text: text(e["zone"])},
		})
	}
	return rows, ready
}

func sliceBlocks(_ context.Context, c *Call, o *loaded) []view.Block {
	var f factList
	service := o.object.GetLabels()["kubernetes.io/service-name"]
	if service != "" {
		f.link("Service", service, objectPath(core("services"), o.namespace, service))
	}
	f.add("Address type", text(o.object.Object["addressType"]))
	rows, ready := c.endpointRows(o.namespace, o.object.Object)
	return []view.Block{{Title: messages.Said(c.T("Endpoints · %d of %d ready", ready, len(rows))), Facts: f, Table: &view.Table{Columns: endpointColumns, Rows: rows, Empty: "None."}}}
}

// ingressesTo are the ingresses whose rules lead to a service.
func (c *Call) ingressesTo(ctx context.Context, o *loaded) view.Block {
	b := view.Block{Title: "Ingresses"}
	a, ok := c.served("networking.k8s.io", "ingresses")
	if !ok {
		return b
	}
	list, err := c.listObjects(ctx, a, o.namespace, "")
	if err != nil {
		return b
	}
	for _, m := range list {
		for _, r := range c.ingressRules(m) {
			if r.service != o.name {
				continue
			}
			if b.Table == nil {
				b.Table = &view.Table{Columns: []messages.Text{"Ingress", "Host", "Path"}}
			}
			name := digText(m, "metadata name")
			b.Table.Rows = append(b.Table.Rows, []view.Cell{linked(name, objectPath(a.gvr, o.namespace, name)), {Text: r.host}, {Text: r.path}})
		}
	}
	return b
}

// ingressRule is one path of an ingress.
type ingressRule struct {
	_ view.Incomparable

	host, path, kind, service, port, resource string
}

func (c *Call) ingressRules(o map[string]any) []ingressRule {
	var list []ingressRule
	add := func(host, path, kind string, backend any) {
		r := ingressRule{host: host, path: path, kind: kind, service: digText(backend, "service name")}
		r.port = digText(backend, "service port name") + digText(backend, "service port number")
		r.resource = strings.Trim(digText(backend, "resource kind")+"/"+digText(backend, "resource name"), "/")
		list = append(list, r)
	}
	for _, rule := range objects(dig(o, "spec rules")) {
		host := text(rule["host"])
		if host == "" {
			host = c.T("any host")
		}
		for _, p := range objects(dig(rule, "http paths")) {
			path := text(p["path"])
			if path == "" {
				path = "/"
			}
			add(host, path, text(p["pathType"]), p["backend"])
		}
	}
	if backend := dig(o, "spec defaultBackend"); backend != nil {
		add(c.T("any other"), "/", "", backend)
	}
	return list
}

func ingressBlocks(_ context.Context, c *Call, o *loaded) []view.Block {
	spec := o.object.Object["spec"]
	tls := map[string]string{}
	certificates := &view.Table{Columns: []messages.Text{"Hosts", "Certificate"}}
	for _, t := range objects(dig(spec, "tls")) {
		name := text(t["secretName"])
		hosts := stringList(t["hosts"])
		certificates.Rows = append(certificates.Rows, []view.Cell{{Text: strings.Join(hosts, ", ")}, linked(name, objectPath(core("secrets"), o.namespace, name))})
		for _, h := range hosts {
			tls[h] = name
		}
	}
	var f factList
	c.fieldFact(&f, fieldFact{name: "Class", group: "networking.k8s.io", resource: "ingressclasses"}, dig(spec, "ingressClassName"))
	f.add("Addresses", strings.Join(ingressAddresses(o.object.Object), ", "))
	rules := &view.Table{Columns: []messages.Text{"Host", "Path", "Match", "To"}, Empty: "It has no rules."}
	for _, r := range c.ingressRules(o.object.Object) {
		host := view.Cell{Text: r.host}
		if !strings.ContainsAny(r.host, " *") {
			scheme := "http://"
			if tls[r.host] != "" {
				scheme = "https://"
			}
			host.Text = scheme + r.host
		}
		to := linked(r.service+":"+r.port, objectPath(core("services"), o.namespace, r.service))
		if r.service == "" {
			to = view.Cell{Text: r.resource}
		}
		rules.Rows = append(rules.Rows, []view.Cell{host, {Text: r.path}, {Text: r.kind}, to})
	}
	blocks := []view.Block{{Title: "Rules", Facts: f, Table: rules}}
	if len(certificates.Rows) > 0 {
		blocks = append(blocks, view.Block{Title: "TLS", Table: certificates})
	}
	return blocks
}

// networkPolicyBlocks say in words what a policy lets through.
func networkPolicyBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	spec := o.object.Object["spec"]
	selector := selectorText(dig(spec, "podSelector"))
	var f factList
	if selector == "" {
		f.link("For", c.T("all pods of the namespace"), listPath(core("pods"), o.namespace))
	} else {
		f.link("For", selector, join(listPath(core("pods"), o.namespace), with(nil, "q", "-l "+selector)))
	}
	f.add("Limits", strings.Join(stringList(dig(spec, "policyTypes")), ", "))
	blocks := []view.Block{{Title: "Pods", Facts: f}}
	for _, way := range []struct {
		kind, field, peers string
		title              messages.Text
	}{{"Ingress", "ingress", "from", "Lets in"}, {"Egress", "egress", "to", "Lets out"}} {
		if !strings.Contains(strings.Join(stringList(dig(spec, "policyTypes")), " "), way.kind) {
			continue
		}
		t := &view.Table{Columns: []messages.Text{"Peers", "Ports"}, Empty: "Nothing."}
		for _, rule := range objects(dig(spec, way.field)) {
			var peers, ports []string
			for _, p := range objects(rule[way.peers]) {
				peers = append(peers, c.peerText(p))
			}
			for _, p := range objects(rule["ports"]) {
				port := strings.TrimSpace(text(p["protocol"]) + " " + text(p["port"]))
				if end := text(p["endPort"]); end != "" {
					port += "-" + end
				}
				ports = append(ports, port)
			}
			t.Rows = append(t.Rows, plain(orAny(peers, c.T("anybody")), orAny(ports, c.T("any port"))))
		}
		blocks = append(blocks, view.Block{Title: way.title, Table: t})
	}
	if a, ok := c.served("", "pods"); ok {
		a.namespace = o.namespace
		blocks = append(blocks, c.rowsBlock(ctx, "Pods", a, selector, ""))
	}
	return blocks
}

func orAny(list []string, any string) string {
	if len(list) == 0 {
		return any
	}
	return strings.Join(list, "; ")
}

func (c *Call) peerText(p map[string]any) string {
	if cidr := digText(p, "ipBlock cidr"); cidr != "" {
		if except := stringList(dig(p, "ipBlock except")); len(except) > 0 {
			return c.T("%s but %s", cidr, strings.Join(except, ", "))
		}
		return cidr
	}
	pods := orAny(nonEmpty(selectorText(p["podSelector"])), c.T("of any kind"))
	namespaces := orAny(nonEmpty(selectorText(p["namespaceSelector"])), c.T("of any kind"))
	switch {
	case p["podSelector"] != nil && p["namespaceSelector"] != nil:
		return c.T("pods %s in namespaces %s", pods, namespaces)
	case p["podSelector"] != nil:
		return c.T("pods %s", pods)
	case p["namespaceSelector"] != nil:
		return c.T("in namespaces %s", namespaces)
	}
	return ""
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
