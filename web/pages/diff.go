package pages

import (
	"strings"

	"pilothouse/web/view"
)

const (
	// maxEdits bounds the work of a diff; texts that differ by more are shown
	// as all removed and all added.
	maxEdits = 2000
	// around is how many lines stand around a change.
	around = 3
)

// diff gives what makes b of a, line by line, with the lines around each change
// (Myers, "An O(ND) difference algorithm", 1986).
func diff(a, b string) []view.DiffLine { return fold(script(lines(a), lines(b))) }

// script gives all lines of x and y with what becomes of each.
func script(x, y []string) []view.DiffLine {
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	all := make([]view.DiffLine, 0, len(x)+len(y))
	for _, l := range x[:head] {
		all = append(all, view.DiffLine{Sign: " ", Text: l})
	}
	all = append(all, edits(x[head:len(x)-tail], y[head:len(y)-tail])...)
	for _, l := range x[len(x)-tail:] {
		all = append(all, view.DiffLine{Sign: " ", Text: l})
	}
	return all
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// edits finds the shortest way from x to y.
func edits(x, y []string) []view.DiffLine {
	n, m := len(x), len(y)
	most := min(n+m, maxEdits)
	v := map[int]int{1: 0}
	var trace []map[int]int
	for d := 0; d <= most; d++ {
		was := make(map[int]int, len(v))
		for k, i := range v {
			was[k] = i
		}
		trace = append(trace, was)
		for k := -d; k <= d; k += 2 {
			i := v[k-1] + 1
			if k == -d || k != d && v[k-1] < v[k+1] {
				i = v[k+1]
			}
			for i < n && i-k < m && i-k >= 0 && x[i] == y[i-k] {
				i++
			}
			v[k] = i
			if i >= n && i-k >= m {
				return walk(x, y, trace, d)
			}
		}
	}
	var out []view.DiffLine
	for _, l := range x {
		out = append(out, view.DiffLine{Sign: "-", Text: l})
	}
	for _, l := range y {
		out = append(out, view.DiffLine{Sign: "+", Text: l})
	}
	return out
}

// walk goes the way that edits found back from its end.
func walk(x, y []string, trace []map[int]int, d int) []view.DiffLine {
	i, j := len(x), len(y)
	var back []view.DiffLine
	for ; d >= 0; d-- {
		v, k := trace[d], i-j
		before := k - 1
		if k == -d || k != d && v[k-1] < v[k+1] {
			before = k + 1
		}
		pi := v[before]
		pj := pi - before
		for i > pi && j > pj && i > 0 && j > 0 {
			i, j = i-1, j-1
			back = append(back, view.DiffLine{Sign: " ", Text: x[i]})
		}
		if d == 0 {
			break
		}
		if i == pi {
			j--
			back = append(back, view.DiffLine{Sign: "+", Text: y[j]})
		} else {
			i--
			back = append(back, view.DiffLine{Sign: "-", Text: x[i]})
		}
	}
	out := make([]view.DiffLine, len(back))
	for k := range back {
		out[len(back)-1-k] = back[k]
	}
	return out
}

// fold leaves out what is far from any change.
func fold(all []view.DiffLine) []view.DiffLine {
	near := make([]bool, len(all))
	for i, l := range all {
		if l.Sign == " " {
			continue
		}
		for k := max(0, i-around); k <= min(len(all)-1, i+around); k++ {
			near[k] = true
		}
	}
	var out []view.DiffLine
	for i, l := range all {
		switch {
		case near[i]:
			out = append(out, l)
		case i == 0 || near[i-1]:
			out = append(out, view.DiffLine{Sign: "…"})
		}
	}
	if len(out) == 1 && out[0].Sign == "…" {
		return nil
	}
	return out
}
