package pages

import (
	"strconv"

	"pilothouse/web/view"
)

func scope(namespaced bool) string {
	if namespaced {
		return "namespaced"
	}
	return "cluster"
}

// thousands is a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func empty(l view.List) string {
	if l.All > 0 {
		return "None of " + thousands(l.All) + " matches."
	}
	return "There are no " + l.Resource + "."
}

func index(n int) string { return strconv.Itoa(n) }

func bodyID(o view.Object) string {
	if o.Panel {
		return "panel-body"
	}
	return "object-body"
}

func depth(n int) string { return "depth" + strconv.Itoa(min(n, 4)) }
