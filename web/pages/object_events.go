package pages

import (
	"cmp"
	"context"
	"net/url"
	"sort"
	"strconv"
	"time"

	"pilothouse/backend/client"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxEvents is how many events a page shows, the newest ones.
const maxEvents = 200

// eventsTab shows the events about an object.
func eventsTab(ctx context.Context, c *Call, o *loaded, v *view.Object) (templ.Component, error) {
	namespace, selector := o.eventsAbout()
	v.Command = "kubectl get events -n " + shellQuote(namespace) + " --field-selector " + shellQuote(selector)
	v.Curl = c.curlGet(client.Path(events, namespace, "", ""), url.Values{"fieldSelector": {selector}})
	var found corev1.EventList
	if err := c.Client.List(ctx, events, namespace, metav1.ListOptions{FieldSelector: selector}, &found); err != nil {
		return nil, err
	}
	list := &view.Events{}
	sort.Slice(found.Items, func(i, j int) bool { return lastSeen(&found.Items[i]).After(lastSeen(&found.Items[j])) })
	for i := range found.Items {
		if i == maxEvents {
			break
		}
		list.Rows = append(list.Rows, eventRow(&found.Items[i]))
	}
	return tmpl.Events(list), nil
}

// eventsAbout chooses the events about an object. Those about what has no namespace
// are in the default one.
func (o *loaded) eventsAbout() (namespace, selector string) {
	selector = "involvedObject.name=" + o.name + ",involvedObject.kind=" + o.object.GetKind()
	if uid := string(o.object.GetUID()); uid != "" {
		selector += ",involvedObject.uid=" + uid
	}
	return cmp.Or(o.namespace, metav1.NamespaceDefault), selector
}

func eventRow(e *corev1.Event) view.EventRow {
	r := view.EventRow{Type: e.Type, Tone: view.Tone("Type", e.Type), Reason: e.Reason, Message: e.Message, Count: strconv.Itoa(max(1, int(e.Count)))}
	r.Time = lastSeen(e).UTC().Format(time.RFC3339)
	if r.From = e.Source.Component; r.From == "" {
		r.From = e.ReportingController
	}
	if e.Series != nil {
		r.Count = strconv.Itoa(int(e.Series.Count))
	}
	return r
}

func lastSeen(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}
