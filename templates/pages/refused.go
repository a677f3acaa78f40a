package pages

import (
	"slices"
	"strings"

	"pilothouse/web/view"

	"github.com/a-h/templ"
)

// refused tells that what a page asks about would be refused: the reason stands there,
// and its button does nothing.
func refused(f *view.Fault) bool { return f != nil && f.Denied != nil }

// failed tells whether something went wrong, rather than was not allowed.
func failed(list []view.Unread) bool {
	return slices.ContainsFunc(list, func(u view.Unread) bool { return u.Denied == nil })
}

// liveList has the scripts keep a list up to date. One that its user may not see
// still hears when they are someone else, as a page of types.
func liveList(l view.List) templ.Attributes {
	if l.Refused {
		return templ.Attributes{"data-refresh": "types", "data-version": l.Version}
	}
	return templ.Attributes{"data-list": l.URL}
}

// apiService is the page of what leads to the server of a group version.
func apiService(gv string) string {
	group, version, _ := strings.Cut(gv, "/")
	return "/ui/apis/apiregistration.k8s.io/v1/apiservices/" + version + "." + group
}
