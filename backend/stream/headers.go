package stream

import (
	"net"
	"net/http"
	"strings"

	"pilothouse/backend/request"
)

// credentials are the headers by which the API server knows its clients. They
// never go further: whoever runs a pod would get them.
var credentials = []string{"Authorization", "Impersonate-", "X-Remote-"}

// hopByHop are the headers that end with one connection (RFC 9110 7.6.1).
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// bearerProtocol begins the WebSocket subprotocol in which browsers hand over a
// token.
const bearerProtocol = "base64url.bearer.authorization.k8s.io."

// forwarded gives the headers of a request as they go on: without the client's
// credentials, and with its address.
func forwarded(r *request.Request) http.Header {
	h := http.Header{}
	r.Header.Each(func(name, value string) {
		name = http.CanonicalHeaderKey(name)
		switch {
		case isCredential(name), name == "Host", name == "Content-Length", name == "Expect":
		case name == "Cookie" && fromBrowser(r): // holds the session of the dashboard
		case name == "Sec-Websocket-Protocol":
			if rest := withoutToken(value); rest != "" {
				h.Add(name, rest)
			}
		default:
			h.Add(name, value)
		}
	})
	if ip, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		if before := h.Values("X-Forwarded-For"); len(before) > 0 {
			ip = strings.Join(before, ", ") + ", " + ip
		}
		h.Set("X-Forwarded-For", ip)
	}
	return h
}

// fromBrowser tells requests that a page of the dashboard's origin may have made:
// those on its own listener, and on the API's those that browsers mark or that
// bring its cookie.
func fromBrowser(r *request.Request) bool {
	return r.Dashboard || r.Header.Get("Sec-Fetch-Mode") != "" || strings.Contains(strings.Join(r.Header.Values("Cookie"), ";"), request.DashboardCookie)
}

func isCredential(name string) bool {
	for _, c := range credentials {
		if name == c || strings.HasSuffix(c, "-") && strings.HasPrefix(name, c) {
			return true
		}
	}
	return false
}

func withoutToken(protocols string) string {
	var rest []string
	for _, p := range splitList(protocols) {
		if !strings.HasPrefix(p, bearerProtocol) {
			rest = append(rest, p)
		}
	}
	return strings.Join(rest, ", ")
}

// splitList splits a list of words of a header.
func splitList(values ...string) []string {
	var words []string
	for _, v := range values {
		for word := range strings.SplitSeq(v, ",") {
			if word = strings.TrimSpace(word); word != "" {
				words = append(words, word)
			}
		}
	}
	return words
}

// dropHopByHop removes what is for one connection only, and what the Connection
// header names besides.
func dropHopByHop(h http.Header) {
	for _, name := range splitList(h.Values("Connection")...) {
		h.Del(name)
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// wantsUpgrade tells a request to change the connection's protocol.
func wantsUpgrade(r *request.Request) bool {
	for _, v := range r.Header.Values("Connection") {
		if strings.Contains(strings.ToLower(v), "upgrade") {
			return true
		}
	}
	return false
}

// wantsWebSocket tells a request for a WebSocket.
func wantsWebSocket(r *request.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && wantsUpgrade(r)
}
