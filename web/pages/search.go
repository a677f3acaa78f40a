package pages

import (
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/registry"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/rows"
	"pilothouse/web/view"
)

// Bounds of a search.
const (
	maxResults    = 40
	searchTimeout = 4 * time.Second
	searchWorkers = 4
	// searchLimit is how many objects of a kind are looked at.
	searchLimit = 20000
)

// search finds objects of any kind, resource types, pages, and what can be done
// where the user is. A query that begins like a k9s command ("pod -n team-01
// app=web") leads to a list.
func search(ctx context.Context, c *Call) (*Answer, error) {
	q := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(c.Query.Get("q")), ":"))
	v := view.Search{Query: q}
	if q != "" {
		var unread []string
		v.Results, unread = c.find(ctx, q)
		for _, gv := range c.Away() {
			unread = append(unread, gv.String())
		}
		switch {
		case len(unread) > 0:
			v.Unread = true
			v.Note = c.T("Not looked through, since they do not answer: %s", strings.Join(unread, ", "))
		case len(v.Results) == 0 && len(c.unlistable(ctx)) > 0:
			v.Note = c.T("Nothing that you may list has this name.")
		case len(v.Results) == 0:
			v.Note = c.T("Nothing has this name.")
		}
	} else {
		v.Note = c.T("A name, a kind, an action, or a command such as: pods -n shop -l app=web")
	}
	if c.R.Header.Get("X-Pilothouse") == "palette" {
		return &Answer{Body: tmpl.Results(v), Fragment: true}, nil
	}
	return &Answer{Title: c.T("Search"), Body: tmpl.Search(v), Crumbs: []view.Link{{Text: c.T("Search")}}}, nil
}

// found is a result with how well it fits, less being better.
type found struct {
	view.Result
	rank int
}

// find gives what fits, and the types whose objects could not be looked through.
func (c *Call) find(ctx context.Context, q string) (out []view.Result, unread []string) {
	t := c.Types()
	list := c.findActs(ctx, q, c.Query.Get("at"))
	list = append(list, c.findTypes(ctx, t, q)...)
	list = append(list, c.findPages(ctx, q)...)
	for _, r := range c.commands(ctx, t, q) {
		list = append(list, found{r, -1})
	}
	if !strings.Contains(q, " ") {
		var some []found
		some, unread = c.findObjects(ctx, t, strings.ToLower(q))
		list = append(list, some...)
	}
	sort.SliceStable(list, func(i, j int) bool {
		a, b := &list[i], &list[j]
		switch {
		case a.rank != b.rank:
			return a.rank < b.rank
		case a.Kind == "action" || b.Kind == "action":
			return actsFirst(*b) < actsFirst(*a) // in the order of the buttons
		}
		return len(a.Text) < len(b.Text)
	})
	for _, f := range list {
		if len(out) < maxResults && !slices.ContainsFunc(out, func(r view.Result) bool { return r.Href == f.Href }) {
			f.Result.Rank = f.rank
			out = append(out, f.Result)
		}
	}
	return out, unread
}

func actsFirst(f found) int {
	if f.Kind == "action" {
		return 1
	}
	return 0
}

// rank tells how well a name fits a query: exact, prefix, inside, letters in
// their order; -1 when it does not.
func rank(name, q string) int {
	switch i := strings.Index(name, q); {
	case name == q:
		return 0
	case i == 0:
		return 1
	case i > 0:
		return 2
	}
	rest := q
	for i := 0; i < len(name) && rest != ""; i++ {
		if name[i] == rest[0] {
			rest = rest[1:]
		}
	}
	if rest == "" && len(q) > 2 {
		return 3
	}
	return -1
}

// eachType calls f for every resource that can be listed, in its preferred
// version.
func eachType(t *registry.Table, f func(e *registry.Entry)) {
	for _, g := range t.Groups() {
		seen := map[string]bool{}
		for _, v := range g.Versions {
			for _, e := range v.Entries {
				if !seen[e.Resource.Name] && can(e, "list") {
					seen[e.Resource.Name] = true
					f(e)
				}
			}
		}
	}
}

