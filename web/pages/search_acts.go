package pages

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/view"
)

// offer is something that can be done where the user is, before it is known
// whether this object has it.
type offer struct {
	// verb is its button, title the whole of it, with what it is about.
	verb  messages.Text
	title string
	href  string
	note  string
	right right
	// shown tells whether an object has it; nil for what needs no object.
	shown func(o *loaded) bool
	dock  bool
}

// findActs gives what can be done with the object or the list whose page is at,
// for what was typed of it: buttons, tabs, and what belongs to its list. What
// the user may not do says why.
func (c *Call) findActs(ctx context.Context, q, at string) []found {
	u, err := url.Parse(at)
	if err != nil {
		return nil
	}
	a, ok := parseAddress(c.Types(), u.Path)
	if !ok {
		return nil
	}
	q = strings.ToLower(q)
	var list []found
	var o *loaded
	for _, f := range c.offers(a) {
		rank := f.rank(c, q)
		if rank < 0 {
			continue
		}
		if f.shown != nil && o == nil {
			if o, err = c.load(ctx, a); err != nil {
				return list // it has gone, or may not be seen
			}
		}
		if f.shown != nil && !f.shown(o) {
			continue
		}
		r := view.Result{Href: f.href, Kind: "action", Text: f.title, Note: f.note, Dock: f.dock}
		if f.right.verb != "" {
			r.Denied = c.may(ctx, f.right)
		}
		list = append(list, found{r, rank})
	}
	return list
}

// rank is how well what was typed fits: the button's word, or all words of what
// it does.
func (f *offer) rank(c *Call, q string) int {
	best := -1
	for _, name := range []string{c.T(f.verb), string(f.verb)} {
		if r := rank(strings.ToLower(name), q); r >= 0 && (best < 0 || r < best) {
			best = r
		}
	}
	title, words := strings.ToLower(f.title), strings.Fields(q)
	switch {
	case best == 0, best == 1:
		return best
	case strings.HasPrefix(title, q):
		return 1
	case best < 0 && len(words) > 1 && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(title, w) }):
		return 2
	}
	return best
}

// offers are what there is to do at an address.
func (c *Call) offers(a address) []offer {
	var list []offer
	if a.name != "" {
		list = c.objectOffers(a)
	}
	path, kinds := listPath(a.gvr, a.namespace), plural(a.entry.Resource.Kind)
	if can(a.entry, "create") {
		on := a
		on.name = ""
		list = append(list, offer{verb: "Create", title: c.T("Create %s", a.entry.Resource.Kind), note: a.namespace, href: join("/ui/apply", with(nil, "list", path)), right: right{verb: "create", address: on}})
	}
	if can(a.entry, "watch") {
		list = append(list, offer{verb: "Watch", title: c.T("Watch %s", kinds), note: a.namespace, href: path + "?view=watch"})
	}
	return list
}

func (c *Call) objectOffers(a address) []offer {
	var list []offer
	path, kind := objectPath(a.gvr, a.namespace, a.name), a.entry.Resource.Kind
	for i := range doings {
		if d := &doings[i]; d.shown != nil && d.on(a.entry) {
			list = append(list, offer{verb: d.verb, title: c.T(d.one, kind, a.name), note: a.namespace, href: path + "?act=" + d.name, right: d.right(a), shown: func(o *loaded) bool { return d.shown(d, o) }})
		}
	}
	for _, act := range objectActs {
		title := c.T("Edit %s %s", kind, a.name)
		if act.name == "delete" {
			title = c.T("Delete %s %s", kind, a.name)
		}
		list = append(list, offer{verb: act.text, title: title, note: a.namespace, href: path + "?" + act.query, right: right{verb: act.verb, address: a, sub: act.sub}, shown: act.shown})
	}
	for _, t := range objectTabs {
		f := offer{verb: t.name, title: c.T("%s of %s %s", c.T(t.name), kind, a.name), note: a.namespace, href: path, shown: t.shown, dock: t.dock}
		if t.query != "" {
			f.href += "?tab=" + t.query
		}
		if f.shown == nil {
			f.shown = always
		}
		list = append(list, f)
	}
	return list
}
