package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"pilothouse/backend/client"
	"pilothouse/backend/request"
	"pilothouse/web/live"
	"pilothouse/web/messages"
	"pilothouse/web/pages"
	"pilothouse/web/session"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
)

const (
	// agent names the dashboard to the API, and so in managedFields.
	agent = "pilothouse-dashboard"
	// maxForm is the size of the largest form: an object of the API's limit,
	// written in percent-encoding, and its base beside it.
	maxForm = 15 << 20
)

// Filter puts the dashboard before a handler. It belongs before authentication,
// because sessions are the dashboard's own.
func (d *Dashboard) Filter(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		switch {
		case strings.HasPrefix(r.Path, "/ui/"), r.Path == "/login", r.Path == "/login/oidc", strings.HasPrefix(r.Path, "/login/oidc/"), r.Path == "/logout":
			return d.serve(ctx, r)
		case r.Path == "/ui":
			return redirect("/ui/"), nil
		case r.Path == "/login/link":
			return d.newLink(ctx, r)
		case r.Path == "/" && r.Dashboard && wantsHTML(r):
			return redirect("/ui/"), nil
		case strings.HasPrefix(r.Path, "/openapi/") && navigates(r):
			return redirect(explorerOf(r.Path)), nil
		case r.Path == "/favicon.ico" && r.Dashboard:
			return d.asset(r, "icon.svg")
		}
		return next(ctx, r)
	}
}

func wantsHTML(r *request.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// navigates tells a browser that shows what it asks for, on either listener.
// Clients of the API that take text/html too do not begin with it.
func navigates(r *request.Request) bool {
	return r.Method == http.MethodGet && strings.HasPrefix(r.Header.Get("Accept"), "text/html,")
}

// explorerOf is the page of the explorer that shows what a document of the API's
// description is about: /openapi/v3/apis/apps/v1 that group's version.
func explorerOf(document string) string {
	parts := strings.Split(strings.TrimPrefix(document, "/openapi/v3/"), "/")
	q := url.Values{}
	switch {
	case len(parts) == 2 && parts[0] == "api":
		q.Set("group", "core")
		q.Set("version", parts[1])
	case len(parts) >= 2 && parts[0] == "apis":
		q.Set("group", parts[1])
		if len(parts) == 3 {
			q.Set("version", parts[2])
		}
	default:
		return "/ui/explore"
	}
	return "/ui/explore?" + q.Encode()
}

func redirect(to string) *request.Response {
	return &request.Response{Status: http.StatusSeeOther, Header: append([]request.HeaderLine{{Name: "Location", Value: to}, strictest}, safety...)}
}

// newLink gives whoever the API knows a one-time link that logs a browser in as
// them: kubectl create --raw /login/link -f /dev/null.
func (d *Dashboard) newLink(ctx context.Context, r *request.Request) (*request.Response, error) {
	if r.Method != http.MethodPost {
		return nil, apierrors.NewMethodNotSupported(schema.GroupResource{}, r.Method)
	}
	user, err := d.site.Authenticate(ctx, r)
	if err != nil || user == nil || user.Name == request.UserAnonymous {
		return nil, apierrors.NewUnauthorized("Unauthorized")
	}
	l := session.Login{User: user}
	// The session ends with the credential that the link was made by.
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if of, err := d.site.UserOfToken(ctx, token); strings.EqualFold(scheme, "bearer") && err == nil && of != nil && of.Name == user.Name {
		l.Token = token
	} else if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		l.Until = r.TLS.PeerCertificates[0].NotAfter
	}
	return &request.Response{ContentType: "text/plain; charset=utf-8", Body: []byte(d.link(l) + "\n")}, nil
}

