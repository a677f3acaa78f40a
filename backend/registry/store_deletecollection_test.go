package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/memory"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// gate is an engine whose deletes wait until so many of them are there.
type gate struct {
	storage.Engine
	together int

	mu      sync.Mutex
	waiting int
	most    int
	open    chan struct{}
}

func (g *gate) Commit(ctx context.Context, w *storage.Write) (int64, error) {
	if w.Delete && g.together > 0 {
		g.mu.Lock()
		g.waiting++
		g.most = max(g.most, g.waiting)
		open := g.open
		if g.waiting == g.together {
			g.waiting, g.open = 0, make(chan struct{})
			close(open)
		}
		g.mu.Unlock()
		select {
		case <-open:
		case <-time.After(time.Minute):
			return 0, errors.New("they are not deleted at the same time")
		}
	}
	return g.Engine.Commit(ctx, w)
}

func (e *env) manyMaps(n int) (names []string) {
	for i := range n {
		name := fmt.Sprintf("m%03d", i)
		e.create(configMap(name))
		names = append(names, name)
	}
	return names
}

// Objects of a collection are deleted as many at a time as is wanted, so that the
// engine can write them together; the answer is in the order of the list.
func TestDeleteCollectionDeletesSeveralAtATime(t *testing.T) {
	g := &gate{Engine: memory.New(), together: 4, open: make(chan struct{})}
	e := newEnv(t, g)
	e.o.DeleteCollectionWorkers = 4
	want := e.manyMaps(20)
	l, err := e.cms().DeleteCollection(e.ctx, ListOptions{Namespace: "ns"}, DeleteOptions{})
	e.must(err)
	e.equal(names(l.Items), want)
	e.equal(g.most, 4)
	e.equal(e.cms().Count("ns"), 0)
}

// Of several errors the one is answered that one after the other would have met;
// all before it are gone, and what is gone meanwhile is no error.
func TestDeleteCollectionGivesTheFirstError(t *testing.T) {
	for _, workers := range []int{1, 2, 8, 100} {
		e := newEnv(t, memory.New())
		e.o.DeleteCollectionWorkers = workers
		e.manyMaps(30)
		refuse := func(ctx context.Context, _, old scheme.Object) error {
			switch name := old.GetName(); {
			case name == "m001":
				if _, err := e.cms().Delete(ctx, "ns", "m002", DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
					return err
				}
			case name >= "m007":
				return fmt.Errorf("%s is refused", name)
			}
			return nil
		}
		_, err := e.cms().DeleteCollection(e.ctx, ListOptions{Namespace: "ns"}, DeleteOptions{Validate: refuse})
		if err == nil || err.Error() != "m007 is refused" {
			t.Errorf("%d workers: %v", workers, err)
		}
		e.equal(names(e.list(e.cms(), ListOptions{}).Items)[0], "m007")
		e.equal(e.cms().Count("ns"), 23)
	}
}

// A client that goes away, or a deadline, ends the rest.
func TestDeleteCollectionEndsWithItsContext(t *testing.T) {
	for _, workers := range []int{1, 8} {
		e := newEnv(t, memory.New())
		e.o.DeleteCollectionWorkers = workers
		e.manyMaps(100)
		ctx, cancel := context.WithCancel(e.ctx)
		var asked atomic.Int64
		_, err := e.cms().DeleteCollection(ctx, ListOptions{Namespace: "ns"}, DeleteOptions{Validate: func(context.Context, scheme.Object, scheme.Object) error {
			if asked.Add(1) == 10 {
				cancel()
			}
			return nil
		}})
		if err == nil || int(asked.Load()) >= 10+workers {
			t.Errorf("%d workers: %v after %d objects", workers, err, asked.Load())
		}
		if left := e.cms().Count("ns"); left < 90 {
			t.Errorf("%d workers: %d objects are left", workers, left)
		}
	}
}

