package badger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pilothouse/backend/storage"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// started opens and starts an engine that is closed after the test.
func started(t *testing.T, o Options) *Engine {
	t.Helper()
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if err := e.Start(func([]storage.Event) {}); err != nil {
		t.Fatal(err)
	}
	return e
}

func put(key string, expected int64) *storage.Write {
	return &storage.Write{Key: key, Value: []byte(`{}`), Expected: expected}
}

func TestNewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	e := started(t, Options{Dir: dir})
	if err := e.setMeta(formatKey, formatVersion+1, storage.FirstRevision); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); !errors.Is(err, storage.ErrFormat) {
		t.Errorf("got %v, want ErrFormat", err)
	}
}

func TestForeignDatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	db, err := badgerdb.Open(badgerdb.DefaultOptions(dir).WithLogger(logger{}))
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(txn *badgerdb.Txn) error { return txn.Set([]byte("a"), []byte("b")) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if e, err := Open(Options{Dir: dir}); err == nil {
		e.Close()
		t.Error("a database of something else was taken")
	}
}

func TestInterruptedRestoreIsRefused(t *testing.T) {
	dir := t.TempDir()
	e, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	n := 0
	err = e.Restore(t.Context(), 10, func() (storage.Record, error) {
		if n++; n == 3 {
			return storage.Record{}, broken
		}
		return storage.Record{Key: fmt.Sprint(n), Value: []byte("{}"), Revision: 5}, nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("restore: got %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if e, err := Open(Options{Dir: dir}); err == nil {
		e.Close()
		t.Error("half a restore was opened")
	}
}

func TestLockNamesTheHolder(t *testing.T) {
	dir := t.TempDir()
	started(t, Options{Dir: dir})
	_, err := Open(Options{Dir: dir})
	if !errors.Is(err, storage.ErrLocked) {
		t.Fatalf("got %v, want ErrLocked", err)
	}
	for _, want := range []string{dir, fmt.Sprint(os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: filepath.Join(file, "db")}); err == nil {
		t.Error("a folder below a file was opened")
	}
}

// TestEmptyLogFiles is what the crash test found first: a kill
// between the making of a log file and its first bytes left a folder that could
// not be opened again.
func TestEmptyLogFiles(t *testing.T) {
	dir := t.TempDir()
	e := started(t, Options{Dir: dir})
	if _, err := e.Commit(t.Context(), put("a", 0)); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"000900.vlog", "00900.mem"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e = started(t, Options{Dir: dir})
	if got := e.Position().Revision; got != 2 {
		t.Errorf("the store is at %d, want 2", got)
	}
}

// TestCommitErrorStops takes the database away under a batch of writers: each
// is told, nothing is published, Fatal is called once, and later writes are
// refused.
func TestCommitErrorStops(t *testing.T) {
	var fatal atomic.Int64
	events := 0
	e, err := Open(Options{Dir: t.TempDir(), Fatal: func(error) { fatal.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Start(func(evs []storage.Event) { events += len(evs) }); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Commit(t.Context(), put("a", 0)); err != nil {
		t.Fatal(err)
	}
	before := e.Position()
	if err := e.db.Close(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if revision, err := e.Commit(t.Context(), put(fmt.Sprint(i), 0)); err == nil || revision != 0 {
				t.Errorf("a lost write was acknowledged at %d, %v", revision, err)
			}
		})
	}
	wg.Wait()
	if got := fatal.Load(); got != 1 {
		t.Errorf("Fatal was called %d times", got)
	}
	if e.Position() != before || events != 1 {
		t.Errorf("the store went from %v to %v, with %d events", before, e.Position(), events)
	}
}

func TestFullDisk(t *testing.T) {
	var free atomic.Uint64
	free.Store(1000)
	e := started(t, Options{Dir: t.TempDir(), MinFree: 500, Free: func() (uint64, error) { return free.Load(), nil }})
	set := func(bytes uint64) {
		free.Store(bytes)
		e.space.asked.Store(-int64(spaceInterval) - 1) // as if long ago
	}
	commit := func(w *storage.Write, want error) int64 {
		t.Helper()
		revision, err := e.Commit(t.Context(), w)
		if !errors.Is(err, want) {
			t.Errorf("with %d bytes free: got %v, want %v", free.Load(), err, want)
		}
		return revision
	}
	a := commit(put("a", 0), nil)
	set(499)
	commit(put("b", 0), storage.ErrNoSpace)
	n := 0
	if _, err := e.Load(t.Context(), func(storage.Record) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("on a full disk %d objects were read, %v", n, err)
	}
	set(249)
	remove := put("a", a)
	remove.Delete = true
	commit(remove, storage.ErrNoSpace)
	set(250)
	commit(remove, nil)
	set(500)
	commit(put("b", 0), nil)
}

// TestFreeSpaceUnknown: a disk that cannot be asked is no reason to refuse.
func TestFreeSpaceUnknown(t *testing.T) {
	e := started(t, Options{Dir: t.TempDir(), Free: func() (uint64, error) { return 0, errors.New("cannot tell") }})
	if _, err := e.Commit(t.Context(), put("a", 0)); err != nil {
		t.Error(err)
	}
}

// TestWritesAskForSpace: many bytes within one interval are noticed.
func TestWritesAskForSpace(t *testing.T) {
	var asked atomic.Int64
	s := newSpace(Options{MinFree: 1, Free: func() (uint64, error) { asked.Add(1); return 1 << 30, nil }})
	w := &storage.Write{Value: make([]byte, 1<<20)}
	for range 3 * spaceBytes >> 20 {
		if err := s.check(w); err != nil {
			t.Fatal(err)
		}
	}
	if got := asked.Load(); got < 3 {
		t.Errorf("asked %d times for %d bytes", got, 3*spaceBytes)
	}
}
