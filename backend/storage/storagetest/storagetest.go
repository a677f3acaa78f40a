// Package storagetest is the suite that every storage engine passes. An
// engine's test calls Run with a way to make stores; read storagetest.go, then
// the files by subject. metamorphic.go compares an engine with a plain model
// over random operations.
package storagetest

import (
	"testing"

	"pilothouse/backend/storage"
)

// Open opens the same store each time; the engine opened before has been closed.
type Open func() (storage.Engine, error)

// NewStore makes an empty store that is gone after the test, and gives a way to
// open it.
type NewStore func(t testing.TB) Open

// Run runs the whole suite.
func Run(t *testing.T, newStore NewStore) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.test(t, newStore(t)) })
	}
	t.Run("backup and restore", func(t *testing.T) { testBackup(t, newStore) })
	t.Run("damaged backups are refused", func(t *testing.T) { testDamagedBackups(t, newStore) })
	t.Run("metamorphic", func(t *testing.T) { Metamorphic(t, newStore) })
}

// cases is the suite, the simple first.
var cases = []struct {
	name string
	test func(*testing.T, Open)
}{
	{"an empty store is at revision 1", testEmpty},
	{"writes before the start are refused", testNotStarted},
	{"compare-and-set", testCompareAndSet},
	{"a refused write takes no revision", testRefusedTakesNone},
	{"broken writes are refused", testBrokenWrites},
	{"holes are filled at every number of digits", testHoles},
	{"a delete's event has the last state", testDelete},
	{"events come before acknowledgements", testEventsFirst},
	{"many writers get contiguous revisions", testManyWriters},
	{"one key, many writers: no lost update", testCounter},
	{"a done context refuses", testContext},
	{"large values", testLargeValues},
	{"load gives all in key order", testLoad},
	{"a failing callback ends a read", testCallbackErrors},
	{"lists at old revisions are exact", testListAt},
	{"lists have bounds", testListBounds},
	{"history", testHistory},
	{"history with deletes and re-creations", testHistoryRecreated},
	{"compaction", testCompaction},
	{"compaction of the newest revision", testCompactNewest},
	{"reopen", testReopen},
	{"reopen after the newest write was a compacted delete", testReopenAfterDelete},
	{"close", testClose},
	{"close while writing", testCloseWhileWriting},
	{"a second engine is locked out, or shares", testSecond},
}
