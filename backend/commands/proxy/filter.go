package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Patterns of kubectl proxy that hold unless others are given, each a list of
// regular expressions separated by commas.
const (
	DefaultAcceptHosts   = `^localhost$,^127\.0\.0\.1$,^\[::1\]$`
	DefaultAcceptPaths   = `^.*`
	DefaultRejectPaths   = `^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach`
	DefaultRejectMethods = `^$`
)

// filter decides which requests are sent on, by the rules of kubectl proxy.
type filter struct {
	acceptHosts, acceptPaths, rejectPaths, rejectMethods []*regexp.Regexp
	disabled                                             bool
}

func newFilter(o *Options) (*filter, error) {
	f := &filter{disabled: o.DisableFilter}
	for _, one := range []struct {
		to         *[]*regexp.Regexp
		flag, text string
	}{
		{&f.acceptHosts, "--accept-hosts", o.AcceptHosts}, {&f.acceptPaths, "--accept-paths", o.AcceptPaths},
		{&f.rejectPaths, "--reject-paths", o.RejectPaths}, {&f.rejectMethods, "--reject-methods", o.RejectMethods},
	} {
		for part := range strings.SplitSeq(one.text, ",") {
			r, err := regexp.Compile(part)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", one.flag, err)
			}
			*one.to = append(*one.to, r)
		}
	}
	return f, nil
}

func matches(text string, list []*regexp.Regexp) bool {
	for _, r := range list {
		if r.MatchString(text) {
			return true
		}
	}
	return false
}

// accepts tells whether a request is sent on. Beyond kubectl's rules, pages of
// other sites may not have a browser ask: they need no answer to do harm.
func (f *filter) accepts(r *http.Request) bool {
	if f.disabled {
		return true
	}
	if matches(r.URL.Path, f.rejectPaths) || matches(r.Method, f.rejectMethods) {
		return false
	}
	return matches(r.URL.Path, f.acceptPaths) && matches(hostOf(r.Host), f.acceptHosts) && f.acceptsOrigin(r)
}

func (f *filter) acceptsOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return r.Header.Get("Sec-Fetch-Site") != "cross-site" || r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Method == http.MethodGet
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && matches(hostOf(u.Host), f.acceptHosts)
}

// hostOf is a host without its port; an IPv6 address keeps its brackets.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return hostport
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
