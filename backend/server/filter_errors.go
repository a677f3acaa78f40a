package server

import (
	"context"
	"errors"
	"unicode/utf8"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	"k8s.io/apimachinery/pkg/util/net"
	"k8s.io/klog/v2"
)

// statusErrors turns errors into responses and adds the headers that every
// response of the API has.
func statusErrors(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		p, err := next(ctx, r)
		if err != nil {
			p = errorResponse(r, err)
		}
		if p == nil {
			p = &request.Response{}
		}
		p.Header = append(p.Header[:len(p.Header):len(p.Header)], commonHeaders(r, p)...)
		return p, nil
	}
}

func commonHeaders(r *request.Request, p *request.Response) []request.HeaderLine {
	lines := make([]request.HeaderLine, 0, 4)
	if !p.Has("Cache-Control") {
		lines = append(lines, request.HeaderLine{Name: "Cache-Control", Value: "no-cache, private"})
	}
	for _, text := range shortWarnings(r.Warnings()) {
		value, err := net.NewWarningHeader(299, "-", text)
		if err != nil {
			klog.V(2).InfoS("Warning cannot be sent", "audit-ID", r.ID, "err", err)
			continue
		}
		lines = append(lines, request.HeaderLine{Name: "Warning", Value: value})
	}
	return lines
}

// Warnings beyond the first are cut once they are this long together.
const (
	maxWarnings = 4 << 10
	maxWarning  = 256
)

// shortWarnings keeps warnings to what a header can hold: when they are longer
// together than maxWarnings characters, each is cut, and those that come after
// as many again are left out.
func shortWarnings(all []string) []string {
	written, cut := 0, false
	var out []string
	add := func(text string) {
		if chars := []rune(text); cut && len(chars) > maxWarning {
			text = string(chars[:maxWarning])
		}
		written += utf8.RuneCountInString(text)
		out = append(out, text)
	}
	for i, text := range all {
		switch {
		case cut && written >= maxWarnings:
			return out
		case cut || written+utf8.RuneCountInString(text) <= maxWarnings:
			add(text)
		default:
			written, cut, out = 0, true, nil
			for _, earlier := range all[:i+1] {
				add(earlier)
			}
		}
	}
	return out
}

// errPanic is what a panic becomes; it was logged where it was caught.
var errPanic = errors.New("panic")

// recoverPanics keeps a panic to the request that caused it.
func recoverPanics(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (p *request.Response, err error) {
		defer func() {
			if v := recover(); v != nil {
				metrics.CaughtPanic(v, "handler")
				p, err = nil, errPanic
			}
		}()
		return next(ctx, r)
	}
}
