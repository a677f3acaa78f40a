package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// Entry is an event of the journal with the revisions that its request wrote.
type Entry struct {
	auditv1.Event
	Written []int64 `json:"written,omitempty"`
}

// Question selects entries; empty fields select all.
type Question struct {
	User, Verb, Group, Resource, Namespace, Name string
	ID                                           string
	// Refused selects those that were answered with 400 or more.
	Refused bool
	// Code selects those that were answered with it: a code such as 409, or of a
	// class such as 4xx.
	Code string
	// Text is somewhere in the event, in whatever case.
	Text         string
	Since, Until time.Time
	// Limit is how many of the newest are given; 0 is 100.
	Limit int
}

const usualEntries = 100

// Find gives the newest entries that fit, the newest first.
func (j *Journal) Find(ctx context.Context, q Question) ([]Entry, error) {
	if q.Limit <= 0 {
		q.Limit = usualEntries
	}
	var out []Entry
	err := j.backwards(ctx, q.Since, q.Until, func(revisions []int64, raw []byte) bool {
		if !q.mayFit(raw) {
			return true
		}
		var e Entry
		if json.Unmarshal(raw, &e.Event) != nil || !q.fits(&e.Event) {
			return true
		}
		e.Written = revisions
		out = append(out, e)
		return len(out) < q.Limit
	})
	return out, err
}

// mayFit looks for the words of a question without decoding.
func (q *Question) mayFit(raw []byte) bool {
	for _, word := range []string{q.User, q.Name, q.Namespace, q.Resource, q.ID} {
		if word != "" && !bytes.Contains(raw, []byte(word)) {
			return false
		}
	}
	return q.Text == "" || bytes.Contains(bytes.ToLower(raw), []byte(strings.ToLower(q.Text)))
}

func (q *Question) fits(e *auditv1.Event) bool {
	same := func(want, have string) bool { return want == "" || want == have }
	ref := e.ObjectRef
	if ref == nil {
		ref = &auditv1.ObjectReference{}
	}
	as := ""
	if e.ImpersonatedUser != nil {
		as = e.ImpersonatedUser.Username
	}
	switch at := e.RequestReceivedTimestamp.Time; {
	case q.User != "" && e.User.Username != q.User && as != q.User,
		!same(q.Verb, e.Verb), !same(q.Group, ref.APIGroup), !same(q.Resource, ref.Resource), !same(q.Namespace, ref.Namespace),
		!same(q.Name, ref.Name), !same(q.ID, string(e.AuditID)),
		q.Refused && (e.ResponseStatus == nil || e.ResponseStatus.Code < 400),
		q.Code != "" && (e.ResponseStatus == nil || !isCode(q.Code, int(e.ResponseStatus.Code))),
		!q.Since.IsZero() && at.Before(q.Since), !q.Until.IsZero() && at.After(q.Until):
		return false
	}
	return true
}

// IsCode tells whether a text is what Question.Code may be.
func IsCode(text string) bool {
	return len(text) == 3 && text[0] >= '1' && text[0] <= '5' && (text[1:] == "xx" || isDigit(text[1]) && isDigit(text[2]))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isCode tells whether a code is the one, or of the class, that is wanted.
func isCode(want string, code int) bool {
	if class, ok := strings.CutSuffix(want, "xx"); ok {
		return strconv.Itoa(code/100) == class
	}
	return strconv.Itoa(code) == want
}

// Authors gives the entries of the requests that wrote revisions, as far as the
// journal has them.
func (j *Journal) Authors(ctx context.Context, revisions []int64) (map[int64]*Entry, error) {
	out := make(map[int64]*Entry, len(revisions))
	if len(revisions) == 0 {
		return out, nil
	}
	wanted := slices.Clone(revisions)
	slices.Sort(wanted)
	oldest := wanted[0]
	err := j.backwards(ctx, time.Time{}, time.Time{}, func(written []int64, raw []byte) bool {
		var e *Entry
		for _, r := range written {
			if _, ok := slices.BinarySearch(wanted, r); !ok || out[r] != nil {
				continue
			}
			if e == nil {
				e = &Entry{Written: written}
				if json.Unmarshal(raw, &e.Event) != nil {
					return true
				}
			}
			out[r] = e
		}
		// Lines are in the order in which requests ended, which may be much later
		// than they wrote only for those that write a lot.
		return len(out) < len(wanted) && (len(written) == 0 || written[len(written)-1] > oldest-farBack)
	})
	return out, err
}

// farBack is how many revisions a line may be older than one before it.
const farBack = 10_000

// backwards gives lines, the newest first, until f is false; what is older than
// since, and files that hold nothing before until, are left out.
func (j *Journal) backwards(ctx context.Context, since, until time.Time, f func(revisions []int64, event []byte) bool) error {
	list, err := j.dir.list()
	if err != nil {
		return err
	}
	if !since.IsZero() {
		all, oldest := f, since.Add(-disorder)
		f = func(revisions []int64, event []byte) bool {
			return !endedBefore(event, oldest) && all(revisions, event)
		}
	}
	for i := len(list) - 1; i >= 0; i-- {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !until.IsZero() && list[i].began.After(until.Add(segmentAge)) {
			continue
		}
		if i+1 < len(list) && !since.IsZero() && list[i+1].began.Before(since) {
			return nil
		}
		more, err := fileBackwards(list[i].path, f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // that one has become too old
			return err
		}
		if err == nil && !more {
			return nil
		}
	}
	return nil
}

// disorder is how much later than one behind it a line may have ended.
const disorder = 10 * time.Second

var stageField = []byte(`"stageTimestamp":"`)

// endedBefore tells whether an event is of before a time. The field stands after
// the objects, which may have one of its name.
func endedBefore(event []byte, t time.Time) bool {
	i := bytes.LastIndex(event, stageField)
	if i < 0 {
		return false
	}
	text, _, _ := bytes.Cut(event[i+len(stageField):], []byte{'"'})
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return err == nil && at.Before(t)
}

func fileBackwards(path string, f func(revisions []int64, event []byte) bool) (more bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	return eachBackwards(file, info.Size(), f)
}

// block is how much of a file is read at once, unless a line is longer.
const block = 64 << 10

// eachBackwards gives the whole lines of a file, the last first, and reads no more
// of it than is asked for.
func eachBackwards(r io.ReaderAt, size int64, f func(revisions []int64, event []byte) bool) (more bool, err error) {
	give := func(line []byte) bool {
		revisions, event, ok := revisionsOf(line)
		return !ok || f(revisions, event)
	}
	var buf []byte // what has been read and not been given, up to a newline
	whole := false // what comes after the last newline of all has been left out
	for at, step := size, int64(block); at > 0; {
		n := min(step, at)
		at -= n
		next := make([]byte, n, n+int64(len(buf)))
		if _, err := r.ReadAt(next, at); err != nil {
			return false, err
		}
		buf, step = append(next, buf...), step*2
		for {
			i := bytes.LastIndexByte(buf, '\n')
			if i < 0 {
				break
			}
			line := buf[i+1:]
			buf, step = buf[:i], block
			if whole && !give(line) {
				return false, nil
			}
			whole = true
		}
	}
	return !whole || give(buf), nil
}
