package rows

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/web/messages"
)

// pace is the time between two states of a View that are shown: 20 a second.
const pace = 50 * time.Millisecond

// View is the rows of a Source that a Query picks, in its order. Tabs that ask
// for the same share one.
type View struct {
	source *Source
	name   string
	query  Query
	// text is what rows are ordered by, nil for the API's order, and key what is
	// compared of it.
	text  func(r *Row) string
	key   func(text string) string
	users int // guarded by source.mu

	mu      sync.Mutex // guards the fields below; taken after source.mu
	entries []entry
	// pending holds, by uid, the rows as entries has them for what has changed;
	// nil for a row that entries does not have.
	pending map[string]*Row
	// moved tells that everything is to be read again.
	moved   bool
	windows map[*Window]struct{}
	// timer runs while a change waits to be shown.
	timer *time.Timer
	last  time.Time
}

// entry is a row with its place in the order.
type entry struct {
	key string
	row *Row
}

func (v *View) compare(a, b entry) int {
	if n := v.compareKeys(a.key, b.key); n != 0 {
		return n
	}
	return inOrder(a.row, b.row)
}

func (v *View) compareKeys(a, b string) int {
	if v.query.Desc {
		a, b = b, a
	}
	return strings.Compare(a, b)
}

// view gives the View of a query, which s.release ends.
func (s *Source) view(q Query) (*View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Err != nil && s.columns == nil {
		return nil, s.state.Err
	}
	name := q.String()
	if v := s.views[name]; v != nil {
		v.users++
		return v, nil
	}
	v := &View{source: s, name: name, query: q, users: 1, pending: map[string]*Row{}, windows: map[*Window]struct{}{}}
	if err := v.order(); err != nil {
		return nil, err
	}
	v.fill()
	s.views[name] = v
	return v, nil
}

// order finds the column to sort by. source.mu is held.
func (v *View) order() error {
	v.text, v.key = nil, sortKey
	as := func(text string) string { return text }
	switch strings.ToLower(v.query.Sort) {
	case "":
		return nil
	case "namespace":
		v.text, v.key = func(r *Row) string { return r.Namespace }, as
		return nil
	case "age":
		v.text, v.key = age, as
		return nil
	}
	for i, c := range v.source.columns {
		if !strings.EqualFold(c.Name, v.query.Sort) {
			continue
		}
		switch {
		case i == v.source.ageCol:
			v.text, v.key = age, as
		case v.source.hands[i] == whole:
			v.text, v.key = func(r *Row) string { return moment(r, i) }, as
		case i == 0:
			v.text = func(r *Row) string { return r.Name }
		default:
			v.text = func(r *Row) string {
				if i < len(r.Cells) {
					return r.Cells[i]
				}
				return ""
			}
		}
		return nil
	}
	return messages.Errorf("there is no column %q to sort by", v.query.Sort)
}

func age(r *Row) string { return timeKey(r.Created) }

// moment is what a row is ordered by in a column of times: the rows of one list were
// read at different moments.
func moment(r *Row, cell int) string {
	if c := r.Clock(cell); c != nil {
		return timeKey(c.Since)
	}
	return timeKey(time.Time{})
}

func (v *View) entry(r *Row) entry {
	if v.text == nil {
		return entry{"", r}
	}
	return entry{v.key(v.text(r)), r}
}

// fill reads all rows. source.mu is held.
func (v *View) fill() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.entries = v.entries[:0]
	if v.text == nil || !v.group() {
		for _, r := range v.source.ordered {
			if v.query.picks(r) {
				v.entries = append(v.entries, v.entry(r))
			}
		}
		if v.text != nil {
			slices.SortFunc(v.entries, v.compare)
		}
	}
	clear(v.pending)
	v.moved = false
}

// group does what fill does for a column of few values, as most have: these are
// ordered, and the rows of each stay in the API's order. It gives false, and
// changes nothing, when there are many.
func (v *View) group() bool {
	const most = 1000
	type group struct {
		key  string
		rows []*Row
	}
	var groups []group
	byText, byKey := map[string]int{}, map[string]int{}
	for _, r := range v.source.ordered {
		if !v.query.picks(r) {
			continue
		}
		text := v.text(r)
		i, known := byText[text]
		if !known {
			if len(byText) == most {
				return false
			}
			key := v.key(text)
			if i, known = byKey[key]; !known { // a text differs from another one by its case only
				i = len(groups)
				byKey[key] = i
				groups = append(groups, group{key: key})
			}
			byText[text] = i
		}
		groups[i].rows = append(groups[i].rows, r)
	}
	sort.SliceStable(groups, func(i, j int) bool { return v.compareKeys(groups[i].key, groups[j].key) < 0 })
	for _, g := range groups {
		for _, r := range g.rows {
			v.entries = append(v.entries, entry{g.key, r})
		}
	}
	return true
}

