//go:build amd64 || arm64

package builtin

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// archive makes a layer: names that end in / are folders, "a -> b" is a link.
func archive(entries ...string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e, Mode: 0o644, Typeflag: tar.TypeReg, Uid: os.Getuid(), Gid: os.Getgid()}
		if from, to, ok := strings.Cut(e, " -> "); ok {
			h.Name, h.Linkname, h.Typeflag = from, to, tar.TypeSymlink
		} else if from, to, ok := strings.Cut(e, " = "); ok {
			h.Name, h.Linkname, h.Typeflag = from, to, tar.TypeLink
		} else if strings.HasSuffix(e, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		w.WriteHeader(h)
	}
	w.Close()
	return b.Bytes()
}

func TestALayerStaysInItsFolder(t *testing.T) {
	f := func(want bool, entries ...string) {
		t.Helper()
		top := t.TempDir()
		dir := filepath.Join(top, "layer")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, "secret"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := unpack(bytes.NewReader(archive(entries...)), dir)
		if (err == nil) != want {
			t.Errorf("%v: %v", entries, err)
		}
		list, err := os.ReadDir(top)
		if err != nil || len(list) != 2 {
			t.Errorf("%v: written outside: %v %v", entries, list, err)
		}
		if b, err := os.ReadFile(filepath.Join(top, "secret")); err != nil || string(b) != "x" {
			t.Errorf("%v: the file outside is changed", entries)
		}
	}
	f(true, "a", "b/", "b/c", "b/l -> ../a", "h = a")
	f(true, "../../outside", "/absolute") // as with tar, they are taken to begin at the root
	f(true, "l -> ../secret", "l")        // the link is replaced and not followed
	f(false, "up -> ..", "up/outside")
	f(false, "up -> /", "up/tmp/outside")
	f(false, "h = ../../secret")
	f(false, "l -> ../secret", "h2 = l/x")
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive("a", "b/", "b/c", "l -> a"))
	f.Add(archive("up -> ..", "up/outside"))
	f.Add([]byte("no archive"))
	f.Fuzz(func(t *testing.T, layer []byte) {
		top := t.TempDir()
		dir := filepath.Join(top, "layer")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		unpack(bytes.NewReader(layer), dir) //nolint:errcheck // it may fail, within its folder
		if list, err := os.ReadDir(top); err != nil || len(list) != 1 {
			t.Errorf("written outside: %v %v", list, err)
		}
	})
}

func TestCgroupLimitsInBothVersions(t *testing.T) {
	read := func(dir, name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	r := resources(500, 64<<20)
	two := t.TempDir()
	g := &cgroup{all: &cgroups{unified: true, handed: map[string]bool{"cpu": true, "memory": true, "pids": true}}, dirs: []string{two}, by: map[string]string{"": two}}
	if err := g.limit(r); err != nil {
		t.Fatal(err)
	}
	if m, c, w := read(two, "memory.max"), read(two, "cpu.max"), read(two, "cpu.weight"); m != "67108864" || c != "50000 100000" || w != "20" {
		t.Errorf("version 2: %q %q %q", m, c, w)
	}
	one := t.TempDir()
	g = &cgroup{all: &cgroups{}, dirs: []string{one}, by: map[string]string{"memory": one, "cpu": one, "pids": one}}
	if err := g.limit(r); err != nil {
		t.Fatal(err)
	}
	if m, q, s := read(one, "memory.limit_in_bytes"), read(one, "cpu.cfs_quota_us"), read(one, "cpu.shares"); m != "67108864" || q != "50000" || s != "512" {
		t.Errorf("version 1: %q %q %q", m, q, s)
	}
}

func resources(millis, memory int64) *cri.LinuxContainerResources {
	return &cri.LinuxContainerResources{CpuPeriod: 100_000, CpuQuota: millis * 100, CpuShares: millis * 1024 / 1000, MemoryLimitInBytes: memory}
}
