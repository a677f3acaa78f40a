package watchcache

// Observe calls f for every object that there is and then for every change,
// inside the commit: after readers can see the change and before its writer is
// told. previous is nil for an object that was not there, current for one that
// is gone. f gets the same objects as readers; it must neither block nor write.
// Authorization uses it, so that a grant or its end holds from the moment of the
// answer.
func (c *Cache) Observe(f func(current, previous *Object)) {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	c.observers = append(c.observers, f)
	if c.view.Load() != nil {
		c.tell(f)
	}
}

// tell gives an observer all objects; the hub's lock is held.
func (c *Cache) tell(f func(current, previous *Object)) {
	c.head.objects.Scan(func(it item) bool {
		f(it.object, nil)
		return true
	})
}

// now is the state after an entry's change, nil after a deletion.
func (e *entry) now() *Object {
	if e.typ == Deleted {
		return nil
	}
	return e.object
}
