package pages

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"pilothouse/web/jobs"
	"pilothouse/web/rows"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/util/duration"
)

// shape is how the rows of a list are shown: which columns, how wide.
type shape struct {
	state *listState
	list  []shapeColumn
	known []rows.Column // all that there are
	// noted tells that some pods have restarted: the counts leave room for when.
	noted bool
	// key tells shapes apart in which a row looks different.
	key string
	// lines are how many a row has as a card on a phone.
	lines int
}

// shapeColumn is a column that is shown; index is its place in a row's cells,
// or one of the constants below.
type shapeColumn struct {
	_ view.Incomparable

	rows.Column
	index int
	width string
	ch    int // width in characters
	age   bool
}

const namespaceColumn = -1

// labelColumn begins the name of a column of a label.
const labelColumn = "label:"

// Widths of columns in characters.
const (
	padding      = 2
	minWidth     = 6
	maxWidth     = 32
	maxNameWidth = 48
	maxTextWidth = 60
	checkbox     = 4  // before the first column
	notedWidth   = 20 // what stands above the numbers ends where they do
)

func newShape(s *listState, columns []rows.Column, age int, sample []*rows.Row) *shape {
	sh := &shape{state: s, known: columns}
	if s.showsNamespace() {
		sh.add(shapeColumn{Column: rows.Column{Name: "Namespace"}, index: namespaceColumn}, sample)
	}
	for _, i := range s.order(columns) {
		sh.add(shapeColumn{Column: columns[i], index: i, age: i == age}, sample)
	}
	if last := len(sh.list) - 1; last > 0 && len(s.widths) > 0 {
		sh.list[last].width = "wfill" // what the others leave
	}
	sh.key = strconv.Itoa(age)
	for _, c := range sh.list {
		sh.key += "," + strconv.Itoa(c.index)
		if strings.HasPrefix(c.Name, labelColumn) {
			sh.key += s.url() // its links narrow this list down
		}
	}
	if sh.noted {
		sh.key += notes
	}
	sh.lines = sh.cardLines(sample)
	return sh
}

// order gives which columns are shown, in their order. The name always is.
func (s *listState) order(columns []rows.Column) []int {
	var list []int
	for _, name := range s.cols {
		if i := slices.IndexFunc(columns, func(c rows.Column) bool { return strings.EqualFold(c.Name, name) }); i >= 0 && !slices.Contains(list, i) {
			list = append(list, i)
		}
	}
	if len(list) > 0 {
		if !slices.Contains(list, 0) {
			list = slices.Insert(list, 0, 0)
		}
		return list
	}
	for i, c := range columns {
		if c.Priority == 0 || s.wide {
			list = append(list, i)
		}
	}
	return list
}

func (sh *shape) add(c shapeColumn, sample []*rows.Row) {
	width := utf8.RuneCountInString(shortColumn(c.Name)) + 3
	for _, r := range sample {
		text := r.Namespace
		if c.index >= 0 {
			text = cellOf(r, c.index)
		}
		n := utf8.RuneCountInString(text) + padding
		if view.Tone(c.Name, text) != view.Quiet {
			n++ // for the sign
		}
		width = max(width, n)
		sh.noted = sh.noted || c.Name == "Restarts" && strings.Contains(text, " (")
	}
	most := maxWidth
	switch {
	case c.index == 0:
		most = maxNameWidth
	case c.Name == "Message":
		most = maxTextWidth
	}
	if c.age || c.Type == "date" {
		width = max(width, 8)
	}
	if sh.noted && c.Name == "Restarts" {
		width = max(width, notedWidth)
	}
	width = min(max(width, minWidth), most)
	if len(sh.list) == 0 {
		width += checkbox
	}
	if kept := sh.state.widths[widthKey(c.Name)]; kept > 0 {
		width = kept
	}
	c.ch = (width + 1) / 2 * 2
	c.width = "w" + strconv.Itoa(c.ch)
	sh.list = append(sh.list, c)
}

// notes ends the key of a shape that is noted.
const notes = "+notes"

// like makes the shape as one was whose rows a page shows.
func (sh *shape) like(key string) {
	if !sh.noted && strings.HasSuffix(key, notes) {
		sh.noted = true
		sh.key += notes
	}
}

// cardWidth is how long a line of a card is on a phone of 375 px, in tenths of an
// ordinary letter: narrower ones have room for one line more. cardGap is between two
// values, cardSign the sign of a state.
const (
	cardWidth = 455
	cardGap   = 16
	cardSign  = 20
)

// length is about how long a text is, in tenths of an ordinary letter.
func length(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case strings.ContainsRune(" .,:;|ijlI'", r):
			n += 5
		case strings.ContainsRune("tfr-/()[]\"", r):
			n += 7
		case strings.ContainsRune("mwMW<>@%", r):
			n += 14
		case 'A' <= r && r <= 'Z':
			n += 11
		default:
			n += 10
		}
	}
	return n
}

// cardLines tells how many lines the largest card of some rows has: the first has
// the name and the age.
func (sh *shape) cardLines(sample []*rows.Row) int {
	most := 1
	for _, r := range sample {
		lines, left := 1, 0
		for _, c := range sh.list {
			if c.index == 0 || c.age {
				continue
			}
			text := r.Namespace
			if c.index >= 0 {
				text = cellOf(r, c.index)
			}
			n := length(shortColumn(c.Name) + " " + text)
			if view.Tone(c.Name, text) != view.Quiet {
				n += cardSign
			}
			if n > left {
				lines, left = lines+1, cardWidth
			}
			left -= n + cardGap
		}
		most = max(most, lines)
	}
	return most
}

