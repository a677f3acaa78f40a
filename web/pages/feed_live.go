package pages

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/live"
	"pilothouse/web/messages"
	"pilothouse/web/unseen"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// maxFeed is how many events wait for a tab; older ones are counted only.
	maxFeed = 300
	// maxRemembered is how many objects a feed compares with what they were.
	maxRemembered = 2000
	// maxPrimed is how many of them a feed that goes on from a version reads.
	maxPrimed = 500
	// feedRetry is the time between two tries to watch.
	feedRetry = 2 * time.Second
)

// liveFeed is a watch that a tab looks at. Its goroutine ends with Close.
type liveFeed struct {
	call   *Call
	addr   address
	cancel context.CancelFunc
	wake   func()

	mu      sync.Mutex // guards the fields below
	waiting []string   // rows of HTML
	skipped int
	counts  map[string]int
	version string
	problem string
	live    bool
	changed bool

	was map[string]map[string]any // of the goroutine
}

// openFeed opens the watch of an address. seen is the last version that a tab
// has seen of it already: it goes on from there.
func (c *Call) openFeed(a address, u *url.URL, seen string, wake func()) (live.Subscription, error) {
	from := u.Query().Get("from")
	if seen != "" {
		from = seen
	}
	o, err := feedOptions(u.Query().Get("q"), from)
	if err != nil {
		return nil, queryError{err}
	}
	if !can(a.entry, "watch") {
		return nil, notServed(u.Path)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &liveFeed{call: c, addr: a, cancel: cancel, wake: wake, version: from, counts: map[string]int{}, was: map[string]map[string]any{}}
	go metrics.Guarded("dashboard", func() { f.run(ctx, o) })()
	return f, nil
}

// run watches until ctx ends, from the last version that was seen.
func (f *liveFeed) run(ctx context.Context, o metav1.ListOptions) {
	defer func() {
		if p := recover(); p != nil {
			metrics.CaughtPanic(p, "dashboard")
			f.note(fmt.Errorf("the feed has ended"), false)
		}
	}()
	if o.ResourceVersion != "" {
		f.prime(ctx, o)
	}
	for ctx.Err() == nil {
		f.note(nil, true)
		err := f.call.Client.Watch(ctx, f.addr.gvr, f.addr.namespace, o, func(e client.Event) error {
			f.take(e)
			return nil
		})
		f.mu.Lock()
		o.ResourceVersion = f.version
		f.mu.Unlock()
		if err == nil || ctx.Err() != nil {
			continue
		}
		if fault, _ := f.call.Fault(err); fault.Code == http.StatusGone {
			f.beginAnew(o.ResourceVersion)
			o.ResourceVersion = ""
			continue
		}
		f.note(err, false)
		t := time.NewTimer(feedRetry)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// prime reads what objects were at the version that the watch begins after, so
// that its first events can tell what they changed. Without it they cannot.
func (f *liveFeed) prime(ctx context.Context, o metav1.ListOptions) {
	q := url.Values{"resourceVersion": {o.ResourceVersion}, "resourceVersionMatch": {string(metav1.ResourceVersionMatchExact)}, "limit": {strconv.Itoa(maxPrimed)}}
	q = with(q, "labelSelector", o.LabelSelector, "fieldSelector", o.FieldSelector)
	raw, err := f.call.Client.Bytes(ctx, client.Call{Method: http.MethodGet, Path: client.Path(f.addr.gvr, f.addr.namespace, "", ""), Query: q})
	var list struct{ Items []map[string]any }
	if err != nil || json.Unmarshal(raw, &list) != nil {
		return
	}
	for _, object := range list.Items {
		meta, _ := object["metadata"].(map[string]any)
		if uid := text(meta["uid"]); uid != "" {
			object["apiVersion"], object["kind"] = f.addr.gvr.GroupVersion().String(), f.addr.entry.Resource.Kind // items of a list have none
			f.was[uid] = object
		}
	}
}

// note keeps how the watch is.
func (f *liveFeed) note(err error, isLive bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.problem = f.call.reason(err)
	}
	if isLive {
		f.problem = ""
	}
	f.live, f.changed = isLive, true
	f.wake()
}

// beginAnew tells that what happened after a version is not kept any more.
func (f *liveFeed) beginAnew(version string) {
	html := f.rowHTML(tmpl.FeedNote(f.call.T("What happened after version %s is not kept any more: this begins anew with what there is now.", version)))
	clear(f.was)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version = ""
	f.add(html)
}

// take takes an event of the watch.
func (f *liveFeed) take(e client.Event) {
	object := map[string]any{}
	if json.Unmarshal(e.Object, &object) != nil {
		return
	}
	html := f.rowHTML(tmpl.FeedRow(f.event(e.Type, object)))
	f.mu.Lock()
	defer f.mu.Unlock()
	meta, _ := object["metadata"].(map[string]any)
	f.version = text(meta["resourceVersion"])
	f.counts[string(e.Type)]++
	f.add(html)
}

// add has a row wait for the tab. f.mu is held.
func (f *liveFeed) add(html string) {
	if len(f.waiting) >= maxFeed {
		f.waiting = f.waiting[1:]
		f.skipped++
	}
	f.waiting = append(f.waiting, html)
	f.wake()
}

func (f *liveFeed) rowHTML(row templ.Component) string {
	var buf bytes.Buffer
	if row.Render(messages.With(context.Background(), f.call.Language), &buf) != nil {
		return ""
	}
	return string(unseen.HTML(buf.Bytes()))
}

var feedTones = map[watch.EventType]string{watch.Added: view.Good, watch.Modified: view.Calm, watch.Deleted: view.Gone, watch.Bookmark: view.Gone}

// event is an event as it is shown; what the object is now is remembered.
func (f *liveFeed) event(t watch.EventType, object map[string]any) view.FeedEvent {
	meta, _ := object["metadata"].(map[string]any)
	uid, namespace, name := text(meta["uid"]), text(meta["namespace"]), text(meta["name"])
	v := view.FeedEvent{
		Time: f.call.Clock().Format("15:04:05.000"), Type: string(t), Tone: feedTones[t],
		Name: strings.TrimPrefix(namespace+"/"+name, "/"), Version: text(meta["resourceVersion"]),
	}
	if name != "" && t != watch.Deleted {
		v.Href = objectPath(f.addr.gvr, namespace, name)
	}
	was := f.was[uid]
	switch {
	case t == watch.Bookmark:
		v.Name, v.Note = "", "nothing more up to this version"
	case t == watch.Added:
		v.Note = messages.Said(f.call.T("created %s", text(meta["creationTimestamp"])))
	case was != nil && t == watch.Modified:
		v.Changes, v.More = changes(was, object)
	case t == watch.Modified:
		v.Note = "what it was before is not known here"
	}
	if t == watch.Deleted {
		delete(f.was, uid)
	} else if uid != "" && (len(f.was) < maxRemembered || was != nil) {
		f.was[uid] = object
	}
	return v
}

// feedMessage is what is new in a feed; Counts are those since it was opened.
type feedMessage struct {
	Rows    []string       `json:"rows,omitempty"`
	Skipped int            `json:"skipped,omitempty"`
	Counts  map[string]int `json:"counts"`
	Version string         `json:"version"`
}

// Next gives what is new.
func (f *liveFeed) Next() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.waiting) == 0 && !f.changed {
		return nil, nil
	}
	var out struct {
		Feed  feedMessage   `json:"feed"`
		State *stateMessage `json:"state,omitempty"`
	}
	out.Feed = feedMessage{Rows: f.waiting, Skipped: f.skipped, Counts: f.counts, Version: f.version}
	if f.changed {
		out.State = &stateMessage{Live: f.live, Since: f.call.Clock().UTC().Format(time.RFC3339), Why: f.problem}
	}
	f.waiting, f.skipped, f.changed = nil, 0, false
	return plainJSON(out)
}

// Move does nothing.
func (*liveFeed) Move(int, int, string) {}

// Close ends the watch.
func (f *liveFeed) Close() { f.cancel() }
