package badger

import (
	"testing"

	"pilothouse/backend/storage"
	"pilothouse/backend/storage/storagetest"
)

func TestSuite(t *testing.T) {
	storagetest.Run(t, func(t testing.TB) storagetest.Open {
		dir := t.TempDir()
		return func() (storage.Engine, error) { return Open(Options{Dir: dir}) }
	})
}
