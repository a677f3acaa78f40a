package badger

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// releaseTables tells the system that the mapped tables of the folder need not
// stay in memory, and how many bytes they have. Badger maps its tables; a start
// reads all of them once, and afterwards reads come from the watch cache, while
// the pages would count as this process's memory. They are clean or kept by the
// page cache: what is needed again comes back.
func releaseTables(dir string) (int64, error) {
	dir, err := realPath(dir)
	if err != nil {
		return 0, err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return 0, err
	}
	defer maps.Close()
	total := int64(0)
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		begin, end, ok := tableMapping(lines.Bytes(), dir)
		if !ok {
			continue
		}
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, begin, end-begin, syscall.MADV_DONTNEED); errno != 0 {
			return total, errno
		}
		total += int64(end - begin)
	}
	return total, lines.Err()
}

// tableMapping reads a line such as
//
//	7f2c40000000-7f2c40800000 rw-s 00000000 fe:00 1234     /data/db/000001.sst
//
// and is false when it is not of a table in dir.
func tableMapping(line []byte, dir string) (begin, end uintptr, ok bool) {
	slash := bytes.IndexByte(line, '/')
	if slash < 0 {
		return 0, 0, false
	}
	if name := string(line[slash:]); filepath.Dir(name) != dir || filepath.Ext(name) != ".sst" {
		return 0, 0, false
	}
	_, err := fmt.Sscanf(string(line), "%x-%x ", &begin, &end)
	return begin, end, err == nil && begin < end
}

func realPath(dir string) (string, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}
