package metrics

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// Caught and Protected catch a panic, and count it.
func TestPanicsAreCaughtInPlace(t *testing.T) {
	before := figures(t)
	burst := func() { panic("boom") }
	func() {
		defer Caught("place")
		burst()
	}()
	if err := Protected("place", func() error { burst(); return nil }); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("a panic is no error: %v", err)
	}
	if err := Protected("place", func() error { return context.Canceled }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	func() { defer Caught("place") }()
	before.grown(t, `pilothouse_panics_total{in="place"} 2`)
}
