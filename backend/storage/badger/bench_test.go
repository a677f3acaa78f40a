package badger

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pilothouse/backend/storage"
)

// benchObject is JSON of about the given length with a hole of 7 digits.
func benchObject(size int) ([]byte, storage.Hole) {
	head := `{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"`
	hole := storage.Hole{Offset: len(head), Len: 7}
	return []byte(head + `0000000"},"spec":{"pad":"` + strings.Repeat("x", size) + `"}}`), hole
}

func benchEngine(b *testing.B, dir string) *Engine {
	b.Helper()
	e, err := Open(Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	return e
}

// BenchmarkCommit is updates of 2 KB by compare-and-set, each writer on keys of
// its own, every one durable before it is acknowledged.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			e := benchEngine(b, b.TempDir())
			if err := e.Start(func([]storage.Event) {}); err != nil {
				b.Fatal(err)
			}
			template, hole := benchObject(2000)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for i := range writers {
				wg.Go(func() {
					key, last := fmt.Sprintf("core/pods/default/pod-%d", i), int64(0)
					for left.Add(-1) >= 0 {
						value := append([]byte(nil), template...)
						w := &storage.Write{Key: key, Value: value, Hole: hole, Expected: last}
						revision, err := e.Commit(b.Context(), w)
						if err != nil {
							b.Error(err)
							return
						}
						last = revision
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkOpen is an empty folder: first as new, then again.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		e, err := Open(Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkLoad is the start with 100,000 objects of 3 KB: open and Load.
func BenchmarkLoad(b *testing.B) {
	const objects = 100_000
	dir := b.TempDir()
	fill(b, dir, objects)
	b.ResetTimer()
	for b.Loop() {
		e, err := Open(Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		if _, err := e.Load(b.Context(), func(storage.Record) error { n++; return nil }); err != nil || n != objects {
			b.Fatalf("%d objects, %v", n, err)
		}
		b.StopTimer()
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func fill(b *testing.B, dir string, objects int) {
	b.Helper()
	e, err := Open(Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Start(func([]storage.Event) {}); err != nil {
		b.Fatal(err)
	}
	template, hole := benchObject(3000)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(objects); i = next.Add(1) {
				key := fmt.Sprintf("core/pods/ns-%d/pod-%06d", i%100, i)
				w := &storage.Write{Key: key, Value: append([]byte(nil), template...), Hole: hole}
				if _, err := e.Commit(b.Context(), w); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}
