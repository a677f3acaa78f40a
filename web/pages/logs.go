package pages

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"pilothouse/backend/request"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/live"
	"pilothouse/web/logs"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	"github.com/a-h/templ"
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

// gathersPods are the types whose objects have pods without a selector: nodes
// those that run there, namespaces all of theirs, CronJobs those of their Jobs.
const gathersPods typeNames = "nodes namespaces cronjobs.batch"

// hasLogs tells whether an object is a pod or has pods.
func hasLogs(o *loaded) bool {
	return isPod(o) || gathersPods.has(o.entry) || builtinGroup(o.gvr.Group) && o.namespace != "" && selectorOf(&o.object) != ""
}

// pick says which pods are an object's.
func (o *loaded) pick() logs.Pick {
	switch {
	case isPod(o):
		return logs.Pick{Namespace: o.namespace, Pod: o.name}
	case !gathersPods.has(o.entry):
		return logs.Pick{Namespace: o.namespace, Selectors: []string{selectorOf(&o.object)}}
	case o.gvr.Resource == "nodes":
		return logs.Pick{Node: o.name}
	case o.gvr.Resource == "namespaces":
		return logs.Pick{Namespace: o.name}
	}
	return logs.Pick{Namespace: o.namespace, CronJobs: []string{string(o.object.GetUID())}}
}

// logQuery is what the parameters of an address want to see of an object's
// log.
func (o *loaded) logQuery(v url.Values) logs.Query {
	q := logs.ParseQuery(v)
	if isPod(o) && q.Container == "" {
		q.Container = mainContainer(&o.object)
	}
	q.Picks = []logs.Pick{o.pick()}
	if q.Container == allContainers {
		q.Container = ""
	}
	return q
}

// mainContainer is the container that kubectl takes when none is named.
func mainContainer(pod *unstructured.Unstructured) string {
	list := (&Call{}).containers(pod)
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
	l := c.logView(q, c.Query, v.Path)
	l.Title = v.Name
	l.Keep = []view.Param{{Name: "tab", Value: "logs"}}
	l.Many = !isPod(o) || q.Container == ""
	for _, one := range c.containers(&o.object) {
		l.Containers = append(l.Containers, containerOption(one, q.Container))
	}
	if len(l.Containers) == 0 { // its pods are of many kinds
		names, err := logs.ContainerNames(ctx, c.Client, q)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			l.Containers = append(l.Containers, containerOption(view.Container{Name: name}, q.Container))
		}
	}
	l.Containers = append(l.Containers, view.Option{Value: allContainers, Text: "All containers", Chosen: q.Container == ""})
	l.CanPrevious = true
	if isPod(o) {
		l.CanPrevious = q.Previous || hasRestarted(&o.object)
		c.firstLines(ctx, q, &l)
	} else if q.Container != "" && !slices.ContainsFunc(l.Containers, func(o view.Option) bool { return o.Chosen }) {
		l.Containers = append(l.Containers, view.Option{Value: q.Container, Text: messages.Data(q.Container), Chosen: true})
	}
	l.Command = o.logCommand(&q)
	if isPod(o) {
		l.Curl = c.logCurl(o.namespace, o.name, &q)
	} else {
		l.Curl = c.logCurl(o.namespace, "POD", &q)
	}
	return tmpl.LogView(l), nil
}

