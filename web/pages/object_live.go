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
	view   *rows.View
	window *rows.Window
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
	return &liveObject{view: v, window: v.Window(0, 1, wake)}, nil
}

// Move does nothing: there is one object only.
func (*liveObject) Move(int, int, string) {}

// Close ends it.
func (l *liveObject) Close() {
	l.window.Close()
	l.view.Close()
}

// Next tells the object's version, empty when it is gone.
func (l *liveObject) Next() ([]byte, error) {
	f, changed := l.window.Frame()
	if !changed {
		return nil, nil
	}
	var m struct {
		Object struct {
			UID     string `json:"uid"`
			Version string `json:"version"`
		} `json:"object"`
	}
	for _, r := range f.Rows {
		m.Object.UID, m.Object.Version = r.UID, r.Version
	}
	if len(f.Rows) == 0 && f.Total > 0 {
		return nil, nil
	}
	return json.Marshal(m)
}
