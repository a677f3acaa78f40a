package web

import (
	"net"
	"strings"

	"pilothouse/backend/request"
)

// sessionCookie is the name of the cookie with the session's secret. Browsers
// do not tell the ports of a host apart, so on plain HTTP the port is in the
// name and two servers on one machine keep their sessions; on TLS the prefix
// has browsers refuse the cookie from anyone else.
func sessionCookie(r *request.Request) string {
	_, port, err := net.SplitHostPort(r.Header.Get("Host"))
	if err != nil {
		port = "80"
	}
	if r.TLS != nil {
		return "__Host-" + request.DashboardCookie + port
	}
	return request.DashboardCookie + port
}

// begunCookie is the name of the cookie with a login that is at a provider.
func begunCookie(r *request.Request) string { return sessionCookie(r) + "-login" }

// cookie gives the value of a cookie.
func cookie(r *request.Request, name string) string {
	for _, line := range r.Header.Values("Cookie") {
		for part := range strings.SplitSeq(line, ";") {
			n, v, ok := strings.Cut(strings.TrimSpace(part), "=")
			if ok && n == name {
				return v
			}
		}
	}
	return ""
}

// setSession is the header that gives a browser its session, or takes it away
// when secret is empty.
func setSession(r *request.Request, secret string) request.HeaderLine {
	return setCookie(r, sessionCookie(r), secret)
}

// setCookie is the header that gives a browser a cookie, or takes it away when
// value is empty. Scripts do not see it, and other sites do not send it.
func setCookie(r *request.Request, name, value string) request.HeaderLine {
	line := name + "=" + value + "; Path=/; HttpOnly; SameSite=Strict"
	if r.TLS != nil {
		line += "; Secure"
	}
	if value == "" {
		line += "; Max-Age=0"
	}
	return request.HeaderLine{Name: "Set-Cookie", Value: line}
}
