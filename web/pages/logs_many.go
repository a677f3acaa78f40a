package pages

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"pilothouse/web/logs"
	"pilothouse/web/messages"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"pilothouse/web/view"
)

// manyLogs is what the address of the page of many pods' logs says.
type manyLogs struct {
	query logs.Query
	// of are the objects whose pods are meant; without them it is those that the
	// selector selects in the namespaces of list.
	of       []loggable
	selector string
	list     listState
	// narrowed are the namespaces that are left of all, to who may not list them all.
	narrowed []string
}

// loggable is a pod, or an object that selects pods.
type loggable struct {
	_ view.Incomparable

	address
	selector string // empty for a pod
}

// mostPods bounds the objects of a selection whose logs are shown as one.
const mostPods = 100

// manyLogs reads the address of the page: ns and except are namespaces as lists
// have them, q a filter, of which a log knows -l only. Or of names objects: each
// "pods/NAMESPACE/NAME" or "deployments.apps/NAMESPACE/NAME".
func (c *Call) manyLogs(ctx context.Context, v url.Values) (*manyLogs, error) {
	m := &manyLogs{query: logs.ParseQuery(v)}
	if m.query.Container == allContainers {
		m.query.Container = ""
	}
	if of := v.Get("of"); of != "" {
		return m, c.selectedLogs(ctx, m, of)
	}
	o, err := feedOptions(v.Get("q"), "")
	if err == nil && o.FieldSelector != "" {
		err = messages.Errorf("logs of many pods take a selector of labels only: -l")
	}
	if err != nil {
		return m, queryError{err}
	}
	pods, _ := c.served("", "pods")
	m.selector, m.list = o.LabelSelector, parseList(pods, v)
	if m.selector == "" && m.list.namespace == "" && len(m.list.namespaces) == 0 {
		return m, queryError{messages.Errorf("logs of many pods need a namespace, ns=NAME, or a selector, q=-l KEY=VALUE")}
	}
	key, query, narrowed, err := c.ask(ctx, &m.list)
	if err != nil {
		return m, queryError{err}
	}
	m.narrowed = narrowed
	pick := logs.Pick{Namespaces: query.Namespaces, Except: query.Except}
	if m.selector != "" {
		pick.Selectors = []string{m.selector}
	}
	for n := range strings.SplitSeq(key.Namespace, ",") { // one by one where not all may be listed
		pick.Namespace = n
		m.query.Picks = append(m.query.Picks, pick)
	}
	return m, nil
}

// selectedLogs reads the objects of a selection. Those that are not there any
// more are left out.
func (c *Call) selectedLogs(ctx context.Context, m *manyLogs, of string) error {
	var missing error
	for one := range strings.SplitSeq(of, ",") {
		if len(m.of) >= mostPods {
			break
		}
		parts := strings.Split(one, "/")
		if len(parts) != 3 {
			return queryError{messages.Errorf("%q is not RESOURCE.GROUP/NAMESPACE/NAME", one)}
		}
		gr := schema.ParseGroupResource(parts[0])
		a, ok := c.served(gr.Group, gr.Resource)
		if !ok || !selectsPods.has(a.entry) || parts[1] == "" || parts[2] == "" {
			return queryError{messages.Errorf("%q is no pod and selects none", one)}
		}
		a.namespace, a.name = parts[1], parts[2]
		switch l, err := c.loggable(ctx, a); {
		case apierrors.IsNotFound(err):
			missing = err
		case err != nil:
			return err
		default:
			m.of = append(m.of, l)
		}
	}
	if len(m.of) == 0 {
		return cmp.Or(missing, error(queryError{messages.Errorf("nothing is selected")}))
	}
	at := map[string]int{}
	for _, l := range m.of {
		i, ok := at[l.namespace]
		if !ok {
			i = len(m.query.Picks)
			at[l.namespace] = i
			m.query.Picks = append(m.query.Picks, logs.Pick{Namespace: l.namespace})
		}
		p := &m.query.Picks[i]
		switch {
		case l.selector != "":
			p.Selectors = append(p.Selectors, l.selector)
		default:
			p.Pods = append(p.Pods, l.name)
		}
	}
	return nil
}

// loggable reads an object's selector. An object that selects nothing is as if it
// was not there.
func (c *Call) loggable(ctx context.Context, a address) (loggable, error) {
	l := loggable{address: a}
	if isPod(&loaded{address: a}) {
		return l, nil
	}
	o, err := c.load(ctx, a)
	if err != nil {
		return l, err
	}
	if l.selector = selectorOf(&o.object); l.selector == "" {
		return l, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, a.name)
	}
	return l, nil
}

