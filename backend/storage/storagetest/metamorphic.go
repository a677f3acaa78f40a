package storagetest

import (
	"testing"
)

func Metamorphic(t *testing.T, newStore NewStore) {}
