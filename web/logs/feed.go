package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// Bounds of one feed.
const (
	// maxSources is how many containers are shown at most.
	maxSources = 200
	// maxHeld is how many bytes of lines wait for the browser. When there are as
	// many, logs are not read on.
	maxHeld = 1 << 20
	// maxMessage is about how many bytes of lines go into one message.
	maxMessage = 256 << 10
	// lineCost is what a line costs besides its text.
	lineCost = 64
	// watchRetry is the wait after a watch of pods that failed.
	watchRetry = 2 * time.Second
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// Feed is what a browser follows: the lines of all sources, and what is known
// of the sources. It is a live.Subscription.
type Feed struct {
	client  *client.Client
	query   Query
	explain func(error) string
	wake    func()
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	room    *sync.Cond
	sources []*source
	byKey   map[string]*source
	pods    map[string]*corev1.Pod // by UID
	seen    map[string]position    // what the browser has of sources that are not there yet
	lines   []Line
	held    int
	tooMany int
	problem string
	changed bool // sources or problem
	closed  bool
}

// Open begins a feed. have is what the browser has already: "SOURCE TIME COUNT"
// of each source's last line. wake is called when Next may have something;
// explain says of an error what the user sees. ctx bounds the opening only.
func Open(ctx context.Context, c *client.Client, q Query, have []string, wake func(), explain func(error) string) (*Feed, error) {
	f := &Feed{
		client: c, query: q, wake: wake, explain: explain,
		byKey: map[string]*source{}, pods: map[string]*corev1.Pod{}, seen: map[string]position{},
	}
	f.room = sync.NewCond(&f.mu)
	for _, h := range have {
		if key, p, ok := parsePosition(h); ok {
			f.seen[key] = p
		}
	}
	version, watches, err := f.list(ctx)
	if err != nil {
		return nil, err
	}
	ctx, f.cancel = context.WithCancel(context.Background())
	f.mu.Lock()
	f.update(ctx, "")
	f.changed = true
	f.mu.Unlock()
	wake()
	if watches && q.Follow {
		f.running.Go(metrics.Guarded("dashboard", func() { f.watch(ctx, version) }))
	}
	return f, nil
}

// Close ends the feed and waits until nothing of it goes on.
func (f *Feed) Close() {
	f.cancel()
	f.mu.Lock()
	f.closed = true
	f.room.Broadcast()
	f.mu.Unlock()
	f.running.Wait()
}

// Move does nothing: the browser has all lines.
func (*Feed) Move(int, int, string) {}

func (f *Feed) options() metav1.ListOptions {
	if f.query.Pod != "" {
		return metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", f.query.Pod).String()}
	}
	return metav1.ListOptions{LabelSelector: f.query.Selector}
}

// list finds out which pods there are. Who may read one pod but not list them
// sees its log all the same; watches is false then.
func (f *Feed) list(ctx context.Context) (version string, watches bool, err error) {
	list := &corev1.PodList{}
	err = f.client.List(ctx, pods, f.query.Namespace, f.options(), list)
	if f.query.Pod != "" && (apierrors.IsForbidden(err) || err == nil && len(list.Items) == 0) {
		one := &corev1.Pod{}
		if err := f.client.Get(ctx, pods, f.query.Namespace, f.query.Pod, one); err != nil {
			return "", false, err
		}
		f.keep(one)
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	f.mu.Lock()
	clear(f.pods)
	f.mu.Unlock()
	for i := range list.Items {
		f.keep(&list.Items[i])
	}
	return list.ResourceVersion, true, nil
}

func (f *Feed) keep(p *corev1.Pod) {
	if !f.query.wants(p.Name) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p.ManagedFields = nil
	f.pods[string(p.UID)] = p
}

// watch follows the pods until ctx ends.
func (f *Feed) watch(ctx context.Context, version string) {
	for ctx.Err() == nil {
		o := f.options()
		o.ResourceVersion, o.AllowWatchBookmarks = version, true
		err := f.client.Watch(ctx, pods, f.query.Namespace, o, func(e client.Event) error {
			p := &corev1.Pod{}
			if err := json.Unmarshal(e.Object, p); err != nil {
				return err
			}
			version = p.ResourceVersion
			f.event(ctx, e.Type, p)
			return nil
		})
		if ctx.Err() != nil || err == nil {
			continue
		}
		if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
			f.trouble(f.explain(err))
			if !pause(ctx, watchRetry) {
				return
			}
		}
		if v, _, err := f.list(ctx); err == nil {
			version = v
			f.mu.Lock()
			f.update(ctx, "")
			f.mu.Unlock()
			f.trouble("")
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (f *Feed) event(ctx context.Context, kind watch.EventType, p *corev1.Pod) {
	if kind == watch.Bookmark || !f.query.wants(p.Name) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if kind == watch.Deleted {
		delete(f.pods, string(p.UID))
	} else {
		p.ManagedFields = nil
		f.pods[string(p.UID)] = p
	}
	f.update(ctx, string(p.UID))
}

func (f *Feed) trouble(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.problem != why {
		f.problem, f.changed = why, true
		f.wake()
	}
}

// update begins the sources that are new, and tells those of a pod that it has
// changed, those of all for an empty UID. The lock is held.
func (f *Feed) update(ctx context.Context, uid string) {
	if f.closed {
		return
	}
	f.tooMany = 0
	for _, p := range f.inOrder() {
		for _, c := range Containers(&p.Spec) {
			if f.query.Container != "" && c.Name != f.query.Container {
				continue
			}
			key := string(p.UID) + "/" + c.Name
			if f.byKey[key] != nil {
				continue
			}
			if len(f.sources) >= maxSources {
				f.tooMany++
				f.changed = true
				continue
			}
			f.begin(ctx, key, p.Name, c)
		}
	}
	for _, s := range f.sources {
		if uid != "" && podOf(s.key) != uid {
			continue
		}
		select {
		case s.changed <- struct{}{}:
		default:
		}
		if _, there := f.pods[podOf(s.key)]; !there && s.state != ended {
			s.state, s.note, f.changed = ended, "deleted", true
			time.AfterFunc(lastLines, s.cancel)
		}
	}
	f.wake()
}

// inOrder gives the pods, the oldest first.
func (f *Feed) inOrder() []*corev1.Pod {
	return slices.SortedFunc(maps.Values(f.pods), func(a, b *corev1.Pod) int {
		if d := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// lastLines is how long the log of a deleted pod is read on.
const lastLines = 5 * time.Second

func podOf(key string) string { uid, _, _ := strings.Cut(key, "/"); return uid }

func (f *Feed) begin(ctx context.Context, key, pod string, c Container) {
	s := &source{
		feed: f, index: len(f.sources), key: key, pod: pod, container: c,
		changed: make(chan struct{}, 1), state: waiting, last: f.seen[key],
	}
	ctx, s.cancel = context.WithCancel(ctx)
	f.sources = append(f.sources, s)
	f.byKey[key] = s
	f.changed = true
	f.running.Go(metrics.Guarded("dashboard", func() {
		defer s.cancel()
		s.run(ctx)
	}))
}

// isOver tells whether a container will say nothing any more.
func (f *Feed) isOver(s *source) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pods[podOf(s.key)]
	if p == nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return true
	}
	status := containerStatus(p, s.container.Name)
	if status == nil || status.State.Terminated == nil {
		return false
	}
	return s.container.Kind == "ephemeral" || s.container.Kind == "init" && status.State.Terminated.ExitCode == 0
}

// hasStopped tells whether a container has ended and may start again.
func (f *Feed) hasStopped(s *source) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pods[podOf(s.key)]
	if p == nil {
		return false
	}
	status := containerStatus(p, s.container.Name)
	return status != nil && status.State.Running == nil
}

func (f *Feed) mark(s *source, state, note string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.state != state && !(s.state == ended && s.note == "deleted") || s.note != note && state != ended {
		s.state, s.note, f.changed = state, note, true
		f.wake()
	}
}

// take takes a line. It waits while the browser has more to take than it should
// have to.
func (f *Feed) take(ctx context.Context, l Line) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.held >= maxHeld && !f.closed {
		f.room.Wait()
	}
	if f.closed || ctx.Err() != nil {
		return context.Canceled
	}
	f.lines = append(f.lines, l)
	f.held += len(l.text) + lineCost
	if len(f.lines) == 1 {
		f.wake()
	}
	return nil
}

// sourceMessage is what a browser is told of a source.
type sourceMessage struct {
	Key       string `json:"key"`
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Kind      string `json:"kind,omitempty"`
	State     string `json:"state"`
	Note      string `json:"note,omitempty"`
}

type message struct {
	Lines   [][3]any        `json:"lines,omitempty"`
	Sources []sourceMessage `json:"sources,omitempty"`
	TooMany int             `json:"tooMany,omitempty"`
	Problem string          `json:"problem,omitempty"`
	// More tells that there are lines already that come with the next message.
	More bool `json:"more,omitempty"`
}

// Next gives the lines that have come, as many as a message should have.
func (f *Feed) Next() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.lines) == 0 && !f.changed {
		return nil, nil
	}
	var m message
	if f.changed {
		for _, s := range f.sources {
			m.Sources = append(m.Sources, sourceMessage{s.key, s.pod, s.container.Name, s.container.Kind, s.state, s.note})
		}
		m.TooMany, m.Problem, f.changed = f.tooMany, f.problem, false
	}
	m.Lines = f.next()
	if m.More = len(f.lines) > 0; m.More {
		f.wake()
	}
	return encode(&m)
}

// next takes lines off the queue, those of several sources in the order of their
// times.
func (f *Feed) next() [][3]any {
	if len(f.sources) > 1 {
		slices.SortStableFunc(f.lines, func(a, b Line) int {
			if a.at < b.at {
				return -1
			} else if a.at > b.at {
				return 1
			}
			return 0
		})
	}
	var out [][3]any
	size := 0
	for i := range f.lines {
		l := &f.lines[i]
		out = append(out, [3]any{l.source, l.stamp(), l.text})
		if size += len(l.text) + lineCost; size >= maxMessage {
			break
		}
	}
	f.held -= size
	rest := f.lines[len(out):]
	f.lines = append(f.lines[:0:0], rest...)
	f.room.Broadcast()
	return out
}

func encode(m *message) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{"logs": m}); err != nil {
		return nil, fmt.Errorf("encode lines of a log: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
