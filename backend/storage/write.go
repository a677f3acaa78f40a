package storage

import (
	"errors"
	"fmt"
)

// Bounds of a write. MaxValue is in bytes: a request of 3 MiB is the largest
// that kube-apiserver reads.
const (
	MaxKey   = 4096
	MaxValue = 3 << 20
)

// errInvalid is a broken caller's: a key, hole or expectation that no object
// has.
var errInvalid = errors.New("storage: invalid write")

// Check refuses writes that no engine takes: ErrTooLarge for a value over
// MaxValue, another error for a broken key, hole or expectation.
func (w *Write) Check() error {
	switch {
	case w.Key == "" || len(w.Key) > MaxKey:
		return fmt.Errorf("%w: a key of %d bytes", errInvalid, len(w.Key))
	case len(w.Value) > MaxValue:
		return fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrTooLarge, w.Key, len(w.Value), MaxValue)
	case w.Hole.Offset < 0 || w.Hole.Len < 0 || w.Hole.Offset > len(w.Value)-w.Hole.Len:
		return fmt.Errorf("%w: the hole %v of %s is outside its %d bytes", errInvalid, w.Hole, w.Key, len(w.Value))
	case w.Expected < 0 || w.Delete && w.Expected == 0:
		return fmt.Errorf("%w: %s at revision %d (delete: %t)", errInvalid, w.Key, w.Expected, w.Delete)
	}
	return nil
}

// Commit makes the event of a write that an engine commits at revision: the
// value with its digits filled in, previous the key's revision before. The
// bytes of a delete are copied; for other writes Value and Hole of w become
// what was stored.
func (w *Write) Commit(revision int64) Event {
	ev := Event{Key: w.Key, Revision: revision, Previous: w.Expected, Delete: w.Delete, Attachment: w.Attachment}
	if w.Delete {
		ev.Value, _ = w.Hole.Splice(w.Value, revision)
		return ev
	}
	w.Value, w.Hole = w.Hole.Fill(w.Value, revision)
	ev.Value = w.Value
	return ev
}
