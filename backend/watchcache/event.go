package watchcache

// EventType says what happened to an object, as one watcher sees it.
type EventType uint8

// The types of events.
const (
	Added EventType = iota + 1
	Modified
	Deleted
)

// String gives the word that a watch sends.
func (t EventType) String() string {
	switch t {
	case Added:
		return "ADDED"
	case Modified:
		return "MODIFIED"
	case Deleted:
		return "DELETED"
	}
	return ""
}

// Event is one change as one watcher sees it: an object that enters the
// watcher's selector is Added, one that leaves it is Deleted with its last state
// inside at the revision of the change (as in Kubernetes' cacher).
type Event struct {
	Type EventType
	// Object is the state after the change, for Deleted the last state. Its
	// Revision is the event's, apart from initial state, where it is the
	// object's own.
	Object   *Object
	Revision int64

	entry  *entry
	budget *budget
}

// Previous is the state before the change, nil for what is new, for initial state
// and where history does not know it.
func (e *Event) Previous() *Object {
	if e.entry == nil {
		return nil
	}
	return e.entry.previous
}

// Frame gives an encoding of the event under a name ("json", "table"), shared by
// all watchers that get this event with this type: make is called once while the
// event is recent. Events of initial state are not shared. The bytes must not be
// changed.
func (e *Event) Frame(key string, make func() ([]byte, error)) ([]byte, error) {
	if e.entry == nil {
		return make()
	}
	return encoded(&e.entry.frames, e.budget, e.Type, key, make)
}
