// Package capacity owns what the nodes of the cluster have, and what their pods
// ask for and may take: sums that are kept up to date change by change, once for
// all who look, and only while somebody does. It knows neither HTML nor users:
// whoever shows the sums has to know who may see them. Read capacity.go first,
// then objects.go and used.go.
package capacity

import (
	"context"
	"sort"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/informer"
	"pilothouse/backend/metrics"
	"pilothouse/web/lifetime"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// linger is how long the sums are kept up to date after somebody last asked.
const linger = time.Minute

// Amounts are of what nodes have: thousandths of a processor, bytes, pods.
type Amounts struct{ CPU, Memory, Pods int64 }

func (a *Amounts) add(b Amounts, sign int64) {
	a.CPU, a.Memory, a.Pods = a.CPU+sign*b.CPU, a.Memory+sign*b.Memory, a.Pods+sign*b.Pods
}

// Node is one node, or all of them together: what pods can have of it, what those
// that are there and have not ended ask for, and what they may take.
type Node struct {
	Name                          string
	Allocatable, Requests, Limits Amounts
	// Used is what the node's metrics say; nil where there are none.
	Used *Amounts
}

// State is what there is at a moment.
type State struct {
	// Nodes are in the order of their names; All are all of them.
	Nodes []Node
	All   Node
	// Waiting are the pods that have no node yet.
	Waiting int
	// Version is the Ledger's Version that this is of.
	Version uint64
}

// Ledger keeps the sums. It is safe for concurrent use.
type Ledger struct {
	ctx     context.Context
	running *lifetime.Group
	client  func() *client.Client

	mu      sync.Mutex // guards the fields below
	stop    context.CancelFunc
	idle    *time.Timer
	until   time.Time     // when nobody looks any more, unless somebody waits for the sums
	waiting int           // who wait for them
	synced  chan struct{} // closed when all is in the sums
	nodes   map[string]Amounts
	pods    map[string]*Node // sums by node, "" for pods without one
	used    map[string]Amounts
	version uint64
	state   *State // of the version, nil when it has not been asked for
}

// New gives a Ledger that ends with ctx. The client is asked for when it is needed
// first; it may see all pods and nodes.
func New(ctx context.Context, c func() *client.Client) *Ledger {
	return &Ledger{ctx: ctx, running: lifetime.New(ctx), client: c}
}

// Wait returns when the Ledger's ctx has ended, and all that it does.
func (l *Ledger) Wait() { l.running.Wait() }

var (
	podsResource  = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	nodesResource = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
)

// open begins to keep the sums, or goes on.
func (l *Ledger) open() (synced chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Now().Add(linger)
	if l.stop != nil {
		return l.synced
	}
	ctx, stop := context.WithCancel(l.ctx)
	l.stop, l.synced = stop, make(chan struct{})
	l.nodes, l.pods, l.used, l.state = map[string]Amounts{}, map[string]*Node{}, nil, nil
	l.idle = time.AfterFunc(linger, metrics.Guarded("dashboard", l.rest))
	c := l.client()
	pods := informer.New(c, podsResource, "", func() *pod { return &pod{} }).OnChange(func(was, now *pod) { l.change(ctx, func() { l.count(was, -1); l.count(now, 1) }) })
	nodes := informer.New(c, nodesResource, "", func() *node { return &node{} }).OnChange(func(was, now *node) {
		l.change(ctx, func() {
			if now != nil {
				l.nodes[now.Name] = now.allocatable
			} else {
				delete(l.nodes, was.Name)
			}
		})
	})
	first := make(chan struct{})
	run := func(f func()) { l.running.Go(metrics.Guarded("dashboard", f)) }
	run(func() { _ = pods.Run(ctx) })  // ends with ctx only
	run(func() { _ = nodes.Run(ctx) }) // the same
	run(func() { l.followUsed(ctx, c, first) })
	done := l.synced
	run(func() {
		for _, c := range []<-chan struct{}{pods.Synced(), nodes.Synced(), first} {
			select {
			case <-c:
			case <-ctx.Done():
				return
			}
		}
		close(done)
	})
	return done
}

// rest ends the sums when nobody looks any more, and else looks again in a while:
// somebody may have begun to when the timer had run out already.
func (l *Ledger) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if left := time.Until(l.until); l.waiting > 0 || left > 0 {
		l.idle.Reset(max(left, time.Second))
		return
	}
	l.stop()
	l.stop = nil
}

// wait counts who waits for the sums, which are not ended meanwhile.
func (l *Ledger) wait(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting += n
	l.until = time.Now().Add(linger)
}

// change changes the sums, unless they have been left since.
func (l *Ledger) change(ctx context.Context, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() == nil {
		f()
		l.version++
		l.state = nil
	}
}

// count adds a pod to the sums of its node, or takes it away. l.mu is held.
func (l *Ledger) count(p *pod, sign int64) {
	if p == nil || p.ended {
		return
	}
	n := l.pods[p.node]
	if n == nil {
		n = &Node{}
		l.pods[p.node] = n
	}
	n.Requests.add(p.requests, sign)
	n.Limits.add(p.limits, sign)
	if n.Requests.Pods == 0 {
		delete(l.pods, p.node)
	}
}

// State gives the sums, which are not to be changed. It waits until they are
// whole; the error is ctx's.
func (l *Ledger) State(ctx context.Context) (*State, error) {
	l.wait(1)
	defer l.wait(-1)
	select {
	case <-l.open():
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != nil {
		return l.state, nil
	}
	s := &State{Nodes: make([]Node, 0, len(l.nodes)), Version: l.version}
	for name, has := range l.nodes {
		n := Node{Name: name, Allocatable: has}
		if sums := l.pods[name]; sums != nil {
			n.Requests, n.Limits = sums.Requests, sums.Limits
		}
		if used, ok := l.used[name]; ok {
			used.Pods = n.Requests.Pods
			n.Used = &used
			if s.All.Used == nil {
				s.All.Used = &Amounts{}
			}
			s.All.Used.add(used, 1)
		}
		s.All.Allocatable.add(n.Allocatable, 1)
		s.All.Requests.add(n.Requests, 1)
		s.All.Limits.add(n.Limits, 1)
		s.Nodes = append(s.Nodes, n)
	}
	if none := l.pods[""]; none != nil {
		s.Waiting = int(none.Requests.Pods)
	}
	sort.SliceStable(s.Nodes, func(i, j int) bool { return s.Nodes[i].Name < s.Nodes[j].Name })
	l.state = s
	return s, nil
}

// Counted begins to keep the sums, or goes on; it is closed when they are whole.
func (l *Ledger) Counted() <-chan struct{} { return l.open() }

// Version is another one when the sums are; whoever asks for it goes on looking.
func (l *Ledger) Version() uint64 {
	l.open()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.version
}
