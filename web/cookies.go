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
		return "__Host-pilothouse-" + port
	}
	return "pilothouse-" + port
}

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
	value := sessionCookie(r) + "=" + secret + "; Path=/; HttpOnly; SameSite=Strict"
	if r.TLS != nil {
		value += "; Secure"
	}
	if secret == "" {
		value += "; Max-Age=0"
	}
	return request.HeaderLine{Name: "Set-Cookie", Value: value}
}
