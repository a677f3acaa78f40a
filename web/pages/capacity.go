package pages

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/web/capacity"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/api/resource"
)

// sumsTimeout is how long a page waits for the sums, which come by themselves when
// they take longer: those of ten thousands of pods. usageTimeout is how long one
// waits for metrics, shownNodes bounds the nodes of the overview.
const (
	sumsTimeout  = 50 * time.Millisecond
	usageTimeout = time.Second
	shownNodes   = 12
)

// Itself is a client of the dashboard's own, for what it knows once for all users.
func (s *Site) Itself() *client.Client {
	return client.New(s.API, itself, "pilothouse-dashboard")
}

// count begins to sum up what nodes have and what is asked of them for those who
// may list both nodes and pods; denied is what is missing. counted is closed when
// the sums are whole, and nil where nobody counts.
func (c *Call) count(ctx context.Context) (counted <-chan struct{}, denied *view.Denied) {
	for _, gvr := range []address{{gvr: nodes}, {gvr: podsResource}} {
		if denied = c.may(ctx, right{verb: "list", address: gvr}); denied != nil {
			return nil, denied
		}
	}
	if c.Capacity == nil {
		return nil, nil
	}
	return c.Capacity.Counted(), nil
}

// sums gives what nodes have and what is asked of them; used tells whether the user
// may see what is used. There is no state while the sums are not whole.
func (c *Call) sums(ctx context.Context) (s *capacity.State, used bool, denied *view.Denied) {
	counted, denied := c.count(ctx)
	if counted == nil {
		return nil, false, denied
	}
	ctx, cancel := context.WithTimeout(ctx, sumsTimeout)
	defer cancel()
	s, err := c.Capacity.State(ctx)
	if err != nil {
		return nil, false, nil // they are not whole yet
	}
	return s, s.All.Used != nil && c.may(ctx, right{verb: "list", address: address{gvr: capacity.Metrics}}) == nil, nil
}

// kindOfAmount is one of what nodes have.
type kindOfAmount struct {
	name messages.Text
	of   func(a *capacity.Amounts) int64
	text func(n int64) string
}

var kindsOfAmounts = []kindOfAmount{
	{"CPU", func(a *capacity.Amounts) int64 { return a.CPU }, cores},
	{"Memory", func(a *capacity.Amounts) int64 { return a.Memory }, bytesText},
	{"Pods", func(a *capacity.Amounts) int64 { return a.Pods }, nil}, // a number as people write it
}

// cores are thousandths of processors as processors: 7800 is 7.8.
func cores(n int64) string { return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64) }

// bytesText is a size in the largest unit of which it is one: 31.4Gi.
func bytesText(n int64) string {
	x, unit := float64(n), ""
	for _, u := range []string{"Ki", "Mi", "Gi", "Ti", "Pi"} {
		if x < 1024 {
			break
		}
		x, unit = x/1024, u
	}
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0") + unit
}

// share is an amount of a whole. Where more may be promised than there is, that is
// no more than a warning.
func (c *Call) share(k *kindOfAmount, name messages.Text, part, whole *capacity.Amounts, promised bool) view.Gauge {
	now, of := k.of(part), k.of(whole)
	text := k.text
	if text == nil {
		text = func(n int64) string { return c.Number(int(n)) }
	}
	g := view.Gauge{Name: name, Now: text(now), Of: text(of), Percent: percent(float64(now), float64(of)), Tone: view.Good}
	if of > 0 {
		g.Part = fmt.Sprintf("%d %%", now*100/of)
	}
	if k.name == "Memory" {
		g.Exact, g.ExactOf = resource.NewQuantity(now, resource.BinarySI).String(), resource.NewQuantity(of, resource.BinarySI).String()
	}
	switch {
	case now == 0:
	case now > of && promised:
		g.Tone = view.Warn
	case now >= of && !promised:
		g.Tone = view.Bad
	case g.Percent >= 80 && !promised:
		g.Tone = view.Warn
	}
	return g
}

