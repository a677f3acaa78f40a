// Package history owns the past of objects: when revisions were written (the
// timeline, which also says how far back storage keeps them), who wrote them
// (from the requests in memory, the audit journal, and storage's notes), and what changed in a
// namespace. The versions themselves are storage's. Read history.go first, then
// timeline.go and changes.go; docs/history.md says how it is used.
package history

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"pilothouse/backend/audit"
	"pilothouse/backend/authz"
	"pilothouse/backend/life"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/storage"

	"k8s.io/klog/v2"
)

// Past knows times and authors of revisions.
type Past struct {
	*Timeline
	o Options
}

// Options are where a Past looks. Journal, Requests and Notes may be nil.
type Options struct {
	Timeline *Timeline
	Requests *life.Recorder
	Journal  *audit.Journal
	// Notes is the storage, if it keeps who made each write. It alone knows of
	// writes that other servers took.
	Notes storage.Noting
	// Server is the name of this server in notes.
	Server     string
	Authorizer authz.Authorizer
}

// New gives a Past.
func New(o Options) *Past { return &Past{o.Timeline, o} }

// Authors gives who made changes, by their revisions. Only who may see all
// requests is told from where they came, and with what.
func (p *Past) Authors(ctx context.Context, changes []registry.Change) map[int64]request.Author {
	out := make(map[int64]request.Author, len(changes))
	wanted := make(map[int64]string, len(changes))
	for i := range changes {
		wanted[changes[i].Revision] = changes[i].Key
	}
	p.remembered(wanted, out)
	p.recorded(ctx, wanted, out)
	p.noted(ctx, wanted, out)
	if !p.mayKnow(ctx) {
		for r, a := range out {
			a.From, a.Agent, a.URI, a.Server = "", "", "", ""
			out[r] = a
		}
	}
	return out
}

// remembered takes what memory knows out of wanted, which are keys by revision.
func (p *Past) remembered(wanted map[int64]string, out map[int64]request.Author) {
	if p.o.Requests == nil || len(wanted) == 0 {
		return
	}
	for _, r := range p.o.Requests.List(1<<30, func(r *life.Record) bool { return len(r.Written) > 0 }) {
		for _, w := range r.Written {
			if _, ok := wanted[w.Revision]; !ok {
				continue
			}
			delete(wanted, w.Revision)
			a := request.Author{AuditID: r.ID, Verb: r.Info.Verb, URI: r.URI, Agent: r.Agent, From: r.From, At: r.Received}
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

// recorded takes what the journal knows out of wanted.
func (p *Past) recorded(ctx context.Context, wanted map[int64]string, out map[int64]request.Author) {
	if p.o.Journal == nil || len(wanted) == 0 {
		return
	}
	list := slices.Collect(maps.Keys(wanted))
	found, err := p.o.Journal.Authors(ctx, list)
	if err != nil {
		klog.ErrorS(err, "Cannot read the audit journal")
	}
	for r, e := range found {
		delete(wanted, r)
		a := request.Author{
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

// noted asks the storage about the rest: what other servers took.
func (p *Past) noted(ctx context.Context, wanted map[int64]string, out map[int64]request.Author) {
	if p.o.Notes == nil || len(wanted) == 0 {
		return
	}
	records := make([]storage.Record, 0, len(wanted))
	for r, key := range wanted {
		records = append(records, storage.Record{Key: key, Revision: r})
	}
	if err := p.o.Notes.Notes(ctx, records); err != nil {
		if !errors.Is(err, storage.ErrCompacted) {
			klog.ErrorS(err, "Cannot read who made the writes")
		}
		return
	}
	for i := range records {
		if a, ok := request.ReadAuthor(records[i].Value); ok {
			if a.Server == p.o.Server {
				a.Server = ""
			}
			out[records[i].Revision] = a
		}
	}
}

func (p *Past) mayKnow(ctx context.Context) bool {
	a := authz.Attributes{User: request.UserFrom(ctx), Verb: "get", Path: life.Path}
	if a.User == nil {
		return false
	}
	decision, _, err := p.o.Authorizer.Authorize(ctx, &a)
	return err == nil && decision == authz.Allow
}

// at reads a time of a question; zero for none.
func at(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, text)
}
