package pages

import (
	"context"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/web/messages"
	"pilothouse/web/rows"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kindBlocks are the parts of an overview that belong to a kind, in their order.
// A kind without an entry shows its spec and status as they are.
var kindBlocks = []struct {
	group, kind string
	blocks      func(ctx context.Context, c *Call, o *loaded) []view.Block
	// title and facts are those of a kind that has nothing else of its own.
	title messages.Text
	facts []fieldFact
}{
	{"", "Pod", podBlocks, "", nil},
	{"", "ReplicationController", workloadBlocks, "", nil},
	{"apps", "Deployment", revisedBlocks, "", nil},
	{"apps", "ReplicaSet", workloadBlocks, "", nil},
	{"apps", "StatefulSet", revisedBlocks, "", nil},
	{"apps", "DaemonSet", revisedBlocks, "", nil},
	{"batch", "Job", jobBlocks, "", nil},
	{"batch", "CronJob", cronJobBlocks, "", nil},
	{"autoscaling", "HorizontalPodAutoscaler", scalerBlocks, "", nil},
	{"policy", "PodDisruptionBudget", disruptionBlocks, "", nil},

	{"", "Service", serviceBlocks, "", nil},
	{"discovery.k8s.io", "EndpointSlice", sliceBlocks, "", nil},
	{"networking.k8s.io", "Ingress", ingressBlocks, "", nil},
	{"networking.k8s.io", "NetworkPolicy", networkPolicyBlocks, "", nil},

	{"", "Node", nodeBlocks, "", nil},
	{"", "Namespace", namespaceBlocks, "", nil},
	{"", "ResourceQuota", quotaBlocks, "", nil},
	{"", "LimitRange", limitBlocks, "", nil},
	{"", "PersistentVolumeClaim", claimBlocks, "", nil},
	{"", "PersistentVolume", volumeBlocks, "", nil},
	{"storage.k8s.io", "StorageClass", storageClassBlocks, "", nil},
	{"", "ConfigMap", usedByBlocks, "", nil},
	{"", "Secret", secretBlocks, "", nil},
	{"", "ServiceAccount", accountBlocks, "", nil},
	{"", "Event", eventBlocks, "", nil},

	{"rbac.authorization.k8s.io", "Role", roleBlocks, "", nil},
	{"rbac.authorization.k8s.io", "ClusterRole", roleBlocks, "", nil},
	{"rbac.authorization.k8s.io", "RoleBinding", bindingBlocks, "", nil},
	{"rbac.authorization.k8s.io", "ClusterRoleBinding", bindingBlocks, "", nil},
	{"apiextensions.k8s.io", "CustomResourceDefinition", definitionBlocks, "", nil},

	{"admissionregistration.k8s.io", "ValidatingWebhookConfiguration", webhookBlocks, "", nil},
	{"admissionregistration.k8s.io", "MutatingWebhookConfiguration", webhookBlocks, "", nil},
	{"admissionregistration.k8s.io", "ValidatingAdmissionPolicy", policyBlocks, "", nil},
	{"admissionregistration.k8s.io", "MutatingAdmissionPolicy", policyBlocks, "", nil},
	{"admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", policyBindingBlocks, "", nil},
	{"admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding", policyBindingBlocks, "", nil},

	{"scheduling.k8s.io", "PriorityClass", nil, "Class", []fieldFact{{name: "Value", path: "value"}, {name: "Taken where none is named", path: "globalDefault"}, {name: "Preemption", path: "preemptionPolicy"}, {name: "Description", path: "description"}}},
	{"node.k8s.io", "RuntimeClass", nil, "Class", []fieldFact{{name: "Handler", path: "handler"}, {name: "CPU on top", path: "overhead podFixed cpu"}, {name: "Memory on top", path: "overhead podFixed memory"}}},
	{"networking.k8s.io", "IngressClass", nil, "Class", []fieldFact{{name: "Controller", path: "spec controller"}, {name: "Parameters", path: "spec parameters name"}, {name: "Taken where none is named", path: "metadata annotations ingressclass.kubernetes.io/is-default-class"}}},
	{"storage.k8s.io", "VolumeAttachment", nil, "Volume", []fieldFact{{name: "Node", path: "spec nodeName", resource: "nodes"}, {name: "Volume", path: "spec source persistentVolumeName", resource: "persistentvolumes"}, {name: "Driver", path: "spec attacher", group: "storage.k8s.io", resource: "csidrivers"}, {name: "Attached", path: "status attached"}, {name: "Why", path: "status attachError message"}}},
	{"storage.k8s.io", "CSIDriver", nil, "Driver", []fieldFact{{name: "Is attached to nodes", path: "spec attachRequired"}, {name: "Knows the pod", path: "spec podInfoOnMount"}, {name: "Says how much is left", path: "spec storageCapacity"}, {name: "Group of files", path: "spec fsGroupPolicy"}}},
	{"coordination.k8s.io", "Lease", leaseBlocks, "", nil},
	{"apiregistration.k8s.io", "APIService", apiServiceBlocks, "", nil},
	{"certificates.k8s.io", "CertificateSigningRequest", signingBlocks, "", nil},
}

// blocksOf gives the parts that belong to an object's kind; ok is false for one
// without an entry.
func (c *Call) blocksOf(ctx context.Context, o *loaded) (blocks []view.Block, ok bool) {
	gk := o.object.GroupVersionKind().GroupKind()
	for _, k := range kindBlocks {
		switch {
		case k.kind != gk.Kind || k.group != gk.Group:
		case k.facts != nil:
			return c.factsBlock(k.title, k.facts, o), true
		default:
			return k.blocks(ctx, c, o), true
		}
	}
	return nil, false
}

// shownRelated bounds the rows of a block; its link leads to the rest.
const shownRelated = 50

// dig gives what stands at a path of fields, nil where there is nothing. Spaces
// are between the fields: no name of one has any.
func dig(v any, path string) any {
	for more := true; more; {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		var name string
		name, path, more = strings.Cut(path, " ")
		v = m[name]
	}
	return v
}

// digText is dig as text.
func digText(v any, path string) string { return text(dig(v, path)) }

// digInt is dig as a number, 0 where there is none.
func digInt(v any, path string) int64 {
	switch n := dig(v, path).(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return 0
}

// stringList is a list of texts.
func stringList(v any) []string {
	items, _ := v.([]any)
	var list []string
	for _, item := range items {
		list = append(list, text(item))
	}
	return list
}

// factList collects facts that are something.
type factList []view.Fact

func (l *factList) add(name messages.Text, value string) { l.link(name, value, "") }

func (l *factList) link(name messages.Text, value, href string) {
	if value != "" && value != "<nil>" {
		*l = append(*l, view.Fact{Name: name, Cell: view.Cell{Text: value, Href: href}})
	}
}

// moment adds a time as how long ago it is.
func (l *factList) moment(name messages.Text, value string) {
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		*l = append(*l, view.Fact{Name: name, Cell: view.Cell{Text: age(time.Since(at)), Time: value}})
	}
}

// plain are cells of text only.
func plain(texts ...string) []view.Cell {
	cells := make([]view.Cell, len(texts))
	for i, t := range texts {
		cells[i] = view.Cell{Text: t}
	}
	return cells
}

// linked is a link; to nothing where there is no name.
func linked(text, href string) view.Cell {
	if text == "" {
		href = ""
	}
	return view.Cell{Text: text, Href: href}
}

func timed(value string) view.Cell {
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return view.Cell{Text: age(time.Since(at)), Time: value}
	}
	return view.Cell{Text: value}
}

