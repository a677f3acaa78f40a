// Package endpoints owns the HTTP meaning of the API's verbs: which resource
// and verb a request is about, how options and bodies are read, in which form an
// answer is given, and what a watch sends. It works on request.Request and
// request.Response and never imports a transport. Read handler.go first, then
// route.go, one file per verb (get.go, list.go, create.go ...), and respond.go.
package endpoints

import (
	"context"
	"strings"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Admission has a say in every write; *admission.Chain is one.
type Admission interface {
	Mutates(op admission.Operation, e *registry.Entry, subresource string) bool
	Mutate(ctx context.Context, a *admission.Attributes) error
	Validates(op admission.Operation, e *registry.Entry, subresource string) bool
	Validate(ctx context.Context, a *admission.Attributes) error
}

// FieldManager keeps metadata.managedFields and carries out server-side apply;
// *fieldmanager.Manager is one. Objects given to it may be in any version.
type FieldManager interface {
	Update(r *registry.Resource, version, subresource string, live, obj scheme.Object, manager string) (scheme.Object, error)
	Apply(r *registry.Resource, version, subresource string, live scheme.Object, patch *unstructured.Unstructured, manager string, force bool) (scheme.Object, error)
}

// Config is what a Handler works with. Only Registry has to be there.
type Config struct {
	Registry *registry.Registry
	// Admission may be nil: then every write is admitted as it is.
	Admission Admission
	// FieldManager may be nil: then managedFields stay as clients send them and
	// apply is refused.
	FieldManager FieldManager
	// AuthorizeCreate is asked when an update or apply turns out to create the
	// object; nil allows. The error is a 403 Status.
	AuthorizeCreate func(ctx context.Context, r *request.Request, namespace, name string) error
	// Aggregated gives the handler of a group version that another API server
	// serves, nil when this one does. It is asked before the table.
	Aggregated func(group, version string) request.Handler
	// Past tells who wrote what when; nil leaves the parameter "history" without
	// meaning.
	Past Past
	// Paths answers requests for what is no resource: discovery, health,
	// OpenAPI. Nil answers 404.
	Paths request.Handler
	// Clock is time.Now when nil.
	Clock registry.Clock
	// MinRequestTimeout is the least time that a watch without timeoutSeconds
	// lasts; each takes a random one up to twice as long. 0 means 30 minutes.
	MinRequestTimeout time.Duration
	// BookmarkPeriod is the time between the bookmarks of a watch; 0 means a
	// minute.
	BookmarkPeriod time.Duration
}

// Handler answers API requests after authentication and authorization.
type Handler struct {
	Config
	views viewCache
	forms formCache
}

// New gives a Handler.
func New(c Config) *Handler {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.MinRequestTimeout <= 0 {
		c.MinRequestTimeout = 30 * time.Minute
	}
	if c.BookmarkPeriod <= 0 {
		c.BookmarkPeriod = time.Minute
	}
	return &Handler{Config: c}
}

// Serve is a request.Handler.
func (h *Handler) Serve(ctx context.Context, r *request.Request) (*request.Response, error) {
	if h.Aggregated != nil {
		if group, version, ok := groupVersionOf(r); ok {
			if target := h.Aggregated(group, version); target != nil {
				return target(ctx, r)
			}
		}
	}
	if !r.Info.IsResource {
		if h.Paths == nil {
			return notFoundPage(), nil
		}
		return h.Paths(ctx, r)
	}
	if strings.HasPrefix(r.Path, "//") {
		return notFoundPage(), nil
	}
	v := h.views.of(h.Registry.Table(), r.Info.Group, r.Info.Version, r.Info.Resource)
	if v == nil {
		return h.unknown(r)
	}
	c := call{h: h, r: r, v: v, e: v.entry}
	act, err := c.route()
	if err != nil {
		return nil, err
	}
	if act == nil {
		return notFoundPage(), nil
	}
	if v.entry.Version.Deprecated != "" && !c.connects() {
		r.Warn(v.entry.Version.Deprecated)
	}
	return act(&c, ctx)
}

// call is one request for a resource of the table.
type call struct {
	h   *Handler
	r   *request.Request
	v   *view
	e   *registry.Entry
	sub *registry.Subresource
	// form is what the answer is to look like; set by route.
	form scheme.MediaType
}

// groupVersionOf gives the group version that a request is for: any path below
// /apis/GROUP/VERSION.
func groupVersionOf(r *request.Request) (group, version string, ok bool) {
	if r.Info.IsResource {
		return r.Info.Group, r.Info.Version, r.Info.Group != ""
	}
	rest, ok := cutPath(r.Path, "apis")
	if !ok {
		return "", "", false
	}
	group, rest, ok = nextPart(rest)
	if !ok {
		return "", "", false
	}
	version, _, ok = nextPart(rest)
	return group, version, ok
}
