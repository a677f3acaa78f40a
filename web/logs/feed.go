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
	"pilothouse/web/unseen"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"
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
	pods    map[string]*corev1.Pod // by UID, see slim
	seen    map[string]position    // what the browser has of sources that are not there yet
	lines   []Line
	held    int
	tooMany int
	// problems are why pods of a Pick cannot be seen, by its index.
	problems map[int]string
	changed  bool // sources or problems
	closed   bool
}

// Open begins a feed. have is what the browser has already: "SOURCE TIME COUNT"
// of each source's last line. wake is called when Next may have something;
// explain says of an error what the user sees. ctx bounds the opening only.
func Open(ctx context.Context, c *client.Client, q Query, have []string, wake func(), explain func(error) string) (*Feed, error) {
	f := &Feed{
		client: c, query: q, wake: wake, explain: explain,
		byKey: map[string]*source{}, pods: map[string]*corev1.Pod{}, seen: map[string]position{}, problems: map[int]string{},
	}
	f.room = sync.NewCond(&f.mu)
	for _, h := range have {
		if key, p, ok := parsePosition(h); ok {
			f.seen[key] = p
		}
	}
	picks, err := readPicks(q.Picks)
	if err != nil {
		return nil, err
	}
	versions := make([]string, len(picks))
	follows := make([]bool, len(picks))
	for i, p := range picks {
		version, watches, err := f.list(ctx, p)
		if err != nil && (len(f.problems) == len(picks)-1 || ctx.Err() != nil) {
			return nil, err // nothing of it can be seen
		}
		versions[i], follows[i] = version, watches || err != nil
		if err != nil {
			f.problems[i] = explain(err)
		}
	}
	ctx, f.cancel = context.WithCancel(context.Background())
	f.mu.Lock()
	f.update(ctx, "")
	f.changed = true
	f.mu.Unlock()
	wake()
	for i, p := range picks {
		if follows[i] && q.Follow {
			f.running.Go(metrics.Guarded("dashboard", func() { f.watch(ctx, i, p, versions[i]) }))
		}
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

// list finds out which pods of a Pick there are. Who may read one pod but not
// list them sees its log all the same; watches is false then.
func (f *Feed) list(ctx context.Context, pick *picker) (version string, watches bool, err error) {
	if err := pick.learnJobs(ctx, f.client); err != nil {
		return "", false, err
	}
	list := &corev1.PodList{}
	err = f.client.List(ctx, pods, pick.Namespace, pick.options(), list)
	if pick.Pod != "" && (apierrors.IsForbidden(err) || err == nil && len(list.Items) == 0) {
		one := &corev1.Pod{}
		if err := f.client.Get(ctx, pods, pick.Namespace, pick.Pod, one); err != nil {
			return "", false, err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.pods[string(one.UID)] = slim(one)
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	for i := range list.Items {
		if err := pick.learnJob(ctx, f.client, &list.Items[i]); err != nil {
			return "", false, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.pods, func(_ string, p *corev1.Pod) bool { return pick.Namespace == "" || pick.Namespace == p.Namespace })
	for i := range list.Items {
		if p := &list.Items[i]; pick.wants(p) {
			f.pods[string(p.UID)] = slim(p)
		}
	}
	return list.ResourceVersion, true, nil
}

// watch follows the pods of a Pick until ctx ends. With no version they have yet
// to be listed.
func (f *Feed) watch(ctx context.Context, index int, pick *picker, version string) {
	for ctx.Err() == nil {
		if version == "" {
			v, _, err := f.list(ctx, pick)
			if err != nil {
				f.trouble(index, f.explain(err))
				if !pause(ctx, watchRetry) {
					return
				}
				continue
			}
			version = v
			f.mu.Lock()
			f.update(ctx, "")
			f.mu.Unlock()
			f.trouble(index, "")
		}
		o := pick.options()
		o.ResourceVersion, o.AllowWatchBookmarks = version, true
		err := f.client.Watch(ctx, pods, pick.Namespace, o, func(e client.Event) error {
			p := &corev1.Pod{}
			if err := json.Unmarshal(e.Object, p); err != nil {
				return err
			}
			version = p.ResourceVersion
			f.event(ctx, e.Type, pick, p)
			return nil
		})
		if ctx.Err() != nil || err == nil {
			continue
		}
		version = ""
		if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
			f.trouble(index, f.explain(err))
			if !pause(ctx, watchRetry) {
				return
			}
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

func (f *Feed) event(ctx context.Context, kind watch.EventType, pick *picker, p *corev1.Pod) {
	if kind == watch.Bookmark {
		return
	}
	if err := pick.learnJob(ctx, f.client, p); err != nil && ctx.Err() == nil {
		klog.ErrorS(err, "Reading the Job of a pod whose log may be wanted", "pod", klog.KObj(p))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if kind == watch.Deleted || !pick.wants(p) {
		delete(f.pods, string(p.UID))
	} else {
		f.pods[string(p.UID)] = slim(p)
	}
	f.update(ctx, string(p.UID))
}

// trouble notes why the pods of a Pick cannot be seen; nothing when they can.
func (f *Feed) trouble(index int, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.problems[index] == why {
		return
	}
	if f.changed = true; why == "" {
		delete(f.problems, index)
	} else {
		f.problems[index] = why
	}
	f.wake()
}

// problem is what keeps pods from being seen, of all Picks. The lock is held.
func (f *Feed) problem() string {
	var list []string
	for _, i := range slices.Sorted(maps.Keys(f.problems)) {
		if !slices.Contains(list, f.problems[i]) {
			list = append(list, f.problems[i])
		}
	}
	return strings.Join(list, " ")
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
			f.begin(ctx, key, p, c)
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

func (f *Feed) begin(ctx context.Context, key string, p *corev1.Pod, c Container) {
	s := &source{
		feed: f, index: len(f.sources), key: key, namespace: p.Namespace, pod: p.Name, container: c,
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
	Namespace string `json:"namespace,omitempty"`
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
			m.Sources = append(m.Sources, sourceMessage{s.key, s.namespace, s.pod, s.container.Name, s.container.Kind, s.state, s.note})
		}
		m.TooMany, m.Problem, f.changed = f.tooMany, f.problem(), false
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
		out = append(out, [3]any{l.source, l.stamp(), unseen.Line(l.text)})
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
