package authn

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pilothouse/backend/request"
)

// FrontProxyOptions say whom to believe about who a caller is.
type FrontProxyOptions struct {
	// Roots are the authorities of the proxies' client certificates; they are
	// not those of users.
	Roots Roots
	// AllowedNames are the common names that a proxy's certificate may have;
	// empty means any.
	AllowedNames []string
	// The headers that name the user; the first one with a value counts.
	UserHeaders, UIDHeaders []string
	// GroupHeaders give the groups: all values of all of them.
	GroupHeaders []string
	// ExtraPrefixes begin the headers of the user's extra.
	ExtraPrefixes []string
	Now           func() time.Time
}

// FrontProxy believes an authenticating proxy, which is known by its client
// certificate, what its headers say about the user. Without such a certificate
// the headers mean nothing. Nobody after this sees them.
func FrontProxy(o FrontProxyOptions) Authenticator {
	p := &frontProxy{o: o, check: checker{
		roots: o.Roots, now: o.Now,
		kept: func(c *certificates) *atomic.Pointer[verified] { return &c.proxy },
	}}
	return Func(p.authenticate)
}

type frontProxy struct {
	o     FrontProxyOptions
	check checker
	users Users
}

func (p *frontProxy) authenticate(_ context.Context, r *request.Request) (*request.User, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	name := first(r.Header, p.o.UserHeaders)
	if name == "" {
		return nil, nil
	}
	v, err := p.check.of(r)
	if v == nil || err != nil {
		return nil, err
	}
	if cn := v.cert.Subject.CommonName; len(p.o.AllowedNames) > 0 && !slices.Contains(p.o.AllowedNames, cn) {
		return nil, fmt.Errorf("x509: subject with cn=%s is not in the allowed list", cn)
	}
	user := addAuthenticated(&request.User{
		Name: name, UID: first(r.Header, p.o.UIDHeaders), Groups: all(r.Header, p.o.GroupHeaders), Extra: extra(r.Header, p.o.ExtraPrefixes),
	})
	r.Header = request.WithoutHeaders(r.Header, p.isOwn)
	return p.users.Intern(user), nil
}

// isOwn tells the headers that are from the proxy to this server only.
func (p *frontProxy) isOwn(header string) bool {
	for _, names := range [][]string{p.o.UserHeaders, p.o.UIDHeaders, p.o.GroupHeaders} {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, header) }) {
			return true
		}
	}
	return slices.ContainsFunc(p.o.ExtraPrefixes, func(prefix string) bool { return request.HasPrefixFold(header, prefix) })
}

func first(h request.Header, names []string) string {
	for _, n := range names {
		if v := h.Get(n); v != "" {
			return v
		}
	}
	return ""
}

func all(h request.Header, names []string) []string {
	var out []string
	for _, n := range names {
		for _, v := range h.Values(n) {
			if v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

func extra(h request.Header, prefixes []string) map[string][]string {
	var out map[string][]string
	for _, prefix := range prefixes {
		h.Each(func(name, value string) {
			if !request.HasPrefixFold(name, prefix) {
				return
			}
			if out == nil {
				out = map[string][]string{}
			}
			key := ExtraKey(name[len(prefix):])
			out[key] = append(out[key], value)
		})
	}
	return out
}

// ExtraKey is the key of a user's extra that the end of a header's name stands
// for: in lower case, percent-decoded. What cannot be decoded stays as it is.
func ExtraKey(encoded string) string {
	encoded = strings.ToLower(encoded)
	if key, err := url.PathUnescape(encoded); err == nil {
		return key
	}
	return encoded
}
