package backend

import (
	"context"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/aggregator"
	"pilothouse/backend/client"
	"pilothouse/backend/openapi"
	"pilothouse/backend/request"
)

// newAggregator sets up what has to do with API servers that extend this one. It
// knows the APIServices before the first request comes.
func (s *Server) newAggregator(documents *openapi.Service) (*aggregator.Manager, error) {
	if _, err := s.proxyCertificate(); err != nil {
		return nil, err
	}
	chain := func(ctx context.Context, r *request.Request) (*request.Response, error) { return s.chain(ctx, r) }
	return aggregator.New(aggregator.Options{
		Registry: s.registry, Client: client.New(chain, request.Server, "kube-apiserver"), OpenAPI: documents,
		Certificate: s.proxyCertificate, Hidden: s.isProxyHeader, Clock: time.Now,
	})
}

// isProxyHeader tells the headers that front proxies of this server name users
// with.
func (s *Server) isProxyHeader(name string) bool {
	h := s.options.Authn.RequestHeader
	same := func(n string) bool { return strings.EqualFold(n, name) }
	return slices.ContainsFunc(h.UsernameHeaders, same) || slices.ContainsFunc(h.UIDHeaders, same) || slices.ContainsFunc(h.GroupHeaders, same) ||
		slices.ContainsFunc(h.ExtraHeadersPrefixes, func(prefix string) bool { return request.HasPrefixFold(name, prefix) })
}
