package aggregator

import (
	"net"
	"net/http"
	"strings"

	"pilothouse/backend/request"
)

// The headers that tell another server who asks. It believes them because of
// the client certificate that comes with them.
const (
	userHeader  = "X-Remote-User"
	uidHeader   = "X-Remote-Uid"
	groupHeader = "X-Remote-Group"
	extraHeader = "X-Remote-Extra-"
)

// setIdentity says who asks.
func setIdentity(h http.Header, u *request.User) {
	h.Set(userHeader, u.Name)
	if u.UID != "" {
		h.Set(uidHeader, u.UID)
	}
	for _, g := range u.Groups {
		h.Add(groupHeader, g)
	}
	for key, values := range u.Extra {
		for _, v := range values {
			h.Add(extraHeader+escapeKey(key), v)
		}
	}
}

// escapeKey percent-encodes what cannot be in a header's name, and the percent
// sign.
func escapeKey(key string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(key) {
		c := key[i]
		if isToken(c) && c != '%' {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String()
}

// isToken tells the characters of names in RFC 9110 5.6.2.
func isToken(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// hopHeaders are between two neighbours only.
var hopHeaders = map[string]bool{
	"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true, "Trailers": true,
	"Transfer-Encoding": true, "Upgrade": true, "Content-Length": true, "Host": true, "Date": true, "Expect": true,
}

// secretHeaders prove to this server who asks. No other server gets to see them:
// it could pose as the caller.
var secretHeaders = map[string]bool{"Authorization": true, "Proxy-Authorization": true, "Cookie": true}

// protocolHeader may carry a token among the protocols that a browser offers.
const (
	protocolHeader = "Sec-Websocket-Protocol"
	tokenProtocol  = "base64url.bearer.authorization.k8s.io."
)

// headerFor makes the header that another server gets for a request.
func (m *Manager) headerFor(r *request.Request) http.Header {
	h := http.Header{}
	local := connectionHeaders(r.Header.Values("Connection"))
	r.Header.Each(func(name, value string) {
		name = http.CanonicalHeaderKey(name)
		switch {
		case hopHeaders[name], secretHeaders[name], local[name], m.claimsIdentity(name):
			return
		case name == protocolHeader:
			if value = withoutToken(value); value == "" {
				return
			}
		}
		h[name] = append(h[name], value)
	})
	if _, has := h["User-Agent"]; !has {
		h["User-Agent"] = []string{""} // or net/http would name itself
	}
	h.Set("Audit-Id", r.ID)
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		h.Set("X-Forwarded-For", strings.Join(append(h.Values("X-Forwarded-For"), host), ", "))
	}
	setIdentity(h, r.User)
	return h
}

// claimsIdentity tells the headers that a client could pose as somebody else
// with.
func (m *Manager) claimsIdentity(name string) bool {
	return request.HasPrefixFold(name, "X-Remote-") || request.HasPrefixFold(name, "Impersonate-") || m.o.Hidden(name)
}

// connectionHeaders are the headers that a Connection header says are not to go
// on.
func connectionHeaders(values []string) map[string]bool {
	out := map[string]bool{}
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			out[http.CanonicalHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	return out
}

func withoutToken(protocols string) string {
	var kept []string
	for p := range strings.SplitSeq(protocols, ",") {
		if p = strings.TrimSpace(p); p != "" && !strings.HasPrefix(p, tokenProtocol) {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ", ")
}

// keptBack are headers of answers that are this server's to give: its cookies
// and who may read its answers in a browser.
var keptBack = map[string]bool{
	"Set-Cookie": true, "Audit-Id": true, "Content-Type": true,
	"Access-Control-Allow-Credentials": true, "Access-Control-Allow-Headers": true,
	"Access-Control-Allow-Methods": true, "Access-Control-Allow-Origin": true,
}

// headerOf makes the header of the answer that the client gets.
func headerOf(h http.Header) []request.HeaderLine {
	local := connectionHeaders(h.Values("Connection"))
	var out []request.HeaderLine
	for name, values := range h {
		if hopHeaders[name] || local[name] || keptBack[name] {
			continue
		}
		for _, v := range values {
			out = append(out, request.HeaderLine{Name: name, Value: v})
		}
	}
	return out
}
