package pages

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/request"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/live"
	"pilothouse/web/logs"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var podsResource = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

const (
	// firstLines is how many lines a page has before scripts take over, and
	// firstTimeout how long it waits for them.
	firstLines   = 200
	firstTimeout = 2 * time.Second
	// allContainers is the choice of every container; an empty one means the
	// default of a pod.
	allContainers = "*"
	// defaultContainer names the container that a pod is mostly about.
	defaultContainer = "kubectl.kubernetes.io/default-container"
)

// podSelectors are where kinds keep the selector of their pods.
var podSelectors = map[string][]string{
	"Deployment": {"spec", "selector"}, "ReplicaSet": {"spec", "selector"}, "StatefulSet": {"spec", "selector"}, "DaemonSet": {"spec", "selector"}, "Job": {"spec", "selector"},
}

// selectorOf gives the label selector of an object's pods, empty when it has
// none.
func selectorOf(o *unstructured.Unstructured) string {
	if path := podSelectors[o.GetKind()]; path != nil {
		m, _, _ := unstructured.NestedMap(o.Object, path...)
		return selectorText(m)
	}
	switch o.GetKind() {
	case "Service", "ReplicationController":
		m, _, _ := unstructured.NestedMap(o.Object, "spec", "selector")
		return labelsText(m)
	}
	return ""
}

func isPod(o *loaded) bool {
	return o.gvr.Group == "" && o.gvr.Resource == "pods"
}

func builtinGroup(group string) bool { return group == "" || group == "apps" || group == "batch" }

// hasLogs tells whether an object is a pod or selects pods.
func hasLogs(o *loaded) bool {
	return isPod(o) || builtinGroup(o.gvr.Group) && o.namespace != "" && selectorOf(&o.object) != ""
}

// logQuery is what the parameters of an address want to see of an object's
// log.
func (o *loaded) logQuery(v url.Values) logs.Query {
	q := logs.ParseQuery(v)
	q.Namespace = o.namespace
	if isPod(o) {
		q.Pod = o.name
		if q.Container == "" {
			q.Container = mainContainer(&o.object)
		}
	} else {
		q.Selector = selectorOf(&o.object)
	}
	if q.Container == allContainers {
		q.Container = ""
	}
	return q
}

// mainContainer is the container that kubectl takes when none is named.
func mainContainer(pod *unstructured.Unstructured) string {
	list := containers(pod)
	name := pod.GetAnnotations()[defaultContainer]
	for _, c := range list {
		if c.Kind == "" && (name == "" || c.Name == name) {
			return c.Name
		}
	}
	return ""
}

// logsTab shows the log of a pod, or of the pods that an object selects.
func logsTab(ctx context.Context, c *Call, o *loaded, v *view.Object) (templ.Component, error) {
	q := o.logQuery(c.Query)
	l := logView(q, c.Query, v.Path)
	l.Title = v.Name
	l.Keep = []view.Param{{Name: "tab", Value: "logs"}}
	l.Many = q.Pod == "" || q.Container == ""
	for _, one := range containers(&o.object) {
		l.Containers = append(l.Containers, containerOption(one, q.Container))
	}
	l.Containers = append(l.Containers, view.Option{Value: allContainers, Text: "All containers", Chosen: q.Container == ""})
	l.CanPrevious = true
	if isPod(o) {
		l.CanPrevious = q.Previous || hasRestarted(&o.object)
		c.firstLines(ctx, q, &l)
	} else if q.Container != "" && !slices.ContainsFunc(l.Containers, func(o view.Option) bool { return o.Chosen }) {
		l.Containers = append(l.Containers, view.Option{Value: q.Container, Text: q.Container, Chosen: true})
	}
	l.Command = logCommand(q)
	return tmpl.LogView(l), nil
}

func containerOption(c view.Container, chosen string) view.Option {
	text := c.Name
	if c.Kind != "" {
		text += " (" + c.Kind + ")"
	}
	return view.Option{Value: c.Name, Text: text, Chosen: c.Name == chosen}
}

func hasRestarted(pod *unstructured.Unstructured) bool {
	status, _, _ := unstructured.NestedMap(pod.Object, "status")
	for _, name := range []string{"containerStatuses", "initContainerStatuses"} {
		for _, s := range objects(status[name]) {
			if n := text(s["restartCount"]); n != "" && n != "0" {
				return true
			}
		}
	}
	return false
}

