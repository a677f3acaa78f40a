package request

// ObjectNote is what the object in a request's body says it is. The audit event
// tells it where the path does not.
type ObjectNote struct{ Namespace, Name, UID, ResourceVersion string }

// Note keeps what the object in the body is; the first note stays. It is called
// once the body has been decoded and nothing of it was changed.
func (r *Request) Note(n ObjectNote) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.note == nil {
		r.note = &n
	}
}

// Noted gives what Note kept, nothing when the body held no object.
func (r *Request) Noted() (n ObjectNote, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.note == nil {
		return ObjectNote{}, false
	}
	return *r.note, true
}
