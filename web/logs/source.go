package logs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/client"

	corev1 "k8s.io/api/core/v1"
)

// Waits between two requests for a log that has ended or could not be had.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// position is how far a log has been seen: the time of the last line, and how
// many lines of that time there were.
type position struct {
	at    int64
	count int
}

// parsePosition reads what a browser says of a source: "KEY STAMP COUNT".
func parsePosition(s string) (key string, p position, ok bool) {
	parts := strings.Fields(s)
	if len(parts) != 3 {
		return "", p, false
	}
	at, err := time.Parse(time.RFC3339Nano, parts[1])
	count, err2 := strconv.Atoi(parts[2])
	if err != nil || err2 != nil || count < 1 {
		return "", p, false
	}
	return parts[0], position{at.UnixNano(), count}, true
}

// resume passes over the lines that have been seen when a log is asked for
// again from the second of its last line on.
type resume struct {
	seen    position
	met     int  // lines of the time seen.at so far
	skipped bool // nothing more is passed over
}

// isNew tells whether a line has not been seen.
func (r *resume) isNew(at int64) bool {
	if r.skipped || r.seen.at == 0 || at == 0 {
		return true
	}
	switch {
	case at < r.seen.at:
		return false
	case at == r.seen.at && r.met < r.seen.count:
		r.met++
		return false
	}
	r.skipped = true
	return true
}

// source is one container's log.
type source struct {
	feed      *Feed
	index     int
	key       string
	namespace string
	pod       string
	container Container

	cancel context.CancelFunc
	// changed is told when the pod has changed.
	changed chan struct{}

	// The goroutine of run owns these.
	last position

	// The feed's lock guards these.
	state, note string
}

// Stages of a source, as the browser gets them.
const (
	waiting = "waiting" // not started
	reading = "live"
	ended   = "ended"
)

// run reads the log until it is over.
func (s *source) run(ctx context.Context) {
	wait := firstRetry
	for ctx.Err() == nil {
		before := s.last
		err := s.read(ctx)
		if ctx.Err() != nil {
			return
		}
		q := &s.feed.query
		if !q.Follow || q.Previous || q.isOver() || s.feed.isOver(s) && err == nil {
			s.feed.mark(s, ended, s.reason(err))
			return
		}
		if err != nil {
			s.feed.mark(s, waiting, s.reason(err))
		} else if s.feed.hasStopped(s) {
			s.feed.mark(s, waiting, "stopped")
		}
		if s.last != before {
			wait = firstRetry
		}
		if !s.sleep(ctx, wait) {
			wait = min(2*wait, lastRetry)
		} else {
			wait = firstRetry
		}
	}
}

func (s *source) reason(err error) string {
	if err == nil {
		return ""
	}
	return s.feed.explain(err)
}

// sleep waits; it is true when the pod has changed meanwhile.
func (s *source) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-s.changed:
		return true
	}
	return false
}

// errPast ends the reading of a log behind the end of a range.
var errPast = errors.New("the end of the range")

// read asks for the log once and takes its lines until it ends, or the range
// does.
func (s *source) read(ctx context.Context) error {
	q := s.feed.query
	if q.Follow && !q.To.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, q.To)
		defer cancel()
	}
	again := resume{seen: s.last}
	if s.last.at != 0 {
		q.From, q.Since, q.Tail = time.Unix(0, s.last.at), 0, -1
	}
	path := client.Path(pods, s.namespace, s.pod, "log")
	call := client.Call{Method: http.MethodGet, Path: path, Query: q.Parameters(s.container.Name, q.Follow && !q.Previous), Accept: "text/plain, */*"}
	resp, err := s.feed.client.Send(ctx, call)
	if err != nil {
		return unlessOver(q, err)
	}
	split := &splitter{line: func(p []byte) error {
		l := parseLine(s.index, p)
		if !again.isNew(l.at) {
			return nil
		}
		if q.isPast(l.at) {
			return errPast
		}
		s.saw(l.at)
		return s.feed.take(ctx, l)
	}}
	switch {
	case resp.Chunked != nil:
		s.feed.mark(s, reading, "")
		err = resp.Chunked(ctx, split)
	case resp.Status >= http.StatusBadRequest:
		return client.Error(call, resp)
	case resp.Stream != nil, resp.Switches():
		return fmt.Errorf("the log came in a form that cannot be read")
	default:
		_, err = split.Write(resp.Body)
	}
	if err == nil {
		err = split.end()
	}
	return unlessOver(q, err)
}

// unlessOver is the error of a reading, none when the range has ended it.
func unlessOver(q Query, err error) error {
	if errors.Is(err, errPast) || q.isOver() && errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func (s *source) saw(at int64) {
	switch at {
	case 0:
	case s.last.at:
		s.last.count++
	default:
		s.last = position{at, 1}
	}
}

// containerStatus is the state of a container of a pod.
func containerStatus(p *corev1.Pod, name string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses, p.Status.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}
