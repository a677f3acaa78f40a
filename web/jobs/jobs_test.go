package jobs

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

func wait(t *testing.T, j *Job) Progress {
	t.Helper()
	changed := make(chan struct{}, 1)
	stop := j.Watch(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer stop()
	for {
		if p := j.Progress(); !p.Running {
			return p
		}
		<-changed
	}
}

func TestAJobTellsWhatFailed(t *testing.T) {
	table := New(t.Context())
	items := make([]Item, 100)
	for i := range items {
		items[i] = Item{Text: string(rune('a' + i%26)), Run: func(context.Context) (string, error) {
			if i%10 == 0 {
				return "", errors.New("refused")
			}
			return "", nil
		}}
	}
	j, err := table.Start(Work{Owner: "ann", Title: "Delete 100 pods", Items: items})
	if err != nil {
		t.Fatal(err)
	}
	p := wait(t, j)
	if p.Done != 100 || p.Failed != 10 || len(p.Failures) != 10 || p.Cancelled {
		t.Errorf("%+v", p)
	}
	if table.Find("ann", j.ID) != j || table.Find("bob", j.ID) != nil || table.Find("ann", "x") != nil {
		t.Error("jobs are found by the wrong people")
	}
}

func TestACancelledJobBeginsNothingMore(t *testing.T) {
	table := New(t.Context())
	var begun atomic.Int32
	first := make(chan struct{}, workers)
	items := make([]Item, 1000)
	for i := range items {
		items[i] = Item{Run: func(ctx context.Context) (string, error) {
			begun.Add(1)
			first <- struct{}{}
			<-ctx.Done()
			return "", ctx.Err()
		}}
	}
	j, err := table.Start(Work{Owner: "ann", Items: items})
	if err != nil {
		t.Fatal(err)
	}
	<-first
	j.Cancel()
	p := wait(t, j)
	if !p.Cancelled || begun.Load() > workers || p.Done != int(begun.Load()) {
		t.Errorf("%d begun, %+v", begun.Load(), p)
	}
}

func TestJobsAreBounded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	table := New(ctx)
	stuck := func() []Item {
		return []Item{{Run: func(ctx context.Context) (string, error) { <-ctx.Done(); return "", nil }}}
	}
	for range maxRunning {
		if _, err := table.Start(Work{Owner: "ann", Items: stuck()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := table.Start(Work{Owner: "ann", Items: stuck()}); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	cancel()
	table.Wait()
}

func TestWorkInOrder(t *testing.T) {
	table := New(t.Context())
	var order []int
	var at atomic.Int32
	items := make([]Item, 50)
	for i := range items {
		items[i] = Item{Run: func(context.Context) (string, error) {
			if at.Add(1) != 1 {
				t.Error("two at the same time")
			}
			order = append(order, i)
			at.Add(-1)
			if i == 7 {
				return "", errors.New("refused")
			}
			return "said", nil
		}}
	}
	detail := new(int)
	j, err := table.Start(Work{Owner: "ann", Items: items, InOrder: true, Detail: detail})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, j)
	for i, n := range order {
		if i != n {
			t.Fatalf("%v", order)
		}
	}
	changed, _ := j.Since(0, 50)
	if len(changed) != 50 || changed[7].State != Failed || changed[7].Err == nil || changed[8].Note != "said" || changed[8].Err != nil {
		t.Errorf("%+v", changed)
	}
	if list := table.Of("ann"); len(list) != 1 || list[0].Detail != detail || len(table.Of("bob")) != 0 {
		t.Errorf("%v", list)
	}
}
