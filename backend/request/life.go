package request

import (
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/diff"
)

// Life is what a request went through: which steps took how long, who knew its
// sender, what admission changed, what was written. Layers tell it through the
// request's methods (Mark, Step, KnownBy, Wrote), which do nothing for a request
// whose life nobody follows.
type Life struct {
	began   time.Time
	details *Budget

	mu            sync.Mutex // guards the fields below
	marks         []Mark
	room          [8]Mark
	authenticator string
	written       []Written
	more          int // writes beyond those in written
	detail        int8
}

// Mark is the end of one step.
type Mark struct {
	Name string
	// At is when the step ended, after the request was received. It began when
	// the step before it ended, unless More says otherwise.
	At time.Duration
	// Depth is 0 for a stage of the request. A deeper step is part of the next
	// step that is less deep.
	Depth uint8
	// More is what there is to say about it, nil for nothing.
	More *More
}

// More is what is known of a step besides its time.
type More struct {
	// Began is when the step began, after the request was received, for steps
	// that others run beside.
	Began  time.Duration
	Detail string
	// Error is why the step ended the request.
	Error string
	// Changes are what it did to the object.
	Changes []diff.Change
}

// Written is one commit of a request: what is stored at Revision.
type Written struct {
	Resource, Key string
	Revision      int64
	Delete        bool
}

// Bounds of a life.
const (
	maxMarks   = 200
	maxWritten = 64
)

// Follow begins the life of a request. details bounds how many of them are
// recorded with what each step changed; nil means none.
func (r *Request) Follow(details *Budget) *Life {
	l := &Life{began: r.Received, details: details}
	l.marks = l.room[:0]
	r.life = l
	return l
}

// Mark says that a stage of the request has ended now.
func (r *Request) Mark(name string) { r.mark(Mark{Name: name}) }

// Step says that a step at a depth has ended now.
func (r *Request) Step(depth uint8, name string, more *More) {
	if r == nil || r.life == nil {
		return
	}
	if more != nil && r.Confidential() {
		more.Changes = hidden(more.Changes)
	}
	r.mark(Mark{Name: name, Depth: depth, More: more})
}

func (r *Request) mark(m Mark) {
	if r == nil || r.life == nil {
		return
	}
	l := r.life
	m.At = time.Since(l.began)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.marks) < maxMarks {
		l.marks = append(l.marks, m)
	}
}

// Elapsed is how long ago the request was received, zero when nobody follows it.
func (r *Request) Elapsed() time.Duration {
	if r == nil || r.life == nil {
		return 0
	}
	return time.Since(r.life.began)
}

// KnownBy says which authenticator knew the sender; the first one stays.
func (r *Request) KnownBy(authenticator string) {
	if r == nil || r.life == nil {
		return
	}
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	if r.life.authenticator == "" {
		r.life.authenticator = authenticator
	}
}

// Wrote says what was committed.
func (r *Request) Wrote(w Written) {
	if r == nil || r.life == nil {
		return
	}
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	if len(r.life.written) < maxWritten {
		r.life.written = append(r.life.written, w)
	} else {
		r.life.more++
	}
}

// Written gives what the request has committed so far, and how many writes more
// than that there were.
func (r *Request) Written() (list []Written, more int) {
	if r.life == nil {
		return nil, 0
	}
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	return r.life.written[:len(r.life.written):len(r.life.written)], r.life.more
}

// Detailed tells whether steps are to say what they change: it costs more than
// most of them do.
func (r *Request) Detailed() bool {
	if r == nil || r.life == nil || r.life.details == nil {
		return false
	}
	l := r.life
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.detail == 0 {
		l.detail = -1
		if l.details.Take(l.began) {
			l.detail = 1
		}
	}
	return l.detail > 0
}

// Details tells whether what steps change was recorded; asked tells whether there
// were such steps.
func (l *Life) Details() (recorded, asked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.detail > 0, l.detail != 0
}

// Marks gives the steps so far.
func (l *Life) Marks() []Mark {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks[:len(l.marks):len(l.marks)]
}

// Authenticator is what KnownBy was told.
func (l *Life) Authenticator() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.authenticator
}

// Confidential tells requests for objects whose values nobody is to see who only
// looks at requests.
func (r *Request) Confidential() bool {
	i := &r.Info
	return i.IsResource && (i.Resource == "secrets" && i.Group == "" || i.Resource == "tokenreviews" || i.Subresource == "token")
}

var hiddenValue = json.RawMessage(`"(hidden)"`)

// hidden keeps which fields changed and leaves out what they hold.
func hidden(changes []diff.Change) []diff.Change {
	out := slices.Clone(changes)
	for i := range out {
		if out[i].Before != nil {
			out[i].Before = hiddenValue
		}
		if out[i].After != nil {
			out[i].After = hiddenValue
		}
	}
	return out
}

// Budget lets so many through in each second.
type Budget struct {
	PerSecond int64
	second    atomic.Int64
	taken     atomic.Int64
}

// Take tells whether there is something left of the budget at a time.
func (b *Budget) Take(now time.Time) bool {
	if s := now.Unix(); b.second.Swap(s) != s {
		b.taken.Store(0)
	}
	return b.taken.Add(1) <= b.PerSecond
}

// Annotated calls f for the request's audit annotations so far.
func (r *Request) Annotated(f func(key, value string)) {
	r.mu.Lock()
	list := r.annotations
	r.mu.Unlock()
	for i := range list {
		f(list[i].key, list[i].value)
	}
}

// Life gives what Follow began, nil when nobody follows the request.
func (r *Request) Life() *Life { return r.life }
