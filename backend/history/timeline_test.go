package history

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"pilothouse/backend/storage"
)

// store is an engine that only stands somewhere.
type store struct {
	storage.Engine
	storage.Historian
	position storage.Position
	written  int64
}

func (s *store) Position() storage.Position { return s.position }
func (s *store) Written() int64             { return s.written }

func TestTimeline(t *testing.T) {
	start := time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)
	now, e := start, &store{position: storage.Position{Revision: 1}}
	path := filepath.Join(t.TempDir(), "timeline")
	open := func() *Timeline {
		t.Helper()
		line, err := OpenTimeline(TimelineOptions{Path: path, Engine: e, MaxAge: time.Hour, MaxBytes: 1000, Clock: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	line := open()
	if !line.TimeOf(1).IsZero() || line.RevisionAt(now) != 0 || line.Until() != 0 {
		t.Error("an empty timeline knows something")
	}
	for i := int64(1); i <= 10; i++ { // ten revisions of 10 bytes each minute
		now = start.Add(time.Duration(i) * time.Minute)
		e.position.Revision, e.written = 10*i, 100*i
		line.Sample()
		line.Sample() // nothing has changed
	}
	check := func(line *Timeline) {
		t.Helper()
		timeOf := func(revision int64, minute int) {
			t.Helper()
			if got, want := line.TimeOf(revision), start.Add(time.Duration(minute)*time.Minute); !got.Equal(want) {
				t.Errorf("revision %d is of %v, want %v", revision, got, want)
			}
		}
		timeOf(10, 1)
		timeOf(11, 2)
		timeOf(20, 2)
		timeOf(100, 10)
		at := func(seconds int, want int64) {
			t.Helper()
			if got := line.RevisionAt(start.Add(time.Duration(seconds) * time.Second)); got != want {
				t.Errorf("%d after %d seconds, want %d", got, seconds, want)
			}
		}
		at(59, 1)
		at(60, 10)
		at(119, 10)
		at(9999, 100)
	}
	check(line)
	if got := line.Until(); got != 1 {
		t.Errorf("up to %d may be compacted: all but the first fits into the bytes", got)
	}
	e.written = 0 // another process
	line = open()
	check(line)
	e.position.Revision, e.written = 110, 300
	now = now.Add(time.Minute)
	if got := line.Until(); got != 30 {
		t.Errorf("up to %d may be compacted, want 30 by the bytes", got)
	}
	now = now.Add(2 * time.Hour)
	if got := line.Until(); got != 110 {
		t.Errorf("up to %d may be compacted, want all by the age", got)
	}
	e.position.Compacted = 60
	line = open()
	if line.TimeOf(30).Equal(start) || line.RevisionAt(start.Add(3*time.Minute)) != 0 || line.RevisionAt(start.Add(7*time.Minute)) != 70 {
		t.Error("compacted samples are kept, or others lost")
	}
}

// Whatever is in the file, what comes of it is in order.
func FuzzTimeline(f *testing.F) {
	f.Add(appendSample(appendSample(nil, sample{1, 2, 3}), sample{2, 3, 4}))
	f.Add([]byte("torn"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		last := sample{}
		for _, s := range readSamples(raw, 1000) {
			if s.at < last.at || s.revision <= last.revision || s.revision > 1000 || s.written < last.written {
				t.Fatalf("%+v after %+v", s, last)
			}
			last = s
		}
	})
}

func TestTimelineOfAnotherStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "timeline")
	if err := os.WriteFile(path, appendSample(nil, sample{5, 500, 0}), 0o600); err != nil {
		t.Fatal(err)
	}
	line, err := OpenTimeline(TimelineOptions{Path: path, Engine: &store{position: storage.Position{Revision: 7}}})
	if err != nil || line.RevisionAt(time.Now()) != 0 {
		t.Errorf("%v, %d", err, line.RevisionAt(time.Now()))
	}
}
