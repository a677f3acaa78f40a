package request

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestContextCarriesTheRequest(t *testing.T) {
	r := &Request{ID: "a"}
	outer, stopOuter := NewContext(context.Background(), &Request{ID: "outer"}, time.Time{})
	defer stopOuter()
	ctx, stop := NewContext(outer, r, time.Now().Add(time.Hour))
	defer stop()
	derived, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, c := range []context.Context{ctx, derived} {
		if From(c) != r {
			t.Errorf("%v", From(c))
		}
	}
	if From(context.Background()) != nil {
		t.Error("a request from nowhere")
	}
}

func TestContextEnds(t *testing.T) {
	check := func(name string, want error, end func() context.Context) {
		t.Helper()
		if got := end().Err(); !errors.Is(got, want) || want == nil && got != nil {
			t.Errorf("%s: %v before Done was called", name, got)
		}
		ctx := end()
		if want == nil {
			select {
			case <-ctx.Done():
				t.Errorf("%s: ended", name)
			default:
			}
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
			t.Fatalf("%s: Done does not end", name)
		}
		if got := ctx.Err(); !errors.Is(got, want) {
			t.Errorf("%s: %v after Done", name, got)
		}
	}
	r := &Request{}
	check("at the deadline", context.DeadlineExceeded, func() context.Context {
		ctx, _ := NewContext(context.Background(), r, time.Now().Add(-time.Second))
		return ctx
	})
	check("with its parent", context.Canceled, func() context.Context {
		parent, cancel := context.WithCancel(context.Background())
		ctx, _ := NewContext(parent, r, time.Now().Add(time.Hour))
		cancel()
		return ctx
	})
	check("when stopped", context.Canceled, func() context.Context {
		ctx, stop := NewContext(context.Background(), r, time.Time{})
		stop()
		return ctx
	})
	check("not before", nil, func() context.Context {
		ctx, _ := NewContext(context.Background(), r, time.Now().Add(time.Hour))
		return ctx
	})
}

func TestDerivedContextEndsWithTheRequest(t *testing.T) {
	ctx, stop := NewContext(context.Background(), &Request{}, time.Now().Add(20*time.Millisecond))
	defer stop()
	derived, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case <-derived.Done():
	case <-time.After(time.Minute):
		t.Fatal("it did not")
	}
	if d, ok := derived.Deadline(); !ok || time.Until(d) > time.Second {
		t.Errorf("%v %v", d, ok)
	}
}

func BenchmarkContext(b *testing.B) {
	r, base := &Request{}, context.Background()
	for b.Loop() {
		ctx, stop := NewContext(base, r, time.Now().Add(time.Minute))
		if ctx.Err() != nil || From(ctx) != r {
			b.Fatal("ended")
		}
		stop()
	}
}