func toned(text, tone string) view.Cell { return view.Cell{Text: text, Tone: tone} }

// core gives a resource of the core group.
func core(name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: name}
}

// served gives the address of a resource that pages know by name, in its
// preferred version; ok is false when this server does not serve it.
func (c *Call) served(group, name string) (address, bool) {
	e := preferred(c.Types(), schema.GroupResource{Group: group, Resource: name})
	if e == nil {
		return address{}, false
	}
	return address{entry: e, gvr: e.GVR()}, true
}

// rowsBlock is the list of what selectors choose, as its own page shows it.
// Columns that are left out are named in without.
func (c *Call) rowsBlock(ctx context.Context, title messages.Text, a address, labelSelector, fieldSelector string, without ...string) view.Block {
	b := view.Block{Title: title}
	q := ""
	if labelSelector != "" {
		q = "-l " + labelSelector
	}
	if fieldSelector != "" {
		q = strings.TrimSpace(q + " -f " + fieldSelector)
	}
	b.More = &view.Link{Text: c.T("as a list"), Href: join(listPath(a.gvr, a.namespace), with(nil, "q", q))}
	columns, list, total, err := rows.Pick(ctx, c.Client, rows.Key{GVR: a.gvr, Namespace: a.namespace, FieldSelector: fieldSelector}, labelSelector, shownRelated)
	if err != nil {
		b.Note = messages.Data(c.reason(err))
		return b
	}
	sh := newShape(&listState{address: a}, columns, rows.AgeColumn(columns, list), list)
	b.Table = &view.Table{Empty: "None."}
	var shown []shapeColumn
	for _, col := range sh.list {
		skip := false
		for _, name := range without {
			skip = skip || col.Name == name
		}
		if !skip {
			shown = append(shown, col)
			b.Table.Columns = append(b.Table.Columns, messages.Data(col.Name))
		}
	}
	marks := c.toDelete()
	for _, r := range list {
		var cells []view.Cell
		for _, col := range shown {
			cell := sh.cell(r, col)
			if cell.Name {
				cell.Href, cell.Held = objectPath(a.gvr, r.Namespace, r.Name), marks.On(r.UID)
			}
			cells = append(cells, cell)
		}
		b.Table.Rows = append(b.Table.Rows, cells)
	}
	if total > len(list) {
		b.Note = messages.Said(c.T("%d of %d.", len(list), total))
	}
	b.Title = messages.Said(c.T("%s · %d", title, total))
	return b
}

