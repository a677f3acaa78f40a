package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mostUI is by how many bytes the dashboard may make the program larger (R25 of the
// dashboard's specification).
const mostUI = 3_000_000

// TestWeight builds the program as make build does, once with the dashboard and
// once with a package in its place that does nothing.
func TestWeight(t *testing.T) {
	if testing.Short() {
		t.Skip("links the program twice")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "web", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
	replaced := map[string]string{}
	for _, f := range files {
		replaced[f] = "" // is not there
	}
	replaced[files[0]] = filepath.Join(root, "e2e", "testdata", "without-web.go.txt")
	raw, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(overlay, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	with, without := weigh(t, root, ""), weigh(t, root, "-overlay="+overlay)
	t.Logf("the program: %d bytes, without the dashboard %d, which is %d less", with, without, with-without)
	if ui := with - without; ui > mostUI || ui < 100_000 {
		t.Errorf("the dashboard makes the program %d bytes larger", ui)
	}
}

// weigh is how many bytes the program has that make build makes with some flags of
// go.
func weigh(t *testing.T, root, flags string) int64 {
	t.Helper()
	to := filepath.Join(t.TempDir(), "pilothouse")
	c := exec.Command("make", "-s", "build", "BIN="+to)
	c.Dir = root
	c.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" "+flags))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	info, err := os.Stat(to)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
