package undo

import (
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	now := time.Unix(1000, 0)
	table := NewTable(func() time.Time { return now })
	c := New("ConfigMap a was saved.")
	c.Add(Object{Path: "/a", Before: []byte("{}")})
	table.Keep("ann", c)
	if got, left := table.Latest("ann"); got != c || left != ShownFor {
		t.Fatalf("got %v for %v", got, left)
	}
	if got, _ := table.Latest("bob"); got != nil || table.Find("bob", c.ID) != nil {
		t.Fatal("a change is its owner's alone")
	}
	now = now.Add(ShownFor)
	if got, _ := table.Latest("ann"); got != nil {
		t.Fatal("it is offered for a moment only")
	}
	if got := table.Find("ann", c.ID); got != c || !got.Open() {
		t.Fatal("it can be taken back for longer than it is offered")
	}
	if got := c.Take(); len(got) != 1 || c.Open() || len(c.Take()) != 0 {
		t.Fatal("it is taken back once")
	}
	now = now.Add(2 * keptFor)
	table.Latest("bob")
	if table.Find("ann", c.ID) != nil || len(table.changes) != 0 {
		t.Fatal("what is old is dropped")
	}
}

func TestBounds(t *testing.T) {
	table := NewTable(time.Now)
	first := New("first")
	first.Add(Object{Before: make([]byte, 10)})
	table.Keep("ann", first)
	for range maxOwned {
		table.Keep("ann", New("more"))
	}
	if table.Find("ann", first.ID) != nil || len(table.changes) != maxOwned {
		t.Fatalf("%d changes are kept", len(table.changes))
	}
	many := New("many")
	for range MaxObjects + 1 {
		many.Add(Object{})
	}
	if many.Open() || many.Take() != nil {
		t.Fatal("a part of a change is not taken back")
	}
	large := New("large")
	large.Add(Object{Before: make([]byte, maxBytes/4+1)})
	if large.Open() {
		t.Fatal("objects are bounded by their size")
	}
}
