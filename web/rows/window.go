package rows

import (
	"slices"
	"strings"
)

// Window is the part of a View that one tab shows. It belongs to one
// goroutine.
type Window struct {
	view *View
	wake func()

	from, size int
	anchor     string
	sent       []*Row
	sentFrom   int
	sentTotal  int
	sentAll    int
	columns    []Column
	ageCol     int
	fresh      bool // whether nothing was sent yet
}

// Frame is what a tab has to change. Rows that it has already and that have
// not changed are in Order only.
type Frame struct {
	// Whole tells that the tab is to forget what it has.
	Whole bool
	From  int
	// Total is the number of rows of the view, All that of its source.
	Total, All int
	// Order are the uids of the window's rows, nil when they are the same.
	Order []string
	// Rows are those that are new to the tab or have changed, those among them
	// that a change took out of the window: a tab that holds its order shows them.
	Rows []*Row
	// Gone are the uids of objects that the tab showed and that do not exist
	// any more.
	Gone    []string
	Columns []Column
	AgeCol  int
	State   State
}

// Window gives a Window on the view. wake is called when there may be a Frame;
// it must not wait. The Window is to be closed before the View.
func (v *View) Window(from, size int, wake func()) *Window {
	w := &Window{view: v, wake: wake, from: max(from, 0), size: size, fresh: true}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.windows[w] = struct{}{}
	return w
}

// Has tells the window which rows its tab has already: each "UID VERSION", in
// their order. The first Frame is then the difference to them.
func (w *Window) Has(list []string) {
	s := w.view.source
	s.mu.Lock()
	defer s.mu.Unlock()
	w.sent = make([]*Row, 0, len(list))
	for _, one := range list {
		uid, version, _ := strings.Cut(one, " ")
		r := s.rows[uid]
		if r == nil || r.Version != version {
			r = &Row{UID: uid}
		}
		w.sent = append(w.sent, r)
	}
	w.fresh, w.sentFrom, w.sentTotal, w.columns, w.ageCol = false, w.from, -1, s.columns, s.ageCol
}

// Shown are the rows that the tab has after the last Frame.
func (w *Window) Shown() []*Row { return w.sent }

// Close ends the window's wakes.
func (w *Window) Close() {
	w.view.mu.Lock()
	defer w.view.mu.Unlock()
	delete(w.view.windows, w)
}

// Move shows another part, from an index as the tab counts since the last Frame.
// anchor is the uid of a row that is to stay where it
// is when rows come or go above it; empty keeps the index instead.
func (w *Window) Move(from, size int, anchor string) {
	w.from, w.size, w.anchor = max(from, 0), size, anchor
	w.wake()
}

// Frame gives what has changed since the last Frame; false when nothing has.
func (w *Window) Frame() (*Frame, bool) {
	v := w.view
	v.source.mu.Lock()
	defer v.source.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.settle()
	w.follow()
	w.from = min(w.from, max(0, len(v.entries)-1))
	f := &Frame{Whole: w.fresh, From: w.from, Total: len(v.entries), All: len(v.source.rows), State: v.source.state}
	if w.fresh || !slices.Equal(w.columns, v.source.columns) {
		f.Whole = true
		w.sent = nil
	}
	now := make([]*Row, 0, w.size)
	for _, e := range v.entries[w.from:min(w.from+w.size, len(v.entries))] {
		now = append(now, e.row)
	}
	w.compare(f, now)
	f.Columns, f.AgeCol = v.source.columns, v.source.ageCol
	changed := f.Whole || f.Order != nil || len(f.Rows) > 0 || f.Total != w.sentTotal || f.All != w.sentAll
	w.sent, w.sentFrom, w.sentTotal, w.sentAll, w.fresh = now, w.from, f.Total, f.All, false
	w.columns, w.ageCol = f.Columns, f.AgeCol
	return f, changed
}

// compare fills a frame in with the difference between what the tab has and
// what it is to have.
func (w *Window) compare(f *Frame, now []*Row) {
	had := make(map[string]*Row, len(w.sent))
	for _, r := range w.sent {
		had[r.UID] = r
	}
	same := len(now) == len(w.sent) && !f.Whole
	for i, r := range now {
		same = same && w.sent[i].UID == r.UID
		if had[r.UID] != r {
			f.Rows = append(f.Rows, r)
		}
	}
	if same {
		return
	}
	f.Order = make([]string, len(now))
	for i, r := range now {
		f.Order[i] = r.UID
		delete(had, r.UID)
	}
	for uid, was := range had {
		switch is := w.view.source.rows[uid]; {
		case is == nil:
			f.Gone = append(f.Gone, uid)
		case is != was && w.view.query.picks(is):
			f.Rows = append(f.Rows, is)
		}
	}
	slices.Sort(f.Gone)
}

// follow moves the window by as much as its anchor has moved. When the anchor
// is gone or has changed itself, the nearest row that has not stands in for it.
func (w *Window) follow() {
	if w.anchor == "" || len(w.sent) == 0 {
		return
	}
	at := slices.IndexFunc(w.sent, func(r *Row) bool { return r.UID == w.anchor })
	if at < 0 {
		return
	}
	for d := range len(w.sent) {
		for _, i := range []int{at - d, at + d} {
			if i < 0 || i >= len(w.sent) {
				continue
			}
			r := w.sent[i]
			e := w.view.entry(r)
			p := w.view.place(e)
			if p < len(w.view.entries) && w.view.entries[p].row == r {
				w.from = max(0, w.from+p-(w.sentFrom+i))
				return
			}
		}
	}
}
