package backend

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// ReleaseStartMemory gives back what only the start has needed: garbage, and the
// pages of the program file that its initialization walked through. Code that
// is needed again is mapped again, from the page cache.
func ReleaseStartMemory() {
	debug.FreeOSMemory()
	if err := releaseProgramPages(); err != nil {
		klog.V(2).InfoS("Pages of the program are kept", "err", err)
	}
}

// mapping is one range of /proc/self/smaps.
type mapping struct {
	from, to uintptr
	// clean tells a private mapping of the program file that nobody can write
	// to and nobody has.
	clean bool
}

func releaseProgramPages() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	var all []mapping
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 6 && strings.Contains(fields[0], "-"):
			m, err := parseMapping(fields[0])
			if err != nil {
				return err
			}
			m.clean = fields[5] == program && (fields[1] == "r-xp" || fields[1] == "r--p")
			all = append(all, m)
		case len(fields) == 5 && strings.Contains(fields[0], "-"):
			all = append(all, mapping{})
		case len(fields) >= 2 && fields[0] == "Anonymous:" && fields[1] != "0" && len(all) > 0:
			all[len(all)-1].clean = false
		}
	}
	for _, m := range all {
		if !m.clean {
			continue
		}
		if _, _, e := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); e != 0 {
			return fmt.Errorf("madvise: %w", e)
		}
	}
	return nil
}

func parseMapping(text string) (mapping, error) {
	a, b, _ := strings.Cut(text, "-")
	from, err := strconv.ParseUint(a, 16, 64)
	if err != nil {
		return mapping{}, err
	}
	to, err := strconv.ParseUint(b, 16, 64)
	return mapping{from: uintptr(from), to: uintptr(to)}, err
}
