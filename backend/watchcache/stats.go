package watchcache

// Stats are the figures of one cache, for metrics.
type Stats struct {
	// Objects is how many there are, Bytes the length of their stored form.
	Objects int
	Bytes   int64
	// Revision is the newest one that the cache shows.
	Revision int64
	// Events since the start: those that came, those that the watchers were
	// looked at for, and the watchers that were too slow for theirs.
	Received, Dispatched, Expired uint64
	// Capacity is how many recent events there is room for.
	Capacity int
}

// Stats gives the figures of now. It takes no lock.
func (c *Cache) Stats() Stats {
	s := Stats{
		Objects: c.view.Load().objects.Len(), Bytes: c.bytes.Load(), Revision: c.hub.Revision(),
		Received: c.received.Load(), Dispatched: c.watch.dispatched.Load(), Expired: c.expired.Load(),
	}
	if slots := c.ring.slots.Load(); slots != nil {
		s.Capacity = len(*slots)
	}
	return s
}

// weigh notes what a change does to the length of all objects.
func (c *Cache) weigh(object, previous *Object) {
	n := 0
	if object != nil {
		n += len(object.Raw)
	}
	if previous != nil {
		n -= len(previous.Raw)
	}
	c.bytes.Add(int64(n))
}

// ChangedSince tells whether there was an event after a revision; true, too, when
// that is longer ago than the recent events.
func (c *Cache) ChangedSince(revision int64) bool {
	position, known := c.ring.after(revision)
	return !known || position < c.ring.tail.Load()
}
