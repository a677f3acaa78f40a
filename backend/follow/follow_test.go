package follow

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	next := path + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsFollowedByWhatItSays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if _, err := Open(path); err == nil {
		t.Error("a file that is missing was opened")
	}
	write(t, path, "one")
	f, err := Open(path)
	if err != nil || string(f.Content()) != "one" || f.Path() != path {
		t.Fatalf("%v %s", err, f.Content())
	}
	write(t, path, "one")
	if changed, err := f.Changed(); changed || err != nil {
		t.Error("the same content is a change", err)
	}
	write(t, path, "two")
	if changed, err := f.Changed(); !changed || err != nil || string(f.Content()) != "two" {
		t.Error(changed, err, string(f.Content()))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if changed, err := f.Changed(); changed || err == nil || string(f.Content()) != "two" {
		t.Error("a file that is gone:", changed, err)
	}
}

func TestFilesAreFollowedByTheirStamps(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "one")
	f := Watch(a, "", b)
	if f.Changed() {
		t.Error("nothing has changed")
	}
	write(t, b, "made")
	if !f.Changed() || f.Changed() {
		t.Error("a file was made")
	}
	if err := os.Remove(a); err != nil {
		t.Fatal(err)
	}
	if !f.Changed() || f.Changed() {
		t.Error("a file was removed")
	}
}

func TestEveryEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	Every(ctx, time.Millisecond, func() {
		if n++; n == 3 {
			cancel()
		}
	})
	if n < 3 {
		t.Error(n)
	}
}
