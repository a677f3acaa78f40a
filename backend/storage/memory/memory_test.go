package memory

import (
	"testing"

	"pilothouse/backend/storage"
	"pilothouse/backend/storage/storagetest"
)

func TestSuite(t *testing.T) {
	storagetest.Run(t, func(testing.TB) storagetest.Open {
		s := NewStore()
		return func() (storage.Engine, error) { return s.Open() }
	})
}
