// Package stories owns canned data for every view of the dashboard: one state in
// which everything is there, and one in which nothing is. e2e/storybook shows
// them to people and to the browser tests; a test tells when a view has none.
// Read stories.go first, then fill.go.
package stories

import (
	"context"
	"io"

	"pilothouse/templates"
	"pilothouse/templates/pages"
	"pilothouse/web/view"

	"github.com/a-h/templ"
)

// Story is one view in one state.
type Story struct {
	// View is the template: "pages.List".
	View string
	// State is "full" or "empty".
	State string
	// Part tells that the view is no page by itself.
	Part bool
	// Whole tells that the view is a document.
	Whole bool
	Body  templ.Component
}

// All gives every view in its states.
func All() []Story {
	var list []Story
	add := func(name string, s Story, make func(full bool) templ.Component) {
		for _, state := range []string{"full", "empty"} {
			s.View, s.State, s.Body = name, state, make(state == "full")
			list = append(list, s)
		}
	}
	for _, p := range pagesOf {
		add(p.name, Story{}, p.make)
	}
	for _, p := range parts {
		add(p.name, Story{Part: true}, p.make)
	}
	for _, p := range documents {
		add(p.name, Story{Whole: true}, p.make)
	}
	return list
}

type entry struct {
	name string
	make func(full bool) templ.Component
}

// of shows a value that is full, or empty.
func of[T any](name string, show func(T) templ.Component) entry {
	return entry{name, func(isFull bool) templ.Component {
		if isFull {
			return show(full[T]())
		}
		return show(empty[T]())
	}}
}

// to is the same for views that are given a pointer.
func to[T any](name string, show func(*T) templ.Component) entry {
	return of(name, func(v T) templ.Component { return show(&v) })
}

// around puts a view into what it cannot stand without.
func around(before string, inner templ.Component, after string) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		if _, err := io.WriteString(w, before); err != nil {
			return err
		}
		if err := inner.Render(ctx, w); err != nil {
			return err
		}
		_, err := io.WriteString(w, after)
		return err
	})
}

func inRow[T any](show func(T) templ.Component) func(T) templ.Component {
	return func(v T) templ.Component { return around(`<table class="list"><tbody>`, show(v), `</tbody></table>`) }
}

// inside is a view in a page with a headline.
func inside(c templ.Component) templ.Component {
	return around(`<div class="page"><header class="title"><h1>A part of a page</h1></header><div class="scroll body" tabindex="0" role="region" aria-label="Part">`, c, `</div></div>`)
}

var text = templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "<p>What stands inside.</p>")
	return err
})

var pagesOf = []entry{
	of("pages.WhoCan", pages.WhoCan), of("pages.Subject", pages.Subject), of("pages.Edit", pages.Edit), of("pages.Apply", pages.Apply), of("pages.Applying", func(a view.Apply) templ.Component {
		if a.Job == nil {
			a.Job = &view.Job{Title: "Apply YAML"}
		}
		a.Job.Running = true
		return pages.Applying(a)
	}), of("pages.Delete", pages.Delete), of("pages.Bulk", pages.Bulk), of("pages.BulkDeletes", pages.BulkDeletes), of("pages.Job", pages.Job),
	of("pages.Explore", pages.Explore), of("pages.Schema", pages.Schema), of("pages.Operation", pages.Operation), to("pages.Fault", pages.Fault), of("pages.Feed", pages.Feed),
	of("pages.WhoAmI", pages.WhoAmI), of("pages.Sessions", pages.Sessions), of("pages.Access", pages.Access), of("pages.Help", pages.Help), of("pages.List", pages.List),
	of("pages.LogsPage", pages.LogsPage), of("pages.Object", func(o view.Object) templ.Component { o.Panel, o.Whole = false, false; return pages.Object(o, text) }),
	of("pages.Cluster", pages.Cluster), of("pages.Requests", pages.Requests), of("pages.Life", pages.Life), of("pages.Audit", pages.Audit), of("pages.Changes", pages.Changes), of("pages.Deleted", pages.Deleted),
	of("pages.Resources", pages.Resources), of("pages.Search", pages.Search),
	of("pages.Version", func(lines []view.Line) templ.Component { return pages.Version("web of version 8412", lines) }),
	{"pages.Window", func(bool) templ.Component { return pages.Window() }},
}

