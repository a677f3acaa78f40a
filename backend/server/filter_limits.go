package server

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// MaxBody is the size of the largest body that the API takes, Kubernetes' 3 MiB.
const MaxBody = 3 << 20

// deadline ends the context of a request after timeout, or earlier if its
// client says so, unless it is long-running.
func deadline(timeout time.Duration) Filter {
	return func(next request.Handler) request.Handler {
		return func(ctx context.Context, r *request.Request) (*request.Response, error) {
			if r.Info.LongRunning() || timeout <= 0 {
				return next(ctx, r)
			}
			limit, err := clientTimeout(r, timeout)
			if err != nil {
				return nil, err
			}
			ctx, stop := request.NewContext(ctx, r, r.Received.Add(limit))
			defer stop()
			return next(ctx, r)
		}
	}
}

func clientTimeout(r *request.Request, most time.Duration) (time.Duration, error) {
	if r.RawQuery == "" {
		return most, nil
	}
	value := r.Query().Get("timeout")
	if value == "" {
		return most, nil
	}
	wanted, err := time.ParseDuration(value)
	if err != nil {
		return 0, apierrors.NewBadRequest(fmt.Sprintf("invalid timeout specified in the request URL - %v", err))
	}
	if wanted <= 0 || wanted > most {
		return most, nil
	}
	return wanted, nil
}

// limitInFlight refuses requests above the limits with 429. Long-running ones
// are not counted, and the administrators' are let through, so that a server
// under load can be looked at.
func limitInFlight(most, mostMutating int) Filter {
	return func(next request.Handler) request.Handler {
		var reading, mutating atomic.Int64
		return func(ctx context.Context, r *request.Request) (*request.Response, error) {
			count, limit := &reading, most
			if r.Info.Mutating() {
				count, limit = &mutating, mostMutating
			}
			if limit <= 0 || r.Info.LongRunning() {
				return next(ctx, r)
			}
			defer count.Add(-1)
			if count.Add(1) > int64(limit) && !r.User.InGroup(request.GroupMasters) {
				return nil, apierrors.NewTooManyRequests("Too many requests, please try again later.", 1)
			}
			return next(ctx, r)
		}
	}
}

// limitBody refuses bodies that are too large for the API. What goes on to a
// pod, a service or a node is not the API's.
func limitBody(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if len(r.Body) > MaxBody && r.Info.Subresource != "proxy" {
			return nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("limit is %d", MaxBody))
		}
		return next(ctx, r)
	}
}

// guardDashboard lets a browser reach the plain listener by a loopback name
// only: a page on another host whose name was pointed at 127.0.0.1 gets nothing.
func guardDashboard(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if r.Dashboard && !isLoopbackHost(r.Header.Get("Host")) {
			return nil, apierrors.NewForbidden(noResource, "", fmt.Errorf("this address answers to localhost only"))
		}
		return next(ctx, r)
	}
}

func isLoopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	if len(host) > 2 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
