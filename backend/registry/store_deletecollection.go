package registry

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"pilothouse/backend/metrics"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DeleteCollection deletes what the list options select, several at a time so
// that the engine writes them with one sync, and gives the objects as they were
// listed. It is not atomic: the first error ends it, and is the one that deleting
// them in the order of the list would have met. Objects that are gone meanwhile
// are no error. With a limit it deletes one page; the list says how to go on. A
// resourceVersion is the one that is listed at, as of a page: Kubernetes deletes
// page by page.
func (s *Store) DeleteCollection(ctx context.Context, list ListOptions, o DeleteOptions) (*List, error) {
	s.warnOfDelete(ctx, o)
	if rv := list.ResourceVersion; rv != "" && rv != "0" && list.ResourceVersionMatch == "" {
		list.ResourceVersionMatch = metav1.ResourceVersionMatchExact
	}
	l, err := s.List(ctx, list)
	if err != nil {
		return nil, err
	}
	err = inOrder(len(l.Items), s.o.DeleteCollectionWorkers, func(i int) error {
		if err := ctx.Err(); err != nil {
			return storageError(err)
		}
		if _, err := s.Delete(ctx, l.Items[i].Namespace, l.Items[i].Name, o); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// inOrder begins do(0), do(1) and so on to do(n-1) in this order, so many at a
// time. After an error it begins no more. It waits for what it has begun, whatever
// happens, and gives the error of the lowest number: all before that one were
// begun, and went well. A panic goes on here, where somebody catches it.
func inOrder(n, workers int, do func(int) error) error {
	if workers = min(workers, n); workers <= 1 {
		for i := range n {
			if err := do(i); err != nil {
				return err
			}
		}
		return nil
	}
	f := &file{n: n, do: do}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(metrics.Guarded("registry", f.work))
	}
	wg.Wait()
	if f.panicked != nil {
		panic(f.panicked)
	}
	return f.err
}

// file is what the workers of inOrder share.
type file struct {
	n  int
	do func(int) error

	mu       sync.Mutex // guards the fields below
	next     int
	failed   int // whose error err is
	err      error
	panicked any
}

func (f *file) work() {
	for {
		i, more := f.take()
		if !more {
			return
		}
		if err := f.try(i); err != nil {
			f.mu.Lock()
			if f.err == nil || i < f.failed {
				f.failed, f.err = i, err
			}
			f.mu.Unlock()
		}
	}
}

func (f *file) take() (i int, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || f.panicked != nil || f.next == f.n {
		return 0, false
	}
	f.next++
	return f.next - 1, true
}

// try is do, with a panic kept together with the stack that it would lose.
func (f *file) try(i int) error {
	defer func() {
		if p := recover(); p != nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
	}()
	return f.do(i)
}
