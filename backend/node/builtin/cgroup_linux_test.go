//go:build amd64 || arm64

package builtin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// inGroup starts a shell in a group of the machine's own control groups.
func inGroup(t *testing.T, g *cgroup, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", "read go; "+script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	if err := g.take(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func has(t *testing.T, file, want string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if got := strings.TrimSpace(string(b)); err != nil || got != want {
		t.Errorf("%s: %q %v, want %q", file, got, err, want)
	}
}

// TestLimitsOfTheKernel has the limits enforced by the control groups of this
// machine, of whichever version they are.
func TestLimitsOfTheKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("control groups need root")
	}
	all := openCgroups(fmt.Sprint("ph-test-", os.Getpid()))
	defer all.close()
	if all.why != "" {
		t.Skip(all.why)
	}
	g, err := all.create("one")
	if err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	if err := g.limit(&cri.LinuxContainerResources{CpuPeriod: 100_000, CpuQuota: 20_000, CpuShares: 512, MemoryLimitInBytes: 64 * mib}); err != nil {
		t.Fatal(err)
	}
	if all.unified {
		has(t, g.file("memory", "memory.max"), strconv.Itoa(64*mib))
		has(t, g.file("cpu", "cpu.max"), "20000 100000")
		has(t, g.file("cpu", "cpu.weight"), "20")
	} else {
		has(t, g.file("memory", "memory.limit_in_bytes"), strconv.Itoa(64*mib))
		has(t, g.file("cpu", "cpu.cfs_quota_us"), "20000")
		has(t, g.file("cpu", "cpu.shares"), "512")
	}
	// More work than its share is slowed down.
	busy := inGroup(t, g, "while :; do :; done")
	await(t, "the group is slowed down", func() bool { return counter(g.file("cpu", "cpu.stat"), "nr_throttled") > 0 })
	if s := g.stats(); s.Cpu == nil || s.Cpu.UsageCoreNanoSeconds.Value == 0 || s.Memory == nil {
		t.Errorf("nobody counts: %v", s)
	}
	g.kill()
	busy.Wait()
	// A limit that is changed in place holds at once; beyond it there is an end.
	if err := g.limit(&cri.LinuxContainerResources{CpuPeriod: 100_000, MemoryLimitInBytes: 16 * mib}); err != nil {
		t.Fatal(err)
	}
	if g.file("pids", "pids.max") != "" {
		has(t, g.file("pids", "pids.max"), strconv.Itoa(maxPIDs))
	}
	inGroup(t, g, "x=x; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26; do x=$x$x; done").Wait()
	await(t, "the end for lack of memory is noted", g.outOfMemory)
	if err := g.write("pids", "pids.max", "1"); err != nil {
		t.Fatal(err)
	}
	if g.file("pids", "pids.max") != "" {
		if err := inGroup(t, g, "(exit 0) || exit 7; sleep 0 & wait").Wait(); err == nil {
			t.Error("it starts more processes than it may")
		}
	}
	g.kill()
	all.close()
	for _, dir := range all.dirs {
		if isDir(dir) {
			t.Errorf("%s is left", dir)
		}
	}
}

// TestVersion2WithoutControllers is a machine whose controllers are in trees of
// version 1: limits are said not to be enforced, and groups still end processes.
func TestVersion2WithoutControllers(t *testing.T) {
	unified, trees := mounted()
	if os.Geteuid() != 0 || unified == "" || len(trees) == 0 {
		t.Skip("it needs root and both versions of control groups")
	}
	all := openVersion2(filepath.Join(unified, fmt.Sprint("ph-test-", os.Getpid())))
	if all.why == "" {
		t.Error("limits are said to be enforced")
	}
	defer all.close()
	g, err := all.create("one")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.limit(&cri.LinuxContainerResources{MemoryLimitInBytes: 1 << 20}); err != nil {
		t.Error(err)
	}
	cmd := inGroup(t, g, "sleep 1000 & sleep 1000")
	g.kill()
	if err := cmd.Wait(); err == nil {
		t.Error("it was not killed")
	}
}

// TestVersion2WithoutMemory is a tree that lacks a controller: the limits of the
// others are set, and that one is said to be missing.
func TestVersion2WithoutMemory(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "ph")
	if err := os.MkdirAll(filepath.Join(dir, "one"), 0o755); err != nil {
		t.Fatal(err)
	}
	// A kernel takes no "+memory" here; a file takes anything.
	all := &cgroups{unified: true, dirs: map[string]string{"": dir}, handed: map[string]bool{"cpu": true, "pids": true}}
	g, err := all.create("one")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.limit(&cri.LinuxContainerResources{CpuPeriod: 100_000, CpuQuota: 20_000, MemoryLimitInBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	has(t, filepath.Join(dir, "one", "cpu.max"), "20000 100000")
	if isFile(filepath.Join(dir, "one", "memory.max")) || g.file("memory", "memory.max") != "" {
		t.Error("a limit of memory is written though nobody counts it")
	}
	if c := openVersion2(filepath.Join(top, "file", "\x00")); c.why == "" {
		t.Error("a tree that cannot be made has all limits")
	}
}

func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain: " + what)
		}
	}
}
