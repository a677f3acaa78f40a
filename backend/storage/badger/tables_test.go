package badger

import (
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"sync"
	"testing"

	"pilothouse/backend/storage"
)

// small makes a few megabytes go through many memory tables, the levels of the
// tree and many files of the value log.
var small = sizes{memTable: 1 << 20, value: 8 << 10, valueLog: 1 << 20}

// state is a store at a revision: a checksum of each key's value.
type state map[string]uint32

func stateAt(t *testing.T, e *Engine, revision int64) state {
	t.Helper()
	s := state{}
	err := e.ListAt(t.Context(), revision, "", "", func(r storage.Record) bool {
		s[r.Key] = crc32.ChecksumIEEE(r.Value)
		return true
	})
	if err != nil {
		t.Fatalf("list at %d: %v", revision, err)
	}
	return s
}

func sameState(t *testing.T, what string, got, want state) {
	t.Helper()
	for key, sum := range want {
		if got[key] != sum {
			t.Errorf("%s: %s is %x, want %x", what, key, got[key], sum)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d keys, want %d", what, len(got), len(want))
	}
}

// TestThroughAllOfBadger writes about 30 MB through small tables, with values in
// the tree and in the value log, with compactions, collections of the value log
// and reopens between, and compares old revisions with what the events made of
// them.
func TestThroughAllOfBadger(t *testing.T) {
	o := Options{Dir: t.TempDir(), sizes: small}
	now, position := state{}, storage.Position{Revision: storage.FirstRevision}
	var mu sync.Mutex // guards now and position
	sink := func(events []storage.Event) {
		mu.Lock()
		defer mu.Unlock()
		for _, ev := range events {
			position.Revision = ev.Revision
			if now[ev.Key] = crc32.ChecksumIEEE(ev.Value); ev.Delete {
				delete(now, ev.Key)
			}
		}
	}
	snapshots := map[int64]state{}
	collected := 0
	last := make([]int64, 64)
	for round := range 6 {
		e, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Position(); got != position {
			t.Fatalf("round %d: opened at %v, want %v", round, got, position)
		}
		if err := e.Start(sink); err != nil {
			t.Fatal(err)
		}
		for part := range 4 {
			writeAll(t, e, last, round*4+part)
			snapshots[position.Revision] = maps.Clone(now)
		}
		position.Compacted = slices.Sorted(maps.Keys(snapshots))[len(snapshots)-3]
		if err := e.Compact(t.Context(), position.Compacted); err != nil {
			t.Fatal(err)
		}
		if err := e.db.Flatten(2); err != nil { // what the compactors begin within a second
			t.Fatal(err)
		}
		collected += collect(e)
		for revision, want := range snapshots {
			if revision < position.Compacted {
				delete(snapshots, revision)
				continue
			}
			sameState(t, fmt.Sprintf("round %d, revision %d", round, revision), stateAt(t, e, revision), want)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if collected == 0 {
		t.Error("no file of the value log was ever rewritten: the test does not reach that")
	}
}

// writeAll lets one writer per key update, delete and create it again a few
// times.
func writeAll(t *testing.T, e *Engine, last []int64, salt int) {
	var wg sync.WaitGroup
	for i := range last {
		wg.Go(func() {
			for j := range 4 {
				size := 1000 + (i+j+salt)%3*6000 // 1,000, 7,000 and 13,000: the last go to the value log
				value, hole := benchObject(size)
				w := &storage.Write{Key: fmt.Sprintf("k%02d", i), Value: value, Hole: hole, Expected: last[i]}
				w.Delete = last[i] > 0 && (i+j+salt)%7 == 0
				revision, err := e.Commit(t.Context(), w)
				if err != nil {
					t.Errorf("%s at %d: %v", w.Key, w.Expected, err)
					return
				}
				if last[i] = revision; w.Delete {
					last[i] = 0
				}
			}
		})
	}
	wg.Wait()
}

// collect is what the engine does every ten minutes; it tells how many files
// were rewritten.
func collect(e *Engine) int {
	n := 0
	for n < 20 && e.collectOnce(0.1) {
		n++
	}
	return n
}

// TestNewestDeleteOutlivesCompaction: were the delete dropped, the store would
// stand at an older revision after a restart and give revisions out twice.
func TestNewestDeleteOutlivesCompaction(t *testing.T) {
	o := Options{Dir: t.TempDir(), sizes: small}
	var newest int64
	for range 7 { // tables at level 0: more than Badger leaves alone
		e := started(t, o)
		w := put("a", 0)
		for _, w.Delete = range []bool{false, true} {
			revision, err := e.Commit(t.Context(), w)
			if err != nil {
				t.Fatal(err)
			}
			w.Expected, newest = revision, revision
		}
		if err := e.Compact(t.Context(), newest); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil { // writes the memory table out
			t.Fatal(err)
		}
	}
	e := started(t, o)
	if err := e.db.Flatten(2); err != nil {
		t.Fatal(err)
	}
	if n := e.db.Levels()[0].NumTables; n > 0 {
		t.Fatalf("%d tables were not compacted: the test does not reach what it is for", n)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = started(t, o)
	if got := e.Position(); got != (storage.Position{Revision: newest, Compacted: newest}) {
		t.Errorf("the store is at %v, want %d", got, newest)
	}
}