// sinces are the choices of how much of a log is wanted.
var sinces = []view.Option{
	{Value: "tail100", Text: "Last 100 lines"}, {Value: "", Text: "Last 1,000 lines"}, {Value: "tail10000", Text: "Last 10,000 lines"}, {Value: "tail100000", Text: "Last 100,000 lines"},
	{Value: "1m", Text: "Last minute"}, {Value: "5m", Text: "Last 5 minutes"}, {Value: "15m", Text: "Last 15 minutes"}, {Value: "1h", Text: "Last hour"},
	{Value: "6h", Text: "Last 6 hours"}, {Value: "24h", Text: "Last 24 hours"}, {Value: "all", Text: "Everything"},
}

// logView is what all pages of logs have.
func logView(q logs.Query, v url.Values, path string) view.Logs {
	l := view.Logs{Path: path, Previous: q.Previous}
	own := url.Values{}
	for _, name := range []string{"tab", "ns", "q", "pods", "container", "since", "previous", "from"} {
		if s := v.Get(name); s != "" {
			own.Set(name, s)
		}
	}
	l.URL = join(path, own)
	l.Download = join(path, with(own, "download", "log", "since", "all", "from", ""))
	known := false
	for _, s := range sinces {
		s.Chosen = s.Value == v.Get("since")
		known = known || s.Chosen
		l.Since = append(l.Since, s)
	}
	if !known {
		l.Since = append(l.Since, view.Option{Value: v.Get("since"), Text: "Last " + v.Get("since"), Chosen: true})
	}
	if !q.From.IsZero() {
		l.Keep = append(l.Keep, view.Param{Name: "from", Value: v.Get("from")})
	}
	return l
}

// logCommand is the same for kubectl.
func logCommand(q logs.Query) string {
	var b strings.Builder
	b.WriteString("kubectl logs")
	switch {
	case q.Pod != "":
		b.WriteString(" " + q.Pod)
	case q.Selector != "":
		fmt.Fprintf(&b, " -l %s --prefix", quote(q.Selector))
	case len(q.Pods) > 0:
		b.WriteString(" {} --prefix")
	}
	if q.Namespace != "" {
		b.WriteString(" -n " + q.Namespace)
	}
	if q.Container != "" {
		b.WriteString(" -c " + q.Container)
	} else {
		b.WriteString(" --all-containers")
	}
	if q.Previous {
		b.WriteString(" --previous")
	} else {
		b.WriteString(" -f")
	}
	switch {
	case q.Since > 0:
		b.WriteString(" --since=" + strings.TrimSuffix(strings.TrimSuffix(q.Since.String(), "0s"), "0m"))
	case !q.From.IsZero():
		b.WriteString(" --since-time=" + q.From.UTC().Format(time.RFC3339))
	case q.Tail >= 0:
		fmt.Fprintf(&b, " --tail=%d", q.Tail)
	}
	if len(q.Pods) > 0 {
		return "printf '%s\\n' " + strings.Join(q.Pods, " ") + " | xargs -P0 -I{} " + b.String()
	}
	return b.String()
}