// selectorText is a labelSelector as kubectl's -l takes it; empty for one that
// chooses nothing.
func selectorText(v any) string {
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 {
		return ""
	}
	s := metav1.LabelSelector{}
	if match, ok := m["matchLabels"].(map[string]any); ok {
		s.MatchLabels = stringMap(match)
	}
	for _, e := range objects(m["matchExpressions"]) {
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: text(e["key"]), Operator: metav1.LabelSelectorOperator(text(e["operator"])), Values: stringList(e["values"]),
		})
	}
	parsed, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil {
		return ""
	}
	return parsed.String()
}

func stringMap(m map[string]any) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = text(v)
	}
	return out
}

// labelsText is a map of labels as kubectl's -l takes it.
func labelsText(v any) string {
	m, _ := v.(map[string]any)
	return labels.SelectorFromSet(stringMap(m)).String()
}

// gauge is a Gauge of two amounts; more than all of it is bad.
func gauge(name messages.Text, used, hard string) view.Gauge {
	g := view.Gauge{Name: name, Now: used, Of: hard, Tone: view.Good}
	u, err1 := resource.ParseQuantity(used)
	h, err2 := resource.ParseQuantity(hard)
	if err1 != nil || err2 != nil {
		return g
	}
	g.Percent = percent(u.AsApproximateFloat64(), h.AsApproximateFloat64())
	switch {
	case u.Cmp(h) >= 0:
		g.Tone = view.Bad
	case g.Percent >= 80:
		g.Tone = view.Warn
	}
	return g
}

// progress is a Gauge of what is to be all.
func progress(name messages.Text, now, want int64) view.Gauge {
	g := view.Gauge{Name: name, Now: strconv.FormatInt(now, 10), Of: strconv.FormatInt(want, 10), Percent: percent(float64(now), float64(want)), Tone: view.Good}
	if now < want {
		g.Tone = view.Warn
	}
	return g
}

func percent(part, whole float64) int {
	if whole <= 0 {
		return 0
	}
	return int(min(100, max(0, 100*part/whole)))
}

// listObjects gives the objects of a list as they are, at most maxListed.
func (c *Call) listObjects(ctx context.Context, a address, namespace, labelSelector string) ([]map[string]any, error) {
	raw, err := c.Client.Bytes(ctx, client.Call{
		Method: "GET", Path: client.Path(a.gvr, namespace, "", ""), Query: with(nil, "labelSelector", labelSelector, "limit", strconv.Itoa(maxListed)),
	})
	if err != nil {
		return nil, err
	}
	u := unstructured.UnstructuredList{}
	if err := u.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	list := make([]map[string]any, len(u.Items))
	for i := range u.Items {
		list[i] = u.Items[i].Object
	}
	return list, nil
}

// maxListed bounds the objects that one block reads.
const maxListed = 2000
