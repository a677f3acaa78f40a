package audit

import (
	"context"
	"fmt"
	"net"
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
		c := a.Policy.Match(r.User, &r.Info)
		levelCounts[c.Level].Inc()
		if c.Level == auditv1.LevelNone {
			return next(ctx, r)
		}
		rec := a.begin(r, c)
		if err := rec.emit(auditv1.StageRequestReceived); err != nil {
			rejected.Inc()
			klog.ErrorS(err, "Request is refused, it cannot be audited", "audit-ID", r.ID)
			return refusal(r), nil
		}
		defer rec.onPanic()
		p, err = next(ctx, r)
		return rec.answered(p, err), err
	}
}

// Failure records requests whose sender could not be authenticated. They have
// one event, as in Kubernetes: ResponseStarted.
func (a *Auditor) Failure(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		p, err := next(ctx, r)
		c := a.Policy.Match(nil, &r.Info)
		levelCounts[c.Level].Inc()
		if c.Level != auditv1.LevelNone {
			rec := a.begin(r, c)
			rec.result(p, err)
			rec.emit(auditv1.StageResponseStarted) //nolint:errcheck // it is refused anyway
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
}

var records = sync.Pool{New: func() any { return &record{} }}

// maxRoom is the largest buffer that is kept for the next event.
const maxRoom = 64 << 10

func (a *Auditor) begin(r *request.Request, c *Config) *record {
	rec := records.Get().(*record)
	rec.a, rec.r, rec.c = a, r, c
	rec.level, rec.id, rec.verb, rec.user, rec.received = c.Level, r.ID, r.Info.Verb, r.User, r.Received
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
	room := rec.room
	if cap(room) > maxRoom {
		room = nil
	}
	*rec = record{}
	rec.room = room
	records.Put(rec)
}

// emit writes the event of a stage unless the policy leaves it out.
func (rec *record) emit(s auditv1.Stage) error {
	if rec.c.Omits(s) {
		return nil
	}
	rec.stage, rec.at, rec.line = s, time.Now(), nil
	if s == auditv1.StageRequestReceived {
		rec.at = rec.received
	}
	rec.annotations = rec.r.Annotations()
	return rec.a.write(&rec.Event)
}

// answered writes the events of the end, or has a stream write them.
func (rec *record) answered(p *request.Response, err error) *request.Response {
	rec.result(p, err)
	switch {
	case err == nil && p != nil && p.Chunked != nil && rec.r.Method != http.MethodHead:
		rec.started()
		body := p.Chunked
		p.Chunked = func(ctx context.Context, w request.ChunkWriter) error {
			defer rec.ended()
			return body(ctx, w)
		}
		return p
	case err == nil && p != nil && p.Hijack != nil:
		rec.code = http.StatusSwitchingProtocols
		rec.started()
		hijack := p.Hijack
		p.Hijack = func(ctx context.Context, conn net.Conn) {
			defer rec.ended()
			hijack(ctx, conn)
		}
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
