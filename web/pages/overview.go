package pages

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/client"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/rows"
	"pilothouse/web/view"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// tileTimeout is how long the page waits for the lists that it counts.
	tileTimeout = 3 * time.Second
	// shownWarnings and readWarnings bound the recent warnings.
	shownWarnings, readWarnings = 12, 2000
	// shownParts bounds the states that a tile tells apart.
	shownParts = 4
)

// overviewCommands count the same.
func (c *Call) overviewCommands(ctx context.Context) (kubectl, curl string) {
	var names, paths []string
	for _, gr := range tileResources.list() {
		if e := preferred(c.Types(), gr); e != nil && c.MayList(ctx, e) {
			names = append(names, kubectlName(c.Types(), e.GVR()))
			paths = append(paths, client.Path(e.GVR(), "", "", ""))
		}
	}
	if len(names) == 0 {
		return "", ""
	}
	return "kubectl get " + strings.Join(names, ",") + " -A", c.curlAll(paths...)
}

// tileResources are what the overview counts, in the order of the tiles.
const tileResources typeNames = "nodes pods deployments.apps statefulsets.apps daemonsets.apps jobs.batch services ingresses.networking.k8s.io " +
	"persistentvolumeclaims persistentvolumes namespaces customresourcedefinitions.apiextensions.k8s.io"

// home is the page of the whole cluster: what there is and in what state, what
// went wrong lately, and how busy the server is.
func home(ctx context.Context, c *Call) (*Answer, error) {
	c.Docs.Warm(c.Client) // the editor and the explorer will want them
	v := view.Cluster{Facts: append(c.health(ctx), c.clusterFacts()...)}
	c.count(ctx) // the sums are made while the tiles are
	wait, cancel := context.WithTimeout(ctx, tileTimeout)
	defer cancel()
	for _, gr := range tileResources.list() {
		if e := preferred(c.Types(), gr); e != nil {
			v.Tiles = append(v.Tiles, c.tile(wait, address{entry: e, gvr: e.GVR()}))
		}
	}
	if !slices.ContainsFunc(v.Tiles, func(t view.Tile) bool { return t.Denied == nil }) {
		v.Tiles = nil
		v.Nothing = &view.Denied{Who: c.User().Name, Grant: "kubectl create rolebinding NAME -n NAMESPACE --clusterrole=view " + subjectFlag(c.User().Name)}
	} else {
		c.fillCapacity(ctx, &v)
		c.recentWarnings(ctx, &v)
	}
	v.Command, v.Curl = c.overviewCommands(ctx)
	if v.PlotsDenied = c.mayReadMetrics(ctx); v.PlotsDenied == nil && c.Trend != nil {
		v.Plots = c.plots(c.Trend.Samples())
	}
	return &Answer{Title: c.T("Overview"), Crumbs: []view.Link{{Text: c.T("Overview")}}, Body: tmpl.Cluster(v)}, nil
}

func (c *Call) clusterFacts() []view.Fact {
	custom, types := 0, 0
	groups := c.Types().Groups()
	for _, g := range groups {
		seen := map[string]bool{}
		for _, version := range g.Versions {
			for _, e := range version.Entries {
				if !seen[e.Resource.Name] {
					seen[e.Resource.Name] = true
					types++
					if e.Resource.Dynamic {
						custom++
					}
				}
			}
		}
	}
	fact := func(name messages.Text, text, href string) view.Fact {
		return view.Fact{Name: name, Cell: view.Cell{Text: text, Href: href}}
	}
	return []view.Fact{
		fact("Version", c.Version, ""),
		fact("Types", c.T("%d in %d groups, %d of them custom", types, len(groups), custom), "/ui/resources"),
		{Name: "Up", Cell: view.Cell{Text: age(c.Clock().Sub(c.Started)), Time: c.Started.UTC().Format(time.RFC3339)}},
	}
}

// mayReadMetrics tells what the user lacks to see the server's metrics.
func (c *Call) mayReadMetrics(ctx context.Context) *view.Denied {
	if c.Authorizer == nil {
		return nil
	}
	u := c.User()
	if decision, _, _ := c.Authorizer.Authorize(ctx, &authz.Attributes{User: u, Verb: "get", Path: "/metrics"}); decision == authz.Allow {
		return nil
	}
	return deniedPath(u.Name, "get", "/metrics")
}

