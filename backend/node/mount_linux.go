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

// mountsBelow gives the mounts of a folder and below it, the outer ones first.
func mountsBelow(dir string) (at []string) {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && (f[4] == dir || strings.HasPrefix(f[4], dir+"/")) {
			at = append(at, f[4])
		}
	}
	return at
}

// isMounted tells whether something is mounted at a folder.
func isMounted(dir string) bool {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return slices.Contains(mountsBelow(dir), dir)
}

// unmountBelow takes away all mounts at a folder and below it.
func unmountBelow(dir string) {
	at := mountsBelow(dir)
	slices.Reverse(at)
	for _, p := range at {
		unix.Unmount(p, unix.MNT_DETACH) //nolint:errcheck // the removal of the folder tells
	}
}