var parts = []entry{
	of("pages.ObjectAccess", pages.ObjectAccess), of("pages.Rules", pages.Rules), of("pages.Diff", pages.Diff), of("pages.FeedView", pages.FeedView), of("pages.FeedRow", inRow(pages.FeedRow)), of("pages.FeedNote", inRow(pages.FeedNote)),
	of("pages.Count", func(n int) templ.Component { return pages.Count(n, 2*n) }), of("pages.Table", pages.Table), of("pages.TableHead", func(l view.List) templ.Component {
		return around(`<table class="list">`, pages.TableHead(l), `</table>`)
	}), of("pages.Row", inRow(pages.Row)),
	of("pages.LogView", pages.LogView), to("pages.Shell", pages.Shell), to("pages.Overview", pages.Overview), to("pages.YAML", pages.YAML), to("pages.Events", pages.Events), to("pages.Related", pages.Related),
	of("pages.History", pages.History), of("pages.Results", pages.Results),
	of("templates.Toasts", func(t view.Toast) templ.Component { return templates.Toasts(toasts(t), "token", "/ui/") }),
	of("templates.Hidden", templates.Hidden), of("templates.LineNumbers", templates.LineNumbers), {"templates.Wheel", func(bool) templ.Component { return templates.Wheel() }},
	of("templates.Tone", func(s string) templ.Component { return templates.Tone("warn", s) }), to("templates.Denied", templates.Denied),
	of("templates.Same", func(s string) templ.Component { return templates.Same(s, s) }), to("templates.Fault", templates.Fault),
}

var documents = []entry{
	of("templates.Crumbs", func(f view.Frame) templ.Component { return inBare(around(`<h1>Crumbs</h1>`, templates.Crumbs(f), ``)) }),
	of("templates.Nav", func(f view.Frame) templ.Component {
		return inBare(around(`<h1>Navigation</h1><nav class="nav" aria-label="Resources">`, templates.Nav(f), `</nav>`))
	}),
	of("templates.Layout", func(f view.Frame) templ.Component { return document(templates.Layout, f) }), of("templates.Bare", func(f view.Frame) templ.Component { return document(templates.Bare, f) }),
	of("pages.Login", func(l view.Login) templ.Component { return inBare(pages.Login(l)) }), of("pages.Onward", func(string) templ.Component { return inBare(pages.Onward("/ui/")) }),
}

// toasts is a toast in each of its states.
func toasts(t view.Toast) []view.Toast {
	var list []view.Toast
	if t.Text == "" {
		t.Text, t.Subject = "Delete pod web-7", "Pod web-7" // each says something
	}
	for _, state := range []string{"", "held", "running", "kept", "done", "failed"} {
		t.State, t.ID = state, "toast-"+state
		list = append(list, t)
	}
	return list
}

func document(outer func(view.Frame) templ.Component, f view.Frame) templ.Component {
	f.Assets, f.Theme, f.Title, f.Language = Assets, "", "A page", "en"
	return with(outer(f), around(`<div class="page"><header class="title"><h1>A page</h1></header>`, text, `</div>`))
}

func inBare(inner templ.Component) templ.Component {
	return with(templates.Bare(view.Frame{Title: "Login", Language: "en", Assets: Assets}), inner)
}

func with(outer, inner templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return outer.Render(templ.WithChildren(ctx, inner), w)
	})
}

// Assets are the addresses of files in documents.
var Assets = view.Assets{Script: "/story.js", Style: "/static/app.css", Icon: "/static/icon.svg"}

// Write writes the document of a story; nonce is what the policy lets through.
func (s Story) Write(ctx context.Context, w io.Writer, nonce string) error {
	return s.Document().Render(templ.WithNonce(ctx, nonce), w)
}

// Document gives the whole document of a story.
func (s Story) Document() templ.Component {
	switch {
	case s.Whole:
		return s.Body
	case s.Part:
		return with(templates.Layout(view.Frame{Title: s.View + ", " + s.State, User: "dora", Language: "en", Assets: Assets}), inside(s.Body))
	}
	return with(templates.Layout(view.Frame{Title: s.View + ", " + s.State, User: "dora", Language: "en", Assets: Assets}), s.Body)
}