// serve answers a request for a page.
func (d *Dashboard) serve(ctx context.Context, r *request.Request) (*request.Response, error) {
	if name, ok := strings.CutPrefix(r.Path, "/ui/static/"); ok {
		return d.asset(r, name)
	}
	if name, ok := strings.CutPrefix(r.Path, messagesPath); ok {
		return d.messages(r, name)
	}
	c := &pages.Call{Site: &d.site, R: r, Query: r.Query(), Panel: r.Header.Get("X-Pilothouse") == "panel"}
	c.Origin = "http://" + r.Header.Get("Host")
	if r.TLS != nil {
		c.Origin = "https://" + r.Header.Get("Host")
	}
	d.identify(ctx, c)
	c.Language = d.language(c)
	ctx = messages.With(ctx, c.Language)
	if r.Path == "/ui/live" {
		return d.live(c)
	}
	if r.Path == "/ui/terminal" {
		return d.terminal(c)
	}
	p := pages.Find(r.Method, r.Path)
	switch {
	case p == nil:
		return d.missing(c), nil
	case c.Session == nil && !p.Public:
		return d.toLogin(c), nil
	}
	if r.Method == http.MethodPost {
		if err := d.readForm(c, p); err != nil {
			return d.fault(c, err), nil
		}
	}
	a, err := p.Serve(ctx, c)
	if err != nil {
		return d.fault(c, err), nil
	}
	return d.respond(ctx, c, a), nil
}

// identify finds the session of a request. A session that began with a token
// ends when the token is not valid any more.
func (d *Dashboard) identify(ctx context.Context, c *pages.Call) {
	secret := cookie(c.R, sessionCookie(c.R))
	c.BegunCookie = cookie(c.R, begunCookie(c.R))
	s := d.site.Sessions.Find(secret)
	if s == nil || !d.verify(ctx, s, secret) {
		return
	}
	c.Session, c.Secret, c.Changed = s, secret, s.Changed()
	c.As = s.As()
	c.Own = client.New(d.site.API, s.Now(), agent).From(c.R.RemoteAddr)
	c.Client = c.Acting(c.As)
}

// language is that of a request: what its user has chosen, else what the browser
// asks for. A websocket speaks the language of its page, whatever was chosen since.
func (d *Dashboard) language(c *pages.Call) *messages.Language {
	if tag := c.Query.Get("language"); tag != "" && (c.R.Path == "/ui/live" || c.R.Path == "/ui/terminal") {
		return messages.Choose("", tag)
	}
	chosen := ""
	if c.Session != nil && d.site.Prefs != nil {
		chosen = d.site.Prefs.Language(c.Session.User.Name)
	}
	return messages.Choose(chosen, c.R.Header.Get("Accept-Language"))
}

// readForm reads a posted form and finds out whether a page of this origin, and
// for pages with a session one of this session, sent it.
func (d *Dashboard) readForm(c *pages.Call, p *pages.Page) error {
	if len(c.R.Body) > maxForm {
		return pages.Refused(http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge, "the form is too large")
	}
	if !live.SameOrigin(c.R) {
		return forbidden("this form was sent by a page of another origin")
	}
	media, _, _ := strings.Cut(c.R.Header.Get("Content-Type"), ";")
	if media != "application/x-www-form-urlencoded" {
		return badForm("a form has to be application/x-www-form-urlencoded")
	}
	form, err := url.ParseQuery(string(c.R.Body))
	if err != nil {
		return badForm("the form cannot be read")
	}
	if !p.Public && !session.CheckFormToken(c.Secret, form.Get("form")) {
		return forbidden("this form is not of your session; load the page again")
	}
	c.Form = form
	return nil
}

func forbidden(text messages.Text) error {
	return pages.Refused(http.StatusForbidden, metav1.StatusReasonForbidden, text)
}

func badForm(text messages.Text) error {
	return pages.Refused(http.StatusBadRequest, metav1.StatusReasonBadRequest, text)
}

// live answers the handshake of a tab's websocket.
func (d *Dashboard) live(c *pages.Call) (*request.Response, error) {
	if c.Session == nil {
		return nil, apierrors.NewUnauthorized(c.T("Your session has ended."))
	}
	s, secret := c.Session, c.Secret
	return live.Accept(c.R, live.Tab{
		Open: c.OpenLive,
		Explain: func(err error) any {
			f, ok := c.Fault(err)
			if pages.IsQuery(err) {
				return map[string]any{"problem": c.Problem(err)}
			}
			if !ok {
				klog.ErrorS(err, "Live part of a page", "audit-ID", c.R.ID)
			}
			return f
		},
		Alive: func() bool {
			return d.site.Sessions.Alive(s) && d.verify(context.Background(), s, secret)
		},
		Done: s.Done(), Changed: c.Changed,
	})
}
