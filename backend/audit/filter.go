package audit

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"pilothouse/backend/request"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/klog/v2"
)

// Filter records what becomes of requests. It stands after authentication, so
// that the real user is known, and before impersonation, limits and
// authorization, so that it sees what they refuse.
func (a *Auditor) Filter(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (p *request.Response, err error) {
		c := a.match(r.User, &r.Info)
		kept := a.Journal.wants(r.User, &r.Info)
		if c.Level == auditv1.LevelNone && !kept {
			return a.unrecorded(ctx, r, next)
		}
		rec := a.begin(r, c)
		rec.kept = kept || c.Level != auditv1.LevelNone
		if err := rec.emit(auditv1.StageRequestReceived); err != nil {
			rejected.Inc()
			klog.ErrorS(err, "Request is refused, it cannot be audited", "audit-ID", r.ID)
			rec.release()
			return refusal(r), nil
		}
		defer rec.onPanic()
		p, err = next(ctx, r)
		return rec.answered(p, err), err
	}
}

// match gives the level of a request; without a policy it is None.
func (a *Auditor) match(u *request.User, i *request.Info) *Config {
	if a.Policy == nil {
		return &nothing
	}
	c := a.Policy.Match(u, i)
	levelCounts[c.Level].Inc()
	return c
}

var nothing = Config{Level: auditv1.LevelNone}

// unrecorded is a request that only its refusal makes worth keeping.
func (a *Auditor) unrecorded(ctx context.Context, r *request.Request, next request.Handler) (*request.Response, error) {
	p, err := next(ctx, r)
	if err != nil && a.Journal != nil {
		if s := a.Status(r, err); a.Journal.keeps(&r.Info, int(s.Code)) {
			rec := a.begin(r, &nothing)
			rec.result(p, err)
			rec.finish()
		}
	}
	return p, err
}

// Failure records requests whose sender could not be authenticated. They have
// one event, as in Kubernetes: ResponseStarted.
func (a *Auditor) Failure(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		p, err := next(ctx, r)
		c := a.match(nil, &r.Info)
		if c.Level != auditv1.LevelNone || a.Journal != nil {
			rec := a.begin(r, c)
			rec.kept = c.Level != auditv1.LevelNone
			rec.result(p, err)
			rec.emit(auditv1.StageResponseStarted) //nolint:errcheck // it is refused anyway
			rec.keep(auditv1.StageResponseStarted)
			rec.release()
		}
		return p, err
	}
}

func refusal(r *request.Request) *request.Response {
	return &request.Response{
		Status: http.StatusInternalServerError, ContentType: "text/plain; charset=utf-8",
		Header: []request.HeaderLine{{Name: "X-Content-Type-Options", Value: "nosniff"}},
		Body:   fmt.Appendf(nil, "Internal Server Error: %q: failed to store audit event\n", cleanURI(r)),
	}
}

// record is one request that is audited.
type record struct {
	Event
	a      *Auditor
	r      *request.Request
	c      *Config
	refers auditv1.ObjectReference // memory for Event.ref
	// kept tells that the journal keeps the request.
	kept bool
}

var records = sync.Pool{New: func() any { return &record{} }}

// maxRoom is the largest buffer that is kept for the next event.
const maxRoom = 64 << 10

func (a *Auditor) begin(r *request.Request, c *Config) *record {
	rec := records.Get().(*record)
	rec.a, rec.r, rec.c = a, r, c
	a.open.Add(1)
	rec.level = c.Level
	if c.Level == auditv1.LevelNone {
		rec.level = auditv1.LevelMetadata // as the journal keeps it
	}
	if c.Level == auditv1.LevelRequest || c.Level == auditv1.LevelRequestResponse {
		r.WantBody()
	}
	rec.id, rec.verb, rec.user, rec.received = r.ID, r.Info.Verb, r.User, r.Received
	if r.Impersonator != nil { // the record begins when the request is over
		rec.user = r.Impersonator
	}
	if c.Level == auditv1.LevelRequest || c.Level == auditv1.LevelRequestResponse {
		r.AuditBodies()
	}
	rec.uri, rec.agent, rec.sourceIPs = cleanURI(r), userAgent(r), sourceIPs(r)
	if i := &r.Info; i.IsResource {
		rec.refers = auditv1.ObjectReference{
			Namespace: i.Namespace, Name: i.Name, Resource: i.Resource, Subresource: i.Subresource, APIGroup: i.Group, APIVersion: i.Version,
		}
		rec.ref = &rec.refers
	}
	return rec
}

