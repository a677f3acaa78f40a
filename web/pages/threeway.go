package pages

import (
	"slices"

	"pilothouse/web/view"
)

// span is a run of lines of one text that stand in the place of lines from..to
// of another.
type span struct {
	from, to int
	lines    []string
}

// spans are the places in which b differs from a, in their order.
func spans(a, b []string) []span {
	var list []span
	at, open := 0, false
	for _, l := range script(a, b) {
		if l.Sign == " " {
			at, open = at+1, false
			continue
		}
		if !open {
			list, open = append(list, span{from: at, to: at}), true
		}
		last := &list[len(list)-1]
		if l.Sign == "-" {
			at++
			last.to = at
		} else {
			last.lines = append(last.lines, l.Text)
		}
	}
	return list
}

// panes lays three texts beside each other: what both began with, the user's and
// what there is now. Lines of the same place stand in the same row.
func panes(base, mine, live string) []view.PaneRow {
	b, m, l := lines(base), lines(mine), lines(live)
	ours, theirs := spans(b, m), spans(b, l)
	var rows []view.PaneRow
	at := 0
	same := func(to int) {
		for ; at < to; at++ {
			rows = append(rows, view.PaneRow{Base: b[at], Mine: b[at], Live: b[at]})
		}
	}
	for len(ours) > 0 || len(theirs) > 0 {
		from, to := region(ours, theirs)
		same(from)
		var mineLines, liveLines []string
		mineLines, ours = take(b, ours, from, to)
		liveLines, theirs = take(b, theirs, from, to)
		rows = append(rows, regionRows(b[from:to], mineLines, liveLines)...)
		at = to
	}
	same(len(b))
	return foldPanes(rows)
}

// region is the next run of base lines that either side has changed, with all
// changes that touch each other.
func region(ours, theirs []span) (from, to int) {
	switch {
	case len(ours) == 0:
		from, to = theirs[0].from, theirs[0].to
	case len(theirs) == 0:
		from, to = ours[0].from, ours[0].to
	case ours[0].from <= theirs[0].from:
		from, to = ours[0].from, ours[0].to
	default:
		from, to = theirs[0].from, theirs[0].to
	}
	for grown := true; grown; {
		grown = false
		for _, s := range slices.Concat(ours, theirs) {
			if s.from <= to && s.to >= from && (s.to > to || s.from < from) {
				from, to, grown = min(from, s.from), max(to, s.to), true
			}
		}
	}
	return from, to
}

// take gives what one side has in the place of base lines from..to, and the
// spans after it.
func take(base []string, list []span, from, to int) ([]string, []span) {
	var out []string
	at := from
	for len(list) > 0 && list[0].from <= to {
		s := list[0]
		out = append(append(out, base[at:s.from]...), s.lines...)
		at, list = s.to, list[1:]
	}
	return append(out, base[at:to]...), list
}

func regionRows(base, mine, live []string) []view.PaneRow {
	var rows []view.PaneRow
	mineNew, liveNew := !slices.Equal(mine, base), !slices.Equal(live, base)
	for i := range max(len(base), len(mine), len(live)) {
		r := view.PaneRow{Base: lineAt(base, i), Mine: lineAt(mine, i), Live: lineAt(live, i), MineChanged: mineNew, LiveChanged: liveNew}
		r.Conflict = mineNew && liveNew && !slices.Equal(mine, live)
		rows = append(rows, r)
	}
	return rows
}

func lineAt(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// foldPanes leaves out what is far from any change.
func foldPanes(all []view.PaneRow) []view.PaneRow {
	near := make([]bool, len(all))
	for i, r := range all {
		if r.MineChanged || r.LiveChanged {
			for k := max(0, i-around); k <= min(len(all)-1, i+around); k++ {
				near[k] = true
			}
		}
	}
	var out []view.PaneRow
	for i, r := range all {
		switch {
		case near[i]:
			out = append(out, r)
		case i == 0 || near[i-1]:
			out = append(out, view.PaneRow{Gap: true})
		}
	}
	return out
}