// A dry run deletes nothing, finalizers hold what they hold, and the warning of
// all deletes is there once.
func TestDeleteCollectionOfWhatStays(t *testing.T) {
	onEachEngine(t, func(e *env) {
		e.o.DeleteCollectionWorkers = 8
		for i := range 20 {
			c := configMap(fmt.Sprintf("m%03d", i))
			if i%2 == 0 {
				c.Finalizers = []string{"x/y"}
			}
			e.create(c)
		}
		_, err := e.cms().DeleteCollection(e.ctx, ListOptions{Namespace: "ns"}, DeleteOptions{DryRun: true})
		e.must(err)
		e.equal(e.cms().Count("ns"), 20)
		l, err := e.cms().DeleteCollection(e.ctx, ListOptions{Namespace: "ns", Limit: 15}, DeleteOptions{})
		e.must(err)
		e.equal([]any{len(l.Items), l.Continue != ""}, "[15 true]")
		l, err = e.cms().DeleteCollection(e.ctx, ListOptions{Namespace: "ns", Limit: 15, Continue: l.Continue}, DeleteOptions{})
		e.must(err)
		e.equal([]any{len(l.Items), l.Continue != ""}, "[5 false]")
		left := e.list(e.cms(), ListOptions{}).Items
		e.equal(len(left), 10)
		for _, o := range left {
			if !strings.Contains(string(o.Raw), `"deletionTimestamp"`) {
				t.Errorf("%s is not being deleted", o.Name)
			}
		}
	})
}

// What goes wrong at the same time is not begun further, whoever is first.
func TestInOrderStopsAtTheFirstError(t *testing.T) {
	for range 50 {
		var began atomic.Int64
		second := make(chan struct{})
		err := inOrder(100, 2, func(i int) error {
			began.Add(1)
			if i == 0 {
				<-second
			} else {
				close(second)
			}
			return fmt.Errorf("%d", i)
		})
		if err == nil || err.Error() != "0" || began.Load() != 2 {
			t.Fatalf("%v, %d were begun", err, began.Load())
		}
	}
}

// A panic is the caller's, who catches it; nobody is left running.
func TestInOrderGivesAPanicOn(t *testing.T) {
	var running atomic.Int64
	panicked := func() (p any) {
		defer func() { p = recover() }()
		_ = inOrder(100, 4, func(i int) error {
			running.Add(1)
			defer running.Add(-1)
			if i == 5 {
				panic("BUG: five")
			}
			return nil
		})
		return nil
	}()
	text := fmt.Sprint(panicked)
	if !strings.HasPrefix(text, "BUG: five\n") || !strings.Contains(text, "TestInOrderGivesAPanicOn") || running.Load() != 0 {
		t.Errorf("%d run, panic %v", running.Load(), panicked)
	}
}

// slowDisk is an engine in memory that takes a while for each batch, as a disk
// does for a sync, and takes what waits meanwhile as the next one.
type slowDisk struct {
	storage.Engine
	sync time.Duration

	mu   sync.Mutex
	disk chan struct{} // closed when the batch that forms now is written
	busy bool
}

func (d *slowDisk) Commit(ctx context.Context, w *storage.Write) (int64, error) {
	d.wait()
	return d.Engine.Commit(ctx, w)
}

// wait returns after the batch that the caller is in.
func (d *slowDisk) wait() {
	d.mu.Lock()
	if d.disk == nil {
		d.disk = make(chan struct{})
	}
	mine := d.disk
	if d.busy {
		d.mu.Unlock()
		<-mine
		return
	}
	d.busy = true
	for d.disk != nil {
		batch := d.disk
		d.disk = nil
		d.mu.Unlock()
		time.Sleep(d.sync)
		close(batch)
		d.mu.Lock()
	}
	d.busy = false
	d.mu.Unlock()
}

// BenchmarkDeleteCollection is 200 pods on a disk that syncs in 2 ms; each takes
// two writes.
func BenchmarkDeleteCollection(b *testing.B) {
	for _, workers := range []int{1, 4, 16, 32, 64, 128} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			disk := &slowDisk{Engine: memory.New()}
			r, err := New(Options{Engine: disk, DeleteCollectionWorkers: workers})
			if err != nil {
				b.Fatal(err)
			}
			if err := errors.Join(r.Add(pods()), r.Start(b.Context())); err != nil {
				b.Fatal(err)
			}
			b.Cleanup(r.Close)
			s := r.Store("", "pods")
			ctx := request.With(b.Context(), &request.Request{})
			for b.Loop() {
				b.StopTimer()
				disk.sync = 0
				for i := range 200 {
					p := bigPod(fmt.Sprintf("p%03d", i))
					p.Spec.NodeName = ""
					if _, err := s.Create(ctx, p, CreateOptions{}); err != nil {
						b.Fatal(err)
					}
				}
				disk.sync = 2 * time.Millisecond
				b.StartTimer()
				l, err := s.DeleteCollection(ctx, ListOptions{Namespace: "ns"}, DeleteOptions{})
				if err != nil || len(l.Items) != 200 || s.Count("ns") != 0 {
					b.Fatalf("%v, %d are left", err, s.Count("ns"))
				}
			}
		})
	}
}
