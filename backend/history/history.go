// Package history owns the past of objects: when revisions were written (the
// timeline, which also says how far back storage keeps them), who wrote them
// (from the audit journal and the requests in memory), and what changed in a
// namespace. The versions themselves are storage's. Read history.go first, then
// timeline.go and changes.go; docs/history.md says how it is used.
package history

import (
	"context"
	"time"

	"pilothouse/backend/audit"
	"pilothouse/backend/authz"
	"pilothouse/backend/endpoints"
	"pilothouse/backend/life"
	"pilothouse/backend/request"

	"k8s.io/klog/v2"
)

// Past knows times and authors of revisions.
type Past struct {
	*Timeline
	journal    *audit.Journal
	requests   *life.Recorder
	authorizer authz.Authorizer
}

// New gives a Past; journal and requests may be nil.
func New(t *Timeline, journal *audit.Journal, requests *life.Recorder, a authz.Authorizer) *Past {
	return &Past{t, journal, requests, a}
}

// Authors gives who wrote revisions. Only who may see all requests is told from
// where they came, and with what.
func (p *Past) Authors(ctx context.Context, revisions []int64) map[int64]endpoints.Author {
	out := make(map[int64]endpoints.Author, len(revisions))
	wanted := make(map[int64]bool, len(revisions))
	for _, r := range revisions {
		wanted[r] = true
	}
	p.remembered(wanted, out)
	p.recorded(ctx, wanted, out)
	if !p.mayKnow(ctx) {
		for r, a := range out {
			a.From, a.Agent, a.URI = "", "", ""
			out[r] = a
		}
	}
	return out
}

// remembered takes what memory knows out of wanted.
func (p *Past) remembered(wanted map[int64]bool, out map[int64]endpoints.Author) {
	if p.requests == nil || len(wanted) == 0 {
		return
	}
	for _, r := range p.requests.List(1<<30, func(r *life.Record) bool { return len(r.Written) > 0 }) {
		for _, w := range r.Written {
			if !wanted[w.Revision] {
				continue
			}
			delete(wanted, w.Revision)
			a := endpoints.Author{AuditID: r.ID, Verb: r.Info.Verb, URI: r.URI, Agent: r.Agent, From: r.From, At: r.Received}
			user, as := r.User, (*request.User)(nil)
			if r.Impersonator != nil {
				user, as = r.Impersonator, r.User
			}
			if user != nil {
				a.User = user.Name
			}
			if as != nil {
				a.As = as.Name
			}
			out[w.Revision] = a
		}
	}
}

// recorded asks the journal about the rest.
func (p *Past) recorded(ctx context.Context, wanted map[int64]bool, out map[int64]endpoints.Author) {
	if p.journal == nil || len(wanted) == 0 {
		return
	}
	list := make([]int64, 0, len(wanted))
	for r := range wanted {
		list = append(list, r)
	}
	found, err := p.journal.Authors(ctx, list)
	if err != nil {
		klog.ErrorS(err, "Cannot read the audit journal")
	}
	for r, e := range found {
		a := endpoints.Author{
			User: e.User.Username, AuditID: string(e.AuditID), Verb: e.Verb, URI: e.RequestURI, Agent: e.UserAgent, At: e.RequestReceivedTimestamp.Time,
		}
		if e.ImpersonatedUser != nil {
			a.As = e.ImpersonatedUser.Username
		}
		if len(e.SourceIPs) > 0 {
			a.From = e.SourceIPs[0]
		}
		out[r] = a
	}
}

func (p *Past) mayKnow(ctx context.Context) bool {
	a := authz.Attributes{User: request.UserFrom(ctx), Verb: "get", Path: life.Path}
	if a.User == nil {
		return false
	}
	decision, _, err := p.authorizer.Authorize(ctx, &a)
	return err == nil && decision == authz.Allow
}

// at reads a time of a question; zero for none.
func at(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, text)
}
