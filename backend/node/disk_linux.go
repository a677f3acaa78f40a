package node

import "golang.org/x/sys/unix"

// diskSize gives the size of the file system that dir is on, in bytes.
func diskSize(dir string) uint64 {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0
	}
	return s.Blocks * uint64(s.Bsize)
}
