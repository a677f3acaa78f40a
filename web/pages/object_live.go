package pages

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/web/jobs"
	"pilothouse/web/live"
	"pilothouse/web/rows"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// liveObject tells when an object has changed. The browser then asks for the
// page again.
type liveObject struct {
	call   *Call
	view   *rows.View
	window *rows.Window
	stop   func()
	row    *rows.Row // as it was told last, nil for gone or not told yet
	marks  string    // see marksVersion
	beside *besides
}

func (c *Call) openObject(ctx context.Context, a address, tab string, wake func()) (live.Subscription, error) {
	if !can(a.entry, "watch") || a.name == "" {
		return nil, notServed(c.R.Path)
	}
	key := rows.Key{GVR: a.gvr, Namespace: a.namespace, FieldSelector: fields.OneTermEqualSelector("metadata.name", a.name).String()}
	v, err := c.Pool.Open(ctx, c.Client, key, rows.Query{})
	if err != nil {
		return nil, err
	}
	return &liveObject{
		call: c, view: v, window: v.Window(0, 1, wake), stop: c.Jobs.Watch(c.Session.User.Name, wake), beside: c.openBesides(ctx, a, tab, wake),
	}, nil
}

// besides are the other objects that a tab of an object shows: the pods that it
// has, or the events about it. They make the page anew, too, at most once in
// overviewPace.
type besides struct {
	view   *rows.View
	window *rows.Window
	wake   func()

	mu      sync.Mutex // guards the fields below
	timer   *time.Timer
	changed bool
	closed  bool
}

// openBesides gives what a tab shows beside the object; nil for nothing, and where
// the user may not see it.
func (c *Call) openBesides(ctx context.Context, a address, tab string, wake func()) *besides {
	if tab != "" && tab != "related" && tab != "shell" && tab != "events" {
		return nil
	}
	o, err := c.load(ctx, a)
	if err != nil {
		return nil
	}
	key, query := rows.Key{GVR: podsResource, Namespace: o.namespace}, rows.Query{}
	selector := selectorOf(&o.object)
	switch {
	case tab == "events":
		key.GVR = events
		key.Namespace, key.FieldSelector = o.eventsAbout()
	case a.gvr == nodes:
		key.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", o.name).String()
	case selector == "" || !builtinGroup(a.gvr.Group):
		return nil
	default:
		if query.Filter.Labels, err = labels.Parse(selector); err != nil {
			return nil
		}
	}
	if c.may(ctx, right{verb: "watch", address: address{gvr: key.GVR, namespace: key.Namespace}}) != nil {
		return nil
	}
	// Since the page was made, or its connection was lost, they may have changed.
	b := &besides{wake: wake, changed: true}
	if b.view, err = c.Pool.Open(ctx, c.Client, key, query); err != nil {
		return nil
	}
	b.window = b.view.Window(0, 0, b.note)
	return b
}

// note has the page made anew, in a while.
func (b *besides) note() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil || b.closed {
		return
	}
	b.timer = time.AfterFunc(overviewPace, func() {
		defer metrics.Caught("dashboard")
		b.mu.Lock()
		b.timer, b.changed = nil, !b.closed
		b.mu.Unlock()
		b.wake()
	})
}

// take tells whether something has changed since it was asked last.
func (b *besides) take() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := b.changed
	b.changed = false
	return changed
}

func (b *besides) close() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
	b.mu.Unlock()
	b.window.Close()
	b.view.Close()
}

// Move does nothing: there is one object only.
func (*liveObject) Move(int, int, string) {}

// Close ends it.
func (l *liveObject) Close() {
	l.stop()
	l.beside.close()
	l.window.Close()
	l.view.Close()
}

// marksVersion ends the version of an object's page, on which others may be marked
// as to be deleted too.
func marksVersion(marks jobs.Marks) string {
	v := ""
	for _, j := range marks {
		v += heldVersion + j.ID
	}
	return v
}

// Next tells the object's version, empty when it is gone; it is another one
// while something is to be deleted.
func (l *liveObject) Next() ([]byte, error) {
	f, changed := l.window.Frame()
	if len(f.Rows) > 0 {
		l.row = f.Rows[0]
	} else if f.Total == 0 {
		l.row = nil
	}
	marks := marksVersion(l.call.toDelete())
	beside := l.beside.take()
	if !changed && marks == l.marks && !beside {
		return nil, nil
	}
	l.marks = marks
	var m struct {
		Object struct {
			UID     string `json:"uid"`
			Version string `json:"version"`
			Beside  bool   `json:"beside,omitempty"`
		} `json:"object"`
	}
	if l.row != nil {
		m.Object.UID, m.Object.Version = l.row.UID, l.row.Version+marks
	}
	m.Object.Beside = beside
	return json.Marshal(m)
}
