package pages

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

func overviewTab(ctx context.Context, c *Call, o *loaded, v *view.Object) (templ.Component, error) {
	w := &view.Overview{Finalizers: o.object.GetFinalizers()}
	if blocks, ok := c.blocksOf(ctx, o); ok {
		w.Closed = true
		w.Lead, w.Gauged, w.Blocks = arrange(blocks)
	}
	w.Facts = o.facts(w.Closed)
	v.Fresh = o.fresh()
	labels, annotations := o.object.GetLabels(), o.object.GetAnnotations() // each a copy
	for _, k := range sortedKeys(labels) {
		pair := k + "=" + labels[k]
		w.Labels = append(w.Labels, view.Link{Text: pair, Href: join(listPath(o.gvr, o.namespace), with(nil, "q", "-l "+pair))})
	}
	for _, k := range sortedKeys(annotations) {
		w.Annotations = append(w.Annotations, view.Param{Name: k, Value: shorten(annotations[k], 400)})
	}
	for _, owner := range o.object.GetOwnerReferences() {
		w.Owners = append(w.Owners, view.Link{Text: owner.Kind + "/" + owner.Name, Href: c.kindHref(owner.APIVersion, owner.Kind, o.namespace, owner.Name)})
	}
	w.Conditions, _ = some(conditions(o.object.Object))
	w.Containers = c.containers(&o.object)
	w.Data = data(&o.object, c.Query.Get("reveal") != "")
	w.Reveal = objectPath(o.gvr, o.namespace, o.name) + "?reveal=1"
	w.Labels, w.MoreLabels = some(w.Labels)
	w.Annotations, w.MoreAnnotations = some(w.Annotations)
	w.Data, w.MoreData = some(w.Data)
	w.MoreHref = objectPath(o.gvr, o.namespace, o.name) + "?tab=yaml"
	w.Sections = sections(o.object.Object, w.Closed)
	return tmpl.Overview(w), nil
}

// mostShown bounds the labels, annotations, data and conditions that an overview shows.
const mostShown = 100

// some is the beginning of a list, and how many it leaves out.
func some[T any](list []T) ([]T, int) {
	n := min(len(list), mostShown)
	return list[:n], len(list) - n
}

// arrange takes the facts of the first block that has nothing else to the top,
// beside those of every object, and the blocks with gauges before the others.
func arrange(blocks []view.Block) (lead []view.Fact, gauged, rest []view.Block) {
	for _, b := range blocks {
		switch only := b.Table == nil && len(b.Gauges) == 0 && b.Note == ""; {
		case only && lead == nil:
			lead = b.Facts
		case len(b.Gauges) > 0 && lead == nil:
			lead, b.Facts = b.Facts, nil
			gauged = append(gauged, b)
		case len(b.Gauges) > 0:
			gauged = append(gauged, b)
		default:
			rest = append(rest, b)
		}
	}
	return lead, gauged, rest
}

// facts are the object's columns, the wide ones too, one below the other. few
// leaves those out that an overview of the kind's own shows better.
func (o *loaded) facts(few bool) []view.Fact {
	var list []view.Fact
	if o.namespace != "" {
		list = append(list, view.Fact{Name: "Namespace", Cell: view.Cell{Text: o.namespace, Href: objectPath(namespaces, "", o.namespace)}})
	}
	sh := &shape{state: &listState{address: o.address}}
	for i, c := range o.columns {
		text := cellOf(o.row, i)
		if few && c.Name != "Status" && c.Name != "Restarts" || i == 0 || c.Name == "Age" || text == "" || text == "<none>" || text == "<unset>" {
			continue
		}
		cell := sh.cell(o.row, shapeColumn{Column: c, index: i})
		cell.Text = shorten(cell.Text, 400)
		list = append(list, view.Fact{Name: messages.Data(c.Name), Cell: cell})
	}
	if at := o.object.GetCreationTimestamp(); !at.IsZero() {
		list = append(list, view.Fact{Name: "Created", Cell: view.Cell{Text: age(time.Since(at.Time)), Time: at.UTC().Format(time.RFC3339)}})
	}
	if uid := string(o.object.GetUID()); uid != "" {
		list = append(list, view.Fact{Name: "UID", Cell: view.Cell{Text: uid}})
	}
	if v := o.object.GetResourceVersion(); v != "" {
		list = append(list, view.Fact{Name: "Resource version", Cell: view.Cell{Text: v}})
	}
	return list
}

