package pages

import (
	"context"
	"strings"

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
		f.add(part.name, digText(status, "nodeInfo", part.field))
	}
	f.add("Pod network", strings.Join(stringList(dig(spec, "podCIDRs")), ", "))
	if dig(spec, "unschedulable") == true {
		f.add("Scheduling", c.T("cordoned: no new pods"))
	}
	selector := fields.OneTermEqualSelector("spec.nodeName", o.name).String()
	blocks := append(c.nodeUse(ctx, status, selector), view.Block{Title: "Node", Facts: f})
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
		blocks = append(blocks, c.rowsBlock(ctx, "Pods", a, "", selector))
	}
	return blocks
}

// nodeUse lays what the pods of a node ask for, and what they may take at most,
// against what it has.
func (c *Call) nodeUse(ctx context.Context, status any, selector string) []view.Block {
	asked := view.Block{Title: "Asked for by its pods, of what can be used"}
	most := view.Block{Title: "Limits of its pods, of what can be used"}
	var pods corev1.PodList
	if err := c.Client.List(ctx, core("pods"), "", metav1.ListOptions{FieldSelector: selector}, &pods); err != nil {
		asked.Note = messages.Data(c.reason(err))
		return []view.Block{asked}
	}
	requests, limits, count := corev1.ResourceList{}, corev1.ResourceList{}, 0
	for i := range pods.Items {
		p := &pods.Items[i]
		if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		count++
		add(requests, resourcehelper.PodRequests(p, resourcehelper.PodResourcesOptions{}))
		add(limits, resourcehelper.PodLimits(p, resourcehelper.PodResourcesOptions{}))
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
		return []view.Block{asked}
	}
	return []view.Block{asked, most}
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
