package node

import "golang.org/x/sys/unix"

// diskSpace gives the size of the file system that dir is on and what is left of
// it, in bytes; 0 where that is not known.
func diskSpace(dir string) (size, left uint64) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0, 0
	}
	return s.Blocks * uint64(s.Bsize), s.Bavail * uint64(s.Bsize)
}