func cellOf(r *rows.Row, i int) string {
	if i < len(r.Cells) {
		return r.Cells[i]
	}
	return ""
}

// counts are the columns of numbers that the API gives as text.
var counts = []string{"Restarts", "Up-to-date", "Data", "Secrets", "MinPods", "MaxPods", "Replicas", "Min Available", "Max Unavailable", "Value"}

func (c *shapeColumn) num(s *listState) bool {
	return c.Type == "integer" || c.Type == "number" || slices.Contains(counts, c.Name) || c.Name == "Available" && s.gvr.Group == "apps"
}

// columns gives the head of the table with the addresses that sort by each.
func (sh *shape) columns() []view.Column {
	out := make([]view.Column, len(sh.list))
	s := sh.state
	for i, c := range sh.list {
		name := strings.ToLower(c.Name)
		v := view.Column{Name: shortColumn(c.Name), Key: widthKey(c.Name), Description: firstSentence(c.Description), Width: c.width, Num: c.num(s), Noted: sh.noted && c.Name == "Restarts"}
		desc := ""
		if s.sort == name {
			v.Sort = "ascending"
			if s.desc {
				v.Sort = "descending"
			} else {
				desc = "1"
			}
		}
		v.Href = s.url("sort", name, "desc", desc)
		if s.sort == name && s.desc {
			v.Href = s.url("sort", "", "desc", "") // the third time is the API's own order
		}
		out[i] = v
	}
	return out
}

func firstSentence(s string) string {
	if i := strings.Index(s, ". "); i >= 0 {
		s = s[:i+1]
	}
	return strings.TrimSpace(s)
}

// heldVersion ends the version of what is shown as to be deleted: it looks
// different.
const heldVersion = "~"

// row gives a row as the list shows it.
func (sh *shape) row(r *rows.Row, marks jobs.Marks) view.Row {
	gvr := sh.state.gvr
	v := view.Row{
		UID: r.UID, Version: r.Version, Namespace: r.Namespace, Name: r.Name, Deleting: r.Deleting,
		Href: objectPath(gvr, r.Namespace, r.Name), Cells: make([]view.Cell, len(sh.list)),
	}
	if v.Held = marks.On(r.UID); v.Held {
		v.Version += heldVersion
	}
	over := false
	for i, c := range sh.list {
		v.Cells[i] = sh.cell(r, c)
		over = over || v.Cells[i].Tone == view.Gone
	}
	for i := range v.Cells {
		if over && v.Cells[i].Label == "Ready" {
			v.Cells[i].Tone = view.Quiet // what has done its work need not be ready
		}
	}
	return v
}

func (sh *shape) cell(r *rows.Row, c shapeColumn) view.Cell {
	v := view.Cell{Label: shortColumn(c.Name), Num: c.num(sh.state)}
	switch {
	case c.index == namespaceColumn:
		v.Text, v.Href = r.Namespace, listPath(sh.state.gvr, r.Namespace)
	case c.index == 0:
		v.Text, v.Name = cellOf(r, 0), true
	case c.age && !r.Created.IsZero():
		v.Text, v.Time = age(time.Since(r.Created)), r.Created.UTC().Format(time.RFC3339)
	default:
		v.Text = cellOf(r, c.index)
		if sh.noted && c.Name == "Restarts" {
			v.Noted = true
			v.Text, v.Note, _ = strings.Cut(v.Text, " ")
		}
		if c.Name != "Reason" { // of an event, whose type says how it is
			v.Tone = view.Tone(c.Name, v.Text)
		}
		if v.Tone == view.Quiet {
			v.Href = sh.link(r, c, v.Text)
		}
	}
	if k := r.Clock(c.index); k != nil && v.Time == "" && v.Tone == view.Quiet {
		clock(&v, cellOf(r, c.index), k)
	}
	return v
}

// clock has the age in a cell's text, or in its note, run on.
func clock(v *view.Cell, text string, k *rows.Clock) {
	v.Time, v.About = k.Since.UTC().Format(time.RFC3339), true
	v.Lead, v.Tail = text[:k.From], text[k.To:]
	shown := &v.Text
	if v.Note != "" {
		v.Lead = strings.TrimPrefix(v.Lead, v.Text)
		shown = &v.Note
	}
	*shown = age(time.Since(k.Since))
}

// link is where a cell leads that names another object, or that of a label: to
// those that have it, too.
func (sh *shape) link(r *rows.Row, c shapeColumn, text string) string {
	if text == "" || text == "<none>" {
		return ""
	}
	switch {
	case c.Name == "Node" && sh.state.gvr.Resource == "pods":
		return objectPath(nodes, "", text)
	case c.Name == "Volume" && sh.state.gvr.Resource == "persistentvolumeclaims":
		return objectPath(persistentVolumes, "", text)
	}
	if key, ok := strings.CutPrefix(c.Name, labelColumn); ok {
		q := sh.state.filter
		if one := "-l " + key + "=" + text; !strings.Contains(q, one) {
			q = strings.TrimSpace(q + " " + one)
		}
		return sh.state.url("q", q)
	}
	return ""
}

// age is a duration as kubectl prints it.
func age(d time.Duration) string {
	if d < -2*time.Second {
		return "<invalid>"
	}
	return duration.HumanDuration(max(d, 0))
}