// tile counts the objects of a resource by state.
func (c *Call) tile(ctx context.Context, a address) view.Tile {
	t := view.Tile{Title: messages.Data(plural(a.entry.Resource.Kind)), Href: listPath(a.gvr, "")}
	all := parseList(a, nil)
	key, query, narrowed, err := c.ask(ctx, &all)
	if err == nil && len(narrowed) == 0 {
		if t.Denied = c.may(ctx, right{verb: "list", address: a}); t.Denied != nil {
			return t
		}
	}
	if len(narrowed) > 0 {
		t.Where = c.T("in %s", strings.Join(narrowed, ", "))
	}
	v, err := c.Pool.Open(ctx, c.Client, key, query)
	if err != nil {
		t.Note = c.T("not known yet")
		if !isContext(err) {
			f, _ := c.Fault(err)
			t.Note = f.Title
		}
		return t
	}
	defer v.Close()
	columns, _ := v.Columns()
	state := c.stateReader(columns)
	parts := map[view.TilePart]int{}
	v.Each(func(r *rows.Row) bool {
		t.Total++
		if text, tone := state(r); text != "" {
			parts[view.TilePart{Tone: tone, Text: text}]++
		}
		return true
	})
	for p, n := range parts {
		p.N = n
		if strings.ToLower(p.Text) != p.Text { // a word of the list itself, so that a filter finds it
			p.Href = join(t.Href, with(nil, "q", p.Text))
		}
		t.Parts = append(t.Parts, p)
	}
	sort.SliceStable(t.Parts, func(i, j int) bool {
		a, b := &t.Parts[i], &t.Parts[j]
		return cmp.Or(toneRank(b.Tone)-toneRank(a.Tone), b.N-a.N, strings.Compare(a.Text, b.Text)) < 0
	})
	t.Bar = bar(t.Parts, t.Total)
	if len(t.Parts) > shownParts {
		rest := view.TilePart{Text: c.T("others")}
		for _, p := range t.Parts[shownParts-1:] {
			rest.N += p.N
		}
		t.Parts = append(t.Parts[:shownParts-1:shownParts-1], rest)
	}
	return t
}

func toneRank(tone string) int {
	return slices.Index([]string{view.Quiet, view.Good, view.Gone, view.Warn, view.Bad}, tone)
}

// stateReader gives what tells the state of a row: its status, or whether all of
// it is ready.
func (c *Call) stateReader(columns []rows.Column) func(r *rows.Row) (text, tone string) {
	at := map[string]int{}
	for i, column := range columns {
		at[column.Name] = i + 1
	}
	cell := func(r *rows.Row, name string) string { return cellOf(r, at[name]-1) }
	ready := func(all bool) (string, string) {
		if all {
			return c.T("ready"), view.Good
		}
		return c.T("not ready"), view.Warn
	}
	switch {
	case at["Status"] > 0:
		return func(r *rows.Row) (string, string) {
			s := cell(r, "Status")
			return s, view.Tone("Status", s)
		}
	case at["Desired"] > 0 && at["Ready"] > 0:
		return func(r *rows.Row) (string, string) { return ready(cell(r, "Desired") == cell(r, "Ready")) }
	case at["Ready"] > 0:
		return func(r *rows.Row) (string, string) {
			a, b, _ := strings.Cut(cell(r, "Ready"), "/")
			return ready(a == b)
		}
	}
	return func(*rows.Row) (string, string) { return "", "" }
}

// bar lays the parts of a tile side by side.
func bar(parts []view.TilePart, total int) []view.BarPart {
	var list []view.BarPart
	x := 0.0
	for _, p := range slices.Backward(parts) {
		width := 100 * float64(p.N) / float64(total)
		tone := p.Tone
		if tone == view.Quiet {
			tone = view.Good
		}
		if n := len(list); n > 0 && list[n-1].Tone == tone {
			w, _ := strconv.ParseFloat(list[n-1].Width, 64)
			list[n-1].Width = strconv.FormatFloat(w+width, 'f', 2, 64)
		} else {
			list = append(list, view.BarPart{Tone: tone, X: strconv.FormatFloat(x, 'f', 2, 64), Width: strconv.FormatFloat(width, 'f', 2, 64)})
		}
		x += width
	}
	return list
}

// recentWarnings puts the newest warnings into v.
func (c *Call) recentWarnings(ctx context.Context, v *view.Cluster) {
	v.WarningsHref = join(listPath(events, ""), with(nil, "q", "-f type=Warning"))
	var found corev1.EventList
	where := []string{""}
	if a := (address{gvr: events}); c.may(ctx, right{verb: "list", address: a}) != nil {
		if some := c.namespacesWith(ctx, "list", a); len(some) > 0 {
			where = some
		}
	}
	for _, namespace := range where {
		var some corev1.EventList
		o := metav1.ListOptions{FieldSelector: "type=Warning", Limit: readWarnings}
		if err := c.Client.List(ctx, events, namespace, o, &some); err != nil {
			v.WarningsFault, _ = c.Fault(err)
			return
		}
		found.Items = append(found.Items, some.Items...)
	}
	sort.SliceStable(found.Items, func(i, j int) bool { return lastSeen(&found.Items[j]).Before(lastSeen(&found.Items[i])) })
	for i := range found.Items[:min(len(found.Items), shownWarnings)] {
		e := &found.Items[i]
		o := e.InvolvedObject
		v.Warnings = append(v.Warnings, view.WarningRow{
			Kind: o.Kind, Object: view.Link{Text: strings.TrimPrefix(o.Namespace+"/"+o.Name, "/"), Href: c.kindHref(o.APIVersion, o.Kind, o.Namespace, o.Name)},
			EventRow: eventRow(e),
		})
	}
}
