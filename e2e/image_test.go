package e2e

import (
	"testing"

	"pilothouse/e2e/boximage"
)

// registryWith starts a registry with the image of the tests in it, and gives
// the image's reference.
func registryWith(t *testing.T, tag string) string {
	t.Helper()
	ref, stop, err := boximage.Serve(tag)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return ref
}
