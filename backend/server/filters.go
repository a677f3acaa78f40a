package server

import (
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/authz"
	"pilothouse/backend/request"
)

// Filter wraps a handler: it sees the request on its way in, and the response
// or the error on its way out.
type Filter func(next request.Handler) request.Handler

// FilterOptions are what the filters are set up with.
type FilterOptions struct {
	// Server is the name of this server among several on one storage; the audit
	// ids that it gives tell it (IDMark). Empty for a server that is alone.
	Server        string
	Authenticator authn.Authenticator
	Authorizer    authz.Authorizer
	// RequestTimeout bounds every request that is not long-running.
	RequestTimeout time.Duration
	// MaxInFlight and MaxMutatingInFlight bound the requests that are handled
	// at the same time; 0 means no bound.
	MaxInFlight, MaxMutatingInFlight int
	// FlowControl lets requests take turns in place of these bounds; nil leaves
	// them in force.
	FlowControl Filter
	// Dashboard answers what browsers ask for, and knows who they are by its own
	// sessions; nil leaves it out.
	Dashboard Filter
	// Life follows requests and Trace gives them spans; nil leaves them out.
	Life, Trace Filter
	// Audit and Impersonate are the filters of these names; nil leaves them out.
	Audit, Impersonate Filter
	// AuditFailure is around the refusal of who cannot be authenticated; nil
	// leaves it out.
	AuditFailure Filter
}

// Filters gives the filters in the order in which a request passes them.
func Filters(o FilterOptions) []Filter {
	return []Filter{
		o.auditID,                  // first, so that everything after can name the request
		parseInfo,                  // what is asked for: everything below decides by it
		logRequests,                // outside of statusErrors, so that it sees the final status
		countRequests,              //
		statusErrors,               // errors become Status responses here
		optional(o.Life),           // sees the error behind the status, panics too
		recoverPanics,              // and panics become errors
		guardDashboard,             // before anyone is asked who they are
		deadline(o.RequestTimeout), // authentication may take time too
		optional(o.Dashboard),      // has sessions instead of credentials
		authenticate(o.Authenticator, o.AuditFailure), //
		optional(o.Trace),       // knows whose trace it may go on with
		optional(o.Audit),       // knows who, and sees what is refused below
		optional(o.Impersonate), // the real user's rights to be someone else
		o.limits(),              // after authentication: masters are not held up
		authorize(o.Authorizer), //
		limitBody,               // after authorization, as Kubernetes reads bodies then
	}
}

// limits gives the filter that bounds the requests at one time.
func (o *FilterOptions) limits() Filter {
	if o.FlowControl != nil {
		return o.FlowControl
	}
	return limitInFlight(o.MaxInFlight, o.MaxMutatingInFlight)
}

// Chain puts filters around a handler, the first outermost.
func Chain(handler request.Handler, filters ...Filter) request.Handler {
	for i := len(filters) - 1; i >= 0; i-- {
		handler = filters[i](handler)
	}
	return handler
}

func optional(f Filter) Filter {
	if f == nil {
		return func(next request.Handler) request.Handler { return next }
	}
	return f
}