func quote(s string) string {
	if strings.ContainsAny(s, " ()!<>'\"") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// firstLines reads some lines for the page itself.
func (c *Call) firstLines(ctx context.Context, q logs.Query, l *view.Logs) {
	if c.R.Header.Get("X-Pilothouse") != "" {
		return // a script asks, which follows the log itself
	}
	ctx, cancel := context.WithTimeout(ctx, firstTimeout)
	defer cancel()
	q.Follow, q.Tail = false, firstLines
	q.Since, q.From = 0, time.Time{}
	lines, err := logs.Read(ctx, c.Client, q)
	if err != nil {
		l.Problem = c.reason(err)
		return
	}
	l.First = lines
}

// logsPage shows the logs of the pods that a selector selects.
func logsPage(ctx context.Context, c *Call) (*Answer, error) {
	q, err := selectorQuery(c.Query)
	if err != nil {
		return nil, err
	}
	if c.Query.Get("download") == "log" {
		return c.downloadLogs(ctx, q, "logs")
	}
	l := logView(q, c.Query, "/ui/logs")
	l.Title, l.Many, l.CanPrevious = "Pods "+q.Selector, true, true
	l.Keep = append(l.Keep, view.Param{Name: "ns", Value: q.Namespace})
	if len(q.Pods) > 0 {
		l.Title = fmt.Sprintf("%d pods of %s", len(q.Pods), q.Namespace)
	}
	for _, name := range []string{"q", "pods"} {
		if value := c.Query.Get(name); value != "" {
			l.Keep = append(l.Keep, view.Param{Name: name, Value: value})
		}
	}
	l.Containers = []view.Option{{Value: "", Text: "All containers", Chosen: q.Container == ""}}
	names, err := c.containerNames(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		l.Containers = append(l.Containers, view.Option{Value: name, Text: name, Chosen: q.Container == name})
	}
	l.Command = logCommand(q)
	list := listPath(podsResource, q.Namespace)
	return &Answer{
		Title: "Logs", Body: tmpl.LogsPage(l), Fragment: c.Panel, Current: listPath(podsResource, ""),
		Crumbs: []view.Link{{Text: groupName(""), Href: "/ui/"}, {Text: "pods", Href: join(list, with(nil, "q", c.Query.Get("q")))}, {Text: "logs"}},
	}, nil
}

// selectorQuery reads the address of the page of a selector: ns is a namespace,
// q a filter as lists have it, of which a log knows -l only, pods the names of
// the only pods.
func selectorQuery(v url.Values) (logs.Query, error) {
	q := logs.ParseQuery(v)
	q.Namespace = v.Get("ns")
	if q.Container == allContainers {
		q.Container = ""
	}
	o, err := feedOptions(v.Get("q"), "")
	if err == nil && o.FieldSelector != "" {
		err = fmt.Errorf("logs of many pods take a selector of labels only: -l")
	}
	if err != nil {
		return q, queryError{err}
	}
	if q.Namespace == "" {
		return q, queryError{fmt.Errorf("logs of many pods need a namespace: ns=NAME")}
	}
	q.Selector = o.LabelSelector
	for name := range strings.SplitSeq(v.Get("pods"), ",") {
		if name = strings.TrimSpace(name); name != "" && len(q.Pods) < mostPods {
			q.Pods = append(q.Pods, name)
		}
	}
	return q, nil
}

// mostPods bounds the pods that are asked for their containers.
const mostPods = 100

func (c *Call) containerNames(ctx context.Context, q logs.Query) ([]string, error) {
	list, limit := &corev1.PodList{}, int64(mostPods)
	if len(q.Pods) > 0 {
		limit = 0 // they may be anywhere in the list
	}
	if err := c.Client.List(ctx, podsResource, q.Namespace, metav1.ListOptions{LabelSelector: q.Selector, Limit: limit}, list); err != nil {
		return nil, err
	}
	var names []string
	for i := range list.Items {
		if len(q.Pods) > 0 && !slices.Contains(q.Pods, list.Items[i].Name) {
			continue
		}
		for _, one := range logs.Containers(&list.Items[i].Spec) {
			if !slices.Contains(names, one.Name) {
				names = append(names, one.Name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// openLogs follows the log of a page's address.
func (c *Call) openLogs(ctx context.Context, u *url.URL, have []string, wake func()) (live.Subscription, error) {
	q, err := c.queryOf(ctx, u)
	if err != nil {
		return nil, err
	}
	return logs.Open(ctx, c.Client, q, have, wake, c.reason)
}

func (c *Call) queryOf(ctx context.Context, u *url.URL) (logs.Query, error) {
	if u.Path == "/ui/logs" {
		return selectorQuery(u.Query())
	}
	a, ok := parseAddress(c.Registry.Table(), u.Path)
	if !ok || a.name == "" {
		return logs.Query{}, notServed(u.Path)
	}
	o := &loaded{address: a}
	if isPod(o) && u.Query().Get("container") != "" {
		return o.logQuery(u.Query()), nil // nothing has to be known of the pod
	}
	o, err := c.load(ctx, a)
	if err != nil {
		return logs.Query{}, err
	}
	if !hasLogs(o) {
		return logs.Query{}, notServed(u.Path)
	}
	return o.logQuery(u.Query()), nil
}

// downloadLogs sends whole logs as a file.
func (c *Call) downloadLogs(ctx context.Context, q logs.Query, name string) (*Answer, error) {
	q.Follow = false
	write, err := logs.Download(ctx, c.Client, q, c.reason)
	if err != nil {
		return nil, err
	}
	a := &Answer{Status: http.StatusOK, Type: "text/plain; charset=utf-8", Chunked: func(ctx context.Context, w request.ChunkWriter) error { return write(ctx, w) }}
	a.header("Content-Disposition", `attachment; filename="`+fileName(name)+`.log"`)
	return a, nil
}
