package pages

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// dryRuns is how many questions a deletion of many asks at the same time.
	dryRuns = 4
	// toldEvery is how often a dialog is told how far its questions are.
	toldEvery = 250 * time.Millisecond
	// shownSpecial is how many of the objects beyond the first ones a dialog shows
	// because they are refused or wait for something.
	shownSpecial = 200
)

// allDryRuns bounds the questions of all dialogs together.
var allDryRuns = make(chan struct{}, 4*dryRuns)

// asking asks the server of each object of a deletion whether it would delete it,
// what the object waits for then, and what belongs to it.
type asking struct {
	call    *Call
	targets []target
	first   int // how many are shown whatever comes of them

	mu         sync.Mutex // guards the fields below
	asked      view.Asked
	shown      map[int]view.BulkDelete
	finalizers map[string]int
	usual      map[string]int
	dependents []int
	unread     []view.Unread
}

func (c *Call) asking(targets []target) *asking {
	return &asking{
		call: c, targets: targets, first: shownNames, asked: view.Asked{Total: len(targets)}, shown: map[int]view.BulkDelete{}, finalizers: map[string]int{}, usual: map[string]int{},
	}
}

// run asks about the first n objects; it ends early with ctx.
func (a *asking) run(ctx context.Context, n int) {
	var group sync.WaitGroup
	var next atomic.Int64
	group.Go(metrics.Guarded("dashboard", func() { a.count(ctx, n) }))
	for range dryRuns {
		group.Go(metrics.Guarded("dashboard", func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				a.ask(ctx, i)
			}
		}))
	}
	group.Wait()
}

// ask asks about one object. The server is left the choice of the propagation, to
// tell what it would be.
func (a *asking) ask(ctx context.Context, i int) {
	select {
	case allDryRuns <- struct{}{}:
		defer func() { <-allDryRuns }()
	case <-ctx.Done():
		return
	}
	would, err := a.call.deleteObject(ctx, a.targets[i], "", true)
	if ctx.Err() != nil {
		return
	}
	row := view.BulkDelete{Name: a.targets[i].text()}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked.Done++
	if err != nil {
		row.Refused = a.call.reason(err)
		a.asked.Refused++
	} else {
		a.usual[usualPropagation(would.Finalizers)]++
		row.Finalizers = slices.DeleteFunc(would.Finalizers, func(f string) bool {
			return f == metav1.FinalizerOrphanDependents || f == metav1.FinalizerDeleteDependents
		})
		if len(row.Finalizers) > 0 {
			a.asked.Waiting++
		}
		for _, f := range row.Finalizers {
			a.finalizers[f]++
		}
	}
	special := err != nil || len(row.Finalizers) > 0
	if i < a.first || special && len(a.shown) < a.first+shownSpecial {
		a.shown[i] = row
	}
}

// count counts what belongs to the first n objects, by owner references.
func (a *asking) count(ctx context.Context, n int) {
	list := a.targets[:n]
	if n == 0 {
		return
	}
	namespace := list[0].namespace
	if slices.ContainsFunc(list, func(t target) bool { return t.namespace != namespace }) {
		namespace = ""
	}
	byOwner, unread := a.call.children(ctx, namespace)
	counts, all := make([]int, n), map[types.UID]bool{}
	for i, t := range list {
		seen := map[types.UID]bool{}
		for todo := []types.UID{types.UID(t.uid)}; len(todo) > 0; todo = todo[1:] {
			for _, k := range byOwner[todo[0]] {
				if uid := k.meta.Metadata.UID; !seen[uid] {
					seen[uid], all[uid] = true, true
					todo = append(todo, uid)
				}
			}
		}
		counts[i] = len(seen)
	}
	for _, t := range list {
		delete(all, types.UID(t.uid)) // selected itself
	}
	a.mu.Lock()
	a.dependents, a.asked.Dependents, a.asked.Counted = counts, len(all), true
	a.unread = unread
	a.mu.Unlock()
}

// show puts what is known into a dialog.
func (a *asking) show(v *view.Bulk) {
	a.mu.Lock()
	defer a.mu.Unlock()
	v.Asked = a.asked
	v.Asked.Finalizers, v.Asked.Usual = counted(a.finalizers), counted(a.usual)
	v.Deletes, v.Unread = nil, a.unread
	for _, i := range slices.Sorted(maps.Keys(a.shown)) {
		row := a.shown[i]
		if i < len(a.dependents) {
			row.Dependents = a.dependents[i]
		}
		v.Deletes = append(v.Deletes, row)
	}
	v.More = len(a.targets) - len(v.Deletes)
}

// counted is a table of numbers in the order of its names.
func counted(m map[string]int) []view.Counted {
	var list []view.Counted
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, view.Counted{Name: name, Count: m[name]})
	}
	return list
}

// asks is what a dialog shows of its questions while they are asked, one after
// the other with a zero byte behind each. It ends when the browser goes away.
func (c *Call) asks(v view.Bulk, targets []target) *Answer {
	worker, language := c.worker(), c.Language
	return &Answer{Type: "text/html; charset=utf-8", Chunked: func(ctx context.Context, w request.ChunkWriter) error {
		ctx, cancel := context.WithCancel(messages.With(ctx, language))
		defer cancel()
		a, over := worker.asking(targets), make(chan struct{})
		go metrics.Guarded("dashboard", func() {
			defer close(over)
			a.run(ctx, len(targets))
		})()
		defer func() {
			cancel()
			<-over
		}()
		tick := time.NewTicker(toldEvery)
		defer tick.Stop()
		for more := true; more; {
			select {
			case <-tick.C:
			case <-over:
				more = false
			}
			a.show(&v)
			var b bytes.Buffer
			if err := tmpl.BulkDeletes(v).Render(ctx, &b); err != nil {
				return err
			}
			b.WriteByte(0)
			if _, err := w.Write(b.Bytes()); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
		return nil
	}}
}