// fillCapacity puts into the overview what the nodes have and what is asked of
// them, all together and of the fullest ones.
func (c *Call) fillCapacity(ctx context.Context, v *view.Cluster) {
	s, used, denied := c.sums(ctx)
	if v.CapacityDenied = denied; s == nil {
		if denied == nil {
			v.CapacityNote = c.T("The pods are being counted.")
		}
		return
	}
	v.Sums = strconv.FormatUint(s.Version, 10)
	for i := range kindsOfAmounts {
		k := &kindsOfAmounts[i]
		b := view.Block{Title: k.name, Gauges: []view.Gauge{c.share(k, "resources\x04Requests", &s.All.Requests, &s.All.Allocatable, false)}}
		if k.name == "Pods" {
			b.Gauges[0].Name = "There are"
		} else {
			b.Gauges = append(b.Gauges, c.share(k, "Limits", &s.All.Limits, &s.All.Allocatable, true))
			if used {
				b.Gauges = append(b.Gauges, c.share(k, "Used", s.All.Used, &s.All.Allocatable, false))
			}
		}
		v.Capacity = append(v.Capacity, b)
	}
	if s.Waiting > 0 {
		v.CapacityMore = &view.Link{Text: c.N(s.Waiting, "%d pod has no node yet.", "%d pods have no node yet."), Href: join(listPath(podsResource, ""), with(nil, "q", "-f spec.nodeName=,status.phase=Pending"))}
	}
	v.Nodes = c.fullest(s, used)
}

// fullest is the table of the nodes that have the least left.
func (c *Call) fullest(s *capacity.State, used bool) view.Block {
	fill := func(n *capacity.Node) int64 {
		most := int64(0)
		for i := range kindsOfAmounts {
			if k := &kindsOfAmounts[i]; k.of(&n.Allocatable) > 0 {
				most = max(most, 1000*k.of(&n.Requests)/k.of(&n.Allocatable))
			}
		}
		return most
	}
	list := slices.Clone(s.Nodes)
	sort.SliceStable(list, func(i, j int) bool { return fill(&list[j]) < fill(&list[i]) })
	b := view.Block{Title: "Nodes by what is asked of them", More: &view.Link{Text: c.T("all"), Href: listPath(nodes, "")}, Table: &view.Table{Columns: []messages.Text{"Node"}, Empty: "None."}}
	if len(list) > shownNodes {
		b.Note = messages.Said(c.T("%d of %d.", shownNodes, len(list)))
	}
	for i := range kindsOfAmounts {
		b.Table.Columns = append(b.Table.Columns, amountColumns[i][:columnsOf(i, used)]...)
	}
	for _, n := range list[:min(len(list), shownNodes)] {
		row := []view.Cell{linked(n.Name, nodeHref(n.Name))}
		for i := range kindsOfAmounts {
			k := &kindsOfAmounts[i]
			shares := []view.Gauge{c.share(k, "", &n.Requests, &n.Allocatable, false), c.share(k, "", &n.Limits, &n.Allocatable, true), {}}
			if n.Used != nil {
				shares[2] = c.share(k, "", n.Used, &n.Allocatable, false)
			}
			for j := range columnsOf(i, used) {
				row = append(row, view.Cell{Gauge: &shares[j]})
			}
		}
		b.Table.Rows = append(b.Table.Rows, row)
	}
	return b
}

// amountColumns are the columns of kindsOfAmounts: what is asked for, limits, what
// is used.
var amountColumns = [][]messages.Text{
	{"CPU requests", "CPU limits", "CPU used"}, {"Memory requests", "Memory limits", "Memory used"}, {"Pods"},
}

func columnsOf(kind int, used bool) int {
	if n := len(amountColumns[kind]); n == 1 || used {
		return n
	}
	return 2
}
