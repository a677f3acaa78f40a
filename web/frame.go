package web

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"pilothouse/web/messages"
	"pilothouse/web/pages"
	"pilothouse/web/prefs"
	"pilothouse/web/view"
)

// frame is what stands around a page.
func (d *Dashboard) frame(ctx context.Context, c *pages.Call, a *pages.Answer) view.Frame {
	f := view.Frame{
		Title: a.Title, Path: c.URL(), Crumbs: a.Crumbs, Assets: assets(c.Language), Language: c.Language.Tag, Version: d.site.Version,
	}
	if t := cookie(c.R, pages.ThemeCookie); t == "dark" || t == "light" || t == "contrast" {
		f.Theme = t
	}
	if c.Session == nil {
		return f
	}
	if as := c.Session.As(); as != nil {
		f.As, f.AsGroups = as.Name, strings.Join(as.Groups, ",")
	}
	f.Languages = languages(d.site.Prefs, c.Session.User.Name)
	f.Dense = d.site.Prefs != nil && d.site.Prefs.Compact(c.Session.User.Name)
	f.User, f.FormToken = c.Session.User.Name, c.FormToken()
	f.Places, f.UserPlaces = c.Places(ctx, c.R.Path), pages.UserPlaces()
	f.Views, f.Toasts = c.Views(), c.Toasts(c.R.Path)
	f.Nav, f.NotYours = c.Navigation(ctx, a)
	for _, gv := range c.Away() {
		f.Away = append(f.Away, gv.String())
	}
	f.Namespaces = d.picker(ctx, c, a.Picker)
	return f
}

// languages are what the user can choose, with what they have chosen.
func languages(kept *prefs.Table, user string) []view.Language {
	chosen := ""
	if kept != nil {
		chosen = kept.Language(user)
	}
	var all []view.Language
	for _, l := range messages.Languages {
		all = append(all, view.Language{Tag: l.Tag, Name: l.Name, Chosen: l.Tag == chosen})
	}
	return all
}

// pickerTimeout is how long a page waits for the names of namespaces.
const pickerTimeout = 3 * time.Second

// picker is the namespace picker of a page.
func (d *Dashboard) picker(ctx context.Context, c *pages.Call, p *pages.Picker) *view.Namespaces {
	if p == nil {
		return nil
	}
	n := &view.Namespaces{Label: c.T("all"), Action: p.All, Except: p.Except}
	for _, k := range slices.Sorted(maps.Keys(p.Keep)) {
		n.Hidden = append(n.Hidden, view.Param{Name: k, Value: p.Keep.Get(k)})
	}
	if len(p.Chosen) > 0 {
		names := strings.Join(p.Chosen, ", ")
		n.Label = c.T(messages.Said(names))
		if p.Except {
			n.Label = c.T("all but %s", names)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, pickerTimeout)
	defer cancel()
	names, err := c.PickerNames(ctx, p)
	if len(names) == 0 && len(p.Chosen) == 0 && err == nil {
		return nil
	}
	if err != nil {
		n.Error = c.T("You may not list namespaces; these are the ones in which you may see something.")
	}
	for _, name := range p.Chosen {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		n.All = append(n.All, view.NamespaceChoice{Name: name, Checked: slices.Contains(p.Chosen, name), Href: p.One(name)})
	}
	return n
}