// release gives the record back; nothing may use it any more.
func (rec *record) release() {
	defer rec.a.ended()
	room, notes := rec.room, rec.annotations[:0]
	if cap(room) > maxRoom {
		room = nil
	}
	clear(notes[:cap(notes)])
	*rec = record{}
	rec.room, rec.annotations = room, notes
	records.Put(rec)
}

// emit writes the event of a stage unless the policy leaves it out.
func (rec *record) emit(s auditv1.Stage) error {
	if rec.c.Level == auditv1.LevelNone || rec.c.Omits(s) {
		return nil
	}
	rec.reach(s)
	return rec.a.write(&rec.Event)
}

// reach makes the event that of a stage.
func (rec *record) reach(s auditv1.Stage) {
	rec.stage, rec.at, rec.line = s, time.Now(), nil
	if s == auditv1.StageRequestReceived {
		rec.at = rec.received
	}
	rec.annotations = rec.annotations[:0]
	rec.r.Annotated(func(key, value string) { rec.annotations = append(rec.annotations, note{key, value}) })
	sortNotes(rec.annotations)
}

// keep gives the event of the end to the journal.
func (rec *record) keep(s auditv1.Stage) {
	j := rec.a.Journal
	if j == nil || !rec.kept && (!j.keeps(&rec.r.Info, rec.answer()) || !j.refusals.Take(rec.r.Received)) {
		return
	}
	if rec.stage != s || rec.line == nil {
		rec.reach(s)
	}
	rec.written, _ = rec.r.Written()
	j.Write(&rec.Event) //nolint:errcheck // what it loses it counts
}

// answer is the code of the answer.
func (rec *record) answer() int {
	if rec.status != nil {
		return int(rec.status.Code)
	}
	return rec.code
}

// answered writes the events of the end, or has a stream write them.
func (rec *record) answered(p *request.Response, err error) *request.Response {
	rec.result(p, err)
	switch {
	case err == nil && p != nil && p.Chunked != nil && rec.r.Method != http.MethodHead:
		rec.started()
		p.DuringStream(func() func() { return rec.ended })
		return p
	case err == nil && p != nil && p.Switches():
		rec.code = http.StatusSwitchingProtocols
		rec.started()
		p.DuringStream(func() func() { return rec.ended })
		return p
	}
	p = rec.bodies(p, err)
	rec.started()
	rec.finish()
	return p
}

// started writes the event that long-running requests have when their answer
// begins.
func (rec *record) started() {
	if rec.r.Info.LongRunning() {
		rec.emit(auditv1.StageResponseStarted) //nolint:errcheck // only the first event can stop a request
	}
}

func (rec *record) finish() {
	rec.emit(auditv1.StageResponseComplete) //nolint:errcheck // only the first event can stop a request
	rec.keep(auditv1.StageResponseComplete)
	rec.release()
}

// onPanic, deferred, writes the event of a panic and lets it go on.
func (rec *record) onPanic() {
	if v := recover(); v != nil {
		rec.panicked(v)
		panic(v)
	}
}

// ended, deferred, writes the event of the end of a stream, however it came.
func (rec *record) ended() {
	if v := recover(); v != nil {
		rec.panicked(v)
		panic(v)
	}
	rec.finish()
}

func (rec *record) panicked(v any) {
	rec.status = &metav1.Status{
		Status: metav1.StatusFailure, Reason: metav1.StatusReasonInternalError, Code: http.StatusInternalServerError,
		Message: fmt.Sprintf("APIServer panic'd: %v", v),
	}
	rec.emit(auditv1.StagePanic) //nolint:errcheck // it has failed already
	rec.keep(auditv1.StagePanic)
	rec.release()
}

// result fills in what is known when the answer is.
func (rec *record) result(p *request.Response, err error) {
	if rec.r.Impersonator != nil {
		rec.as, rec.constraint = rec.r.User, rec.r.ImpersonationConstraint
	}
	rec.fromBody()
	switch {
	case err != nil:
		s := rec.a.Status(rec.r, err)
		rec.status = &metav1.Status{Status: s.Status, Message: s.Message, Reason: s.Reason, Details: s.Details, Code: s.Code}
	case p != nil && p.Status != 0:
		rec.code = p.Status
	default:
		rec.code = http.StatusOK
	}
}

// fromBody completes the reference with what the object in the body says.
func (rec *record) fromBody() {
	n, ok := rec.r.Noted()
	if !ok || rec.ref == nil {
		return
	}
	if rec.ref.Namespace == "" {
		rec.ref.Namespace = n.Namespace
	}
	if rec.ref.Name == "" {
		rec.ref.Name = n.Name
	}
	rec.ref.UID, rec.ref.ResourceVersion = types.UID(n.UID), n.ResourceVersion
}