// Close gives the View back.
func (v *View) Close() {
	s := v.source
	s.mu.Lock()
	if v.users--; v.users == 0 {
		delete(s.views, v.name)
	}
	s.mu.Unlock()
	s.pool.release(s)
}

// Columns gives the columns and the index of the one that shows the age of
// objects, -1 when there is none.
func (v *View) Columns() ([]Column, int) {
	v.source.mu.Lock()
	defer v.source.mu.Unlock()
	return v.source.columns, v.source.ageCol
}

// State tells how fresh the View is.
func (v *View) State() State {
	v.source.mu.Lock()
	defer v.source.mu.Unlock()
	return v.source.state
}

// changed notes a change of a row. source.mu is held.
func (v *View) changed(was, now *Row) {
	if (was == nil || !v.query.picks(was)) && (now == nil || !v.query.picks(now)) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	uid := ""
	if was != nil {
		uid = was.UID
	} else {
		uid = now.UID
	}
	if _, noted := v.pending[uid]; !noted {
		if was != nil && !v.query.picks(was) {
			was = nil
		}
		v.pending[uid] = was
	}
	v.soon()
}

// restart has everything read again. source.mu is held.
func (v *View) restart() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.moved = true
	v.soon()
}

// wake has the windows look at the state. source.mu may be held.
func (v *View) wake() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.soon()
}

// soon has the windows woken, at once when the last time is long ago. v.mu is
// held.
func (v *View) soon() {
	if v.timer != nil || len(v.windows) == 0 {
		return
	}
	v.timer = time.AfterFunc(max(0, pace-time.Since(v.last)), func() {
		defer metrics.Caught("dashboard")
		v.mu.Lock()
		defer v.mu.Unlock()
		v.timer, v.last = nil, time.Now()
		for w := range v.windows {
			w.wake()
		}
	})
}

// settle brings entries up to date. source.mu and v.mu are held.
func (v *View) settle() {
	switch {
	case v.moved || len(v.pending) > 64 && len(v.pending) > len(v.entries)/8:
		v.mu.Unlock()
		v.order() //nolint:errcheck // a column that is gone leaves the API's order
		v.fill()
		v.mu.Lock()
		return
	case len(v.pending) == 0:
		return
	}
	for uid, was := range v.pending {
		if was != nil {
			v.remove(v.entry(was))
		}
		if now := v.source.rows[uid]; now != nil && v.query.picks(now) {
			v.insert(v.entry(now))
		}
	}
	clear(v.pending)
}

// place is the index that an entry has or would have.
func (v *View) place(e entry) int {
	i, _ := slices.BinarySearchFunc(v.entries, e, v.compare)
	return i
}

func (v *View) remove(e entry) {
	if i := v.place(e); i < len(v.entries) && v.entries[i].row.UID == e.row.UID {
		v.entries = append(v.entries[:i], v.entries[i+1:]...)
	}
}

func (v *View) insert(e entry) {
	i := v.place(e)
	v.entries = append(v.entries, entry{})
	copy(v.entries[i+1:], v.entries[i:])
	v.entries[i] = e
}

// Slice gives the rows from an index on, at most n, with the number of all rows
// of the view and of its source.
func (v *View) Slice(from, n int) (list []*Row, total, all int) {
	v.source.mu.Lock()
	defer v.source.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.settle()
	from = min(max(from, 0), len(v.entries))
	for _, e := range v.entries[from:min(from+n, len(v.entries))] {
		list = append(list, e.row)
	}
	return list, len(v.entries), len(v.source.rows)
}

// Each calls f for the rows of the view in their order until it gives false.
func (v *View) Each(f func(r *Row) bool) {
	list, _, _ := v.Slice(0, int(^uint(0)>>2))
	for _, r := range list {
		if !f(r) {
			return
		}
	}
}
