package view

import "pilothouse/web/messages"

// Cluster is the page of the whole cluster at a glance.
type Cluster struct {
	// Key changes when the page would.
	Key           string
	Command, Curl string
	Facts         []Fact
	Tiles         []Tile
	// Nothing is who may list nothing of all that, in the place of it.
	Nothing *Denied
	// Capacity is what all nodes have and what is asked of them, Nodes each of them.
	// CapacityDenied or CapacityNote is why there is nothing.
	Capacity       []Block
	CapacityMore   *Link
	CapacityDenied *Denied
	CapacityNote   string
	// Sums is the version of what is shown of that, empty when nothing is.
	Sums     string
	Nodes    Block
	Warnings []WarningRow
	// WarningsHref lists all of them; WarningsFault is why there are none.
	WarningsHref  string
	WarningsFault *Fault
	Plots         []Plot
	// PlotsDenied is why there are no plots.
	PlotsDenied *Denied
}

// Tile counts the objects of a resource by their state.
type Tile struct {
	Title  messages.Text
	Href   string
	Total  int
	Parts  []TilePart
	Bar    []BarPart
	Denied *Denied
	// Note is why there is no number, in the place of one.
	Note string
	// Where are the namespaces that were counted, where it is not all of them.
	Where string
}

// TilePart are the objects of a tile in one state.
type TilePart struct {
	Tone, Text, Href string
	N                int
}

// BarPart is a piece of a bar: where it begins and how wide it is, of 100.
type BarPart struct {
	_ Incomparable

	Tone     string
	X, Width string
}

// WarningRow is one recent warning.
type WarningRow struct {
	_ Incomparable

	Object Link
	Kind   string
	EventRow
}

// Plot is a small plot of the last hour.
type Plot struct {
	Title messages.Text
	// Now is the last value, with its unit.
	Now string
	// Data is what the script draws, as JSON: {t, unit, series: [{label, v}]}.
	Data string
	// Lines are the same as points of SVG polylines, 240 by 56, for browsers
	// without scripts.
	Lines  []string
	Legend []string
}
