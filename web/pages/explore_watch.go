package pages

import (
	"net/http"
	"net/url"
	"strings"

	"pilothouse/backend/client"
	"pilothouse/web/apidoc"
	"pilothouse/web/view"
)

// watchable is the list that a watch of what an operation reads is of; ok is
// false when there is none.
func (c *Call) watchable(doc string, o *apidoc.Operation) (a address, ok bool) {
	resource, _ := resourceOf(doc, o.Path)
	gv := gvOf(doc)
	e, ok := c.Types().Lookup(gv.Group, gv.Version, resource)
	if !ok || !can(e, "watch") || o.Method != http.MethodGet {
		return address{}, false
	}
	return address{entry: e, gvr: e.GVR()}, true
}

// wantsWatch tells a request that does not end.
func (c *Call) wantsWatch(o *apidoc.Operation, q url.Values) bool {
	w := q.Get("watch")
	return c.Form.Get("act") == "watch" || o.Action == "watch" || o.Action == "watchlist" || w != "" && w != "false" && w != "0"
}

// tryWatch is the live panel of a watch that was tried: with the selectors, the
// version and the name that were typed.
func (c *Call) tryWatch(o *apidoc.Operation, v *view.OperationPage, call client.Call) (*view.Feed, error) {
	a, ok := c.watchable(v.GroupVersion, o)
	if !ok {
		return nil, badRequest("This opens a stream, which a page like this cannot show.")
	}
	a.namespace = given(v.Parameters, "namespace")
	var filter []string
	if l := call.Query.Get("labelSelector"); l != "" {
		filter = append(filter, "-l "+strings.ReplaceAll(l, ", ", ","))
	}
	fields := call.Query.Get("fieldSelector")
	if name := given(v.Parameters, "name"); name != "" {
		fields = strings.TrimPrefix(fields+",metadata.name="+name, ",")
	}
	if fields != "" {
		filter = append(filter, "-f "+fields)
	}
	version := call.Query.Get("resourceVersion")
	if version == "0" {
		version = "" // whatever there is, which a feed begins with
	}
	s := parseList(a, url.Values{"q": {strings.Join(filter, " ")}})
	f := c.feedOf(&s, version)
	return &f, nil
}
