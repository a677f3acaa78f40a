package pages

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"pilothouse/backend/client"
	"pilothouse/web/capacity"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	resourcehelper "k8s.io/component-helpers/resource"
)

// nodeBlocks are how full a node is, what it is, and its pods.
func nodeBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	spec, status := o.object.Object["spec"], o.object.Object["status"]
	var f factList
	for _, a := range objects(dig(status, "addresses")) {
		f.add(messages.Data(text(a["type"])), text(a["address"]))
	}
	for _, part := range []struct {
		name  messages.Text
		field string
	}{{"System", "osImage"}, {"Kernel", "kernelVersion"}, {"Runtime", "containerRuntimeVersion"}, {"Kubelet", "kubeletVersion"}, {"Architecture", "architecture"}} {
		f.add(part.name, digText(status, "nodeInfo "+part.field))
	}
	f.add("Pod network", strings.Join(stringList(dig(spec, "podCIDRs")), ", "))
	if dig(spec, "unschedulable") == true {
		f.add("Scheduling", c.T("cordoned: no new pods"))
	}
	selector := fields.OneTermEqualSelector("spec.nodeName", o.name).String()
	use, pods := c.nodeUse(ctx, o.name, status, selector)
	blocks := append(use, view.Block{Title: "Node", Facts: f})
	if taints := objects(dig(spec, "taints")); len(taints) > 0 {
		t := &view.Table{Columns: []messages.Text{"Taint", "Effect"}}
		for _, x := range taints {
			key := text(x["key"])
			if value := text(x["value"]); value != "" {
				key += "=" + value
			}
			t.Rows = append(t.Rows, plain(key, text(x["effect"])))
		}
		blocks = append(blocks, view.Block{Title: "Taints", Table: t})
	}
	if a, ok := c.served("", "pods"); ok {
		b := c.rowsBlock(ctx, "Pods", a, "", selector, "Restarts", "Age")
		pods.addTo(b.Table)
		blocks = append(blocks, b)
	}
	return blocks
}

// podUses are what each pod of a node asks for and may take, by its page's address;
// used is what it uses, nil where nobody says so.
type podUses struct {
	of   map[string][]string
	used map[string]corev1.ResourceList
}

// addTo adds them to the table of the pods.
func (u *podUses) addTo(t *view.Table) {
	if t == nil || len(u.of) == 0 {
		return
	}
	for i := range 2 {
		t.Columns = append(t.Columns, amountColumns[i][:columnsOf(i, u.used != nil)]...)
	}
	for i, row := range t.Rows {
		j := slices.IndexFunc(row, func(c view.Cell) bool { return c.Name })
		if j < 0 {
			continue
		}
		for k, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			amounts := u.of[row[j].Href]
			if len(amounts) == 0 {
				amounts = make([]string, 4) // it has ended
			}
			row = append(row, plain(amounts[2*k:2*k+2]...)...)
			if u.used != nil {
				row = append(row, view.Cell{Text: amountText(u.used[row[j].Href], name)})
			}
		}
		t.Rows[i] = row
	}
}

// amountText is an amount of a list, empty where it says nothing.
func amountText(list corev1.ResourceList, name corev1.ResourceName) string {
	if q, ok := list[name]; ok {
		return q.String()
	}
	return ""
}

// usedByNode is what a node uses, as the metrics say it to the user; nil when they
// do not.
func (c *Call) usedByNode(ctx context.Context, name string) corev1.ResourceList {
	ctx, cancel := context.WithTimeout(ctx, usageTimeout)
	defer cancel()
	raw, err := c.Client.Bytes(ctx, client.Call{Method: http.MethodGet, Path: client.Path(capacity.Metrics, "", name, "")})
	var metrics struct{ Usage corev1.ResourceList }
	if err != nil || json.Unmarshal(raw, &metrics) != nil {
		return nil
	}
	return corev1.ResourceList{corev1.ResourceCPU: metrics.Usage[corev1.ResourceCPU], corev1.ResourceMemory: metrics.Usage[corev1.ResourceMemory]}
}

