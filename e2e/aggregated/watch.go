package main

import (
	"context"
	"strconv"

	"pilothouse/e2e/aggregated/library"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"
)

func labelsOf(b *library.Book) labels.Set { return labels.Set(b.Labels) }

// Watch gives what happens from a resourceVersion on; without one it begins with
// the books that there are.
func (b *books) Watch(ctx context.Context, o *internalversion.ListOptions) (watch.Interface, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, initial := len(b.log), []watch.Event{}
	asList := o.SendInitialEvents != nil && *o.SendInitialEvents
	if asList || o.ResourceVersion == "" || o.ResourceVersion == "0" {
		for _, book := range b.books {
			initial = append(initial, watch.Event{Type: watch.Added, Object: book})
		}
		if asList && o.AllowWatchBookmarks {
			end := &library.Book{ObjectMeta: metav1.ObjectMeta{ResourceVersion: strconv.Itoa(at), Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}}
			initial = append(initial, watch.Event{Type: watch.Bookmark, Object: end})
		}
	} else {
		since, err := strconv.Atoi(o.ResourceVersion)
		if err != nil || since > at {
			return nil, apierrors.NewBadRequest("invalid resourceVersion")
		}
		at = since
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{events: make(chan watch.Event), cancel: cancel}
	go w.run(ctx, b.shelf, o, initial, at)
	return w, nil
}

type watcher struct {
	events chan watch.Event
	cancel context.CancelFunc
}

func (w *watcher) Stop()                          { w.cancel() }
func (w *watcher) ResultChan() <-chan watch.Event { return w.events }

func (w *watcher) run(ctx context.Context, s *shelf, o *internalversion.ListOptions, initial []watch.Event, at int) {
	defer close(w.events)
	for {
		for _, e := range initial {
			book := e.Object.(*library.Book)
			if e.Type != watch.Bookmark && !wants(ctx, o, book) {
				continue
			}
			select {
			case w.events <- watch.Event{Type: e.Type, Object: book.DeepCopyObject()}:
			case <-ctx.Done():
				return
			}
		}
		s.mu.Lock()
		initial, at = s.log[at:len(s.log):len(s.log)], len(s.log)
		changed := s.changed
		s.mu.Unlock()
		if len(initial) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
