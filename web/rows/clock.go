package rows

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Clock is a part of a cell's text that says how long something lasts or how long
// ago it was: it was right when the API said it, and runs on.
type Clock struct {
	// Since is when that began, as exact as the text: "5h2m" is up to a minute off.
	Since time.Time
	// Cell is the index of the cell, From and To the part of its text.
	Cell, From, To int
}

// hand tells how a column shows times.
type hand int

const (
	still hand = iota // it does not, or not by its column
	whole             // a cell is a time that runs on, or says that there is none
	job               // one does until the job is complete
)

// hands are those of columns. The API has one type for texts and durations, but for
// the columns of custom resources, so that the names of its own have to tell.
func hands(gvr schema.GroupVersionResource, columns []Column) []hand {
	list := make([]hand, len(columns))
	for i, c := range columns {
		switch {
		case c.Type == "date", c.Name == "Last Seen", c.Name == "First Seen", c.Name == "Last Schedule":
			list[i] = whole
		case c.Name == "Duration" && gvr.Group == "batch" && gvr.Resource == "jobs":
			list[i] = job
		}
	}
	return list
}

// wind finds the clocks of a row whose cells the API said just now. The age of the
// object itself is none of them: that is known exactly.
func (r *Row) wind(hands []hand, now time.Time) {
	for i, text := range r.Cells {
		from, to := 0, len(text)
		switch {
		case i >= len(hands) || hands[i] == still:
			if from, to = ago(text); to == 0 {
				continue
			}
		case hands[i] == job && r.Cells[min(1, i)] == "Complete":
			continue
		}
		if d, ok := duration(text[from:to]); ok && to > from {
			r.Clocks = append(r.Clocks, Clock{now.Add(-d), i, from, to})
		}
	}
}

// ago finds the time in a text like "3 (5m ago)", as a pod tells its restarts; to
// is 0 when there is none.
func ago(text string) (from, to int) {
	head, ok := strings.CutSuffix(text, " ago)")
	if !ok {
		return 0, 0
	}
	number, _, ok := strings.Cut(head, " (")
	if !ok || strings.Trim(number, "0123456789") != "" {
		return 0, 0
	}
	return len(number) + 2, len(head)
}

// keep has the clocks of a row go on from those of the one before it where they tell
// the same moment, as exact as they are: then nothing has changed.
func (r *Row) keep(was *Row) {
	for i := range r.Clocks {
		k := &r.Clocks[i]
		before := was.Clock(k.Cell)
		if before == nil {
			continue
		}
		exact := units[r.Cells[k.Cell][k.To-1]]
		if d := k.Since.Sub(before.Since); d > -exact && d < exact {
			k.Since = before.Since
		}
	}
}

// Clock gives the clock of a cell, nil when nothing in it runs on.
func (r *Row) Clock(cell int) *Clock {
	for i := range r.Clocks {
		if r.Clocks[i].Cell == cell {
			return &r.Clocks[i]
		}
	}
	return nil
}
