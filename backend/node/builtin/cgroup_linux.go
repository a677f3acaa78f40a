//go:build amd64 || arm64

package builtin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// controllers are those whose limits are set.
var controllers = []string{"cpu", "cpuacct", "memory", "pids"}

// cgroups is where the control groups of containers are: in one tree (version
// 2), or in one tree a controller (version 1).
// https://docs.kernel.org/admin-guide/cgroup-v2.html
type cgroups struct {
	unified bool
	// dirs are the groups of this agent, by controller; by "" for version 2.
	dirs map[string]string
	// handed are the controllers that a version 2 tree hands down.
	handed map[string]bool
	// why says which limits there are not, and why; blank when there are all.
	why string
}

// mounted gives where control groups are, and the agent's own in each tree.
func mounted() (unified string, trees map[string]string) {
	trees = map[string]string{}
	own := map[string]string{}
	if b, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(b)) {
			if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
				for c := range strings.SplitSeq(f[1], ",") {
					own[c] = f[2]
				}
			}
		}
	}
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", trees
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		switch f[2] {
		case "cgroup2":
			unified = f[1]
		case "cgroup":
			for o := range strings.SplitSeq(f[3], ",") {
				for _, c := range controllers {
					if o == c {
						// Below the agent's own group, whose limits hold for all.
						trees[c] = f[1]
						if dir := filepath.Join(f[1], own[c]); isDir(dir) {
							trees[c] = dir
						}
					}
				}
			}
		}
	}
	return unified, trees
}

func isDir(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.IsDir()
}

// openCgroups finds a place for the groups of containers. Without one they have
// no limits.
func openCgroups(name string) *cgroups {
	unified, trees := mounted()
	if len(trees) > 0 {
		return openVersion1(name, trees)
	}
	if unified == "" {
		return &cgroups{unified: true, why: "no control groups are mounted"}
	}
	return openVersion2(filepath.Join(unified, name))
}

func openVersion1(name string, trees map[string]string) *cgroups {
	c := &cgroups{dirs: map[string]string{}}
	var missing []string
	for _, controller := range controllers {
		dir := trees[controller]
		if dir == "" {
			missing = append(missing, controller)
			continue
		}
		dir = filepath.Join(dir, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			missing = append(missing, controller)
			continue
		}
		c.dirs[controller] = dir
	}
	if c.dirs["memory"] == "" || c.dirs["cpu"] == "" {
		c.why = without(missing)
	}
	return c
}

func without(controllers []string) string {
	return "there are no control groups for " + strings.Join(controllers, ", ")
}

// openVersion2 makes the group and hands down those controllers that there are:
// kernels of small machines often count no memory unless they are told to.
func openVersion2(dir string) *cgroups {
	c := &cgroups{unified: true, dirs: map[string]string{}, handed: map[string]bool{}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		c.why = "control groups: " + err.Error()
		return c
	}
	c.dirs[""] = dir
	var missing []string
	for _, controller := range []string{"cpu", "memory", "pids"} {
		if handDown(controller, filepath.Dir(dir), dir) != nil {
			missing = append(missing, controller)
			continue
		}
		c.handed[controller] = true
	}
	if !c.handed["memory"] || !c.handed["cpu"] {
		c.why = without(missing)
	}
	return c
}

// handDown gives the groups below others a controller.
func handDown(controller string, dirs ...string) error {
	for _, d := range dirs {
		if err := os.WriteFile(filepath.Join(d, "cgroup.subtree_control"), []byte("+"+controller), 0); err != nil {
			return err
		}
	}
	return nil
}

// clear ends and removes what is in the groups of this agent.
func (c *cgroups) clear() {
	for _, dir := range c.dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() {
				g := &cgroup{dirs: []string{filepath.Join(dir, e.Name())}}
				g.kill()
				g.remove()
			}
		}
	}
}

// close takes the groups of this agent away.
func (c *cgroups) close() {
	c.clear()
	g := &cgroup{}
	for _, dir := range c.dirs {
		g.dirs = append(g.dirs, dir)
	}
	g.remove()
}

// cgroup is the control groups of one container.
type cgroup struct {
	all  *cgroups
	dirs []string
	// by gives the group of a controller.
	by map[string]string
}

func (c *cgroups) create(id string) (*cgroup, error) {
	g := &cgroup{all: c, by: map[string]string{}}
	for controller, parent := range c.dirs {
		dir := filepath.Join(parent, id)
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			g.remove()
			return nil, err
		}
		g.dirs = append(g.dirs, dir)
		g.by[controller] = dir
	}
	return g, nil
}

