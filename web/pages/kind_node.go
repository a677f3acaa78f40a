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
	blocks := []view.Block{c.nodeUse(ctx, status, selector), {Title: "Node", Facts: f}}
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

// nodeUse lays what the pods of a node ask for against what it has.
func (c *Call) nodeUse(ctx context.Context, status any, selector string) view.Block {
	b := view.Block{Title: "Asked for by its pods, of what can be used"}
	var pods corev1.PodList
	if err := c.Client.List(ctx, core("pods"), "", metav1.ListOptions{FieldSelector: selector}, &pods); err != nil {
		b.Note = messages.Data(c.reason(err))
		return b
	}
	asked, count := corev1.ResourceList{}, 0
	for i := range pods.Items {
		p := &pods.Items[i]
		if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		count++
		for k := range p.Spec.Containers {
			for name, q := range p.Spec.Containers[k].Resources.Requests {
				sum := asked[name]
				sum.Add(q)
				asked[name] = sum
			}
		}
	}
	asked[corev1.ResourcePods] = *resource.NewQuantity(int64(count), resource.DecimalSI)
	has, _ := dig(status, "allocatable").(map[string]any)
	for _, name := range sortedKeys(has) {
		q, known := asked[corev1.ResourceName(name)]
		if !known && name != "cpu" && name != "memory" {
			continue
		}
		g := gauge(messages.Data(name), q.String(), text(has[name]))
		if g.Tone == view.Bad && q.Cmp(resource.MustParse("0")) == 0 {
			g.Tone = view.Good // nothing of nothing
		}
		b.Gauges = append(b.Gauges, g)
	}
	if len(has) == 0 {
		b.Note = "The node has not said what it has."
	}
	return b
}
