package pages

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/prefs"
	"pilothouse/web/rows"
	"pilothouse/web/view"
)

// keptParams are the parameters of a list's address that are kept for a user.
var keptParams = []string{"cols", "sort", "desc", "wide"}

// keptList is the address of a list as its user keeps it; empty when it says
// itself how it is to be shown, or nothing is kept.
func (c *Call) keptList(a address) string {
	if c.Prefs == nil || c.Panel || slices.ContainsFunc(keptParams, c.Query.Has) || c.Query.Has("page") {
		return ""
	}
	kept, err := url.ParseQuery(c.Prefs.List(c.Session.User.Name, listPath(a.gvr, "")))
	if err != nil || len(kept) == 0 {
		return ""
	}
	q := with(c.Query)
	for _, name := range keptParams {
		if v := kept.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	return join(c.R.Path, q)
}

// Bounds of the widths that users give columns, in letters.
const (
	leastWidth = 4
	mostWidth  = 100
)

// keptWidths are the widths of a list's columns in letters, by their names in
// small letters; nil where all are as the list decides.
func (c *Call) keptWidths(a address) map[string]int {
	if c.Prefs == nil {
		return nil
	}
	kept, err := url.ParseQuery(c.Prefs.Widths(c.Session.User.Name, listPath(a.gvr, "")))
	if err != nil || len(kept) == 0 {
		return nil
	}
	widths := map[string]int{}
	for name := range kept {
		if n, err := strconv.Atoi(kept.Get(name)); err == nil {
			widths[name] = min(max(n, leastWidth), mostWidth)
		}
	}
	return widths
}

// choicesOf are all columns, those that are shown first.
func choicesOf(s *listState, columns []rows.Column) []view.ColumnChoice {
	var list []view.ColumnChoice
	shown := s.order(columns)
	for _, i := range shown {
		list = append(list, view.ColumnChoice{Name: columns[i].Name, Label: shortColumn(columns[i].Name), Shown: true, Fixed: i == 0, Key: widthKey(columns[i].Name), Width: s.widths[widthKey(columns[i].Name)]})
	}
	for i, c := range columns {
		if !slices.Contains(shown, i) {
			list = append(list, view.ColumnChoice{Name: c.Name, Label: c.Name})
		}
	}
	return list
}

// widthKey is what a column's width is kept by.
func widthKey(name string) string { return strings.ToLower(name) }

// shortColumn is what stands above a column: the key of a label, the last field
// of a JSONPath.
func shortColumn(name string) string {
	if !rows.IsExtra(name) {
		return name
	}
	if _, key, ok := strings.Cut(name, ":"); ok && !strings.HasPrefix(name, "{") && !strings.HasPrefix(name, ".") {
		return key
	}
	return strings.Trim(name[strings.LastIndexByte(name, '.')+1:], "{}[]*'\"")
}

// setPrefs keeps how a list is shown, or a view under a name.
func setPrefs(_ context.Context, c *Call) (*Answer, error) {
	u, err := url.Parse(c.Form.Get("url"))
	if err != nil || localPath(u.Path) == "" {
		return nil, badRequest("this is no page of the dashboard")
	}
	user, back := c.Session.User.Name, u.RequestURI()
	switch c.Form.Get("act") {
	case "keep", "usual":
		a, ok := parseAddress(c.Types(), u.Path)
		if !ok {
			return nil, notServed(u.Path)
		}
		kept := url.Values{}
		for _, name := range keptParams {
			if v := u.Query().Get(name); v != "" && c.Form.Get("act") == "keep" {
				kept.Set(name, v)
			}
		}
		err = c.Prefs.SetList(user, listPath(a.gvr, ""), kept.Encode())
		if c.Form.Get("act") == "usual" && err == nil {
			err = c.Prefs.SetWidths(user, listPath(a.gvr, ""), "")
			back = join(u.Path, with(u.Query(), "cols", "", "sort", "", "desc", "", "wide", ""))
		}
	case "widths":
		a, ok := parseAddress(c.Types(), u.Path)
		if !ok {
			return nil, notServed(u.Path)
		}
		if err = c.Prefs.SetWidths(user, listPath(a.gvr, ""), c.Form.Get("widths")); err == nil {
			return &Answer{Status: http.StatusNoContent}, nil
		}
	case "view":
		err = c.Prefs.SetView(user, prefs.View{Name: c.Form.Get("name"), Href: back})
	case "drop":
		err = c.Prefs.DropView(user, c.Form.Get("name"))
	default:
		return nil, badRequest("there is nothing to do")
	}
	if err != nil {
		return nil, refuseAs(err)
	}
	return &Answer{Redirect: back}, nil
}

// Views are the user's named views, for the navigation.
func (c *Call) Views() []view.NavLink {
	if c.Prefs == nil || c.Session == nil {
		return nil
	}
	var list []view.NavLink
	for _, v := range c.Prefs.Views(c.Session.User.Name) {
		list = append(list, view.NavLink{Text: messages.Data(v.Name), Href: v.Href, Title: messages.Data(v.Href), Current: v.Href == c.URL()})
	}
	return list
}
