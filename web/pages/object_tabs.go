package pages

import (
	"context"

	"pilothouse/backend/registry"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	"github.com/a-h/templ"
)

// objectTab is one part of an object's page, and of the panel beside a list. A
// new one is one line in objectTabs; the keys of static/src/keys.js are bound to
// the links by their data-key.
type objectTab struct {
	// name is what the tab is called, query its value of the address' parameter
	// tab, key the key that leads to it.
	name       messages.Text
	query, key string
	// shown tells whether an object has the tab; nil for all objects.
	shown func(o *loaded) bool
	// own tells that the tab keeps itself up to date: it is not made anew when
	// the object changes.
	own bool
	// whole tells that the tab has the whole area, dock that scripts open it in
	// the dock.
	whole, dock bool
	// body makes what stands below the tabs.
	body func(ctx context.Context, c *Call, o *loaded, v *view.Object) (templ.Component, error)
}

// objectTabs are the parts of an object's page, in their order. A key that is
// new also needs a line in tabKeys of static/src/keys.js.
var objectTabs = []objectTab{
	{name: "Overview", key: "d", body: overviewTab},
	{name: "YAML", query: "yaml", key: "y", body: yamlTab},
	{name: "Events", query: "events", key: "v", body: eventsTab},
	{name: "Related", query: "related", key: "r", body: relatedTab},
	{name: "Access", query: "access", key: "a", body: accessTab},
	{name: "Logs", query: "logs", key: "l", shown: hasLogs, own: true, whole: true, body: logsTab},
	{name: "Shell", query: "shell", key: "s", shown: hasLogs, dock: true, body: shellTab},
	{name: "Watch", query: "watch", key: "w", shown: canWatch, own: true, whole: true, body: watchTab},
	{name: "History", query: "history", key: "h", shown: func(o *loaded) bool { return o.entry.Resource.Virtual == nil && !o.entry.Resource.Remote }, body: historyTab},
}

// withoutTabs are the keys of the tabs that no object of a type has.
func withoutTabs(e *registry.Entry) (keys string) {
	if !selectsPods.has(e) && !gathersPods.has(e) {
		keys = "ls"
	}
	if !can(e, "watch") {
		keys += "w"
	}
	if e.Resource.Virtual != nil || e.Resource.Remote {
		keys += "h"
	}
	return keys
}

// fillTabs puts the object's tabs into v and gives what the chosen one shows; ok
// is false when the address names none.
func (c *Call) fillTabs(ctx context.Context, o *loaded, v *view.Object) (body templ.Component, ok bool, err error) {
	v.Tab = c.Query.Get("tab")
	for _, t := range objectTabs {
		if t.shown != nil && !t.shown(o) {
			continue
		}
		current := t.query == v.Tab
		href := v.Path
		if t.query != "" {
			href += "?tab=" + t.query
		}
		v.Tabs = append(v.Tabs, view.Tab{Name: t.name, Href: href, Current: current, Key: t.key, Dock: t.dock && isPod(o) && c.mayRun(ctx, o.address, "exec") == nil})
		if !current {
			continue
		}
		ok, v.Own, v.Whole = true, t.own, t.whole
		if body, err = t.body(ctx, c, o, v); err != nil {
			f, known := c.Fault(err)
			if !known {
				return nil, ok, err
			}
			body, err, v.Whole = tmpl.Fault(f), nil, false
		}
	}
	return body, ok, nil
}
