// Package follow owns how files of an operator are followed while the server
// runs: they are looked at every so often, because they are replaced by renaming
// and links more often than they are written, which no notification sees on all
// file systems.
package follow

import (
	"bytes"
	"context"
	"os"
	"time"
)

// Every calls f every so often, until ctx ends.
func Every(ctx context.Context, d time.Duration, f func()) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

// File is a file that is followed by what it says. It is for one goroutine at a
// time.
type File struct {
	path    string
	content []byte
}

// Open reads a file for the first time.
func Open(path string) (*File, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return &File{path, content}, nil
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Content is what the file said when it was read last.
func (f *File) Content() []byte { return f.content }

// Changed reads the file and tells whether it says something else than when it
// was read last. Content is the new one then.
func (f *File) Changed() (bool, error) {
	content, err := os.ReadFile(f.path)
	if err != nil || bytes.Equal(content, f.content) {
		return false, err
	}
	f.content = content
	return true, nil
}

// Files are followed by their sizes and times, for files that somebody else reads.
// Paths are looked at, not open files. It is for one goroutine at a time.
type Files struct {
	paths []string
	last  []stamp
}

type stamp struct {
	size int64
	time time.Time
}

// Watch begins to follow files; empty paths are left out.
func Watch(paths ...string) *Files {
	f := &Files{}
	for _, p := range paths {
		if p != "" {
			f.paths = append(f.paths, p)
		}
	}
	f.last = make([]stamp, len(f.paths))
	f.Changed()
	return f
}

// Changed tells whether one of the files was replaced, written, made or removed
// since the last call.
func (f *Files) Changed() bool {
	changed := false
	for i, path := range f.paths {
		var now stamp
		if info, err := os.Stat(path); err == nil {
			now = stamp{info.Size(), info.ModTime()}
		}
		if now != f.last[i] {
			f.last[i], changed = now, true
		}
	}
	return changed
}