func containerOption(c view.Container, chosen string) view.Option {
	text := c.Name
	if c.Kind != "" {
		text += " (" + c.Kind + ")"
	}
	return view.Option{Value: c.Name, Text: messages.Data(text), Chosen: c.Name == chosen}
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

// sinceRange is the choice of a range of times, which from and to are.
const sinceRange = "range"

// sinces are the choices of how much of a log is wanted.
var sinces = []view.Option{
	{Value: "tail100", Text: "Last 100 lines"}, {Value: "", Text: "Last 1,000 lines"}, {Value: "tail10000", Text: "Last 10,000 lines"}, {Value: "tail100000", Text: "Last 100,000 lines"},
	{Value: "1m", Text: "Last minute"}, {Value: "5m", Text: "Last 5 minutes"}, {Value: "15m", Text: "Last 15 minutes"}, {Value: "30m", Text: "Last 30 minutes"}, {Value: "1h", Text: "Last hour"},
	{Value: "6h", Text: "Last 6 hours"}, {Value: "24h", Text: "Last 24 hours"}, {Value: "all", Text: "Everything"}, {Value: sinceRange, Text: "From … to …"},
}

// logView is what all pages of logs have.
func (c *Call) logView(q logs.Query, v url.Values, path string) view.Logs {
	l := view.Logs{Path: path, Previous: q.Previous, Ranged: q.Ranged() || v.Get("since") == sinceRange, From: stamp(q.From), To: stamp(q.To)}
	own := url.Values{}
	for _, name := range []string{"tab", "ns", "except", "q", "of", "container", "since", "previous", "from", "to"} {
		if s := v.Get(name); s != "" {
			own.Set(name, s)
		}
	}
	l.URL = join(path, own)
	l.Download = join(path, with(own, "download", "log", "since", "all"))
	chosen, known := v.Get("since"), false
	if l.Ranged {
		chosen = sinceRange
	}
	for _, s := range sinces {
		s.Chosen = s.Value == chosen
		known = known || s.Chosen
		l.Since = append(l.Since, s)
	}
	if !known {
		l.Since = append(l.Since, view.Option{Value: chosen, Text: messages.Said(c.T("Last %s", chosen)), Chosen: true})
	}
	return l
}

// stamp is a time as an address has it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// logCommand is the same for kubectl.
func (o *loaded) logCommand(q *logs.Query) string {
	if isPod(o) {
		return "kubectl logs " + shellQuote(o.name) + " -n " + shellQuote(o.namespace) + logFlags(q, false)
	}
	flags := logFlags(q, true)
	switch {
	case !gathersPods.has(o.entry):
		return "kubectl logs -l " + shellQuote(selectorOf(&o.object)) + " --prefix -n " + shellQuote(o.namespace) + flags
	case o.gvr.Resource == "nodes":
		return "kubectl get pods -A --field-selector spec.nodeName=" + shellQuote(o.name) + ` -o jsonpath='{range .items[*]}{.metadata.name} -n {.metadata.namespace}{"\n"}{end}' | xargs -P0 -L1 kubectl logs --prefix` + flags
	case o.gvr.Resource == "namespaces":
		return namespaceLogs(shellQuote(o.name), flags)
	}
	return "kubectl get jobs -n " + shellQuote(o.namespace) + ` -o jsonpath='{range .items[?(@.metadata.ownerReferences[0].uid=="` + string(o.object.GetUID()) + `")]}{.metadata.name}{"\n"}{end}' | xargs -P0 -I{} kubectl logs job/{} --all-pods --prefix -n ` + shellQuote(o.namespace) + flags
}

// namespaceLogs are the logs of all pods of a namespace, a word of a shell, for kubectl.
func namespaceLogs(namespace, flags string) string {
	return "kubectl get pods -n " + namespace + " -o name | xargs -P0 -I{} kubectl logs {} --prefix -n " + namespace + flags
}

// firstLines reads some lines for the page itself.
func (c *Call) firstLines(ctx context.Context, q logs.Query, l *view.Logs) {
	if c.R.Header.Get("X-Pilothouse") != "" {
		return // a script asks, which follows the log itself
	}
	ctx, cancel := context.WithTimeout(ctx, firstTimeout)
	defer cancel()
	q.Follow = false
	if !q.Ranged() {
		q.Tail, q.Since = firstLines, 0
	}
	lines, err := logs.Read(ctx, c.Client, q, firstLines)
	if err != nil {
		l.Problem = c.reason(err)
		return
	}
	l.First = lines
}

// logsPage shows the logs of many pods as one.
func logsPage(ctx context.Context, c *Call) (*Answer, error) {
	m, err := c.manyLogs(ctx, c.Query)
	if err != nil {
		return nil, err
	}
	if c.Query.Get("download") == "log" {
		return c.downloadLogs(ctx, m.query, "logs")
	}
	l := c.logView(m.query, c.Query, "/ui/logs")
	l.Title, l.Many, l.CanPrevious = m.title(c.Language), true, true
	for _, name := range []string{"ns", "except", "q", "of"} {
		if value := c.Query.Get(name); value != "" {
			l.Keep = append(l.Keep, view.Param{Name: name, Value: value})
		}
	}
	l.Containers = []view.Option{{Value: "", Text: "All containers", Chosen: m.query.Container == ""}}
	names, err := logs.ContainerNames(ctx, c.Client, m.query)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		l.Containers = append(l.Containers, view.Option{Value: name, Text: messages.Data(name), Chosen: m.query.Container == name})
	}
	l.Command = m.command()
	l.Curl = c.logCurl("NAMESPACE", "POD", &m.query)
	if m.list.namespace != "" {
		l.Curl = c.logCurl(m.list.namespace, "POD", &m.query)
	}
	from := listPath(podsResource, "")
	if m.of != nil {
		from = listPath(m.of[0].gvr, m.of[0].namespace)
	} else {
		from = m.list.url()
	}
	return &Answer{
		Title: c.T("Logs"), Body: tmpl.LogsPage(l), Fragment: c.Panel, Current: listPath(podsResource, ""), Picker: m.picker(c.Query),
		Crumbs: []view.Link{{Text: groupName(""), Href: "/ui/", Data: true}, {Text: "pods", Href: from, Data: true}, {Text: c.T("logs")}},
	}, nil
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
		m, err := c.manyLogs(ctx, u.Query())
		if err != nil {
			return logs.Query{}, err
		}
		return m.query, nil
	}
	a, ok := parseAddress(c.Types(), u.Path)
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
