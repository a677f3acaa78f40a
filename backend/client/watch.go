package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// Event is one event of a watch. Object is the object's JSON; it is shared and
// not to be changed.
type Event struct {
	Type   watch.EventType
	Object json.RawMessage
}

// Watch calls f for the events of a collection, in order, until f gives an
// error, ctx ends or the server ends the watch (nil). A watch that cannot go on
// because its revision is gone gives a 410 Status error.
func (c *Client) Watch(ctx context.Context, gvr schema.GroupVersionResource, namespace string, options metav1.ListOptions, f func(Event) error) error {
	options.Watch = true
	call := Call{Method: "GET", Path: Path(gvr, namespace, "", ""), Query: listQuery(options)}
	resp, err := c.Send(ctx, call)
	if err != nil {
		return err
	}
	if err := Refusal(ctx, call, resp); err != nil {
		return err
	}
	if resp.Chunked == nil {
		return errNoWatch
	}
	return resp.Chunked(ctx, &frames{f: f})
}

// frames cuts a watch's bytes into events, one a line.
type frames struct {
	f       func(Event) error
	pending []byte
}

var (
	errEvent   = errors.New("client: the watch sent no event")
	errNoWatch = errors.New("client: the answer is no watch")
)

// Write takes the next bytes.
func (w *frames) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.pending = append(w.pending, p...)
			return n, nil
		}
		line := p[:i]
		if len(w.pending) > 0 {
			line = append(w.pending, line...)
			w.pending = nil
		}
		if err := w.event(line); err != nil {
			return 0, err
		}
		p = p[i+1:]
	}
}

// Flush does nothing: every event has been handed over.
func (*frames) Flush() error { return nil }

func (w *frames) event(line []byte) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	var e struct {
		Type   watch.EventType `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("%w: %w", errEvent, err)
	}
	if e.Type == watch.Error {
		status := metav1.Status{}
		if err := json.Unmarshal(e.Object, &status); err != nil {
			return fmt.Errorf("%w: %w", errEvent, err)
		}
		return &apierrors.StatusError{ErrStatus: status}
	}
	return w.f(Event{e.Type, e.Object})
}
