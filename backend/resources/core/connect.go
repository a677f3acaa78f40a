package core

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	"k8s.io/apimachinery/pkg/runtime"
)

// The HTTP methods of what leads to a node: browsers open a WebSocket by GET,
// SPDY starts with POST.
var (
	readMethods   = []string{"GET"}
	streamMethods = []string{"GET", "POST"}
	proxyMethods  = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
)

// connecting adds what s does to a subresource, when the server has streams.
func connecting(env *registry.Env, s registry.Subresource, methods []string, options func() runtime.Object,
	of func(*registry.Streams) registry.Connect) registry.Subresource {
	if env.Streams == nil {
		return s
	}
	s.ConnectMethods, s.Options = methods, options
	s.Connect = func(ctx context.Context, c registry.Call, r *request.Request) (*request.Response, error) {
		return of(env.Streams)(ctx, c, r)
	}
	return s
}

// newObject gives a func that makes a new T for an options type.
func newObject[T any, P interface {
	*T
	runtime.Object
}]() func() runtime.Object {
	return func() runtime.Object { return P(new(T)) }
}
