package badger

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"pilothouse/backend/storage"
)

// folderLock keeps a second engine out of a folder. The system drops it when
// the process ends, however it ends; the file and the process id in it are
// only for people.
type folderLock struct{ file *os.File }

// lockName is the lock's file. Badger has one of its own, LOCK, whose errors
// cannot be told apart.
const lockName = "pilothouse.lock"

func lockFolder(dir string) (*folderLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := io.ReadAll(io.LimitReader(f, 32))
		return nil, errors.Join(
			fmt.Errorf("%w: %s, process %s", storage.ErrLocked, dir, strings.TrimSpace(string(holder))), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data folder %s: %w", dir, err), f.Close())
	}
	l := &folderLock{f}
	if err := l.name(); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data folder %s: %w", dir, err), f.Close())
	}
	return l, nil
}

// name writes our process id into the file.
func (l *folderLock) name() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintln(l.file, os.Getpid())
	return err
}

func (l *folderLock) release() error { return l.file.Close() }
