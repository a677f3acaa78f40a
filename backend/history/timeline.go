package history

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"pilothouse/backend/storage"

	"k8s.io/klog/v2"
)

// sample says where the store stood at a time.
type sample struct {
	// at is in milliseconds of Unix time.
	at       int64
	revision int64
	// written is how many bytes had been committed, counted from the first
	// sample of the file on.
	written int64
}

const (
	sampleSize = 24
	// SampleInterval is how exactly a revision's time is known.
	SampleInterval = time.Second
)

// Timeline knows at what time revisions were written, and which are too old. It
// is a file of samples: 24 bytes each, the time, the revision and the bytes
// written so far, big-endian. It is not synced: what a crash takes of it costs a
// second of exactness.
type Timeline struct {
	o    TimelineOptions
	file *os.File

	mu      sync.RWMutex // guards the fields below
	samples []sample     // in order
	base    int64        // written at the last sample that an earlier process made
}

// TimelineOptions are what a Timeline works with.
type TimelineOptions struct {
	Path   string
	Engine storage.Engine
	// MaxAge and MaxBytes bound the history that is kept; a 0 is no bound.
	MaxAge   time.Duration
	MaxBytes int64
	// Clock is time.Now when nil.
	Clock func() time.Time
}

// OpenTimeline reads the file, and makes it when it is not there. Samples of
// revisions that the store has not got are those of another store, and are left
// out.
func OpenTimeline(o TimelineOptions) (*Timeline, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	t := &Timeline{o: o}
	raw, err := os.ReadFile(o.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the timeline: %w", err)
	}
	t.samples = readSamples(raw, o.Engine.Position().Revision)
	if n := len(t.samples); n > 0 {
		t.base = t.samples[n-1].written
	}
	if err := t.rewrite(); err != nil {
		return nil, fmt.Errorf("open the timeline: %w", err)
	}
	return t, nil
}

// readSamples gives the samples of a file that can be right.
func readSamples(raw []byte, newest int64) []sample {
	var out []sample
	for ; len(raw) >= sampleSize; raw = raw[sampleSize:] {
		s := sample{int64(binary.BigEndian.Uint64(raw)), int64(binary.BigEndian.Uint64(raw[8:])), int64(binary.BigEndian.Uint64(raw[16:]))}
		if s.at <= 0 || s.revision <= 0 || s.revision > newest || s.written < 0 {
			continue
		}
		if n := len(out); n > 0 && (s.revision <= out[n-1].revision || s.at < out[n-1].at || s.written < out[n-1].written) {
			continue
		}
		out = append(out, s)
	}
	return out
}

// rewrite makes the file anew, without the samples that are of no use any more.
func (t *Timeline) rewrite() error {
	t.prune(t.o.Engine.Position().Compacted)
	raw := make([]byte, 0, len(t.samples)*sampleSize)
	for _, s := range t.samples {
		raw = appendSample(raw, s)
	}
	next := t.o.Path + ".new"
	if err := os.MkdirAll(filepath.Dir(next), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(next, raw, 0o600); err != nil {
		return err
	}
	if err := os.Rename(next, t.o.Path); err != nil {
		return err
	}
	f, err := os.OpenFile(t.o.Path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if t.file != nil {
		t.file.Close() //nolint:errcheck // it was replaced
	}
	t.file = f
	return nil
}

func appendSample(b []byte, s sample) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(s.at))
	b = binary.BigEndian.AppendUint64(b, uint64(s.revision))
	return binary.BigEndian.AppendUint64(b, uint64(s.written))
}

// prune forgets samples of compacted revisions, but for the newest of them.
func (t *Timeline) prune(compacted int64) {
	i, _ := slices.BinarySearchFunc(t.samples, compacted, func(s sample, r int64) int { return int(s.revision - r) })
	if i > 1 {
		t.samples = slices.Clone(t.samples[i-1:])
	}
}

// Run samples until ctx ends, and closes the file.
func (t *Timeline) Run(ctx context.Context) {
	t.Sample()
	tick := time.NewTicker(SampleInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.Sample()
			t.file.Close() //nolint:errcheck // nothing waits to be written
			return
		case <-tick.C:
			t.Sample()
		}
	}
}

// maxSamples is about how many samples the file may have before it is rewritten:
// a write in each second of four days.
const maxSamples = 350_000

// Sample notes where the store stands now.
func (t *Timeline) Sample() {
	t.mu.Lock()
	defer t.mu.Unlock()
	position := t.o.Engine.Position()
	s := sample{at: t.o.Clock().UnixMilli(), revision: position.Revision, written: t.base}
	if h, ok := t.o.Engine.(storage.Historian); ok {
		s.written += h.Written()
	}
	if n := len(t.samples); n > 0 {
		last := t.samples[n-1]
		if s.revision <= last.revision {
			return
		}
		s.at, s.written = max(s.at, last.at), max(s.written, last.written) // clocks go back
	}
	t.samples = append(t.samples, s)
	if _, err := t.file.Write(appendSample(nil, s)); err != nil {
		klog.V(2).InfoS("Cannot write the timeline", "err", err)
	}
	if len(t.samples) > maxSamples {
		before := len(t.samples)
		t.prune(position.Compacted)
		if len(t.samples) < before*3/4 {
			if err := t.rewrite(); err != nil {
				klog.ErrorS(err, "Cannot rewrite the timeline")
			}
		}
	}
}

// TimeOf is when a revision was written, to the second, and never too early;
// zero when it is not known. What was written since the last sample is of now.
func (t *Timeline) TimeOf(revision int64) time.Time {
	t.mu.RLock()
	defer t.mu.RUnlock()
	i, _ := slices.BinarySearchFunc(t.samples, revision, func(s sample, r int64) int { return int(s.revision - r) })
	switch {
	case i == 0 && (len(t.samples) == 0 || t.samples[0].revision != revision):
		return time.Time{}
	case i == len(t.samples):
		return t.o.Clock()
	}
	return time.UnixMilli(t.samples[i].at)
}

// RevisionAt is the newest revision at a time, 0 for before the timeline.
func (t *Timeline) RevisionAt(at time.Time) int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	ms := at.UnixMilli()
	i, _ := slices.BinarySearchFunc(t.samples, ms+1, func(s sample, ms int64) int { return int(s.at - ms) })
	if i == 0 {
		return 0
	}
	return t.samples[i-1].revision
}

// Until is the newest revision that is too old, or that is more than enough: what
// may be compacted.
func (t *Timeline) Until() int64 {
	t.Sample()
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := len(t.samples)
	if n == 0 {
		return 0
	}
	oldest, least := t.o.Clock().Add(-t.o.MaxAge).UnixMilli(), t.samples[n-1].written-t.o.MaxBytes
	out := int64(0)
	for _, s := range t.samples {
		if (t.o.MaxAge <= 0 || s.at > oldest) && (t.o.MaxBytes <= 0 || s.written > least) {
			break
		}
		out = s.revision
	}
	return out
}
