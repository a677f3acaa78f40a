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
	// key tells shapes apart in which a row looks different.
	key string
}

// shapeColumn is a column that is shown; index is its place in a row's cells,
// or one of the constants below.
type shapeColumn struct {
	rows.Column
	index int
	width string
	age   bool
}

const namespaceColumn = -1

// Widths of columns in characters.
const (
	padding      = 2
	minWidth     = 6
	maxWidth     = 32
	maxNameWidth = 48
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
	}
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
	}
	most := maxWidth
	if c.index == 0 {
		most = maxNameWidth
	}
	if c.age {
		width = max(width, 8)
	}
	width = min(max(width, minWidth), most)
	if kept := sh.state.widths[widthKey(c.Name)]; kept > 0 {
		width = kept
	}
	c.width = "w" + strconv.Itoa((width+1)/2*2)
	sh.list = append(sh.list, c)
}

func cellOf(r *rows.Row, i int) string {
	if i < len(r.Cells) {
		return r.Cells[i]
	}
	return ""
}

func (c *shapeColumn) num() bool {
	return c.Type == "integer" || c.Type == "number" || c.Name == "Restarts"
}

// columns gives the head of the table with the addresses that sort by each.
func (sh *shape) columns() []view.Column {
	out := make([]view.Column, len(sh.list))
	s := sh.state
	for i, c := range sh.list {
		name := strings.ToLower(c.Name)
		v := view.Column{Name: shortColumn(c.Name), Key: widthKey(c.Name), Description: firstSentence(c.Description), Width: c.width, Num: c.num()}
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
	v := view.Cell{Label: shortColumn(c.Name), Num: c.num()}
	switch {
	case c.index == namespaceColumn:
		v.Text, v.Href = r.Namespace, listPath(sh.state.gvr, r.Namespace)
	case c.index == 0:
		v.Text, v.Name = cellOf(r, 0), true
	case c.age && !r.Created.IsZero():
		v.Text, v.Time = age(time.Since(r.Created)), r.Created.UTC().Format(time.RFC3339)
	default:
		v.Text = cellOf(r, c.index)
		v.Tone = view.Tone(c.Name, v.Text)
		if v.Tone == view.Quiet {
			v.Href = sh.link(r, c, v.Text)
		}
	}
	return v
}

// link is where a cell leads that names another object.
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
	return ""
}

// age is a duration as kubectl prints it.
func age(d time.Duration) string {
	if d < -2*time.Second {
		return "<invalid>"
	}
	return duration.HumanDuration(max(d, 0))
}
