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

// WantBody asks that the object in the body is kept as it was read, with
// defaults: the audit event has it.
func (r *Request) WantBody() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wantsBody = true
}

// WantsBody tells whether somebody asked.
func (r *Request) WantsBody() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wantsBody && r.readBody == nil
}

// KeepBody keeps the object's JSON; the first stays.
func (r *Request) KeepBody(json []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.readBody == nil {
		r.readBody = json
	}
}

// KeptBody is what KeepBody kept, nil for nothing.
func (r *Request) KeptBody() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.readBody
}
