package pages

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/view"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// workloadBlocks are how many replicas there are, their pods, and what leads to
// them.
func workloadBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	spec, status := o.object.Object["spec"], o.object.Object["status"]
	var f factList
	selector := selectorText(dig(spec, "selector"))
	if o.object.GetKind() == "ReplicationController" {
		selector = labelsText(dig(spec, "selector"))
	}
	f.link("Selector", selector, join(listPath(core("pods"), o.namespace), with(nil, "q", "-l "+selector)))
	for _, field := range []string{"strategy", "updateStrategy"} {
		if kind := digText(spec, field+" type"); kind != "" {
			for _, part := range []string{"maxSurge", "maxUnavailable", "partition"} {
				if v := digText(spec, field+" rollingUpdate "+part); v != "" {
					kind += ", " + part + " " + v
				}
			}
			f.add("Strategy", kind)
		}
	}
	if o.object.GetKind() == "Deployment" {
		f = append(f, view.Fact{Name: "Rollout", Cell: c.rolloutCell(&o.object)})
	}
	if name := digText(spec, "serviceName"); name != "" {
		f.link("Service", name, objectPath(core("services"), o.namespace, name))
	}
	f.add("Revision", o.object.GetAnnotations()["deployment.kubernetes.io/revision"])
	blocks := []view.Block{{Title: "Replicas", Gauges: replicaGauges(o.object.GetKind(), spec, status), Facts: f}}
	pods := address{gvr: core("pods"), namespace: o.namespace}
	if a, ok := c.served("", "pods"); ok && selector != "" {
		pods.entry = a.entry
		blocks = append(blocks, c.rowsBlock(ctx, "Pods", pods, selector, ""))
	}
	if template, ok := dig(spec, "template metadata labels").(map[string]any); ok {
		blocks = append(blocks, c.leadsTo(ctx, o, labels.Set(stringMap(template))))
	}
	return slices.DeleteFunc(blocks, func(b view.Block) bool { return b.Title == "" })
}

func replicaGauges(kind string, spec, status any) []view.Gauge {
	if kind == "DaemonSet" {
		want := digInt(status, "desiredNumberScheduled")
		return []view.Gauge{
			progress("Ready", digInt(status, "numberReady"), want), progress("Available", digInt(status, "numberAvailable"), want),
			progress("Updated", digInt(status, "updatedNumberScheduled"), want),
		}
	}
	want := int64(1)
	if dig(spec, "replicas") != nil {
		want = digInt(spec, "replicas")
	}
	list := []view.Gauge{progress("Ready", digInt(status, "readyReplicas"), want)}
	for _, part := range []struct {
		name  messages.Text
		field string
	}{{"Available", "availableReplicas"}, {"Updated", "updatedReplicas"}} {
		if kind == "Deployment" || kind == "StatefulSet" || part.field == "availableReplicas" {
			list = append(list, progress(part.name, digInt(status, part.field), want))
		}
	}
	return list
}

// leadsTo are the services and the autoscalers that have to do with pods of some
// labels.
func (c *Call) leadsTo(ctx context.Context, o *loaded, pods labels.Set) view.Block {
	t := &view.Table{Columns: []messages.Text{"Kind", "Name", "What"}}
	var services corev1.ServiceList
	if c.Client.List(ctx, core("services"), o.namespace, metav1.ListOptions{}, &services) == nil {
		for i := range services.Items {
			s := &services.Items[i]
			if len(s.Spec.Selector) == 0 || !labels.SelectorFromSet(s.Spec.Selector).Matches(pods) {
				continue
			}
			var ports []string
			for _, p := range s.Spec.Ports {
				ports = append(ports, fmt.Sprintf("%d → %s", p.Port, p.TargetPort.String()))
			}
			t.Rows = append(t.Rows, []view.Cell{{Text: "Service"}, linked(s.Name, objectPath(core("services"), o.namespace, s.Name)), {Text: strings.Join(ports, ", ")}})
		}
	}
	if a, ok := c.served("autoscaling", "horizontalpodautoscalers"); ok {
		raw, err := c.listObjects(ctx, a, o.namespace, "")
		for i := range raw {
			if err == nil && digText(raw[i], "spec scaleTargetRef kind") == o.object.GetKind() && digText(raw[i], "spec scaleTargetRef name") == o.name {
				name := digText(raw[i], "metadata name")
				t.Rows = append(t.Rows, []view.Cell{{Text: "HorizontalPodAutoscaler"}, linked(name, objectPath(a.gvr, o.namespace, name)), {Text: c.T("%s to %s", digText(raw[i], "spec minReplicas"), digText(raw[i], "spec maxReplicas"))}})
			}
		}
	}
	if len(t.Rows) == 0 {
		return view.Block{}
	}
	return view.Block{Title: "What leads here", Table: t}
}

// revisedBlocks have the revisions as well, and a StatefulSet its claims.
func revisedBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	blocks := workloadBlocks(ctx, c, o)
	if claims := c.claimsBlock(ctx, o); claims.Table != nil {
		blocks = append(blocks, claims)
	}
	return append(blocks, c.revisionsBlock(ctx, o))
}