// usedByPods is what pods use, as the metrics say it to the user, who cannot ask for
// those of one node.
func (c *Call) usedByPods(ctx context.Context) map[string]corev1.ResourceList {
	ctx, cancel := context.WithTimeout(ctx, usageTimeout)
	defer cancel()
	gvr := capacity.Metrics
	gvr.Resource = "pods"
	raw, err := c.Client.Bytes(ctx, client.Call{Method: http.MethodGet, Path: client.Path(gvr, "", "", "")})
	if err != nil {
		return nil
	}
	var list struct {
		Items []struct {
			Metadata   struct{ Namespace, Name string }
			Containers []struct{ Usage corev1.ResourceList }
		}
	}
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	used := map[string]corev1.ResourceList{}
	for _, p := range list.Items {
		sums := corev1.ResourceList{}
		for _, k := range p.Containers {
			add(sums, k.Usage)
		}
		used[objectPath(podsResource, p.Metadata.Namespace, p.Metadata.Name)] = sums
	}
	return used
}

// nodeUse lays what the pods of a node ask for, what they may take at most, and
// what is used, against what it has.
func (c *Call) nodeUse(ctx context.Context, name string, status any, selector string) ([]view.Block, podUses) {
	uses := podUses{of: map[string][]string{}}
	asked := view.Block{Title: "Asked for by its pods, of what can be used"}
	most := view.Block{Title: "Limits of its pods, of what can be used"}
	var pods corev1.PodList
	if err := c.Client.List(ctx, core("pods"), "", metav1.ListOptions{FieldSelector: selector}, &pods); err != nil {
		asked.Note = messages.Data(c.reason(err))
		return []view.Block{asked}, uses
	}
	requests, limits, count := corev1.ResourceList{}, corev1.ResourceList{}, 0
	for i := range pods.Items {
		p := &pods.Items[i]
		if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		count++
		wants, most := resourcehelper.PodRequests(p, resourcehelper.PodResourcesOptions{}), resourcehelper.PodLimits(p, resourcehelper.PodResourcesOptions{})
		add(requests, wants)
		add(limits, most)
		uses.of[objectPath(podsResource, p.Namespace, p.Name)] = []string{
			amountText(wants, corev1.ResourceCPU), amountText(most, corev1.ResourceCPU), amountText(wants, corev1.ResourceMemory), amountText(most, corev1.ResourceMemory),
		}
	}
	requests[corev1.ResourcePods] = *resource.NewQuantity(int64(count), resource.DecimalSI)
	has, _ := dig(status, "allocatable").(map[string]any)
	asked.Gauges, most.Gauges = resourceGauges(requests, has), resourceGauges(limits, has)
	for i := range most.Gauges {
		if most.Gauges[i].Tone == view.Bad {
			most.Gauges[i].Tone = view.Warn // more than there is may be promised
		}
	}
	if len(has) == 0 {
		asked.Note = "The node has not said what it has."
		return []view.Block{asked}, uses
	}
	blocks := []view.Block{asked, most}
	if used := c.usedByNode(ctx, name); used != nil {
		blocks = append(blocks, view.Block{Title: "Used now", Gauges: resourceGauges(used, has)})
		uses.used = c.usedByPods(ctx)
	}
	return blocks, uses
}

func add(sums, more corev1.ResourceList) {
	for name, q := range more {
		sum := sums[name]
		sum.Add(q)
		sums[name] = sum
	}
}

// resourceGauges lay amounts against what there is: cpu and memory always.
func resourceGauges(amounts corev1.ResourceList, has map[string]any) []view.Gauge {
	var list []view.Gauge
	for _, name := range sortedKeys(has) {
		q, known := amounts[corev1.ResourceName(name)]
		if !known && name != "cpu" && name != "memory" {
			continue
		}
		g := gauge(messages.Data(name), q.String(), text(has[name]))
		if g.Tone == view.Bad && q.IsZero() {
			g.Tone = view.Good // nothing of nothing
		}
		list = append(list, g)
	}
	return list
}
