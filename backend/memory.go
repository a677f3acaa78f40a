package backend

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"k8s.io/klog/v2"
)

// TuneMemory tells the collector how much memory there is: it works harder
// before the machine, or the container, runs out. What the environment says
// (GOMEMLIMIT, GOGC) stays.
func TuneMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	total := memoryTotal()
	if total <= 0 {
		return
	}
	limit := total / 10 * 8
	debug.SetMemoryLimit(limit)
	klog.V(2).InfoS("Soft memory limit", "bytes", limit)
}

// memoryTotal is what this process may use, 0 where that is not known.
func memoryTotal() int64 {
	least := int64(math.MaxInt64)
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if b, err := os.ReadFile(path); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
				least = min(least, n)
			}
		}
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if n := memTotal(b); n > 0 {
			least = min(least, n)
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

func memTotal(meminfo []byte) int64 {
	for lines := bufio.NewScanner(bytes.NewReader(meminfo)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err == nil {
				return n << 10
			}
		}
	}
	return 0
}
