package jobs

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// deletion is work on one object that counts how often it is done.
func deletion(did *atomic.Int32, err error) Work {
	return Work{Owner: "ann", Subject: "Pod a", Hold: 10 * time.Second, Items: []Item{{UID: "u1", Run: func(context.Context) (string, error) {
		did.Add(1)
		return "", err
	}}}}
}

// held runs f with a clock of its own and a table whose jobs end after it.
func held(t *testing.T, f func(t *testing.T, table *Table)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		table := New(ctx)
		f(t, table)
		cancel()
		table.Wait()
	})
}

func start(t *testing.T, table *Table, w Work) *Job {
	t.Helper()
	j, err := table.Start(w)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// R13: undone within 10 s it is as if nothing had been asked for.
func TestWhatIsHeldCanBeCancelled(t *testing.T) {
	held(t, func(t *testing.T, table *Table) {
		var did atomic.Int32
		woken := 0
		defer table.Watch("ann", func() { woken++ })()
		j := start(t, table, deletion(&did, nil))
		time.Sleep(9900 * time.Millisecond)
		if p := j.Progress(); !p.Held || !p.Running || p.Left != 100*time.Millisecond || did.Load() != 0 {
			t.Fatalf("%+v", p)
		}
		if !table.Marks("ann").On("u1") || table.Marks("ann").On("u2") || table.Marks("bob").On("u1") {
			t.Error("the wrong objects are marked")
		}
		if !j.Cancel() {
			t.Error("it was too late")
		}
		if p := j.Progress(); p.Held || !p.Kept || p.Running || !p.Cancelled || table.Marks("ann").On("u1") {
			t.Errorf("%+v", p)
		}
		time.Sleep(time.Minute)
		if did.Load() != 0 || woken != 2 {
			t.Errorf("done %d times, %d wakes", did.Load(), woken)
		}
	})
}

func TestWhatIsHeldIsDoneWhenItsTimeHasCome(t *testing.T) {
	held(t, func(t *testing.T, table *Table) {
		var did atomic.Int32
		j := start(t, table, deletion(&did, nil))
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		if did.Load() != 0 {
			t.Fatal("too early")
		}
		time.Sleep(1)
		synctest.Wait()
		if p := j.Progress(); did.Load() != 1 || p.Running || p.Failed != 0 || table.Marks("ann").On("u1") {
			t.Fatalf("done %d times, %+v", did.Load(), p)
		}
		if j.Cancel() {
			t.Error("it is too late")
		}
		if len(table.Told("ann")) != 1 || len(table.Told("bob")) != 0 {
			t.Error("its owner alone is told")
		}
		time.Sleep(toldFor)
		if len(table.Told("ann")) != 0 {
			t.Error("it is told for a moment")
		}
	})
}

func TestWhatIsReleasedDoesNotWait(t *testing.T) {
	held(t, func(t *testing.T, table *Table) {
		var did atomic.Int32
		j := start(t, table, deletion(&did, errors.New("refused")))
		j.Release()
		j.Release()
		synctest.Wait()
		if did.Load() != 1 {
			t.Fatal("it waits")
		}
		time.Sleep(time.Minute)
		if len(table.Told("ann")) != 1 {
			t.Error("what failed is told until it has been seen")
		}
		j.See()
		if len(table.Told("ann")) != 0 {
			t.Error("it has been seen")
		}
	})
}

func TestAStopDoesWhatIsHeld(t *testing.T) {
	held(t, func(t *testing.T, table *Table) {
		var did atomic.Int32
		start(t, table, deletion(&did, nil))
		start(t, table, Work{Owner: "bob", Hold: time.Second, Items: []Item{{Run: func(ctx context.Context) (string, error) {
			<-ctx.Done() // takes too long
			return "", ctx.Err()
		}}}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begun := time.Now()
		table.Finish(ctx)
		if took := time.Since(begun); did.Load() != 1 || took != 5*time.Second {
			t.Errorf("done %d times in %v", did.Load(), took)
		}
		if _, err := table.Start(deletion(&did, nil)); !errors.Is(err, ErrStopping) {
			t.Errorf("got %v", err)
		}
	})
}

// A server that ends otherwise deletes nothing.
func TestACrashDoesNotDoWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		table := New(ctx)
		var did atomic.Int32
		start(t, table, deletion(&did, nil))
		cancel()
		table.Wait()
		if did.Load() != 0 {
			t.Error("deleted")
		}
	})
}

func TestWhatIsHeldIsBounded(t *testing.T) {
	held(t, func(t *testing.T, table *Table) {
		var did atomic.Int32
		for range maxHeld {
			start(t, table, deletion(&did, nil))
		}
		if _, err := table.Start(deletion(&did, nil)); !errors.Is(err, ErrHeld) {
			t.Errorf("got %v", err)
		}
		more := deletion(&did, nil)
		more.Hold = 0
		start(t, table, more) // at once is possible yet
		other := deletion(&did, nil)
		other.Owner, other.Items = "bob", make([]Item, maxHeldItems+1)
		if _, err := table.Start(other); !errors.Is(err, ErrHeld) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		start(t, table, deletion(&did, nil))
	})
}

// An undo and the end of the wait at the same moment: it is one or the other.
func TestCancelAndTimeAreOneOrTheOther(t *testing.T) {
	table := New(t.Context())
	for i := range 200 {
		var did atomic.Int32
		w := deletion(&did, nil)
		w.Owner, w.Hold = strconv.Itoa(i), 50*time.Microsecond
		j := start(t, table, w)
		kept := j.Cancel()
		j.Await(t.Context())
		if kept && did.Load() != 0 {
			t.Fatalf("kept, but done %d times", did.Load())
		}
	}
}

func TestEachItemHasAState(t *testing.T) {
	held(t, func(t *testing.T, table *Table) {
		step := make(chan struct{})
		items := make([]Item, 20)
		for i := range items {
			items[i].Run = func(context.Context) (string, error) {
				<-step
				if i == 3 {
					return "", errors.New("refused")
				}
				return map[bool]string{true: "waits"}[i == 0], nil
			}
		}
		j := start(t, table, Work{Owner: "ann", Items: items})
		synctest.Wait()
		changed, at := j.Since(0, 5)
		if len(changed) != 5 || changed[0].State != Working || at != workers {
			t.Fatalf("%v, %d", changed, at)
		}
		close(step)
		synctest.Wait()
		states, notes := j.States(5)
		if string(rune(states[0])) != "d" || states[3] != Failed || states[4] != Done || len(states) != 5 || notes[0] != "waits" || j.Note(0) != "waits" {
			t.Errorf("%s %v", string(states[0]), notes)
		}
		if changed, _ := j.Since(at, 5); len(changed) != 5 {
			t.Errorf("%v", changed)
		}
		if p := j.Progress(); p.Failures[0].Index != 3 {
			t.Errorf("%+v", p.Failures)
		}
	})
}
