package flowcontrol

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Dumps are the documents of /debug/api_priority_and_fairness/, by name, in the
// form that kube-apiserver gives them.
func (c *Controller) Dumps() map[string]func() []byte {
	return map[string]func() []byte{
		"dump_priority_levels": c.dumpLevels,
		"dump_queues":          c.dumpQueues,
		"dump_requests":        c.dumpRequests,
	}
}

// state is a level at one moment.
type state struct {
	name                                      string
	exempt, retired                           bool
	nominal, limit, inUse, executing, waiting int
	active                                    int
	waits                                     waits
	queues                                    []queueState
}

type queueState struct {
	index, executing, seats int
	start                   float64
	waiting                 []*ticket
}

// snapshot gives the states of all levels, by name.
func (c *Controller) snapshot() []state {
	c.mu.Lock()
	all := slices.Clone(c.gone)
	for _, l := range c.levels {
		all = append(all, l)
	}
	c.mu.Unlock()
	out := make([]state, 0, len(all))
	for _, l := range all {
		out = append(out, l.state())
	}
	slices.SortFunc(out, func(a, b state) int { return cmp.Compare(a.name, b.name) })
	return out
}

func (l *level) state() state {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := state{
		name: l.name, exempt: l.exempt.Load(), retired: l.retired, nominal: l.bounds.nominal, limit: l.limit,
		inUse: l.inUse, executing: l.executing, waiting: l.waiting, active: l.active, waits: l.waits,
	}
	if s.exempt {
		s.executing = int(l.running.Load())
		s.inUse = s.executing
	}
	for i := range l.queues {
		q := &l.queues[i]
		s.queues = append(s.queues, queueState{i, q.executing, q.seats, q.start, slices.Clone(q.waiting)})
	}
	return s
}

// byLevel adds the schemas' counts up.
func (c *Controller) byLevel() (dispatched, refused, late map[string]int64) {
	dispatched, refused, late = map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, s := range c.rules.Load().schemas {
		dispatched[s.level.name] += s.dispatched.Load()
		refused[s.level.name] += s.refusedBusy.Load() + s.refusedFull.Load()
		late[s.level.name] += s.refusedLate.Load()
	}
	return dispatched, refused, late
}

func (c *Controller) dumpLevels() []byte {
	dispatched, refused, late := c.byLevel()
	return table(
		[]string{"PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests", "DispatchedRequests", "RejectedRequests", "TimedoutRequests", "CancelledRequests"},
		func(row func(...any)) {
			for _, l := range c.snapshot() {
				row(l.name, l.active, l.executing == 0 && l.waiting == 0, l.retired, l.waiting, l.executing, dispatched[l.name], refused[l.name], late[l.name], 0)
			}
		})
}

func (c *Controller) dumpQueues() []byte {
	return table(
		[]string{"PriorityLevelName", "Index", "PendingRequests", "ExecutingRequests", "SeatsInUse", "NextDispatchR", "InitialSeatsSum", "MaxSeatsSum", "TotalWorkSum"},
		func(row func(...any)) {
			for _, l := range c.snapshot() {
				for _, q := range l.queues {
					work := float64(q.seats) * guess
					row(l.name, q.index, len(q.waiting), q.executing, q.executing, fmt.Sprintf("%.8fss", q.start), q.seats, q.seats, fmt.Sprintf("%.8fss", work))
				}
			}
		})
}

func (c *Controller) dumpRequests() []byte {
	return table(
		[]string{"PriorityLevelName", "FlowSchemaName", "QueueIndex", "RequestIndexInQueue", "FlowDistingsher", "ArriveTime", "InitialSeats", "FinalSeats", "AdditionalLatency", "StartTime"},
		func(row func(...any)) {
			for _, l := range c.snapshot() {
				for _, q := range l.queues {
					for i, t := range q.waiting {
						row(l.name, t.schema.name, q.index, i, t.request.User.Name, t.arrived.UTC().Format(time.RFC3339Nano), t.width, 0, "0s", "")
					}
				}
			}
		})
}

// table writes rows with commas, in columns.
func table(heads []string, rows func(row func(cells ...any))) []byte {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 8, 0, 1, ' ', 0)
	line := func(cells []string) { fmt.Fprintln(w, strings.Join(cells, ",\t")+",\t") } //nolint:errcheck // into memory
	line(heads)
	rows(func(cells ...any) {
		texts := make([]string, len(cells))
		for i, c := range cells {
			switch v := c.(type) {
			case string:
				texts[i] = v
			case bool:
				texts[i] = strconv.FormatBool(v)
			default:
				texts[i] = fmt.Sprint(v)
			}
		}
		line(texts)
	})
	w.Flush() //nolint:errcheck // into memory
	return b.Bytes()
}
