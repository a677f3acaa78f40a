package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/storage"
)

// testBackup restores a backup that was made under writers, and looks whether
// it is the store at the backup's revision.
func testBackup(t *testing.T, newStore NewStore) {
	from := start(t, newStore(t))
	last := map[string]int64{}
	for i := range 200 {
		key := fmt.Sprintf("k%02d", i%50)
		last[key] = from.put(key, fmt.Sprint(i), last[key])
	}
	from.put("large", strings.Repeat("z", 1<<20), 0)
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := from.Commit(background(), from.write(fmt.Sprintf("more%04d", i), "x", 0)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var backup bytes.Buffer
	revision, err := storage.Backup(t.Context(), from, &backup)
	close(stop)
	writer.Wait()
	from.must(err)
	from.remove("k00", "150", last["k00"])

	open := newStore(t)
	e, err := open()
	from.must(err)
	got, err := storage.Restore(t.Context(), e, bytes.NewReader(backup.Bytes()))
	if err != nil || got != revision {
		t.Fatalf("restored at %d, %v; the backup was at %d", got, err, revision)
	}
	if _, err := storage.Restore(t.Context(), e, bytes.NewReader(backup.Bytes())); !errors.Is(err, storage.ErrNotEmpty) {
		t.Errorf("a second restore: got %v, want ErrNotEmpty", err)
	}
	from.must(e.Close())

	to := start(t, open)
	if got, want := to.Position(), (storage.Position{Revision: revision, Compacted: revision}); got != want {
		t.Errorf("restored at %v, want %v", got, want)
	}
	wantLines(t, "restored", to.loaded(), from.list(revision, "", ""))
	if err := to.History(t.Context(), revision-1, nil); !errors.Is(err, storage.ErrCompacted) {
		t.Errorf("history before the backup: got %v, want ErrCompacted", err)
	}
	if got := to.put("k00", "new", last["k00"]); got != revision+1 {
		t.Errorf("the first write after a restore got %d, want %d", got, revision+1)
	}
	to.reopen()
	wantLines(t, "history", describeAll(to.history(revision)), describeAll(to.seen()))
}

// testDamagedBackups restores what is not quite a backup: nothing of it may be
// taken for a store.
func testDamagedBackups(t *testing.T, newStore NewStore) {
	from := start(t, newStore(t))
	from.put("a", "1", 0)
	from.put("b", "2", 0)
	var backup bytes.Buffer
	_, err := storage.Backup(t.Context(), from, &backup)
	from.must(err)
	good := backup.Bytes()
	damaged := func(what string, b []byte, want error) {
		t.Helper()
		e, err := newStore(t)()
		from.must(err)
		closeAfter(t, e)
		if _, err := storage.Restore(t.Context(), e, bytes.NewReader(b)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
		if got := e.Position(); got.Revision != 1 {
			t.Errorf("%s: the store is at %v", what, got)
		}
	}
	edited := func(at int, c byte) []byte {
		b := bytes.Clone(good)
		b[at] = c
		return b
	}
	damaged("nothing", nil, storage.ErrBackup)
	damaged("something else", []byte("{}"), storage.ErrBackup)
	damaged("cut off", good[:len(good)-1], storage.ErrBackup)
	damaged("cut off in the middle", good[:len(good)/2], storage.ErrBackup)
	damaged("another letter", edited(bytes.Index(good, []byte("ConfigMap")), 'X'), storage.ErrBackup)
	damaged("another checksum", edited(len(good)-1, good[len(good)-1]+1), storage.ErrBackup)
	damaged("a newer format", edited(len("PILOTHOUSE BACKUP\n"), 9), storage.ErrFormat)
}
