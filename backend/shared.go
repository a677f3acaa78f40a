package backend

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"pilothouse/backend/client"
	"pilothouse/backend/controllers/apiaddress"
	"pilothouse/backend/life"
	"pilothouse/backend/request"
	"pilothouse/backend/server"
	"pilothouse/backend/storage"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
)

// consistent makes requests see what other servers on the same storage had
// written before: it waits for the storage's stream. As in Kubernetes, a read
// that names a resourceVersion takes what is here, or waits for that revision.
func consistent(engine storage.Shared, next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if r.Info.IsResource && !namesRevision(r) {
			if err := engine.Sync(ctx); err != nil {
				return nil, apierrors.NewTimeoutError("the storage does not answer: "+err.Error(), 1)
			}
		}
		return next(ctx, r)
	}
}

// name is what this server is called among others on the same storage: its
// address, if others can reach it. Empty for one that is alone.
func (s *Server) name() string {
	if _, ok := s.engine.(storage.Shared); !ok {
		return ""
	}
	if a, ok := netip.AddrFromSlice(s.options.Serving.Advertised()); ok && apiaddress.Sayable(a.Unmap()) {
		return a.Unmap().String()
	}
	return s.advertised()
}

// noteName is what the notes of writes call this server; empty when nobody asks
// for the past.
func (s *Server) noteName() string {
	if s.options.Storage.HistoryRetention == 0 {
		return ""
	}
	return s.name()
}

// elsewhere tells which of the other servers may remember a request: the one that
// its audit id is marked by, or else all of them. They are those that say with a
// Lease where they are.
func (s *Server) elsewhere() life.Elsewhere {
	own := s.name()
	if own == "" {
		return nil
	}
	return func(ctx context.Context, id string) (servers []string, sure bool) {
		if strings.HasSuffix(id, server.IDMark(own)) {
			return nil, false // it is forgotten
		}
		all, err := apiaddress.Servers(ctx, client.New(s.chain, request.Server, "kube-apiserver"))
		if err != nil {
			klog.ErrorS(err, "Cannot find the other servers")
			return nil, false
		}
		for _, a := range all {
			if a == own {
				continue
			}
			at := net.JoinHostPort(a, strconv.Itoa(s.listeners.port()))
			if strings.HasSuffix(id, server.IDMark(a)) {
				return []string{at}, true
			}
			servers = append(servers, at)
		}
		return servers, false
	}
}

func namesRevision(r *request.Request) bool {
	switch r.Info.Verb {
	case "get", "list", "watch":
		return r.Query().Get("resourceVersion") != ""
	}
	return false
}
