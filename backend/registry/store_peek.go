package registry

import (
	"slices"
	"strings"

	"pilothouse/backend/watchcache"
)

// Peek gives the newest state of an object, nil when there is none. It is Get
// without checks and words for the client, for code that looks something up on
// the way to something else.
func (s *Store) Peek(ns, name string) *watchcache.Object {
	if s.resource.Namespaced {
		name = ns + "/" + name
	}
	return s.current(name)
}

// Each calls f for every object of a namespace, or of all with an empty one, in
// key order and of one revision, until f gives false.
func (s *Store) Each(ns string, f func(*watchcache.Object) bool) {
	if ns == "" {
		s.cache.Snapshot().Ascend("", f)
		return
	}
	s.cache.Snapshot().AscendPrefix(ns, f)
}

// EachBy is Each for the objects with a value in an indexed field; false when
// the resource has no such index.
func (s *Store) EachBy(field, value, ns string, f func(*watchcache.Object) bool) bool {
	i := slices.IndexFunc(s.fields, func(k Field) bool { return k.Name == field && k.Index })
	if i < 0 {
		return false
	}
	prefix := ""
	if ns != "" {
		prefix = ns + "/"
	}
	s.cache.Snapshot().ByIndexFrom(i, value, prefix, func(o *watchcache.Object) bool {
		return strings.HasPrefix(o.Key, prefix) && f(o)
	})
	return true
}
