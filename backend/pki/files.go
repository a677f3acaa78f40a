package pki

import (
	"os"
	"time"
)

// fileWatch tells whether files have changed since it last looked, by their
// size and time. Files are replaced by renaming more often than not, so paths
// are looked at, not open files.
type fileWatch struct {
	paths []string
	last  []stamp
}

type stamp struct {
	size int64
	time time.Time
}

func watchFiles(paths ...string) *fileWatch {
	w := &fileWatch{}
	for _, p := range paths {
		if p != "" {
			w.paths = append(w.paths, p)
		}
	}
	w.last = make([]stamp, len(w.paths))
	w.changed()
	return w
}

func (w *fileWatch) changed() bool {
	changed := false
	for i, path := range w.paths {
		var now stamp
		if info, err := os.Stat(path); err == nil {
			now = stamp{info.Size(), info.ModTime()}
		}
		if now != w.last[i] {
			w.last[i], changed = now, true
		}
	}
	return changed
}
