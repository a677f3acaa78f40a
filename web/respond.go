package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"pilothouse/backend/request"
	"pilothouse/templates"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/pages"
	"pilothouse/web/unseen"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	"github.com/klauspost/compress/gzip"
	"k8s.io/klog/v2"
)

// policy is the Content-Security-Policy of every page; R stands for the nonce.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-R'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// strictest is the policy of what is no page: redirects, files, data, errors. Shown
// as a page by itself it may do nothing.
var strictest = request.HeaderLine{Name: "Content-Security-Policy", Value: "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"}

// respond turns an answer into a response.
func (d *Dashboard) respond(ctx context.Context, c *pages.Call, a *pages.Answer) *request.Response {
	ctx = messages.With(ctx, c.Language)
	p := &request.Response{Status: a.Status, Header: a.Headers}
	switch {
	case a.Secret != "":
		p.Header = append(p.Header, setSession(c.R, a.Secret))
	case a.End:
		p.Header = append(p.Header, setSession(c.R, ""))
	}
	if a.Begun != "" || a.BegunOver {
		p.Header = append(p.Header, setCookie(c.R, begunCookie(c.R), a.Begun))
	}
	switch {
	case a.Redirect != "":
		p.Status = http.StatusSeeOther
		p.Header = append(p.Header, request.HeaderLine{Name: "Location", Value: a.Redirect})
	case a.Chunked != nil:
		p.ContentType, p.Chunked = a.Type, a.Chunked
	case a.Body == nil:
		p.ContentType, p.Body = a.Type, a.Raw
	default:
		nonce := newNonce()
		body, err := d.render(templ.WithNonce(ctx, nonce), c, a)
		if err != nil {
			klog.ErrorS(err, "Render page", "path", c.R.Path, "audit-ID", c.R.ID)
			return plainText(http.StatusInternalServerError, c.T("The page could not be made."))
		}
		p.ContentType, p.Body = "text/html; charset=utf-8", body
		p.Header = append(p.Header, request.HeaderLine{Name: "Content-Language", Value: c.Language.Tag})
		p.Header = append(p.Header, request.HeaderLine{Name: "Content-Security-Policy", Value: strings.Replace(policy, "nonce-R", "nonce-"+nonce, 1)})
	}
	if !p.Has("Content-Security-Policy") {
		p.Header = append(p.Header, strictest)
	}
	p.Header = append(p.Header, safety...)
	compress(c.R, p)
	return p
}

// safety are the headers of everything that the dashboard sends.
var safety = []request.HeaderLine{
	{Name: "Referrer-Policy", Value: "same-origin"},
	{Name: "X-Content-Type-Options", Value: "nosniff"},
	{Name: "Cross-Origin-Opener-Policy", Value: "same-origin"},
	{Name: "Cross-Origin-Resource-Policy", Value: "same-origin"},
	{Name: "Cache-Control", Value: "no-store"},
}

// plainText is an answer that is no page.
func plainText(status int, text string) *request.Response {
	return &request.Response{Status: status, ContentType: "text/plain; charset=utf-8", Body: []byte(text + "\n"), Header: append([]request.HeaderLine{strictest}, safety...)}
}

func newNonce() string {
	b := make([]byte, 18)
	rand.Read(b) //nolint:errcheck // crypto/rand never fails
	return base64.StdEncoding.EncodeToString(b)
}

func (d *Dashboard) render(ctx context.Context, c *pages.Call, a *pages.Answer) ([]byte, error) {
	var buf bytes.Buffer
	if a.Fragment {
		err := a.Body.Render(ctx, &buf)
		return unseen.HTML(buf.Bytes()), err
	}
	f := d.frame(ctx, c, a)
	outer := templates.Layout(f)
	if a.Bare || c.Session == nil {
		outer = templates.Bare(f)
	}
	err := outer.Render(templ.WithChildren(ctx, a.Body), &buf)
	return unseen.HTML(buf.Bytes()), err
}

// fault answers with a page about an error.
func (d *Dashboard) fault(c *pages.Call, err error) *request.Response {
	f, ok := c.Fault(err)
	if !ok {
		klog.ErrorS(err, "Page failed", "path", c.R.Path, "audit-ID", c.R.ID)
	}
	a := &pages.Answer{Status: f.Code, Title: f.Title, Body: tmpl.Fault(f), Fragment: c.Panel, Crumbs: []view.Link{{Text: f.Title}}}
	return d.respond(context.Background(), c, a)
}

func (d *Dashboard) missing(c *pages.Call) *request.Response {
	f := &view.Fault{Title: c.T("Not found"), Message: c.T("There is no page at %s.", c.R.Path), Code: http.StatusNotFound, Reason: "NotFound", Back: &view.Link{Text: c.T("All resources"), Href: "/ui/"}}
	return d.respond(context.Background(), c, &pages.Answer{Status: f.Code, Title: f.Title, Body: tmpl.Fault(f), Crumbs: []view.Link{{Text: f.Title}}})
}

// toLogin sends a browser to the login, and tells a script that it has to.
func (d *Dashboard) toLogin(c *pages.Call) *request.Response {
	if c.R.Method != http.MethodGet || c.R.Header.Get("X-Pilothouse") != "" {
		f := &view.Fault{Title: c.T("You are not logged in"), Message: c.T("Your session has ended."), Code: http.StatusUnauthorized, Reason: "Unauthorized", Back: &view.Link{Text: c.T("Log in"), Href: "/login"}}
		return d.respond(context.Background(), c, &pages.Answer{Status: f.Code, Title: f.Title, Bare: true, Fragment: c.Panel, Body: tmpl.Fault(f)})
	}
	return redirect("/login?next=" + url.QueryEscape(c.URL()))
}

// compressFrom is the size from which a page is compressed.
const compressFrom = 1 << 10

var gzippers = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, 6)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return w
}}

func compress(r *request.Request, p *request.Response) {
	if len(p.Body) < compressFrom || p.Has("Content-Encoding") || !accepts(r, "gzip") {
		return
	}
	var buf bytes.Buffer
	w := gzippers.Get().(*gzip.Writer)
	defer gzippers.Put(w)
	w.Reset(&buf)
	if _, err := w.Write(p.Body); err != nil {
		return
	}
	if err := w.Close(); err != nil {
		return
	}
	p.Body = buf.Bytes()
	p.Header = append(p.Header, request.HeaderLine{Name: "Content-Encoding", Value: "gzip"}, request.HeaderLine{Name: "Vary", Value: "Accept-Encoding"})
}

// accepts tells whether a browser takes an encoding; "gzip;q=0" is a refusal.
func accepts(r *request.Request, encoding string) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			q, isQ := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			return !isQ || strings.Trim(q, "0.") != ""
		}
	}
	return false
}
