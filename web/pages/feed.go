package pages

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/client"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/live"
	"pilothouse/web/rows"
	"pilothouse/web/view"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// maxFeed is how many events wait for a tab; older ones are counted only.
	maxFeed = 300
	// maxRemembered is how many objects a feed compares with what they were.
	maxRemembered = 2000
	// maxChanges is how many changed fields an event shows.
	maxChanges = 6
)

// feed is the page of a raw watch of a list.
func feed(_ context.Context, c *Call, a address) (*Answer, error) {
	if !can(a.entry, "watch") {
		return nil, notServed(c.URL())
	}
	s := parseList(a, c.Query)
	v := view.Feed{
		Kind: plural(a.entry.Resource.Kind), GroupVersion: a.gvr.GroupVersion().String(), Path: listPath(a.gvr, s.namespace),
		URL: join(listPath(a.gvr, s.namespace), with(nil, "q", s.filter)), ListHref: s.url(), Filter: s.filter,
		Command: s.command(c.Registry.Table()) + " --watch --output-watch-events",
	}
	status := http.StatusOK
	if _, err := feedOptions(s.filter); err != nil {
		v.Problem, status = err.Error(), http.StatusBadRequest
	}
	return &Answer{
		Status: status, Title: "Watch " + v.Kind, Body: tmpl.Feed(v), Current: listPath(a.gvr, ""),
		Crumbs: []view.Link{{Text: groupName(a.gvr.Group), Href: "/ui/resources"}, {Text: a.entry.Resource.Name, Href: v.ListHref}, {Text: "watch"}},
	}, nil
}

// feedOptions are the selectors of a watch, the only filter that the API knows.
func feedOptions(filter string) (metav1.ListOptions, error) {
	f, err := rows.ParseFilter(filter)
	if err != nil {
		return metav1.ListOptions{}, err
	}
	if len(f.Words)+len(f.Not) > 0 {
		return metav1.ListOptions{}, fmt.Errorf("a watch takes selectors only: -l and -f")
	}
	return metav1.ListOptions{LabelSelector: f.Labels.String(), FieldSelector: f.Fields, AllowWatchBookmarks: true}, nil
}

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

func (c *Call) openFeed(a address, u *url.URL, wake func()) (live.Subscription, error) {
	o, err := feedOptions(u.Query().Get("q"))
	if err != nil {
		return nil, queryError{err}
	}
	if !can(a.entry, "watch") {
		return nil, notServed(u.Path)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &liveFeed{call: c, addr: a, cancel: cancel, wake: wake, counts: map[string]int{}, was: map[string]map[string]any{}}
	go f.run(ctx, o)
	return f, nil
}

// run watches until ctx ends, from the last version that was seen.
func (f *liveFeed) run(ctx context.Context, o metav1.ListOptions) {
	defer func() {
		if p := recover(); p != nil {
			f.note(fmt.Errorf("the feed has ended"), false)
		}
	}()
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
			f.mu.Lock()
			o.ResourceVersion, f.version = "", ""
			f.mu.Unlock()
		}
		f.note(err, false)
		t := time.NewTimer(2 * time.Second)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
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

// take takes an event of the watch.
func (f *liveFeed) take(e client.Event) {
	object := map[string]any{}
	if json.Unmarshal(e.Object, &object) != nil {
		return
	}
	html := f.row(e.Type, object)
	f.mu.Lock()
	defer f.mu.Unlock()
	meta, _ := object["metadata"].(map[string]any)
	f.version = text(meta["resourceVersion"])
	f.counts[string(e.Type)]++
	if len(f.waiting) >= maxFeed {
		f.waiting = f.waiting[1:]
		f.skipped++
	}
	f.waiting = append(f.waiting, html)
	f.wake()
}

var feedTones = map[watch.EventType]string{watch.Added: view.Good, watch.Modified: view.Warn, watch.Deleted: view.Bad, watch.Bookmark: view.Gone}

func (f *liveFeed) row(t watch.EventType, object map[string]any) string {
	meta, _ := object["metadata"].(map[string]any)
	uid, namespace, name := text(meta["uid"]), text(meta["namespace"]), text(meta["name"])
	change, href := "", ""
	if name != "" && t != watch.Deleted {
		href = objectPath(f.addr.gvr, namespace, name)
	}
	switch was := f.was[uid]; {
	case t == watch.Bookmark:
	case t == watch.Modified && was != nil:
		change = strings.Join(changes(was, object), "; ")
	case t == watch.Added:
		change = "created " + text(meta["creationTimestamp"])
	}
	if t == watch.Deleted {
		delete(f.was, uid)
	} else if uid != "" && (len(f.was) < maxRemembered || f.was[uid] != nil) {
		f.was[uid] = object
	}
	var buf bytes.Buffer
	at := f.call.Clock().Format("15:04:05.000")
	if err := tmpl.FeedRow(at, string(t), feedTones[t], strings.TrimPrefix(namespace+"/"+name, "/"), href, text(meta["resourceVersion"]), change).Render(context.Background(), &buf); err != nil {
		return ""
	}
	return buf.String()
}

// changes are the fields in which two states of an object differ, as
// "spec.replicas: 2 → 3".
func changes(was, now map[string]any) []string {
	var list []string
	var walk func(path string, a, b any)
	walk = func(path string, a, b any) {
		if path == "metadata.managedFields" || path == "metadata.resourceVersion" || reflect.DeepEqual(a, b) {
			return
		}
		x, okX := a.(map[string]any)
		y, okY := b.(map[string]any)
		if okX && okY {
			for _, k := range sortedKeys(union(x, y)) {
				walk(strings.TrimPrefix(path+"."+k, "."), x[k], y[k])
			}
			return
		}
		if l, ok := a.([]any); ok {
			if m, ok := b.([]any); ok && len(l) == len(m) {
				for i := range l {
					walk(fmt.Sprintf("%s[%d]", path, i), l[i], m[i])
				}
				return
			}
		}
		list = append(list, path+": "+shorten(brief(a), 60)+" → "+shorten(brief(b), 60))
	}
	walk("", was, now)
	if len(list) > maxChanges {
		list = append(slices.Clip(list[:maxChanges]), fmt.Sprintf("and %d more", len(list)-maxChanges))
	}
	return list
}

// feedMessage is what is new in a feed.
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
