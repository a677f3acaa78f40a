package etcd

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pilothouse/backend"
	"pilothouse/backend/config"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/badger"
	engine "pilothouse/backend/storage/etcd"
)

// TestMigrate moves a folder to etcd and etcd to another folder: the third store
// is the first one, revisions and all.
func TestMigrate(t *testing.T) {
	member := startMember(t)
	first, second := t.TempDir(), t.TempDir()
	backup := func(e storage.Engine, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if _, err := e.Load(t.Context(), func(storage.Record) error { return nil }); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := storage.Backup(t.Context(), e, &b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	folder := func(dir string) []byte {
		e, err := badger.Open(badger.Options{Dir: dir + "/db"})
		return backup(e, err)
	}
	fill(t, first)
	want := folder(first)

	migrate := func(dir string, toEtcd bool) error {
		_, err := backend.Migrate(t.Context(), &config.Storage{DataDir: dir, Etcd: config.Etcd{Servers: []string{member}, Prefix: "/here"}}, toEtcd)
		return err
	}
	if err := migrate(second, true); err == nil || !strings.Contains(err.Error(), "nothing to migrate") {
		t.Errorf("from an empty folder: %v", err)
	}
	if err := migrate(first, true); err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(t.Context(), engine.Options{Endpoints: []string{member}, Prefix: "/here"})
	if got := backup(e, err); !bytes.Equal(got, want) {
		t.Error("etcd holds something else")
	}
	if err := migrate(first, true); err == nil || !strings.Contains(err.Error(), "holds something already") {
		t.Errorf("a second time: %v", err)
	}
	if err := migrate(second, false); err != nil {
		t.Fatal(err)
	}
	if got := folder(second); !bytes.Equal(got, want) {
		t.Error("the second folder holds something else")
	}
}

// fill writes objects, changes some and deletes others, the newest last.
func fill(t *testing.T, dir string) {
	t.Helper()
	e, err := badger.Open(badger.Options{Dir: dir + "/db"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Load(t.Context(), func(storage.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(func([]storage.Event) {}); err != nil {
		t.Fatal(err)
	}
	at := map[string]int64{}
	for i := range 600 {
		key := fmt.Sprintf("core/configmaps/default/c%d", i%150)
		w := &storage.Write{Key: key, Value: fmt.Appendf(nil, `{"metadata":{"resourceVersion":"0"},"data":{"n":"%d"}}`, i), Expected: at[key], Delete: i%7 == 0 && at[key] != 0}
		w.Hole, _ = storage.FindHole(w.Value)
		revision, err := e.Commit(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		if at[key] = revision; w.Delete {
			delete(at, key)
		}
	}
}