// claimsBlock are the claims that a StatefulSet makes for its pods.
func (c *Call) claimsBlock(ctx context.Context, o *loaded) view.Block {
	templates := objects(dig(o.object.Object, "spec volumeClaimTemplates"))
	a, ok := c.served("", "persistentvolumeclaims")
	if len(templates) == 0 || !ok {
		return view.Block{}
	}
	b := view.Block{Title: "Volume claims", Table: &view.Table{Columns: []messages.Text{"Claim", "Status", "Asked for", "Class", "Volume"}, Empty: "There is none yet."}}
	list, err := c.listObjects(ctx, a, o.namespace, "")
	if err != nil {
		b.Note = messages.Data(c.reason(err))
	}
	for _, t := range templates {
		prefix := digText(t, "metadata name") + "-" + o.name + "-"
		for _, claim := range list {
			name := digText(claim, "metadata name")
			ordinal, mine := strings.CutPrefix(name, prefix)
			if _, err := strconv.Atoi(ordinal); !mine || err != nil {
				continue
			}
			phase, volume := digText(claim, "status phase"), digText(claim, "spec volumeName")
			b.Table.Rows = append(b.Table.Rows, []view.Cell{
				linked(name, objectPath(a.gvr, o.namespace, name)), toned(phase, view.Tone("Status", phase)), {Text: digText(claim, "spec resources requests storage")},
				linked(digText(claim, "spec storageClassName"), objectPath(storageClasses, "", digText(claim, "spec storageClassName"))), linked(volume, objectPath(persistentVolumes, "", volume)),
			})
		}
		if len(b.Table.Rows) == 0 && b.Note == "" {
			b.Note = messages.Said(c.T("Each pod gets one of %s: %s.", digText(t, "spec resources requests storage"), digText(t, "metadata name")))
		}
	}
	return b
}

func revision(rs *appsv1.ReplicaSet) int {
	n, _ := strconv.Atoi(rs.Annotations["deployment.kubernetes.io/revision"]) // what is no number comes last
	return n
}

// scalerBlocks are an autoscaler's target, bounds and metrics.
func scalerBlocks(_ context.Context, c *Call, o *loaded) []view.Block {
	spec, status := o.object.Object["spec"], o.object.Object["status"]
	var f factList
	ref := dig(spec, "scaleTargetRef")
	f.link("Scales", digText(ref, "kind")+"/"+digText(ref, "name"), c.kindHref(digText(ref, "apiVersion"), digText(ref, "kind"), o.namespace, digText(ref, "name")))
	least := digText(spec, "minReplicas")
	if least == "" {
		least = "1"
	}
	f.add("Between", c.T("%s and %s", least, digText(spec, "maxReplicas")))
	f.add("Wants", digText(status, "desiredReplicas"))
	f.moment("Last scaled", digText(status, "lastScaleTime"))
	now := progress("Replicas", digInt(status, "currentReplicas"), digInt(spec, "maxReplicas"))
	now.Tone = view.Good
	blocks := []view.Block{{Title: "Scale", Gauges: []view.Gauge{now}, Facts: f}}
	t := &view.Table{Columns: []messages.Text{"Metric", "Now", "Target"}, Empty: "None."}
	current := objects(dig(status, "currentMetrics"))
	for i, m := range objects(dig(spec, "metrics")) {
		kind := text(m["type"])
		field := strings.ToLower(kind[:min(1, len(kind))]) + kind[min(1, len(kind)):]
		name := digText(m, field+" name")
		if name == "" {
			name = digText(m, field+" metric name")
		}
		is := c.T("not known")
		if i < len(current) {
			is = c.metricText(dig(current[i], field+" current"))
		}
		t.Rows = append(t.Rows, plain(strings.TrimSpace(kind+" "+name), is, c.metricText(dig(m, field+" target"))))
	}
	return append(blocks, view.Block{Title: "Metrics", Table: t})
}

func (c *Call) metricText(v any) string {
	switch {
	case dig(v, "averageUtilization") != nil:
		return digText(v, "averageUtilization") + " %"
	case digText(v, "averageValue") != "":
		return c.T("%s on average", digText(v, "averageValue"))
	}
	return digText(v, "value")
}

func disruptionBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	spec, status := o.object.Object["spec"], o.object.Object["status"]
	var f factList
	f.add("At least available", digText(spec, "minAvailable"))
	f.add("At most unavailable", digText(spec, "maxUnavailable"))
	f.add("May go now", digText(status, "disruptionsAllowed"))
	selector := selectorText(dig(spec, "selector"))
	f.link("Selector", selector, join(listPath(core("pods"), o.namespace), with(nil, "q", "-l "+selector)))
	blocks := []view.Block{{Title: "Budget", Facts: f, Gauges: []view.Gauge{progress("Healthy", digInt(status, "currentHealthy"), digInt(status, "expectedPods"))}}}
	if a, ok := c.served("", "pods"); ok && selector != "" {
		a.namespace = o.namespace
		blocks = append(blocks, c.rowsBlock(ctx, "Pods", a, selector, ""))
	}
	return blocks
}