// title names what the lines are from.
func (m *manyLogs) title(l *messages.Language) string {
	if m.of == nil {
		names := strings.Join(m.list.namespaces, ", ")
		where := l.T("all namespaces")
		switch {
		case m.list.namespace != "":
			where = m.list.namespace
		case len(m.narrowed) > 0:
			where = strings.Join(m.narrowed, ", ")
		case m.list.except:
			where = l.T("all namespaces but %s", names)
		case names != "":
			where = names
		}
		if m.selector == "" {
			return l.T("Pods of %s", where)
		}
		return l.T("Pods %s of %s", m.selector, where)
	}
	kinds, places := map[string]bool{}, map[string]bool{}
	for _, one := range m.of {
		kinds[one.gvr.GroupResource().String()], places[one.namespace] = true, true
	}
	where := m.of[0].namespace
	if len(places) > 1 {
		where = l.N(len(places), "%d namespace", "%d namespaces")
	}
	if len(kinds) > 1 {
		return l.T("%s of %s", l.N(len(m.of), "%d object", "%d objects"), where)
	}
	return l.T("%d %s of %s", len(m.of), m.of[0].entry.Resource.Name, where)
}

// picker keeps the page in the namespaces that are chosen; a selection has its
// own.
func (m *manyLogs) picker(v url.Values) *Picker {
	if m.of != nil {
		return nil
	}
	p := m.list.picker()
	p.All = "/ui/logs"
	p.One = func(n string) string { return join("/ui/logs", with(p.Keep, "ns", n)) }
	return p
}

// command is the same for kubectl: one command for each namespace or object where
// it takes several.
func (m *manyLogs) command() string {
	flags := logFlags(&m.query, true)
	each := func(namespace string) string {
		if m.selector != "" {
			return "kubectl logs -l " + shellQuote(m.selector) + " --prefix -n " + namespace + flags
		}
		return namespaceLogs(namespace, flags)
	}
	loop := func(list string) string { return "for n in " + list + "; do " + each("$n") + " & done; wait" }
	switch {
	case m.of != nil:
		return m.ofCommand(flags)
	case m.list.namespace != "":
		return each(shellQuote(m.list.namespace))
	case m.list.except:
		return loop("$(kubectl get namespaces -o name | cut -d/ -f2 | grep -vxE " + shellQuote(strings.Join(m.list.namespaces, "|")) + ")")
	case len(m.list.namespaces) > 0:
		return loop(shellWords(m.list.namespaces))
	}
	return loop("$(kubectl get namespaces -o name | cut -d/ -f2)")
}

func (m *manyLogs) ofCommand(flags string) string {
	var list []string
	for _, p := range m.query.Picks {
		if len(p.Pods) > 0 {
			list = append(list, `printf '%s\n' `+shellWords(p.Pods)+" | xargs -P0 -I{} kubectl logs {} --prefix -n "+shellQuote(p.Namespace)+flags)
		}
	}
	for _, l := range m.of {
		if l.selector != "" {
			list = append(list, "kubectl logs "+l.gvr.Resource+"/"+shellQuote(l.name)+" --all-pods --prefix -n "+shellQuote(l.namespace)+flags)
		}
	}
	if len(list) == 1 {
		return list[0]
	}
	return strings.Join(list, " & ") + " & wait"
}

// logFlags are the flags of kubectl logs but for what tells the pods.
func logFlags(q *logs.Query, prefix bool) string {
	var b strings.Builder
	if q.Container != "" {
		b.WriteString(" -c " + shellQuote(q.Container))
	} else {
		b.WriteString(" --all-containers")
	}
	if q.Previous {
		b.WriteString(" --previous")
	} else if q.Follow {
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
	if !q.To.IsZero() { // kubectl has no flag for it
		column := 1
		if prefix {
			column = 2
		}
		fmt.Fprintf(&b, " --timestamps | awk '$%d <= \"%s\"'", column, q.To.UTC().Format(time.RFC3339))
	}
	return b.String()
}

// logsOf leads to the logs of what is selected in a list: to the tab of one
// object, to the pods of a selector when all that it selects is meant, or to a
// page of the objects.
func (c *Call) logsOf(s *listState, targets []target) (*Answer, error) {
	if c.Form.Get("all") != "" && isPod(&loaded{address: s.address}) {
		if o, err := feedOptions(s.filter, ""); err == nil && o.FieldSelector == "" && (o.LabelSelector != "" || s.namespace != "" || len(s.namespaces) > 0) {
			own := with(nil, "q", s.filter, "ns", cmp.Or(s.namespace, strings.Join(s.namespaces, ",")))
			if s.except {
				own.Set("except", "1")
			}
			return &Answer{Redirect: join("/ui/logs", own)}, nil
		}
	}
	if len(targets) == 0 {
		return nil, badRequest("Nothing is selected.")
	}
	if len(targets) == 1 {
		t := targets[0]
		return &Answer{Redirect: objectPath(t.gvr, t.namespace, t.name) + "?tab=logs&container=" + url.QueryEscape(allContainers)}, nil
	}
	if len(targets) > mostPods {
		return nil, badRequest("The logs of %d at a time can be shown; narrow the list by a selector, and see its logs as one.", mostPods)
	}
	var of []string
	for _, t := range targets {
		of = append(of, t.gvr.GroupResource().String()+"/"+t.namespace+"/"+t.name)
	}
	slices.Sort(of)
	return &Answer{Redirect: join("/ui/logs", url.Values{"of": {strings.Join(of, ",")}})}, nil
}