// take puts a process into the groups.
func (g *cgroup) take(pid int) error {
	if g == nil {
		return nil
	}
	for _, dir := range g.dirs {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// file gives a file of a controller, blank if the controller is not there. ""
// is what version 2 has without any.
func (g *cgroup) file(controller, name string) string {
	dir := g.by[controller]
	if g.all != nil && g.all.handed[controller] {
		dir = g.by[""]
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

func (g *cgroup) write(controller, name, value string) error {
	f := g.file(controller, name)
	if f == "" {
		return nil
	}
	return os.WriteFile(f, []byte(value), 0)
}

// maxPIDs bounds the processes of a container.
const maxPIDs = 4096

// limit sets the limits of a container, those for which there are controllers.
func (g *cgroup) limit(r *cri.LinuxContainerResources) error {
	if r == nil {
		return nil
	}
	memory, quota := "-1", "-1"
	if g.all.unified {
		memory, quota = "max", "max"
	}
	if r.MemoryLimitInBytes > 0 {
		memory = strconv.FormatInt(r.MemoryLimitInBytes, 10)
	}
	if r.CpuQuota > 0 {
		quota = strconv.FormatInt(r.CpuQuota, 10)
	}
	if err := g.write("pids", "pids.max", strconv.Itoa(maxPIDs)); err != nil {
		return fmt.Errorf("processes: %w", err)
	}
	if g.all.unified {
		// 2 to 262144 shares become a weight of 1 to 10000.
		weight := 1 + (max(2, r.CpuShares)-2)*9999/262142
		return errors.Join(
			g.noSwap("memory.swap.max", "0"),
			g.write("memory", "memory.max", memory),
			g.write("cpu", "cpu.max", fmt.Sprintf("%s %d", quota, max(r.CpuPeriod, 1000))),
			g.write("cpu", "cpu.weight", strconv.FormatInt(weight, 10)))
	}
	const both = "memory.memsw.limit_in_bytes" // of memory and swap together, never below that of memory
	return errors.Join(
		g.noSwap(both, "-1"),
		g.write("memory", "memory.limit_in_bytes", memory),
		g.noSwap(both, memory),
		g.write("cpu", "cpu.cfs_period_us", strconv.FormatInt(max(r.CpuPeriod, 1000), 10)),
		g.write("cpu", "cpu.cfs_quota_us", quota),
		g.write("cpu", "cpu.shares", strconv.FormatInt(max(2, r.CpuShares), 10)))
}

// noSwap writes a limit of swap where the kernel counts it: as with kubelets,
// what is beyond the limit of memory is not swapped out.
func (g *cgroup) noSwap(name, value string) error {
	f := g.file("memory", name)
	if f == "" || !isFile(f) {
		return nil
	}
	if err := os.WriteFile(f, []byte(value), 0); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return nil
}

func isFile(p string) bool {
	info, err := os.Stat(p)
	return err == nil && !info.IsDir()
}

// kill ends every process in the groups.
func (g *cgroup) kill() {
	for try := 0; try < 100; try++ {
		left := false
		for _, dir := range g.dirs {
			os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0) //nolint:errcheck // version 2 only
			b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			if err != nil {
				continue
			}
			for word := range strings.FieldsSeq(string(b)) {
				if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
					left = true
					unix.Kill(pid, unix.SIGKILL) //nolint:errcheck // it may be gone already
				}
			}
			break // a process is in all of them
		}
		if !left {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// remove removes the groups, which must be empty; a dying process holds one a
// moment longer.
func (g *cgroup) remove() {
	for _, dir := range g.dirs {
		for try := 0; try < 100; try++ {
			if err := unix.Rmdir(dir); !errors.Is(err, unix.EBUSY) {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// counter reads a number of a file of name-value lines.
func counter(file, name string) uint64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			n, _ := strconv.ParseUint(f[1], 10, 64)
			return n
		}
	}
	return 0
}

func number(file string) (uint64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// outOfMemory tells that the kernel has killed in the group for lack of memory.
func (g *cgroup) outOfMemory() bool {
	if g.all.unified {
		return counter(g.file("memory", "memory.events"), "oom_kill") > 0
	}
	return counter(g.file("memory", "memory.oom_control"), "oom_kill") > 0
}

// stats gives what is used, nil if nobody counts.
func (g *cgroup) stats() *cri.ContainerStats {
	s := &cri.ContainerStats{}
	use, cpu, inactive := "memory.usage_in_bytes", uint64(0), uint64(0)
	known := false
	if g.all.unified {
		use = "memory.current"
		cpu, known = counter(g.file("", "cpu.stat"), "usage_usec")*1000, true
		inactive = counter(g.file("memory", "memory.stat"), "inactive_file")
	} else {
		cpu, known = number(g.file("cpuacct", "cpuacct.usage"))
		inactive = counter(g.file("memory", "memory.stat"), "total_inactive_file")
	}
	if known {
		s.Cpu = &cri.CpuUsage{Timestamp: time.Now().UnixNano(), UsageCoreNanoSeconds: &cri.UInt64Value{Value: cpu}}
	}
	if memory, ok := number(g.file("memory", use)); ok {
		s.Memory = &cri.MemoryUsage{
			Timestamp: time.Now().UnixNano(), UsageBytes: &cri.UInt64Value{Value: memory}, WorkingSetBytes: &cri.UInt64Value{Value: memory - min(inactive, memory)},
		}
	}
	return s
}
