package audit

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"pilothouse/backend/request"

	netutils "k8s.io/utils/net"
)

const (
	maxUserAgent    = 1024
	truncatedSuffix = "...TRUNCATED"
	// maxSourceIPs bounds what a client's X-Forwarded-For can bring in.
	maxSourceIPs = 64
)

func userAgent(r *request.Request) string {
	agent := r.Header.Get("User-Agent")
	if len(agent) > maxUserAgent {
		agent = agent[:maxUserAgent] + truncatedSuffix
	}
	return agent
}

// sourceIPs are those of X-Forwarded-For, then X-Real-Ip unless it is among
// them, then the connection's unless it is the last one.
func sourceIPs(r *request.Request) []string {
	var out []string
	if list := r.Header.Get("X-Forwarded-For"); list != "" {
		for part := range strings.SplitSeq(list, ",") {
			if ip := netutils.ParseIPSloppy(strings.TrimSpace(part)); ip != nil && len(out) < maxSourceIPs {
				out = append(out, ip.String())
			}
		}
	}
	if text := r.Header.Get("X-Real-Ip"); text != "" {
		if ip := netutils.ParseIPSloppy(text); ip != nil && !slices.Contains(out, ip.String()) {
			out = append(out, ip.String())
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if text, ok := addressText(host); ok {
		if len(out) == 0 || out[len(out)-1] != text {
			out = append(out, text)
		}
	} else if ip := netutils.ParseIPSloppy(host); ip != nil {
		if text := ip.String(); len(out) == 0 || out[len(out)-1] != text {
			out = append(out, text)
		}
	}
	return out
}

// addressText is an address as net.IP writes it; false for one that only the
// sloppy parser knows.
func addressText(host string) (string, bool) {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		return "", false
	}
	return a.Unmap().String(), true
}

// cleanURI is the request's path and query without the values of parameters that
// may hold a credential.
func cleanURI(r *request.Request) string {
	if r.RawQuery == "" {
		return r.RawPath
	}
	if !mayHoldSecret(r.RawQuery) {
		return r.RawPath + "?" + r.RawQuery
	}
	parts := strings.Split(r.RawQuery, "&")
	for i, part := range parts {
		name, _, ok := strings.Cut(part, "=")
		if clear, err := url.QueryUnescape(name); ok && (err != nil || mayHoldSecret(clear)) {
			parts[i] = name + "=masked"
		}
	}
	return r.RawPath + "?" + strings.Join(parts, "&")
}

// mayHoldSecret looks for the words of credentials; a percent sign could hide one.
func mayHoldSecret(text string) bool {
	text = strings.ToLower(text)
	for _, word := range []string{"token", "password", "secret", "%"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
