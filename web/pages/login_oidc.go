package pages

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"time"

	"pilothouse/backend/authn/oidc"
	"pilothouse/backend/request"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/session"

	"k8s.io/klog/v2"
)

const (
	// begunLife is how long a login at a provider may take.
	begunLife = 10 * time.Minute
	// maxBegunNext is the longest address to go on to; a cookie has room for 4096
	// bytes altogether.
	maxBegunNext = 1500
)

// begun is a login that is at the provider. The browser keeps it, encrypted: so
// nobody fills the server's memory with logins that they never finish.
type begun struct {
	Started *oidc.Started `json:"started"`
	Next    string        `json:"next"`
	Expires time.Time     `json:"expires"`
}

// oidcStart sends the browser to a provider. It is a link and no form, as the
// policy of the pages keeps forms on this server, redirects and all.
func oidcStart(ctx context.Context, c *Call) (*Answer, error) {
	next := safeNext(c.Query.Get("next"))
	if len(next) > maxBegunNext {
		next = "/ui/"
	}
	address, started, err := c.Logins.Start(c.Query.Get("provider"), origin(c.R)+oidc.CallbackPath)
	if err != nil {
		klog.ErrorS(err, "Login at a provider", "audit-ID", c.R.ID)
		return c.loginForm(ctx, next, c.T("This provider is not available now.")), nil
	}
	raw, err := json.Marshal(begun{started, next, c.Clock().Add(begunLife)})
	if err != nil {
		return nil, err
	}
	return &Answer{Redirect: address, Begun: c.Begun.Seal(string(raw))}, nil
}

// origin is this server as the browser sees it.
func origin(r *request.Request) string {
	if r.TLS != nil {
		return "https://" + r.Header.Get("Host")
	}
	return "http://" + r.Header.Get("Host")
}

// oidcCallback is where the provider sends the browser. Coming from another
// site it shows none of this server's cookies, which are strict; so this page
// leads to oidcFinish, as a page of this server.
func oidcCallback(_ context.Context, c *Call) (*Answer, error) {
	finish := "/login/oidc/finish?" + c.Query.Encode()
	a := &Answer{Title: c.T("Log in"), Bare: true, Body: tmpl.Onward(finish)}
	a.header("Refresh", "0; url="+finish)
	return a, nil
}

// errorCode is what an error of a provider looks like; what else it says is
// anybody's text.
var errorCode = regexp.MustCompile(`^[a-zA-Z_]{1,64}$`)

// oidcFinish exchanges what the browser brought for tokens and begins the
// session.
func oidcFinish(ctx context.Context, c *Call) (*Answer, error) {
	b, ok := c.begunLogin()
	if !ok {
		return c.loginForm(ctx, "", c.T("This login was not begun in this browser, or too long ago. Try again.")), nil
	}
	a := c.finish(ctx, b)
	a.BegunOver = true
	return a, nil
}

// begunLogin gives the login that the browser began, when what it came back with
// belongs to it.
func (c *Call) begunLogin() (*begun, bool) {
	var b begun
	if json.Unmarshal([]byte(c.Begun.Open(c.BegunCookie)), &b) != nil || b.Started == nil || c.Clock().After(b.Expires) {
		return nil, false
	}
	if !session.Equal(c.Query.Get("state"), b.Started.State) {
		return nil, false
	}
	// A provider that says who it is must be the one that was asked (RFC 9207).
	if issuer := c.Query.Get("iss"); issuer != "" && issuer != b.Started.Issuer {
		return nil, false
	}
	return &b, true
}

func (c *Call) finish(ctx context.Context, b *begun) *Answer {
	if code := c.Query.Get("error"); code != "" {
		if !errorCode.MatchString(code) {
			code = c.T("an error")
		}
		return c.loginForm(ctx, b.Next, c.T("The provider says: %s.", code))
	}
	tokens, err := c.Logins.Finish(ctx, b.Started, c.Query.Get("code"))
	if err != nil {
		klog.ErrorS(err, "Login at a provider", "issuer", b.Started.Issuer, "srcIP", c.R.RemoteAddr)
		return c.loginForm(ctx, b.Next, c.T("The provider did not confirm the login."))
	}
	user, err := c.UserOfToken(ctx, tokens.ID)
	if err != nil || user == nil {
		klog.ErrorS(err, "Login refused: the provider's ID token is no good here", "issuer", b.Started.Issuer, "srcIP", c.R.RemoteAddr)
		return c.loginForm(ctx, b.Next, c.T("The provider's ID token does not make anybody a user here."))
	}
	return c.begin(session.Login{User: user, Method: "oidc", Token: tokens.ID, Refresh: tokens.Refresh, Issuer: b.Started.Issuer}, b.Next)
}

// afterLogout is where a browser goes when its session has ended: for one that
// began at a provider, to where the login there can be ended too.
func (c *Call) afterLogout() string {
	if c.Session.Issuer == "" {
		return "/login"
	}
	return "/login?ended=" + url.QueryEscape(c.Logins.ProviderID(c.Session.Issuer))
}
