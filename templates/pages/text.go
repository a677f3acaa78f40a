package pages

import (
	"strconv"

	"pilothouse/web/view"

	"github.com/a-h/templ"
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

// Empty says why a list shows nothing.
func Empty(l view.List) string {
	if l.All > 0 {
		return "None of " + thousands(l.All) + " matches."
	}
	return "There are no " + l.Resource + "."
}

// rowIndex is a row's place for screen readers. Live rows have none: the browser
// knows where it puts them.
func rowIndex(n int) templ.Attributes {
	if n == 0 {
		return nil
	}
	return templ.Attributes{"aria-rowindex": strconv.Itoa(n)}
}

// letters is a width that the user has given.
func letters(n int) templ.Attributes {
	if n == 0 {
		return nil
	}
	return templ.Attributes{"value": strconv.Itoa(n)}
}

func bodyID(o view.Object) string {
	if o.Panel {
		return "panel-body"
	}
	return "object-body"
}

func depth(n int) string { return "depth" + strconv.Itoa(min(n, 4)) }

func checkVerb(c *view.Check) string {
	if c == nil {
		return ""
	}
	return c.Verb
}

func checkResource(c *view.Check) string {
	if c == nil {
		return ""
	}
	return c.Resource
}

func checkName(c *view.Check) string {
	if c == nil {
		return ""
	}
	return c.Name
}

func index(n int) string { return strconv.Itoa(n) }

func resultHead(done bool) string {
	if done {
		return "Result"
	}
	return "Would be"
}

func jobText(j view.Job) string {
	s := thousands(j.Done) + " of " + thousands(j.Total)
	if j.Failed > 0 {
		s += ", " + thousands(j.Failed) + " failed"
	}
	switch {
	case j.Cancelled:
		s += ", cancelled"
	case !j.Running:
		s += ", done"
	}
	return s
}

func wideText(wide bool) string {
	if wide {
		return "Fewer columns"
	}
	return "More columns"
}

// choices ties an input to the list of its values.
func choices(p view.OperationParameter) templ.Attributes {
	a := templ.Attributes{}
	if len(p.Choices) > 0 || p.Live {
		a["list"] = "l-" + p.Name
	}
	return a
}

// bulkBack is where a question about objects came from.
func bulkBack(b view.Bulk) string {
	if b.One != "" {
		return b.One
	}
	return b.List
}

// columnLabel names a cell by its column, for small screens; the first one is
// what the row is about.
func columnLabel(columns []string, i int) templ.Attributes {
	if i == 0 || i >= len(columns) {
		return nil
	}
	return templ.Attributes{"data-l": columns[i]}
}