// kindHref is the page of an object that is known by its kind; empty when the
// kind is not served.
func (c *Call) kindHref(apiVersion, kind, namespace, name string) string {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil || name == "" {
		return ""
	}
	e, ok := c.Types().ForKind(gv.WithKind(kind))
	if !ok {
		return ""
	}
	if !e.Resource.Namespaced {
		namespace = ""
	} else if namespace == "" {
		return ""
	}
	return objectPath(e.GVR(), namespace, name)
}

func conditions(o map[string]any) []view.Condition {
	items, _, _ := unstructured.NestedSlice(o, "status", "conditions")
	var list []view.Condition
	for _, item := range items {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		c := view.Condition{Type: text(m["type"]), Status: text(m["status"]), Reason: text(m["reason"]), Message: text(m["message"]), Time: text(m["lastTransitionTime"])}
		c.Tone = conditionTone(c.Type, c.Status)
		list = append(list, c)
	}
	return list
}

// badWhenTrue are conditions whose being true is the trouble.
var badWhenTrue = []string{
	"Failed", "ReplicaFailure", "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable", "Stalled", "FailureTarget",
	"DisruptionTarget", "NamespaceDeletionDiscoveryFailure", "NamespaceDeletionContentFailure", "NamespaceDeletionGroupVersionParsingFailure",
	"NonStructuralSchema", "Denied",
}

func conditionTone(kind, status string) string {
	trouble := slices.Contains(badWhenTrue, kind)
	switch {
	case status == "Unknown":
		return view.Warn
	case (status == "True") == trouble:
		if trouble {
			return view.Bad
		}
		if status == "False" {
			return view.Warn
		}
	}
	return view.Good
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(v)
}

// data is the content of a ConfigMap or a Secret. The values of a Secret are not
// sent to the browser before they are asked for.
func data(o *unstructured.Unstructured, reveal bool) []view.Datum {
	kind, group := o.GetKind(), o.GroupVersionKind().Group
	if group != "" || kind != "ConfigMap" && kind != "Secret" {
		return nil
	}
	var list []view.Datum
	add := func(field string, encoded bool) {
		m, _, _ := unstructured.NestedMap(o.Object, field)
		for _, k := range sortedKeys(m) {
			d := view.Datum{Key: k, Value: text(m[k]), Secret: kind == "Secret"}
			if encoded {
				if raw, err := base64.StdEncoding.DecodeString(d.Value); err == nil && utf8.Valid(raw) {
					d.Value = string(raw)
				} else {
					d.Binary = true
				}
			}
			d.Size = len(d.Value)
			if d.Hidden = d.Secret && !reveal; d.Hidden {
				d.Value = ""
			}
			list = append(list, d)
		}
	}
	add("data", kind == "Secret")
	add("binaryData", true)
	return list
}

// shownElsewhere are the fields of an object that an overview shows in another
// form.
var shownElsewhere = []string{"apiVersion", "kind", "metadata", "data", "binaryData"}

// sections are the parts of an object as YAML: what every kind has, also those
// that nobody knows here. few leaves single values out.
func sections(o map[string]any, few bool) []view.Section {
	var list []view.Section
	for _, k := range sortedKeys(o) {
		if slices.Contains(shownElsewhere, k) {
			continue
		}
		v := o[k]
		if _, scalar := v.(string); few && scalar {
			continue
		}
		if m, ok := v.(map[string]any); ok && k == "status" {
			m = cloneWithout(m, "conditions", "containerStatuses", "initContainerStatuses")
			if len(m) == 0 {
				continue
			}
			v = m
		}
		raw, err := yaml.Marshal(v)
		if err != nil {
			continue
		}
		list = append(list, view.Section{Name: strings.ToUpper(k[:1]) + k[1:], Lines: view.YAMLLines(string(raw))})
	}
	return list
}

func cloneWithout(m map[string]any, names ...string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if !slices.Contains(names, k) {
			out[k] = v
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// shorten cuts a text at a number of runes.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most]) + "…"
}
