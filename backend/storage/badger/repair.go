package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/klog/v2"
)

// removeEmpty removes the database's log files that have no bytes. Badger makes
// such a file and then gives it its length; when the process is killed between
// the two, Badger would refuse to open the folder ("Create a new file").
// Nothing was ever written to it. The caller holds the folder's lock.
func removeEmpty(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for empty files: %w", err)
	}
	for _, file := range files {
		if ext := filepath.Ext(file.Name()); ext != ".mem" && ext != ".vlog" {
			continue
		}
		if err := removeIfEmpty(filepath.Join(dir, file.Name())); err != nil {
			return err
		}
	}
	return nil
}

func removeIfEmpty(name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() > 0 {
		return nil
	}
	if err == nil {
		klog.V(2).InfoS("Removing a log file that was being made when the process ended", "file", name)
		err = os.Remove(name)
	}
	if err != nil {
		return fmt.Errorf("remove an empty file: %w", err)
	}
	return nil
}
