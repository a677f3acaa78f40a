package e2e

import (
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// modules are the programs of other modules, by folder and package, that have
// been built. They are next to the server's binary.
var modules sync.Map // string -> func() (string, error)

// module builds a program that is in a Go module of its own below e2e, so that
// the server does not depend on what it is made of, and gives its path.
func module(t *testing.T, folder, pkg string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a large program")
	}
	build, _ := modules.LoadOrStore(folder+" "+pkg, sync.OnceValues(func() (string, error) {
		to := filepath.Join(built, folder)
		c := exec.Command("go", "build", "-o", to, pkg)
		c.Dir = folder
		if out, err := c.CombinedOutput(); err != nil {
			t.Logf("build %s: %s", pkg, out)
			return "", err
		}
		return to, nil
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatalf("build %s: %v", pkg, err)
	}
	return path
}
