package endpoints

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// watch answers with a stream of events.
func (c *call) watch(ctx context.Context, o *internalversion.ListOptions) (*request.Response, error) {
	if c.e.Store == nil || !c.v.verbs.has(canWatch) {
		return nil, apierrors.NewMethodNotSupported(c.v.gvr.GroupResource(), "watch")
	}
	s, err := c.newWatchStream(ctx, o)
	if err != nil {
		return nil, err
	}
	if isWebSocket(c.r) {
		return s.webSocket(c.r)
	}
	return &request.Response{Status: http.StatusOK, ContentType: s.frames.mediaType(), Chunked: s.run}, nil
}

// newWatchStream starts a watch. It is closed when it has run, or when nobody
// has it any more: a response whose client is gone before it begins is dropped.
func (c *call) newWatchStream(ctx context.Context, o *internalversion.ListOptions) (*watchStream, error) {
	frames, err := c.newFrames()
	if err != nil {
		return nil, err
	}
	s := &watchStream{
		frames:    frames,
		bookmarks: o.AllowWatchBookmarks,
		initial:   o.SendInitialEvents != nil && *o.SendInitialEvents,
		timeout:   c.h.watchTimeout(o.TimeoutSeconds),
		period:    c.h.BookmarkPeriod,
	}
	s.watcher, err = c.e.Store.Watch(ctx, registry.WatchOptions{
		Namespace:            c.namespace(),
		Labels:               o.LabelSelector,
		Fields:               o.FieldSelector,
		ResourceVersion:      o.ResourceVersion,
		ResourceVersionMatch: o.ResourceVersionMatch,
		SendInitialEvents:    o.SendInitialEvents,
		Bookmarks:            o.AllowWatchBookmarks,
	})
	switch {
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		// Told inside the stream, where clients look for it.
		s.refusal = err
	case err != nil:
		return nil, err
	default:
		runtime.AddCleanup(s, (*watchcache.Watcher).Close, s.watcher)
	}
	return s, nil
}

// watchTimeout is how long a watch lasts: what the client asks for, or a random
// time, so that watches that began together don't end together.
func (h *Handler) watchTimeout(seconds *int64) time.Duration {
	if seconds != nil && *seconds > 0 {
		// A longer one than this cannot be counted in nanoseconds.
		return time.Duration(min(*seconds, int64(24*365*time.Hour/time.Second))) * time.Second
	}
	return time.Duration(float64(h.MinRequestTimeout) * (1 + rand.Float64()))
}

// watchStream sends the events of one watcher until its time is up.
type watchStream struct {
	frames  *frames
	watcher *watchcache.Watcher
	// refusal is sent in the place of events.
	refusal error
	// bookmarks asks for bookmarks now and then, initial for one at the end of
	// the initial events.
	bookmarks, initial bool
	timeout, period    time.Duration
	// messages is set for a WebSocket, where each event is a message.
	messages bool
}

// flushAfter is how many events go out at once while there are more.
const flushAfter = 256

// lastBookmark is how long before the end of a watch its last bookmark is sent.
const lastBookmark = 2 * time.Second

// run is the body of the response. Everything that is pending goes out in one
// write; between events the goroutine sleeps. It waits for one channel, on which
// the end of the context and the time of a bookmark make themselves known too:
// waiting for three costs a tenth of what a delivery costs.
func (s *watchStream) run(ctx context.Context, w request.ChunkWriter) error {
	if s.refusal != nil {
		return s.fail(w, s.refusal)
	}
	defer s.watcher.Close()
	defer context.AfterFunc(ctx, s.watcher.Wake)()
	end := time.Now().Add(s.timeout)
	bookmark := s.nextBookmark(time.Now(), end)
	var due atomic.Bool
	timer := time.AfterFunc(time.Until(earlier(end, bookmark)), func() {
		defer metrics.Caught("watch")
		due.Store(true)
		s.watcher.Wake()
	})
	defer timer.Stop()
	for {
		more, err := s.send(w)
		if errors.Is(err, errEnded) {
			return nil
		}
		if err != nil {
			return err
		}
		if !more {
			<-s.watcher.Ready()
		}
		if ctx.Err() != nil {
			return nil
		}
		if !due.Load() {
			continue
		}
		now := time.Now()
		if !now.Before(end) {
			return nil
		}
		if more {
			continue // a bookmark is for when nothing is pending
		}
		due.Store(false)
		if err := s.bookmark(w, false); err != nil {
			return err
		}
		bookmark = s.nextBookmark(now, end)
		timer.Reset(time.Until(earlier(end, bookmark)))
	}
}

