package view

import "pilothouse/web/messages"

// Block is one part of an object's overview that belongs to its kind. What is
// empty is not shown.
type Block struct {
	Title messages.Text
	// More leads to all of which the block shows a part.
	More   *Link
	Facts  []Fact
	Gauges []Gauge
	Table  *Table
	// Note stands below: why there is nothing, or what it means.
	Note messages.Text
	// Lines is text as it is.
	Lines []Line
	// Closed hides the block behind its title until it is asked for.
	Closed bool
}

// Table is a small table of an overview.
type Table struct {
	Columns []messages.Text
	Rows    [][]Cell
	// Empty is what stands there when there are no rows.
	Empty messages.Text
}

// Gauge is how much there is of how much there may be.
type Gauge struct {
	_ Incomparable

	Name messages.Text
	// Now and Of are both amounts, as people write them.
	Now, Of string
	// Percent is the width of the bar, at most 100.
	Percent int
	Tone    string
	// Part is how much of it that is, "41 %", where it is said; Exact and ExactOf are
	// Now and Of where those are rounded.
	Part, Exact, ExactOf string
}
