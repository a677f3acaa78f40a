package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"pilothouse/backend/storage"
	engine "pilothouse/backend/storage/etcd"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// openEngine opens an engine that follows the store.
func openEngine(t testing.TB, address, prefix string) *engine.Engine {
	t.Helper()
	e, err := engine.Open(t.Context(), engine.Options{Endpoints: []string{address}, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if _, err := e.Load(t.Context(), func(storage.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(func([]storage.Event) {}); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestNotes writes through two engines, with and without notes: each engine knows
// the notes of both, of deletes too, nothing else of the store shows them, and
// they go with the revisions that they are of.
func TestNotes(t *testing.T) {
	address := startMember(t)
	ctx, one, two := t.Context(), openEngine(t, address, "/here"), openEngine(t, address, "/here")
	var all []storage.Record
	write := func(e *engine.Engine, key, note string, expected int64, remove bool) int64 {
		t.Helper()
		revision, err := e.Commit(ctx, &storage.Write{Key: key, Value: []byte(`{"a":1}`), Expected: expected, Delete: remove, Note: []byte(note)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, storage.Record{Key: key, Revision: revision})
		return revision
	}
	var want []string
	for i := range 300 { // more than one question's
		key := fmt.Sprintf("core/things/%03d", i)
		at := write(one, key, "one makes "+key, 0, false)
		at = write(two, key, "", at, false)
		at = write(one, key, "one changes "+key, at, false)
		write(two, key, "two deletes "+key, at, true)
		want = append(want, "one makes "+key, "", "one changes "+key, "two deletes "+key)
	}
	for i := 1; i < len(all); i++ {
		if all[i].Revision != all[i-1].Revision+1 {
			t.Fatalf("%d follows %d: a note takes a revision", all[i].Revision, all[i-1].Revision)
		}
	}
	last := all[len(all)-1].Revision
	for i, e := range []*engine.Engine{one, two} {
		if err := e.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		if err := e.Notes(ctx, all); err != nil {
			t.Fatal(err)
		}
		for j, r := range all {
			if string(r.Value) != want[j] {
				t.Fatalf("engine %d at %s@%d: %q, not %q", i, r.Key, r.Revision, r.Value, want[j])
			}
		}
		n := 0
		if err := e.History(ctx, storage.FirstRevision, func(ev storage.Event) error {
			if n++; !strings.HasPrefix(ev.Key, "core/things/") {
				return errors.New(ev.Key)
			}
			return nil
		}); err != nil || n != len(all) {
			t.Errorf("the history has %d events, %v", n, err)
		}
		if err := e.ListAt(ctx, last, "", "", func(r storage.Record) bool { t.Error("a list has", r.Key); return true }); err != nil {
			t.Error(err)
		}
		var b bytes.Buffer
		if _, err := storage.Backup(ctx, e, &b); err != nil || bytes.Contains(b.Bytes(), []byte("makes")) {
			t.Errorf("a backup has notes, %v", err)
		}
	}

	// What is deleted leaves nothing of its own behind, and a prefix is alone.
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, DialTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if r, err := c.Get(ctx, "/here", clientv3.WithPrefix(), clientv3.WithCountOnly()); err != nil || r.Count > 256 {
		t.Errorf("%d keys are left, %v", r.Count, err)
	}
	other := openEngine(t, address, "/her")
	if err := other.Notes(ctx, all[:1]); err != nil || all[0].Value != nil {
		t.Errorf("another prefix has %q, %v", all[0].Value, err)
	}

	// Compaction takes notes and writes alike.
	middle := len(all) / 2
	if err := one.Compact(ctx, all[middle].Revision); err != nil {
		t.Fatal(err)
	}
	if err := one.Notes(ctx, all[middle+1:]); err != nil || string(all[len(all)-1].Value) != want[len(all)-1] {
		t.Errorf("after the compaction: %q, %v", all[len(all)-1].Value, err)
	}
	if err := one.Notes(ctx, all[:1]); !errors.Is(err, storage.ErrCompacted) {
		t.Errorf("of a compacted revision: %v", err)
	}
}

// BenchmarkCommit creates objects with and without notes, by 16 writers.
func BenchmarkCommit(b *testing.B) {
	note := []byte(`{"user":"system:serviceaccount:kube-system:deployment-controller","auditID":"0e8ff32e-3e0a-4c3b-9a54-7b4bd36a6c4e","verb":"create","requestURI":"/apis/apps/v1/namespaces/default/replicasets","userAgent":"pilothouse","sourceIP":"127.0.0.1:38284","at":"2026-11-26T14:00:00.123456789Z","server":"10.0.0.2:6443"}`)
	value := []byte(`{"kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"` + strings.Repeat("x", 1500) + `"}}`)
	for name, note := range map[string][]byte{"without": nil, "with": note} {
		b.Run(name, func(b *testing.B) {
			e := openEngine(b, startMember(b), "/here")
			var n atomic.Int64
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := e.Commit(context.Background(), &storage.Write{Key: fmt.Sprintf("core/things/%d", n.Add(1)), Value: value, Note: note}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkBump restores a backup with revisions left out after it, as pilothouse
// restore does with --bump-revision, into an etcd that syncs; an op is one revision.
func BenchmarkBump(b *testing.B) {
	var backup bytes.Buffer
	e := openEngine(b, startMember(b), "/here")
	if _, err := e.Commit(b.Context(), &storage.Write{Key: "core/things/a", Value: []byte(`{"a":1}`)}); err != nil {
		b.Fatal(err)
	}
	if _, err := storage.Backup(b.Context(), e, &backup); err != nil {
		b.Fatal(err)
	}
	to, err := engine.Open(b.Context(), engine.Options{Endpoints: []string{startMember(b, func(c *embed.Config) { c.UnsafeNoFsync = false })}, Prefix: "/here"})
	if err != nil {
		b.Fatal(err)
	}
	defer to.Close()
	b.ResetTimer()
	if _, err := storage.RestoreAfter(b.Context(), to, &backup, int64(b.N)+1); err != nil {
		b.Fatal(err)
	}
}
