package node

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mountMemory mounts a file system in memory, of at most limit bytes if that is
// not 0.
func mountMemory(dir string, limit int64) error {
	options := "mode=0777"
	if limit > 0 {
		options += ",size=" + strconv.FormatInt(limit, 10)
	}
	return unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options)
}

// unmountBelow takes away all mounts below a folder.
func unmountBelow(dir string) {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	var at []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			at = append(at, f[4])
		}
	}
	slices.Reverse(at)
	for _, p := range at {
		unix.Unmount(p, unix.MNT_DETACH) //nolint:errcheck // the removal of the folder tells
	}
}
