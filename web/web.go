// Package web is the dashboard: pages for browsers, made on the server, that act
// on the API as the user who is logged in and can do nothing that kubectl could
// not. It answers /ui/, /login and /logout; everything else stays the API's.
// Read web.go first, then serve.go, pages/page.go and pages/list_of_pages.go.
package web

import (
	"context"
	"sync"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/authn/oidc"
	"pilothouse/backend/authz"
	"pilothouse/backend/authz/rbac"
	"pilothouse/backend/discovery"
	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/web/apidoc"
	"pilothouse/web/capacity"
	"pilothouse/web/jobs"
	"pilothouse/web/pages"
	"pilothouse/web/prefs"
	"pilothouse/web/rows"
	"pilothouse/web/session"
	"pilothouse/web/terminal"
	"pilothouse/web/trend"
	"pilothouse/web/undo"
)

// Options are what a Dashboard works with.
type Options struct {
	Registry *registry.Registry
	// Remote gives the groups that other API servers serve, and a number that is
	// another one whenever they have changed; nil for none.
	Remote        func() ([]discovery.RemoteGroup, int64)
	Authenticator authn.Authenticator
	// Logins are the OIDC providers at which browsers log in, nil for none.
	Logins *oidc.Logins
	// Authorizer decides which buttons work; what they do is a request that is
	// authorized for itself.
	Authorizer authz.Authorizer
	// WhoCan lists all grants of RBAC that cover a request.
	WhoCan func(*authz.Attributes) []rbac.Grant
	// PreferencesFile keeps what users keep over a restart; empty keeps it in
	// memory.
	PreferencesFile string
	// SessionFile keeps sessions over a restart; empty keeps them in memory.
	SessionFile string
	// Version is what the pages say they are.
	Version string
	// Clock is time.Now when nil.
	Clock func() time.Time
	// Hold is how long a deletion waits in which it can be undone; 10 s when 0.
	Hold time.Duration
}

// hold is how long a deletion waits.
const hold = 10 * time.Second

// finishTimeout bounds what is deleted when the server stops.
const finishTimeout = 5 * time.Second

// Dashboard is the dashboard of one server. Order of use: New, Filter in the
// server's chain, SetAPI before the first request, Close.
type Dashboard struct {
	site   pages.Site
	cancel context.CancelFunc

	background sync.WaitGroup
}

// New gives a Dashboard.
func New(o Options) (*Dashboard, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Hold == 0 {
		o.Hold = hold
	}
	sessions, err := session.Open(session.Options{File: o.SessionFile, Clock: o.Clock})
	if err != nil {
		return nil, err
	}
	kept, err := prefs.Open(o.PreferencesFile)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &Dashboard{cancel: cancel}
	samples := trend.New(metrics.Registry, o.Clock)
	d.background.Go(metrics.Guarded("dashboard", func() { samples.Run(ctx) }))
	d.site = pages.Site{
		Registry: o.Registry, Remote: &pages.Remote{Groups: o.Remote}, Pool: rows.NewPool(ctx), Sessions: sessions, Links: session.NewLinks(o.Clock),
		Logins: o.Logins, Begun: session.NewBox(), Jobs: jobs.New(ctx), Docs: apidoc.New(), Terminals: terminal.New(ctx),
		Authenticate: o.Authenticator.Authenticate, Authorizer: o.Authorizer, WhoCan: o.WhoCan, Clock: o.Clock, Trend: samples, Prefs: kept, Undo: undo.NewTable(o.Clock), Hold: o.Hold, Answers: pages.NewAnswers(o.Clock), Listable: pages.NewListable(o.Clock), Started: o.Clock(), Version: o.Version,
	}
	d.site.Capacity = capacity.New(ctx, d.site.Itself)
	return d, nil
}

// SetAPI tells the dashboard how to ask the API: the server's whole chain of
// filters with the API behind it.
func (d *Dashboard) SetAPI(chain request.Handler) { d.site.API = chain }

// Link gives the path and query of a new one-time link that logs a browser in
// as user.
func (d *Dashboard) Link(user *request.User) string {
	return d.link(session.Login{User: user})
}

func (d *Dashboard) link(l session.Login) string {
	l.Method = "link"
	return "/login?token=" + d.site.Links.New(l)
}

// Finish carries out the deletions that wait: their users have confirmed them.
// It returns when they are done, when ctx ends, or after some seconds.
func (d *Dashboard) Finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	d.site.Jobs.Finish(ctx)
}

// Close ends the live lists and the terminals.
func (d *Dashboard) Close() {
	d.cancel()
	d.site.Terminals.Wait()
	d.site.Pool.Wait()
	d.site.Capacity.Wait()
	d.site.Jobs.Wait()
	d.background.Wait()
}
