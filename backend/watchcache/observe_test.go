package watchcache

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pilothouse/backend/storage"
	"pilothouse/backend/storage/memory"
)

// An observer hears of what was there before, and of a change before its writer
// does.
func TestObserversHearBeforeWriters(t *testing.T) {
	e := memory.New()
	h := NewHub()
	c := h.Add(Config{Prefix: "core/things/", Decode: func(key string, value []byte, _ any) (*Object, error) {
		return &Object{Name: key, Raw: value}, nil
	}})
	if err := h.Start(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	defer e.Close()
	write := func(name string, expected int64, remove bool) int64 {
		t.Helper()
		value := []byte(`{"metadata":{"resourceVersion":"0"}}`)
		hole, _ := storage.FindHole(value)
		rv, err := e.Commit(context.Background(), &storage.Write{Key: "core/things/" + name, Value: value, Hole: hole, Expected: expected, Delete: remove})
		if err != nil {
			t.Fatal(err)
		}
		return rv
	}
	a := write("a", 0, false)
	var heard []string
	c.Observe(func(current, previous *Object) {
		is := func(o *Object) string {
			if o == nil {
				return "-"
			}
			return o.Key
		}
		heard = append(heard, is(previous)+">"+is(current))
	})
	expect := func(want string) {
		t.Helper()
		if got := fmt.Sprint(heard); got != want {
			t.Errorf("heard %s, want %s", got, want)
		}
	}
	expect("[->a]")
	write("b", 0, false)
	expect("[->a ->b]")
	a = write("a", a, false)
	write("a", a, true)
	expect("[->a ->b a>a a>-]")
}

// What panics inside a commit, an observer, a decoder or somebody's selector, costs
// nobody else a write or an event.
func TestPanicsInsideACommit(t *testing.T) {
	e := memory.New()
	h := NewHub()
	c := h.Add(Config{Prefix: "core/things/", Decode: func(key string, value []byte, _ any) (*Object, error) {
		if key == "broken" {
			panic("no object")
		}
		return &Object{Name: key, Raw: value}, nil
	}})
	if err := h.Start(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	defer e.Close()
	c.Observe(func(_, _ *Object) { panic("no observer") })
	mad, err := c.Watch(WatchOptions{Match: func(*Object) bool { panic("no selector") }})
	if err != nil {
		t.Fatal(err)
	}
	defer mad.Close()
	sane, err := c.Watch(WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer sane.Close()
	for _, name := range []string{"a", "broken", "b"} {
		if _, err := e.Commit(context.Background(), &storage.Write{Key: "core/things/" + name, Value: []byte(`{}`)}); err != nil {
			t.Fatal(name, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var got []string
	for len(got) < 2 {
		events, err := sane.Next(ctx, 0)
		if err != nil {
			t.Fatal(got, err)
		}
		for i := range events {
			got = append(got, events[i].Object.Key)
		}
	}
	if fmt.Sprint(got) != "[a b]" {
		t.Error(got)
	}
}
