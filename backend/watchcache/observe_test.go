package watchcache

import (
	"context"
	"fmt"
	"testing"

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