// errEnded ends a stream in good order.
var errEnded = errors.New("the watch has ended")

// send writes what there is to send; more tells that there is more already.
func (s *watchStream) send(w request.ChunkWriter) (more bool, err error) {
	wasInitial := s.initial
	events, err := s.watcher.Poll(flushAfter)
	for i := range events {
		if err := s.frames.event(w, &events[i]); err != nil {
			return false, err
		}
		if s.messages {
			if err := w.Flush(); err != nil {
				return false, err
			}
		}
	}
	if err != nil {
		return false, s.ended(w, err)
	}
	if wasInitial && s.watcher.InitialDone() {
		s.initial = false
		if s.bookmarks {
			return s.watcher.More(), s.bookmark(w, true)
		}
	}
	if len(events) > 0 {
		err = w.Flush()
	}
	return s.watcher.More(), err
}

// ended says why there are no more events.
func (s *watchStream) ended(w request.ChunkWriter, err error) error {
	switch {
	case errors.Is(err, watchcache.ErrExpired):
		err := s.fail(w, apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d", s.watcher.Revision())))
		return errors.Join(errEnded, err)
	case errors.Is(err, watchcache.ErrClosed), errors.Is(err, watchcache.ErrRemoved):
		return errEnded
	}
	return err
}

// fail sends an error as the last event.
func (s *watchStream) fail(w request.ChunkWriter, err error) error {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err
	}
	st := status.Status()
	st.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	if err := s.frames.status(w, &st); err != nil {
		return err
	}
	return w.Flush()
}

// bookmark tells how far the watch has come; last marks the end of the initial
// events. Without a revision to tell there is none.
func (s *watchStream) bookmark(w request.ChunkWriter, initialEnd bool) error {
	revision := s.watcher.Revision()
	if revision <= 0 || s.initial && !initialEnd {
		return nil
	}
	if err := s.frames.bookmark(w, revision, initialEnd); err != nil {
		return err
	}
	return w.Flush()
}

// nextBookmark is when the next bookmark is due: after a period, or shortly
// before the end. After the end means never.
func (s *watchStream) nextBookmark(now, end time.Time) time.Time {
	never := end.Add(time.Hour)
	if !s.bookmarks {
		return never
	}
	next := now.Add(s.period)
	if last := end.Add(-lastBookmark); last.Before(next) {
		next = last
	}
	if !next.After(now) {
		return never
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// newFrames gives the form of a watch's events.
func (c *call) newFrames() (*frames, error) {
	f := &frames{c: *c, now: c.h.Clock, sent: metrics.WatchEventsOf(c.v.gvr)}
	switch {
	case c.form.Type == scheme.MediaYAML:
		return nil, notAcceptable("only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch")
	case c.form.As.Kind == "Table":
		o, err := tableOptions(c.r.Query())
		if err != nil {
			return nil, err
		}
		f.kind, f.table = tableFrames, o
	case c.form.As.Kind == "PartialObjectMetadata", c.form.As.Kind == "PartialObjectMetadataList":
		f.kind = metadataFrames
	}
	f.protobuf = c.form.Type == scheme.MediaProtobuf
	f.c.r = nil // it is not needed any more, and may be large
	return f, nil
}
