package pages

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"pilothouse/backend/client"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/rows"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxChanges is how many changed fields an event shows.
const maxChanges = 6

// feed is the page of a raw watch of a list.
func feed(ctx context.Context, c *Call, a address) (*Answer, error) {
	if !can(a.entry, "watch") {
		return nil, notServed(c.URL())
	}
	s := parseList(a, c.Query)
	v, status := c.feedView(&s), http.StatusOK
	v.Path, v.ListHref, v.Selectors = listPath(a.gvr, s.namespace), s.url(), true
	v.Keep = []view.Param{{Name: "view", Value: "watch"}}
	if v.Problem != "" {
		status = http.StatusBadRequest
	}
	if v.Refused = c.refusedBy(c.may(ctx, right{verb: "watch", address: a})); v.Refused != nil {
		status = http.StatusForbidden
		if a.namespace == "" && a.entry.Resource.Namespaced {
			for _, n := range c.namespacesWith(ctx, "watch", a) {
				v.Yours = append(v.Yours, view.Link{Text: n, Href: join(listPath(a.gvr, n), with(url.Values{"view": {"watch"}}, "q", s.filter, "from", v.From))})
			}
		}
	}
	return &Answer{
		Status: status, Title: c.T("Watch %s", v.Kind), Body: tmpl.Feed(v), Current: listPath(a.gvr, ""),
		Crumbs: []view.Link{{Text: groupName(a.gvr.Group), Href: "/ui/resources", Data: true}, {Text: a.entry.Resource.Name, Href: v.ListHref, Data: true}, {Text: c.T("watch")}},
	}, nil
}

// watchTab is the raw watch of one object.
func watchTab(_ context.Context, c *Call, o *loaded, own *view.Object) (templ.Component, error) {
	s := parseList(o.address, url.Values{"q": {"-f metadata.name=" + o.name}})
	v := c.feedView(&s)
	v.Kind, v.Path = own.Kind+" "+own.Name, own.Path
	v.Keep = []view.Param{{Name: "tab", Value: "watch"}}
	return tmpl.FeedView(v), nil
}

func canWatch(o *loaded) bool { return can(o.entry, "watch") }

// feedView is the watch of a list's state, as the page's address says.
func (c *Call) feedView(s *listState) view.Feed {
	return c.feedOf(s, strings.TrimSpace(c.Query.Get("from")))
}

// feedOf is the watch of a list's state after a version.
func (c *Call) feedOf(s *listState, from string) view.Feed {
	v := view.Feed{
		Kind: plural(s.entry.Resource.Kind), GroupVersion: s.gvr.GroupVersion().String(), Filter: s.filter, From: from,
		URL: join(listPath(s.gvr, s.namespace), with(nil, "q", s.filter, "from", from)),
	}
	o, err := feedOptions(s.filter, from)
	if err != nil {
		v.Problem = c.Problem(err)
		return v
	}
	f, _ := rows.ParseFilter(s.filter) // feedOptions has read it
	v.Command = s.command(c.Types(), f, "", false) + " --watch --output-watch-events"
	q := with(nil, "watch", "true", "allowWatchBookmarks", "true", "resourceVersion", o.ResourceVersion, "labelSelector", o.LabelSelector, "fieldSelector", o.FieldSelector)
	if from != "" { // kubectl watches from now on only
		v.Command = "kubectl get --raw " + shellQuote(client.Path(s.gvr, s.namespace, "", "")+"?"+q.Encode())
	}
	v.Curl = c.curl(client.Call{Method: http.MethodGet, Path: client.Path(s.gvr, s.namespace, "", ""), Query: q})
	return v
}

// feedOptions are the options of a watch after a version, or of one that begins
// with what there is: the selectors of a filter, the only ones that the API
// knows.
func feedOptions(filter, from string) (metav1.ListOptions, error) {
	f, err := rows.ParseFilter(filter)
	if err != nil {
		return metav1.ListOptions{}, err
	}
	if len(f.Words)+len(f.Not) > 0 {
		return metav1.ListOptions{}, messages.Errorf("a watch takes selectors only: -l and -f")
	}
	if n, err := strconv.ParseUint(from, 10, 63); from != "" && (err != nil || n == 0) {
		return metav1.ListOptions{}, messages.Errorf("%q is not a version to watch from: it is a number, like metadata.resourceVersion", from)
	}
	return metav1.ListOptions{LabelSelector: f.Labels.String(), FieldSelector: f.Fields, AllowWatchBookmarks: true, ResourceVersion: from}, nil
}

// changes are the first fields in which two states of an object differ, and how
// many more do.
func changes(was, now map[string]any) (list []view.Change, more int) {
	var walk func(path string, a, b any)
	walk = func(path string, a, b any) {
		if path == "metadata.managedFields" || path == "metadata.resourceVersion" || reflect.DeepEqual(a, b) {
			return
		}
		x, okX := a.(map[string]any)
		y, okY := b.(map[string]any)
		if okX && okY {
			for _, k := range sortedKeys(union(x, y)) {
				walk(strings.TrimPrefix(path+"."+k, "."), x[k], y[k])
			}
			return
		}
		if l, ok := a.([]any); ok {
			if m, ok := b.([]any); ok && len(l) == len(m) {
				for i := range l {
					walk(fmt.Sprintf("%s[%d]", path, i), l[i], m[i])
				}
				return
			}
		}
		if len(list) == maxChanges {
			more++
			return
		}
		list = append(list, view.Change{Field: path, Was: shorten(brief(a), 60), Now: shorten(brief(b), 60)})
	}
	walk("", was, now)
	return list, more
}
