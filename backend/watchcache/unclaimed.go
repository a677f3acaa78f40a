package watchcache

import (
	"strings"

	"pilothouse/backend/storage"
)

// unclaimedLimit is how many bytes of events are kept for resources that may yet
// be added. With more, none are: their watches begin at the start of the server.
const unclaimedLimit = 64 << 20

// unclaimed are events from before the start that no cache has taken: those of
// custom resources, which are known only when their definitions have been read.
// A nil one has none.
type unclaimed struct {
	since  int64 // the events are those after this revision
	bytes  int
	events map[string][]storage.Event // by prefix
	// spoiled are prefixes of which something has happened since.
	spoiled map[string]bool
}

func newUnclaimed(since int64) *unclaimed {
	return &unclaimed{since: since, events: map[string][]storage.Event{}, spoiled: map[string]bool{}}
}

// prefixOf gives GROUP/RESOURCE/ of a storage key, blank for another key.
func prefixOf(key string) string {
	i := strings.IndexByte(key, '/')
	if i < 0 {
		return ""
	}
	j := strings.IndexByte(key[i+1:], '/')
	if j < 0 {
		return ""
	}
	return key[:i+j+2]
}

// keep takes an event from before the start.
func (u *unclaimed) keep(ev storage.Event) {
	if u == nil || u.events == nil {
		return
	}
	if u.bytes += len(ev.Key) + len(ev.Value); u.bytes > unclaimedLimit {
		u.events = nil
		return
	}
	prefix := prefixOf(ev.Key)
	u.events[prefix] = append(u.events[prefix], ev)
}

// spoil says that something happened that is not among the events.
func (u *unclaimed) spoil(key string) {
	if u != nil {
		u.spoiled[prefixOf(key)] = true
	}
}

// claim gives the events of a prefix, all of them after since; false when some
// may be missing.
func (u *unclaimed) claim(prefix string) (events []storage.Event, since int64, ok bool) {
	if u == nil || u.events == nil || u.spoiled[prefix] {
		return nil, 0, false
	}
	events = u.events[prefix]
	delete(u.events, prefix)
	u.spoiled[prefix] = true // what a cache is added for a second time begins anew
	return events, u.since, true
}