func (c *Call) findTypes(ctx context.Context, t *registry.Table, q string) []found {
	denied := c.unlistable(ctx)
	q = strings.ToLower(q)
	var list []found
	eachType(t, func(e *registry.Entry) {
		best := -1
		for _, name := range append([]string{e.Resource.Name, e.Resource.Singular, strings.ToLower(e.Resource.Kind)}, e.Resource.ShortNames...) {
			if r := rank(name, q); r >= 0 && (best < 0 || r < best) {
				best = r
			}
		}
		if best >= 0 {
			r := view.Result{Href: listPath(e.GVR(), ""), Kind: "list", Text: e.Resource.Name, Note: e.GVR().GroupVersion().String()}
			if denied[e.Resource.GroupResource()] {
				r.Note += " · " + c.T("not yours to list")
			}
			list = append(list, found{r, best})
		}
	})
	return list
}

func (c *Call) findPages(ctx context.Context, q string) []found {
	var list []found
	for _, p := range slices.Concat(c.Places(ctx, ""), userPlaces, c.Views(), []view.NavLink{{Text: "Apply YAML", Href: "/ui/apply"}}) {
		text := c.T(p.Text)
		if r := rank(strings.ToLower(text), strings.ToLower(q)); r >= 0 && r < 3 {
			list = append(list, found{view.Result{Href: p.Href, Kind: "page", Text: text}, r})
		}
	}
	return list
}

// findObjects looks through the names of the objects that the user may list.
// Lists that are on someone's screen are in memory already; others are read.
func (c *Call) findObjects(ctx context.Context, t *registry.Table, q string) (list []found, unread []string) {
	ctx, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	var entries []*registry.Entry
	denied := c.unlistable(ctx)
	eachType(t, func(e *registry.Entry) {
		// Names of Events are those of objects with a dot and a number: they would
		// hide what is looked for, and there are many.
		if !denied[e.Resource.GroupResource()] && (e.Resource.Name != "events" || strings.Contains(q, ".")) {
			entries = append(entries, e)
		}
	})
	var mu sync.Mutex
	inTurn(len(entries), func(i int) {
		some, missed := c.findIn(ctx, entries[i], q)
		mu.Lock()
		defer mu.Unlock()
		list = append(list, some...)
		if missed {
			unread = append(unread, entries[i].Resource.GroupResource().String())
		}
	})
	slices.Sort(unread)
	return list, unread
}

// findIn looks through the objects of a type; missed tells that not all could be read.
func (c *Call) findIn(ctx context.Context, e *registry.Entry, q string) (best []found, missed bool) {
	if ctx.Err() != nil {
		return nil, true
	}
	add := func(namespace, name string) {
		if r := rank(name, q); r >= 0 {
			best = append(best, found{view.Result{Href: objectPath(e.GVR(), namespace, name), Kind: messages.Data(e.Resource.Kind), Text: name, Note: namespace}, r})
		}
	}
	where := []string{""}
	if a := (address{entry: e, gvr: e.GVR()}); e.Resource.Namespaced && c.may(ctx, right{verb: "list", address: a}) != nil {
		where = c.namespacesWith(ctx, "list", a)
	}
	key := rows.Key{GVR: e.GVR(), Namespace: strings.Join(where, ",")}
	if len(where) > 0 && c.Pool.Ready(c.Client, key) {
		if v, err := c.Pool.Open(ctx, c.Client, key, rows.Query{}); err == nil {
			v.Each(func(r *rows.Row) bool { add(r.Namespace, r.Name); return true })
			v.Close()
		}
	} else {
		for _, namespace := range where {
			items, u := c.readMetadata(ctx, e, namespace, searchLimit)
			missed = missed || u != nil && u.Denied == nil
			for _, m := range items {
				add(m.Metadata.Namespace, m.Metadata.Name)
			}
		}
	}
	sort.SliceStable(best, func(i, j int) bool { return best[i].rank < best[j].rank })
	return best[:min(len(best), maxResults)], missed
}
