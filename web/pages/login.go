package pages

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	tmpl "pilothouse/templates/pages"

	"pilothouse/backend/authn/oidc"
	"pilothouse/backend/request"
	"pilothouse/web/session"
	"pilothouse/web/view"

	"k8s.io/klog/v2"
)

// loginPage takes a one-time link, or asks for a token.
func loginPage(ctx context.Context, c *Call) (*Answer, error) {
	next := safeNext(c.Query.Get("next"))
	if token := c.Query.Get("token"); token != "" {
		l, ok := c.Links.Use(token)
		if !ok {
			return c.loginForm(ctx, next, c.T("This link has been used or has expired.")), nil
		}
		return c.begin(l, next), nil
	}
	if c.Session != nil {
		return &Answer{Redirect: next}, nil
	}
	return c.loginForm(ctx, next, ""), nil
}

// login takes a bearer token, or the certificate of the connection.
func login(ctx context.Context, c *Call) (*Answer, error) {
	next := safeNext(c.Form.Get("next"))
	if c.Form.Get("certificate") != "" {
		user := c.certificateUser(ctx)
		if user == nil {
			return c.loginForm(ctx, next, c.T("The connection has no certificate that this server trusts.")), nil
		}
		return c.begin(session.Login{User: user, Method: "certificate", Until: c.R.TLS.PeerCertificates[0].NotAfter}, next), nil
	}
	token := strings.TrimSpace(c.Form.Get("token"))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return c.loginForm(ctx, next, c.T("A token is one word.")), nil
	}
	user, err := c.UserOfToken(ctx, token)
	if err != nil || user == nil {
		klog.V(2).InfoS("Login refused", "srcIP", c.R.RemoteAddr, "err", err)
		return c.loginForm(ctx, next, c.T("The server does not know this token.")), nil
	}
	return c.begin(session.Login{User: user, Method: "token", Token: token}, next), nil
}

// UserOfToken asks whose a bearer token is; nil when it is nobody's.
func (s *Site) UserOfToken(ctx context.Context, token string) (*request.User, error) {
	r := &request.Request{Method: "GET", Path: "/", RawPath: "/", Header: authorization("Bearer " + token)}
	user, err := s.Authenticate(ctx, r)
	if err != nil || user == nil || user.Name == request.UserAnonymous {
		return nil, err
	}
	return user, nil
}

func (c *Call) certificateUser(ctx context.Context) *request.User {
	if c.R.TLS == nil || len(c.R.TLS.PeerCertificates) == 0 {
		return nil
	}
	r := &request.Request{Method: "GET", Path: "/", RawPath: "/", Header: authorization(""), TLS: c.R.TLS, Conn: c.R.Conn, ConnID: c.R.ConnID}
	user, err := c.Authenticate(ctx, r)
	if err != nil || user == nil || user.Name == request.UserAnonymous {
		return nil
	}
	return user
}

func (c *Call) loginForm(ctx context.Context, next, problem string) *Answer {
	v := view.Login{Problem: problem, Next: next}
	for _, p := range c.Logins.List() {
		q := url.Values{"provider": {p.ID}, "next": {next}}
		v.Providers = append(v.Providers, view.Link{Text: p.Name, Href: "/login/oidc?" + q.Encode()})
	}
	if id := c.Query.Get("ended"); id != "" {
		if address, name := c.Logins.EndAddress(id, origin(c.R)+"/login"); address != "" {
			v.Ended = &view.Link{Text: name, Href: address}
		}
	}
	if user := c.certificateUser(ctx); user != nil {
		v.Certificate = user.Name
	}
	a := &Answer{Title: c.T("Log in"), Bare: true, Body: tmpl.Login(v)}
	if problem != "" {
		a.Status = http.StatusUnauthorized
	}
	return a
}

func (c *Call) begin(l session.Login, next string) *Answer {
	l.Remote, l.Agent = c.R.RemoteAddr, c.R.Header.Get("User-Agent")
	if l.Token != "" && l.Refresh == "" {
		l.Until = oidc.Expiry(l.Token) // what cannot be renewed ends to the second
	}
	if c.Session != nil {
		c.Sessions.End(c.Session.ID) // a login replaces the one before
	}
	secret, s := c.Sessions.Begin(l)
	klog.V(1).InfoS("Login to the dashboard", "user", l.User.Name, "method", l.Method, "srcIP", l.Remote, "session", s.ID[:8])
	return &Answer{Redirect: next, Secret: secret}
}

// logout ends the session.
func logout(_ context.Context, c *Call) (*Answer, error) {
	c.Sessions.End(c.Session.ID)
	return &Answer{Redirect: c.afterLogout(), End: true}, nil
}

// sessionCheck is what a script asks before it connects again: the answer of a
// page without a session is 401.
func sessionCheck(context.Context, *Call) (*Answer, error) {
	return &Answer{Status: http.StatusNoContent}, nil
}

// safeNext keeps the address after a login on this origin and in the dashboard.
func safeNext(next string) string {
	if !strings.HasPrefix(next, "/ui/") || strings.ContainsAny(next, "\\\r\n") {
		return "/ui/"
	}
	return next
}

// authorization is the headers of a request that has nothing but credentials.
type authorization string

// Get gives the Authorization header.
func (a authorization) Get(name string) string {
	if strings.EqualFold(name, "Authorization") {
		return string(a)
	}
	return ""
}

// Values gives the Authorization header.
func (a authorization) Values(name string) []string {
	if v := a.Get(name); v != "" {
		return []string{v}
	}
	return nil
}

// Each calls f for the Authorization header.
func (a authorization) Each(f func(name, value string)) {
	if a != "" {
		f("Authorization", string(a))
	}
}
