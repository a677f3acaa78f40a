package pages

import (
	"context"
	"slices"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/view"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// shownPods bounds the pods of a selector that are shown.
const shownPods = 100

// uses are the objects that an object names; those that are not there are
// marked.
func (c *Call) uses(ctx context.Context, o *loaded) []view.RelatedRow {
	ctx, cancel := context.WithTimeout(ctx, relatedTimeout)
	defer cancel()
	var list []view.RelatedRow
	for _, r := range referencesOf(c.Language, o.gvr.GroupResource(), o.object.Object) {
		if r.name == "" || len(list) >= maxRelated {
			continue
		}
		a, ok := c.served(r.Group, r.Resource)
		if !ok {
			continue
		}
		row := view.RelatedRow{Kind: a.entry.Resource.Kind, Namespace: r.namespace, How: r.how, Link: view.Link{Text: r.name, Href: objectPath(a.gvr, r.namespace, r.name)}}
		meta := metav1.PartialObjectMetadata{}
		switch err := c.Client.Get(ctx, a.gvr, r.namespace, r.name, &meta); {
		case apierrors.IsNotFound(err):
			row.Missing = "is not there"
		case err != nil:
			row.Note = c.unreadable(err)
		default:
			row.Time, row.Held = rfc3339(meta.CreationTimestamp), c.toDelete().On(string(meta.UID))
		}
		list = append(list, row)
	}
	return list
}

func rfc3339(t metav1.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z07:00") }

// selected are the pods that an object selects.
func (c *Call) selected(ctx context.Context, o *loaded) (messages.Text, []view.RelatedRow) {
	for _, r := range referencesOf(c.Language, o.gvr.GroupResource(), o.object.Object) {
		a, ok := c.served("", "pods")
		if r.name != "" || !ok {
			continue
		}
		pods, err := c.listObjects(ctx, a, r.namespace, r.selector)
		if err != nil {
			return "Selects", []view.RelatedRow{{Kind: "Pod", Note: c.reason(err)}}
		}
		var list []view.RelatedRow
		for _, p := range pods[:min(len(pods), shownPods)] {
			list = append(list, c.rowOf(a, p, digText(p, "status phase")))
		}
		if len(pods) == 0 {
			list = append(list, view.RelatedRow{Kind: "Pod", Missing: "no pod has these labels", How: r.selector})
		}
		return messages.Said(c.T("Selects · %d", len(pods))), list
	}
	return "", nil
}

// endpoints are the EndpointSlices of a Service, each with the pods in it.
func (c *Call) endpoints(ctx context.Context, o *loaded) []view.RelatedRow {
	slices, ok := c.served("discovery.k8s.io", "endpointslices")
	if !ok || o.gvr.Group != "" || o.gvr.Resource != "services" {
		return nil
	}
	items, err := c.listObjects(ctx, slices, o.namespace, "kubernetes.io/service-name="+o.name)
	if err != nil {
		return nil
	}
	var list []view.RelatedRow
	for _, s := range items {
		list = append(list, c.rowOf(slices, s, ""))
		for _, e := range objects(s["endpoints"]) {
			if len(list) >= maxRelated {
				return list
			}
			row := view.RelatedRow{Depth: 1, Kind: c.T("address"), Note: c.T("ready")}
			for _, address := range stringList(e["addresses"]) {
				row.Text = address
			}
			if digText(e, "targetRef kind") == "Pod" {
				row.Kind, row.How, row.Text = "Pod", row.Text, digText(e, "targetRef name")
				row.Namespace = o.namespace
				row.Href = objectPath(core("pods"), o.namespace, row.Text)
				row.Held = c.toDelete().On(digText(e, "targetRef uid"))
			}
			if dig(e, "conditions ready") == false {
				row.Note = c.T("not ready")
			}
			list = append(list, row)
		}
	}
	return list
}

// users are the objects that name an object, or select it; below a Service that
// does stand those that lead to it.
func (c *Call) users(ctx context.Context, o *loaded) []view.RelatedRow {
	ctx, cancel := context.WithTimeout(ctx, relatedTimeout)
	defer cancel()
	return c.usersOf(ctx, o, 0)
}

func (c *Call) usersOf(ctx context.Context, o *loaded, depth int) []view.RelatedRow {
	gr := o.gvr.GroupResource()
	podLabels := labelsOfPods(o)
	var found []map[string]any
	var rows [][]view.RelatedRow
	for _, k := range referrers {
		byPods := podLabels != nil && slices.Contains(k.to, "pods")
		a, ok := c.served(k.Group, k.Resource)
		if !ok || !byPods && !slices.Contains(k.to, gr.Resource) {
			continue
		}
		namespace := o.namespace
		if namespace != "" && !a.entry.Resource.Namespaced {
			namespace = ""
		}
		if k.GroupResource.Resource == "rolebindings" && gr.Resource == "serviceaccounts" {
			namespace = "" // an account may have roles in other namespaces
		}
		items, err := c.listObjects(ctx, a, namespace, "")
		if err != nil {
			continue // what the user may not see
		}
		for _, item := range items {
			how, ok := c.naming(k, item, o, podLabels)
			if !ok || len(found) >= maxRelated {
				continue
			}
			row := c.rowOf(a, item, "")
			row.How, row.Depth = how, depth
			below := []view.RelatedRow{row}
			if k.GroupResource.Resource == "services" && depth < maxDepth {
				service := &loaded{address: a}
				service.namespace, service.name = digText(item, "metadata namespace"), digText(item, "metadata name")
				service.object.Object = item
				below = append(below, c.usersOf(ctx, service, depth+1)...)
			}
			found, rows = append(found, item), append(rows, below)
		}
	}
	return topRows(found, rows)
}

// naming tells whether an object of a kind names or selects o, and how.
func (c *Call) naming(k referrer, item map[string]any, o *loaded, podLabels labels.Set) (string, bool) {
	r := &refList{Language: c.Language, namespace: digText(item, "metadata namespace")}
	k.refs(item, r)
	for _, ref := range r.list {
		if ref.name == "" {
			if s, err := labels.Parse(ref.selector); err == nil && podLabels != nil && ref.namespace == o.namespace && s.Matches(podLabels) {
				return ref.how, true
			}
			continue
		}
		if ref.GroupResource == o.gvr.GroupResource() && ref.namespace == o.namespace && ref.name == o.name {
			return ref.how, true
		}
	}
	return "", false
}

// labelsOfPods are the labels of a pod, or those that a workload gives its pods;
// nil for anything else.
func labelsOfPods(o *loaded) labels.Set {
	gr := o.gvr.GroupResource()
	path := podSpecs[podKinds[gr]]
	switch {
	case path == "":
		return nil
	case gr == podResource:
		return o.object.GetLabels()
	}
	m, _ := dig(o.object.Object, strings.TrimSuffix(path, "spec")+"metadata labels").(map[string]any)
	return stringMap(m)
}

// topRows leaves out objects whose owner is there too: of a Deployment's pods
// and ReplicaSets only the Deployment.
func topRows(found []map[string]any, rows [][]view.RelatedRow) []view.RelatedRow {
	uids := map[string]bool{}
	for _, o := range found {
		uids[digText(o, "metadata uid")] = true
	}
	var list []view.RelatedRow
	for i, o := range found {
		if !slices.ContainsFunc(objects(dig(o, "metadata ownerReferences")), func(ref map[string]any) bool { return uids[text(ref["uid"])] }) {
			list = append(list, rows[i]...)
		}
	}
	return list
}

// rowOf is an object of a list.
func (c *Call) rowOf(a address, o map[string]any, note string) view.RelatedRow {
	namespace, name := digText(o, "metadata namespace"), digText(o, "metadata name")
	if !a.entry.Resource.Namespaced {
		namespace = ""
	}
	return view.RelatedRow{
		Kind: a.entry.Resource.Kind, Link: view.Link{Text: name, Href: objectPath(a.gvr, namespace, name)}, Namespace: namespace, Note: note,
		Time: digText(o, "metadata creationTimestamp"), Held: c.toDelete().On(digText(o, "metadata uid")),
	}
}
