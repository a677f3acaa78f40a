package pages

import (
	"net/url"
	"slices"
	"strings"

	"pilothouse/backend/client"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// listPath is the page of a list, in one namespace or in all.
func listPath(gvr schema.GroupVersionResource, namespace string) string {
	return "/ui" + client.Path(gvr, url.PathEscape(namespace), "", "")
}

// objectPath is the page of an object.
func objectPath(gvr schema.GroupVersionResource, namespace, name string) string {
	return "/ui" + client.Path(gvr, url.PathEscape(namespace), url.PathEscape(name), "")
}

// address is what the path of a page is about.
type address struct {
	entry     *registry.Entry
	gvr       schema.GroupVersionResource
	namespace string
	name      string
}

// parseAddress reads the path of a list or an object; ok is false when it names
// nothing that the table has.
func parseAddress(t *registry.Table, path string) (a address, ok bool) {
	info := request.ParseInfo("GET", strings.TrimPrefix(path, "/ui"), false, "")
	if !info.IsResource || info.LegacyWatch || info.Subresource != "" {
		return a, false
	}
	e, ok := t.Lookup(info.Group, info.Version, info.Resource)
	if !ok {
		return a, false
	}
	a = address{entry: e, gvr: e.GVR(), namespace: info.Namespace, name: info.Name}
	if info.Resource == "namespaces" {
		a.namespace = ""
	}
	if a.namespace != "" && !e.Resource.Namespaced {
		return a, false
	}
	return a, true
}

func can(e *registry.Entry, verb string) bool { return slices.Contains(e.Resource.Verbs, verb) }

// with gives a query that has some parameters set, or without those that are
// set to nothing.
func with(q url.Values, pairs ...string) url.Values {
	out := url.Values{}
	for k, v := range q {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			out.Del(pairs[i])
		} else {
			out.Set(pairs[i], pairs[i+1])
		}
	}
	return out
}

// join is a path with a query.
func join(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
