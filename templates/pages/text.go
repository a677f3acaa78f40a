package pages

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"pilothouse/web/messages"
	"pilothouse/web/view"

	"github.com/a-h/templ"
)

func scope(namespaced bool) messages.Text {
	if namespaced {
		return "namespaced"
	}
	return "cluster"
}

// Empty says why a list shows nothing.
func Empty(ctx context.Context, l view.List) string {
	if l.All > 0 {
		return messages.T(ctx, "None of %d matches.", l.All)
	}
	return messages.T(ctx, "There are no %s.", l.Resource)
}

// rowIndex is a row's place for screen readers. Live rows have none: the browser
// knows where it puts them.
func rowIndex(n int) templ.Attributes {
	if n == 0 {
		return nil
	}
	return templ.Attributes{"aria-rowindex": strconv.Itoa(n)}
}

// freshFor tells the browser in how many seconds a page is to be made anew.
func freshFor(seconds int) templ.Attributes {
	if seconds == 0 {
		return nil
	}
	return templ.Attributes{"data-fresh": strconv.Itoa(seconds)}
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

// ended tells whether any of some containers has ended before.
func ended(list []view.Container) bool {
	return slices.ContainsFunc(list, func(c view.Container) bool { return c.Last.Text != "" })
}

// exactShare is what stands behind the short amounts of a gauge.
func exactShare(ctx context.Context, g *view.Gauge) string {
	return messages.T(ctx, "%s of %s", cmp.Or(g.Exact, g.Now), cmp.Or(g.ExactOf, g.Of))
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

// found tells what was found from what can be done: the one is a name.
func found(r view.Result) templ.Attributes {
	if r.Kind == "action" {
		return nil
	}
	return templ.Attributes{"translate": "no"}
}

func index(n int) string { return strconv.Itoa(n) }

func resultHead(done bool) messages.Text {
	if done {
		return "Result"
	}
	return "Would be"
}

// large tells a text that takes a browser long to lay out whole: where there are scripts
// it waits for the editor, which shows the part in sight.
func large(text string) bool { return len(text) > 100_000 || strings.Count(text, "\n") > 3000 }

// marked has the editor mark lines.
func marked(marks string) templ.Attributes {
	if marks == "" {
		return nil
	}
	return templ.Attributes{"data-marks": marks}
}

// kept tells an apply whose text is still to be done something with.
func kept(a view.Apply) bool { return a.Done && (a.Failures > 0 || a.NotBegun > 0) }

// goesOn tells an apply that has ended and whose documents can be applied again.
func goesOn(a view.Apply) bool {
	return a.Done && a.Text != "" && (a.Job == nil || !a.Job.Running)
}

// jobText is how far work is.
func jobText(ctx context.Context, j view.Job) string {
	if j.Kept {
		return messages.T(ctx, "undone: nothing was done")
	}
	s := messages.T(ctx, "%d of %d", j.Done, j.Total)
	if j.Failed > 0 {
		s = messages.T(ctx, "%d of %d, %d failed", j.Done, j.Total, j.Failed)
	}
	switch {
	case j.Cancelled:
		return messages.T(ctx, "%s, cancelled", s)
	case !j.Running:
		return messages.T(ctx, "%s, done", s)
	}
	return s
}

// jobState is what a job's page has buttons for.
func jobState(j view.Job) string {
	return strconv.FormatBool(j.Held) + " " + strconv.FormatBool(j.Running)
}

// itemText and itemTone are the state of an object that work is done on.
func itemText(state string) messages.Text {
	switch state {
	case "r":
		return "in progress"
	case "d":
		return "done"
	case "f":
		return "failed"
	}
	return "not begun"
}

func itemTone(state string) string {
	switch state {
	case "r":
		return view.Warn
	case "d":
		return view.Good
	case "f":
		return view.Bad
	}
	return view.Quiet
}

func wideText(wide bool) messages.Text {
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
func columnLabel(ctx context.Context, columns []messages.Text, i int) templ.Attributes {
	if i == 0 || i >= len(columns) {
		return nil
	}
	return templ.Attributes{"data-l": messages.T(ctx, columns[i])}
}

// numbers tells whether a column of a table has nothing but numbers, and what is
// said of them in brackets.
func numbers(t *view.Table, column int) bool {
	some := false
	for _, r := range t.Rows {
		if column >= len(r) || r[column].Text == "" {
			continue
		}
		number, _, _ := strings.Cut(r[column].Text, " (")
		if _, err := strconv.ParseFloat(strings.ReplaceAll(number, ",", ""), 64); err != nil {
			return false
		}
		some = true
	}
	return some
}

// cardClass is that of lists whose rows have so many lines as cards.
func cardClass(lines int) string { return "cards" + strconv.Itoa(min(max(lines, 2), 7)) }

// askSize is how many letters a field of a form has, at least, for its hint.
func askSize(hint string) string { return strconv.Itoa(max(7, utf8.RuneCountInString(hint)-2)) }

// containerColumns are the columns that say something of any container.
type containerColumns struct{ state, ports, requests, limits bool }

func shownOf(list []view.Container) (shown containerColumns) {
	for _, c := range list {
		shown.state = shown.state || c.State != ""
		shown.ports = shown.ports || c.Ports != ""
		shown.requests = shown.requests || c.Requests != ""
		shown.limits = shown.limits || c.Limits != ""
	}
	return shown
}

// fullName says what a button is about, for those who do not see the page around
// it.
func fullName(a view.Act) templ.Attributes {
	if a.Full == "" {
		return nil
	}
	return templ.Attributes{"aria-label": a.Full, "title": a.Full}
}

// rows is how many lines a field shows for a text, eight at most.
func rows(text string) string { return strconv.Itoa(min(strings.Count(text, "\n")+len(text)/80+1, 8)) }

// styles are styles that a page has besides those of all pages.
func styles(css string) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		if css == "" {
			return nil
		}
		_, err := io.WriteString(w, `<style nonce="`+templ.GetNonce(ctx)+`">`+css+`</style>`)
		return err
	})
}
