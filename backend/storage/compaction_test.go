package storage_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/backend/storage"
	"pilothouse/backend/storage/memory"
)

func TestRunCompaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New()
		if err := e.Start(func([]storage.Event) {}); err != nil {
			t.Fatal(err)
		}
		writes := 0
		write := func(n int) {
			t.Helper()
			for range n {
				writes++
				if _, err := e.Commit(t.Context(), &storage.Write{Key: fmt.Sprint(writes), Value: []byte("{}")}); err != nil {
					t.Fatal(err)
				}
			}
		}
		compacted := func(want int64) {
			t.Helper()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			if got := e.Position().Compacted; got != want {
				t.Errorf("with the store at %d: compacted to %d, want %d", e.Position().Revision, got, want)
			}
		}
		write(99) // to revision 100
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- storage.RunCompaction(ctx, e, storage.CompactionPolicy{Keep: 30}) }()
		synctest.Wait()
		compacted(70)
		write(10)
		compacted(80)
		write(100)     // to 210
		compacted(110) // where it stood a tick ago
		compacted(180) // nothing was written, so only Keep counts
		compacted(180)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestRunCompactionEndsWithTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New()
		if err := e.Start(func([]storage.Event) {}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Commit(t.Context(), &storage.Write{Key: "a", Value: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- storage.RunCompaction(t.Context(), e, storage.CompactionPolicy{}) }()
		synctest.Wait()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
