// Package pages owns what the dashboard's pages do: each asks the API as the
// user who is logged in and gives a view for a template. What there is is listed
// in list_of_pages.go, one file a page. Read page.go first, then that list.
package pages

import (
	"context"
	"net/url"
	"strings"
	"time"

	"pilothouse/backend/authn/oidc"
	"pilothouse/backend/authz"
	"pilothouse/backend/authz/rbac"
	"pilothouse/backend/client"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/web/apidoc"
	"pilothouse/web/capacity"
	"pilothouse/web/jobs"
	"pilothouse/web/messages"
	"pilothouse/web/prefs"
	"pilothouse/web/rows"
	"pilothouse/web/session"
	"pilothouse/web/terminal"
	"pilothouse/web/trend"
	"pilothouse/web/undo"
	"pilothouse/web/view"

	"github.com/a-h/templ"
)

// Site is what all pages share.
type Site struct {
	// API answers requests from inside the process, with all filters.
	API      request.Handler
	Registry *registry.Registry
	// Remote has the types of other API servers.
	Remote   *Remote
	Pool     *rows.Pool
	Sessions *session.Table
	Links    *session.Links
	// Logins are the OIDC providers at which browsers log in, nil for none; Begun
	// encrypts logins that are there.
	Logins *oidc.Logins
	Begun  *session.Box
	Jobs   *jobs.Table
	Docs   *apidoc.Library
	// Terminals are the shells that browsers have open.
	Terminals *terminal.Table
	// Authenticate finds out who a request is from; for logins.
	Authenticate func(ctx context.Context, r *request.Request) (*request.User, error)
	// Authorizer tells which buttons would work; WhoCan lists RBAC's grants that
	// cover a request. Both may be nil.
	Authorizer authz.Authorizer
	WhoCan     func(*authz.Attributes) []rbac.Grant
	// Trend has the server's metrics of the last hour; nil where there are none.
	Trend *trend.Trend
	// Capacity is what nodes have and what is asked of them; nil where nobody counts.
	Capacity *capacity.Ledger
	// Prefs are what users keep; nil where nothing is kept.
	Prefs *prefs.Table
	// Undo has what users did a moment ago, Answers what the explorer was answered.
	Undo    *undo.Table
	Answers *Answers
	// Listable has which types users may list.
	Listable *Listable
	// Hold is how long a deletion waits in which it can be undone.
	Hold    time.Duration
	Clock   func() time.Time
	Started time.Time
	Version string
}

// Call is one request for a page.
type Call struct {
	*Site
	// Language is the user's; T and N are its methods.
	*messages.Language
	R *request.Request
	// Origin is the address of the server as the browser calls it; a live part
	// outlives the headers that say so.
	Origin string
	// Session is nil on public pages without a login, Secret its cookie.
	Session *session.Session
	Secret  string
	// BegunCookie is the cookie of a login that is at a provider.
	BegunCookie string
	// Own acts as the user, Client as whom the session acts: As, nil for the user.
	// Changed is closed when that is someone else.
	Own, Client *client.Client
	As          *request.User
	Changed     <-chan struct{}
	// Query are the parameters of the address, Form those of a posted form.
	Query, Form url.Values
	// Panel tells that only the part inside the frame is wanted, for the side
	// panel.
	Panel bool
}

// URL is the page's own address with its query.
func (c *Call) URL() string {
	if c.R.RawQuery == "" {
		return c.R.RawPath
	}
	return c.R.RawPath + "?" + c.R.RawQuery
}

// Answer is what a page gives back: a body inside the frame, a redirect, or raw
// bytes.
type Answer struct {
	Status int
	Title  string
	Crumbs []view.Link
	Body   templ.Component
	// Bare leaves the frame's navigation out.
	Bare bool
	// Fragment leaves the whole frame out.
	Fragment bool
	// Current is the list that the navigation marks; Picker keeps the page in
	// the namespace picker.
	Current string
	Picker  *Picker

	Redirect string
	Raw      []byte
	Type     string
	// Chunked writes a body of any length as it comes.
	Chunked func(ctx context.Context, w request.ChunkWriter) error
	Headers []request.HeaderLine
	// Secret begins a session for the browser, End ends it.
	Secret string
	End    bool
	// Begun has the browser keep a login that is at a provider, BegunOver has it
	// forget that.
	Begun     string
	BegunOver bool
}

func (a *Answer) header(name, value string) {
	a.Headers = append(a.Headers, request.HeaderLine{Name: name, Value: value})
}

// Picker is what the namespace picker works on.
type Picker struct {
	// All is the page for all namespaces, One that for a single one.
	All  string
	One  func(namespace string) string
	Keep url.Values
	// Chosen are the namespaces that are shown, or with Except are not.
	Chosen []string
	Except bool
	// of is the resource that is shown of the namespaces.
	of address
}

// Page is one page or action.
type Page struct {
	// Method is GET or POST. A POST has been checked to come from a form of
	// this session, or on public pages from this origin.
	Method string
	// Path is the address; one that ends in a slash stands for all below it
	// too.
	Path string
	// Public pages need no login.
	Public bool
	Serve  func(ctx context.Context, c *Call) (*Answer, error)
}

// Find gives the page of an address, nil when there is none.
func Find(method, path string) *Page {
	if method == "HEAD" {
		method = "GET"
	}
	var best *Page
	for i := range All {
		p := &All[i]
		fits := p.Path == path || strings.HasSuffix(p.Path, "/") && p.Path != "/ui/" && strings.HasPrefix(path, p.Path)
		if p.Method == method && fits && (best == nil || len(p.Path) > len(best.Path)) {
			best = p
		}
	}
	return best
}
