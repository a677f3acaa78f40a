package request

import (
	"encoding/json"
	"time"
)

// Author is who made a write.
type Author struct {
	User    string    `json:"user,omitempty"`
	As      string    `json:"impersonatedUser,omitempty"`
	AuditID string    `json:"auditID,omitempty"`
	Verb    string    `json:"verb,omitempty"`
	URI     string    `json:"requestURI,omitempty"`
	Agent   string    `json:"userAgent,omitempty"`
	From    string    `json:"sourceIP,omitempty"`
	At      time.Time `json:"at,omitzero"`
	// Server is the server that took the request, where it is another one than
	// that which tells.
	Server string `json:"server,omitempty"`
}

// maxAuthorField bounds what a note has of a client's words, in bytes.
const maxAuthorField = 256

// AuthorNote is the request's Author as storage keeps it beside what the request
// writes; server is the one that took the request. It is JSON, and at most a few
// kilobytes whatever a client sends. The query is left out: it may hold
// credentials.
func (r *Request) AuthorNote(server string) []byte {
	if r == nil {
		return nil
	}
	// One request may write much, and from several goroutines, which must not
	// read headers at the same time.
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.author == nil {
		r.author = r.writeAuthor(server)
	}
	return r.author
}

func (r *Request) writeAuthor(server string) []byte {
	a := Author{AuditID: r.ID, Verb: r.Info.Verb, URI: cut(r.RawPath), From: cut(r.RemoteAddr), At: r.Received.UTC(), Server: server}
	if r.Header != nil {
		a.Agent = cut(r.Header.Get("User-Agent"))
	}
	user, as := r.User, (*User)(nil)
	if r.Impersonator != nil {
		user, as = r.Impersonator, r.User
	}
	if user != nil {
		a.User = cut(user.Name)
	}
	if as != nil {
		a.As = cut(as.Name)
	}
	b, err := json.Marshal(a)
	if err != nil { // a time of another millennium
		return nil
	}
	return b
}

// ReadAuthor reads an AuthorNote; false for what is none.
func ReadAuthor(note []byte) (a Author, ok bool) {
	return a, len(note) > 0 && json.Unmarshal(note, &a) == nil
}

func cut(text string) string { return text[:min(len(text), maxAuthorField)] }
