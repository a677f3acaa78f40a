package pages

import (
	"context"
	"encoding/json"

	"pilothouse/web/live"
	"pilothouse/web/rows"

	"k8s.io/apimachinery/pkg/fields"
)

// liveObject tells when an object has changed. The browser then asks for the
// page again.
type liveObject struct {
	call   *Call
	view   *rows.View
	window *rows.Window
	stop   func()
	row    *rows.Row // as it was told last, nil for gone or not told yet
	held   bool
}

func (c *Call) openObject(ctx context.Context, a address, wake func()) (live.Subscription, error) {
	if !can(a.entry, "watch") || a.name == "" {
		return nil, notServed(c.R.Path)
	}
	key := rows.Key{GVR: a.gvr, Namespace: a.namespace, FieldSelector: fields.OneTermEqualSelector("metadata.name", a.name).String()}
	v, err := c.Pool.Open(ctx, c.Client, key, rows.Query{})
	if err != nil {
		return nil, err
	}
	return &liveObject{call: c, view: v, window: v.Window(0, 1, wake), stop: c.Jobs.Watch(c.Session.User.Name, wake)}, nil
}

// Move does nothing: there is one object only.
func (*liveObject) Move(int, int, string) {}

// Close ends it.
func (l *liveObject) Close() {
	l.stop()
	l.window.Close()
	l.view.Close()
}

// Next tells the object's version, empty when it is gone; it is another one
// while the object is to be deleted.
func (l *liveObject) Next() ([]byte, error) {
	f, changed := l.window.Frame()
	if len(f.Rows) > 0 {
		l.row = f.Rows[0]
	} else if f.Total == 0 {
		l.row = nil
	}
	held := l.row != nil && l.call.toDelete().On(l.row.UID)
	if !changed && held == l.held {
		return nil, nil
	}
	l.held = held
	var m struct {
		Object struct {
			UID     string `json:"uid"`
			Version string `json:"version"`
		} `json:"object"`
	}
	if l.row != nil {
		m.Object.UID, m.Object.Version = l.row.UID, l.row.Version
	}
	if held {
		m.Object.Version += heldVersion
	}
	return json.Marshal(m)
}
