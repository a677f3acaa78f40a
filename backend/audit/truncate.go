package audit

import (
	"context"
	"errors"
	"slices"
)

// TruncateOptions bound events, as the flags --audit-...-truncate-... do.
type TruncateOptions struct {
	// MaxEventSize is the longest event in bytes of JSON; 0 is no bound.
	MaxEventSize int
}

// truncatedAnnotation tells that an event has lost its objects.
const truncatedAnnotation = "audit.k8s.io/truncated"

var errTooLarge = errors.New("event is too large, and would be without its objects")

// truncating takes the objects out of events that are too large. One that still
// is too large is lost.
type truncating struct {
	Sink
	plugin string
	max    int
}

// Truncate bounds the events that a sink gets; plugin names it in the metrics.
func Truncate(plugin string, s Sink, o TruncateOptions) Sink {
	if o.MaxEventSize <= 0 {
		return s
	}
	return &truncating{s, plugin, o.MaxEventSize}
}

// Write passes the event on, or what is left of it.
func (t *truncating) Write(e *Event) error {
	if len(e.Line())-1 <= t.max {
		return t.Sink.Write(e)
	}
	small := *e
	small.request, small.response, small.line, small.room = nil, nil, nil, nil
	small.annotations = append(slices.Clone(e.annotations), note{truncatedAnnotation, "true"})
	sortNotes(small.annotations)
	if len(small.Line())-1 > t.max {
		lose(t.plugin, 1, errTooLarge)
		return nil
	}
	return t.Sink.Write(&small)
}

// Close closes the sink.
func (t *truncating) Close(ctx context.Context) error { return t.Sink.Close(ctx) }
