package proxy

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// hostPrefix begins the names of cookies that a browser takes over TLS only;
	// here they have ownPrefix instead, since this is plain HTTP.
	hostPrefix = "__Host-"
	ownPrefix  = "proxied-"
	// linkTimeout bounds the request for a login link, maxLink its answer.
	linkTimeout = 10 * time.Second
	maxLink     = 1 << 10
)

// browser is what browsers need to use the server's dashboard through the proxy:
// a session of the kubeconfig's user, cookies without TLS, and the Origin of the
// server in place of that of the proxy.
type browser struct {
	to    *url.URL
	round http.RoundTripper
}

// handler changes requests on their way in. An Origin is that of an accepted
// host here: the filter has looked.
func (b *browser) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" && r.Method == http.MethodGet && !r.URL.Query().Has("token") && strings.Contains(r.Header.Get("Accept"), "text/html") {
			if to, ok := b.link(r.Context(), r.URL.Query().Get("next")); ok {
				http.Redirect(w, r, to, http.StatusSeeOther)
				return
			}
		}
		if u, err := url.Parse(r.Header.Get("Origin")); err == nil && u.Host == r.Host && u.Scheme == "http" {
			r.Header.Set("Origin", b.to.Scheme+"://"+b.to.Host)
		}
		for i, line := range r.Header["Cookie"] {
			r.Header["Cookie"][i] = renameCookies(line)
		}
		next.ServeHTTP(w, r)
	})
}

func renameCookies(line string) string {
	parts := strings.Split(line, ";")
	for i, p := range parts {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(p), ownPrefix); ok {
			parts[i] = hostPrefix + rest
		} else {
			parts[i] = strings.TrimSpace(p)
		}
	}
	return strings.Join(parts, "; ")
}

// link asks the server for an address that logs a browser in as the proxy's
// user; servers without a dashboard have none.
func (b *browser) link(ctx context.Context, next string) (address string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, linkTimeout)
	defer cancel()
	at := *b.to
	at.Path = strings.TrimSuffix(at.Path, "/") + "/login/link"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(nil))
	if err != nil {
		return "", false
	}
	resp, err := b.round.RoundTrip(r)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxLink))
	address = strings.TrimSpace(string(text))
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(address, "/login?token=") {
		return "", false
	}
	if next != "" {
		address += "&next=" + url.QueryEscape(next)
	}
	return address, true
}

// RoundTrip sends a request on, and lets the browser keep the answer's cookies.
func (b *browser) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.round.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for i, c := range resp.Header["Set-Cookie"] {
		if rest, ok := strings.CutPrefix(c, hostPrefix); ok {
			resp.Header["Set-Cookie"][i] = ownPrefix + strings.ReplaceAll(rest, "; Secure", "")
		}
	}
	return resp, nil
}
