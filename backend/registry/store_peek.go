package registry

import "pilothouse/backend/watchcache"

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
