package life

import (
	"net/http"
	"time"

	"pilothouse/backend/request"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Record is what is remembered of one request. Once it is kept nobody changes
// it.
type Record struct {
	ID, Method, URI string
	Info            request.Info
	// User is who asked, nil for nobody known; with an Impersonator whom that one
	// was.
	User, Impersonator *request.User
	Authenticator      string
	From, Agent        string
	Received           time.Time
	Took               time.Duration
	// Code is the HTTP status, Status what an error was answered with.
	Code   int
	Status *metav1.Status
	// Open tells a stream that has not ended; Slow one that took too long.
	Open, Slow bool
	// Annotations are those of the audit event, two by two: key, value.
	Annotations []string
	Warnings    []string
	Written     []request.Written
	// MoreWritten is how many writes Written leaves out.
	MoreWritten int
	Marks       []request.Mark
	// Undetailed tells that what admission changed was not recorded.
	Undetailed bool
	// DryRun tells a write that wrote nothing on purpose.
	DryRun bool
}

func (rec *Recorder) record(r *request.Request, l *request.Life, p *request.Response, err error) *Record {
	out := &Record{
		ID: r.ID, Method: r.Method, URI: rec.o.Masked(r), Info: r.Info, User: r.User, Impersonator: r.Impersonator,
		Authenticator: l.Authenticator(), From: r.RemoteAddr, Agent: r.Header.Get("User-Agent"), Received: r.Received, Marks: l.Marks(),
		Warnings: r.Warnings(),
	}
	out.Annotations = make([]string, 0, 6)
	r.Annotated(func(key, value string) { out.Annotations = append(out.Annotations, key, value) })
	out.Written, out.MoreWritten = r.Written()
	if r.RawQuery != "" && r.Info.Mutating() {
		out.DryRun = len(r.Query()["dryRun"]) > 0
	}
	switch {
	case err != nil:
		out.Status = rec.o.Status(r, err)
		out.Code = int(out.Status.Code)
	case p != nil && p.Status != 0:
		out.Code = p.Status
	default:
		out.Code = http.StatusOK
	}
	recorded, asked := l.Details()
	out.Undetailed = asked && !recorded
	out.Took = time.Since(r.Received)
	return out
}

// Annotation gives an annotation, empty when there is none.
func (r *Record) Annotation(key string) string {
	for i := 0; i+1 < len(r.Annotations); i += 2 {
		if r.Annotations[i] == key {
			return r.Annotations[i+1]
		}
	}
	return ""
}

// refused tells a request that did not get what it asked for, but for reads of
// what is not there: those are a way to ask.
func (r *Record) refused() bool {
	switch {
	case r.Code < 400:
		return false
	case r.Code == http.StatusNotFound || r.Code == http.StatusGone:
		return r.Info.Mutating()
	}
	return true
}

// By tells whether a user asked, as themselves or as somebody else.
func (r *Record) By(u *request.User) bool {
	if u == nil {
		return false
	}
	return r.User != nil && r.User.Name == u.Name || r.Impersonator != nil && r.Impersonator.Name == u.Name
}
