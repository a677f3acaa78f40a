package request

import "strings"

// WithoutHeaders gives h without the headers that hidden tells.
func WithoutHeaders(h Header, hidden func(name string) bool) Header {
	return filtered{h, hidden}
}

type filtered struct {
	Header
	hidden func(name string) bool
}

// Get gives nothing for what is hidden.
func (f filtered) Get(name string) string {
	if f.hidden(name) {
		return ""
	}
	return f.Header.Get(name)
}

// Values gives nothing for what is hidden.
func (f filtered) Values(name string) []string {
	if f.hidden(name) {
		return nil
	}
	return f.Header.Values(name)
}

// Each leaves out what is hidden.
func (f filtered) Each(do func(name, value string)) {
	f.Header.Each(func(name, value string) {
		if !f.hidden(name) {
			do(name, value)
		}
	})
}

// HasPrefixFold tells whether the name of a header begins with prefix, in
// whatever case.
func HasPrefixFold(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// AnyHeader tells whether there is a header whose name begins with prefix, in
// whatever case. Where h can tell without making strings it does.
func AnyHeader(h Header, prefix string) bool {
	if fast, ok := h.(interface{ AnyPrefix(prefix string) bool }); ok {
		return fast.AnyPrefix(prefix)
	}
	found := false
	h.Each(func(name, _ string) { found = found || HasPrefixFold(name, prefix) })
	return found
}
