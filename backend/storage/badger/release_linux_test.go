package badger

import (
	"testing"
)

func TestReleaseTables(t *testing.T) {
	o := Options{Dir: t.TempDir(), sizes: small}
	e := started(t, o)
	writeAll(t, e, make([]int64, 64), 0)
	want := stateAt(t, e, e.Position().Revision)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = started(t, o)
	if n, err := releaseTables(o.Dir); err != nil || n == 0 {
		t.Errorf("%d bytes were released, %v", n, err)
	}
	sameState(t, "after the release", stateAt(t, e, e.Position().Revision), want)
	if n, err := releaseTables(t.TempDir()); err != nil || n != 0 {
		t.Errorf("%d bytes of another folder were released, %v", n, err)
	}
}
