package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/request"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// A Journal is the audit backend in the data folder: files of lines, the oldest
// of which go when they are too old or too many. A line is an event with the
// revisions that its request wrote before it:
//
//	REVISION,REVISION<tab>{"kind":"Event",...}
//
// It keeps what the policy records, and without a policy writes and refusals: so
// that it can always be told who did what. journal_query.go reads it.
type Journal struct {
	*batcher
	dir *segments
	own *Policy
	// refusals bounds those that are kept for being refusals, so that nobody can
	// have the journal forget what matters by asking for what they may not have.
	refusals request.Budget
}

const refusalsPerSecond = 50

// JournalOptions say where the journal is and how much of it is kept.
type JournalOptions struct {
	Dir string
	// MaxAge and MaxBytes bound what is kept; 0 is no bound.
	MaxAge   time.Duration
	MaxBytes int64
	// Clock is time.Now when nil.
	Clock func() time.Time

	// For tests: bytes of one file, and how long events wait.
	segment int64
	wait    time.Duration
}

const (
	pluginJournal = "journal"
	segmentBytes  = 16 << 20
	segmentAge    = time.Hour
	segmentPrefix = "audit-"
	segmentSuffix = ".log"
)

// journalBatch is how events wait: shortly, so that who looks sees them.
var journalBatch = BatchOptions{BufferSize: 50_000, MaxSize: 500, MaxWait: 100 * time.Millisecond, Parallel: 1}

// OpenJournal opens the journal in a folder, which it makes.
func OpenJournal(o JournalOptions) (*Journal, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.segment == 0 {
		o.segment = segmentBytes
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the audit journal: %w", err)
	}
	s := &segments{o: o}
	if err := s.prune(); err != nil {
		return nil, fmt.Errorf("open the audit journal: %w", err)
	}
	own, err := ParsePolicy([]byte(journalPolicy))
	if err != nil {
		return nil, fmt.Errorf("BUG: the journal's policy: %w", err)
	}
	batch := journalBatch
	if o.wait > 0 {
		batch.MaxWait = o.wait
	}
	return &Journal{batcher: newBatcher(pluginJournal, batch, s), dir: s, own: own, refusals: request.Budget{PerSecond: refusalsPerSecond}}, nil
}

// journalPolicy is what the journal keeps of requests that succeed besides what
// the policy of the server records: writes, but not those that only say that
// somebody is alive, that something happened, or that ask a question.
const journalPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  resources:
  - {group: coordination.k8s.io, resources: [leases]}
  - {group: "", resources: [events]}
  - {group: events.k8s.io}
  - {group: authentication.k8s.io}
  - {group: authorization.k8s.io}
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
  resources: [{group: "*"}]
`

// wants tells whether the journal keeps a request whatever becomes of it.
func (j *Journal) wants(u *request.User, i *request.Info) bool {
	return j != nil && i.Mutating() && j.own.Match(u, i).Level != auditv1.LevelNone
}

// keeps tells whether the journal keeps a request for what became of it: the
// refusals that somebody will ask about.
func (j *Journal) keeps(i *request.Info, code int) bool {
	if j == nil || code < 400 {
		return false
	}
	return code == 401 || code == 403 || code >= 500 || i.Mutating() && i.IsResource
}

// segments are the files of a journal: the destination of its batches.
type segments struct {
	o JournalOptions

	mu    sync.Mutex // guards the fields below
	file  *os.File
	began time.Time
	size  int64
	// torn tells that the last line may not have been written to its end.
	torn bool
}

func (s *segments) encode(e *Event) []byte {
	line := e.Line()
	out := make([]byte, 0, len(line)+24)
	for i, w := range e.written {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, w.Revision, 10)
	}
	return append(append(out, '\t'), line...)
}

func (s *segments) send(_ context.Context, data []byte, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.roll(); err != nil {
		return err
	}
	if s.torn {
		if _, err := s.file.WriteString("\n"); err != nil {
			return err
		}
		s.torn = false
	}
	n, err := s.file.Write(data)
	s.size += int64(n)
	s.torn = err != nil
	return err
}

// roll begins a new file when there is none, or when the last is full.
func (s *segments) roll() error {
	now := s.o.Clock()
	if s.file != nil && s.size < s.o.segment && now.Sub(s.began) < segmentAge {
		return nil
	}
	if s.file != nil {
		if err := s.file.Close(); err != nil {
			return err
		}
		s.file = nil
	}
	if err := s.prune(); err != nil {
		return err
	}
	at := now.UnixMilli()
	for {
		f, err := os.OpenFile(s.path(at), os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			at++ // two in one millisecond
			continue
		}
		if err != nil {
			return err
		}
		s.file, s.began, s.size, s.torn = f, now, 0, false
		return nil
	}
}

func (s *segments) path(at int64) string {
	return filepath.Join(s.o.Dir, segmentPrefix+strconv.FormatInt(at, 10)+segmentSuffix)
}

func (s *segments) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return errors.Join(f.Sync(), f.Close())
}

// segment is one file; it holds events from began on.
type segment struct {
	path  string
	began time.Time
	size  int64
}

// list gives the files, the oldest first.
func (s *segments) list() ([]segment, error) {
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return nil, err
	}
	var out []segment
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), segmentPrefix)
		text, ok2 := strings.CutSuffix(text, segmentSuffix)
		at, err := strconv.ParseInt(text, 10, 64)
		if !ok || !ok2 || err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // it has just gone
		}
		out = append(out, segment{filepath.Join(s.o.Dir, e.Name()), time.UnixMilli(at), info.Size()})
	}
	slices.SortFunc(out, func(a, b segment) int { return a.began.Compare(b.began) })
	return out, nil
}

// prune removes the oldest files as long as there is too much, or all in one is
// too old: older than the beginning of the one after it.
func (s *segments) prune() error {
	list, err := s.list()
	if err != nil {
		return err
	}
	total := int64(0)
	for _, g := range list {
		total += g.size
	}
	oldest := s.o.Clock().Add(-s.o.MaxAge)
	for i, g := range list {
		ended := g.began.Add(segmentAge)
		if i+1 < len(list) {
			ended = list[i+1].began
		}
		tooMuch := s.o.MaxBytes > 0 && total > s.o.MaxBytes-s.o.segment
		if tooOld := s.o.MaxAge > 0 && ended.Before(oldest); !tooMuch && !tooOld {
			return nil
		}
		if err := os.Remove(g.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		total -= g.size
	}
	return nil
}

// revisionsOf reads the revisions before a line's event, and gives the event.
func revisionsOf(line []byte) (revisions []int64, event []byte, ok bool) {
	head, event, ok := bytes.Cut(line, []byte{'\t'})
	if !ok {
		return nil, nil, false
	}
	if len(head) == 0 {
		return nil, event, true
	}
	for _, part := range bytes.Split(head, []byte{','}) {
		n, err := strconv.ParseInt(string(part), 10, 64)
		if err != nil {
			return nil, nil, false
		}
		revisions = append(revisions, n)
	}
	return revisions, event, true
}
