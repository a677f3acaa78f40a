package watchcache

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func kept(b *budget, o *Object) *Object {
	o.budget = b
	return o
}

// makes counts how often an encoding is made.
func makes(count *atomic.Int64, size int) func() ([]byte, error) {
	return func() ([]byte, error) {
		count.Add(1)
		return make([]byte, size), nil
	}
}

func TestVariantIsMadeOnceForAll(t *testing.T) {
	o := kept(&budget{limit: 1 << 20}, &Object{})
	var count atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for _, key := range []string{"table", "protobuf"} {
				if _, err := o.Variant(key, makes(&count, 100)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if count.Load() != 2 || o.budget.bytes() != 2*(100+encodingOverhead) {
		t.Fatalf("made %d times, %d bytes", count.Load(), o.budget.bytes())
	}
	broken := errors.New("broken")
	if _, err := o.Variant("other", func() ([]byte, error) { return nil, broken }); err != broken {
		t.Fatal(err)
	}
	if _, err := o.Variant("other", makes(&count, 1)); err != nil || count.Load() != 3 {
		t.Fatal("an error is not kept")
	}
}

func TestFullBudgetOfVariants(t *testing.T) {
	b := &budget{limit: 10 * (100 + encodingOverhead)}
	var objects []*Object
	for range 20 {
		objects = append(objects, kept(b, &Object{}))
	}
	var count atomic.Int64
	list := func() int64 {
		count.Store(0)
		for _, o := range objects {
			if v, err := o.Variant("table", makes(&count, 100)); err != nil || len(v) != 100 {
				t.Fatal(v, err)
			}
		}
		return count.Load()
	}
	if list() != 20 || b.bytes() != b.limit {
		t.Fatal("first list")
	}
	if made := list(); made != 10 {
		t.Fatalf("half of a list that is twice the budget is kept, but %d were made", made)
	}
	objects = objects[10:] // others now
	if list() != 10 {
		t.Fatal("there should be no room")
	}
	b.sweep()
	b.sweep()
	if list(); list() != 0 {
		t.Fatal("what was not used has to make room")
	}
	for _, o := range objects {
		b.release(&o.variants)
		b.release(&o.variants)
	}
	if b.bytes() != 0 || b.head != nil || b.tail != nil || b.sweep() {
		t.Fatal("the budget does not return to nothing")
	}
	if list() != 10 || list() != 0 {
		t.Fatal("kept again after a release")
	}
}

func TestFramesDropTheOldest(t *testing.T) {
	b := &budget{limit: 3 * (100 + encodingOverhead), evicts: true}
	entries := make([]*entry, 5)
	var count atomic.Int64
	frame := func(e *entry, typ EventType) {
		ev := Event{Type: typ, entry: e, budget: b}
		if _, err := ev.Frame("json", makes(&count, 100)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range entries {
		entries[i] = &entry{}
		frame(entries[i], Added)
	}
	for _, e := range entries[2:] {
		frame(e, Added)
	}
	if count.Load() != 5 {
		t.Fatalf("the newest are kept: made %d", count.Load())
	}
	frame(entries[4], Deleted)
	frame(entries[0], Added)
	if count.Load() != 7 || b.bytes() > b.limit {
		t.Fatalf("made %d, %d bytes", count.Load(), b.bytes())
	}
	ev := Event{Type: Added, entry: &entry{}, budget: b}
	if v, err := ev.Frame("json", makes(&count, 1000)); err != nil || len(v) != 1000 || b.bytes() > b.limit {
		t.Fatal("one that is larger than the budget")
	}
}

// Objects that are encoded, replaced and swept at the same time leave nothing
// behind.
func TestBudgetUnderConcurrency(t *testing.T) {
	for _, evicts := range []bool{false, true} {
		b := &budget{limit: 50 * 200, evicts: evicts}
		objects := make([]*Object, 100)
		for i := range objects {
			objects[i] = kept(b, &Object{})
		}
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 5000 {
					n := (i*7 + g*13) % len(objects)
					want := fmt.Appendf(nil, "%d", n)
					got, err := objects[n].Variant("table", func() ([]byte, error) { return want, nil })
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("got %s want %s, %v", got, want, err)
					}
					switch {
					case i%11 == 0:
						b.release(&objects[(n+1)%len(objects)].variants)
					case i%501 == 0:
						b.sweep()
					}
					if size := b.bytes(); size > b.limit || size < 0 {
						t.Errorf("%d bytes", size)
					}
				}
			})
		}
		wg.Wait()
		for _, o := range objects {
			b.release(&o.variants)
		}
		if b.bytes() != 0 || b.head != nil {
			t.Fatalf("%d bytes are left", b.bytes())
		}
	}
}

// A replaced object's variants go at once, and the timer stops when there is
// nothing to give back.
func TestSweeperComesToRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newPods(t)
		defer s.hub.Close()
		s.apply(s.put(podPrefix+"ns/p", "", ""))
		var count atomic.Int64
		c.Snapshot().Get("ns/p").Variant("table", makes(&count, 10))
		s.apply(s.put(podPrefix+"ns/p", "", ""))
		if s.hub.variants.bytes() != 0 {
			t.Fatal("the variant of a replaced object is kept")
		}
		c.Snapshot().Get("ns/p").Variant("table", makes(&count, 10))
		synctest.Wait()
		time.Sleep(2 * keepEvents) // of the bubble's clock
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		if s.hub.sweeping || s.hub.variants.bytes() != 0 || len(c.older.recent) != 0 {
			t.Fatalf("still sweeping %v, %d bytes, %d views", s.hub.sweeping, s.hub.variants.bytes(), len(c.older.recent))
		}
	})
}

func TestEncodingThatNeedsAnother(t *testing.T) {
	var owner atomic.Pointer[encodings]
	b := &budget{limit: 1 << 20}
	made := 0
	plain := func() ([]byte, error) { made++; return []byte("a"), nil }
	got, err := encoded(&owner, b, Added, "ab", func() ([]byte, error) {
		first, err := encoded(&owner, b, Added, "a", plain)
		return append(slices.Clone(first), 'b'), err
	})
	if err != nil || string(got) != "ab" {
		t.Fatalf("%q %v", got, err)
	}
	if _, err := encoded(&owner, b, Added, "a", plain); err != nil || made != 1 {
		t.Fatalf("made %d times, %v", made, err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = encoded(&owner, b, Added, "p", func() ([]byte, error) { panic("no") })
	}()
	if got, err := encoded(&owner, b, Added, "p", plain); err != nil || string(got) != "a" {
		t.Fatalf("after a panic: %q %v", got, err)
	}
}
