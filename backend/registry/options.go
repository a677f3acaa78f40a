package registry

import (
	"context"
	"net/netip"
	"time"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// ValidateFunc is validating admission as the Store calls it, after a
// resource's own validation and before the commit. old is nil for a create,
// obj is nil for a delete. Both are in the storage version; neither is to be
// changed.
type ValidateFunc func(ctx context.Context, obj, old scheme.Object) error

// GetOptions say how fresh a read must be.
type GetOptions struct {
	// ResourceVersion is the client's; "" and "0" mean whatever is newest here.
	ResourceVersion string
	// Exact asks for the object as it was at ResourceVersion.
	Exact bool
}

// ListOptions are the options of one list; the words are those of
// metav1.ListOptions.
type ListOptions struct {
	Namespace            string // empty: all
	Labels               labels.Selector
	Fields               fields.Selector
	Limit                int64
	Continue             string
	ResourceVersion      string
	ResourceVersionMatch metav1.ResourceVersionMatch
}

// List is the answer to a list: objects of one revision, in key order.
type List struct {
	Revision int64
	Items    []*watchcache.Object
	// Continue is the token of the next page, empty on the last.
	Continue string
	// Remaining is the number of objects after this page, nil when unknown.
	Remaining *int64
}

// WatchOptions are the options of one watch.
type WatchOptions struct {
	Namespace            string
	Labels               labels.Selector
	Fields               fields.Selector
	ResourceVersion      string
	ResourceVersionMatch metav1.ResourceVersionMatch
	SendInitialEvents    *bool
	Bookmarks            bool
}

// CreateOptions are the options of one create.
type CreateOptions struct {
	DryRun   bool
	Validate ValidateFunc
}

// UpdateOptions are the options of one update, patch or apply.
type UpdateOptions struct {
	// Strategy is a subresource's; nil means the resource's own.
	Strategy *Strategy
	// Transform is given a copy of the current object, nil when it does not
	// exist and may be created, and gives what is to be written; both are in
	// the storage version. It is called again after a conflict that the client
	// could not have foreseen.
	Transform func(ctx context.Context, current scheme.Object) (scheme.Object, error)
	// Preconditions are checked against the current object.
	Preconditions *metav1.Preconditions
	DryRun        bool
	// AllowCreate lets the update create, as server-side apply does, whatever
	// the strategy says.
	AllowCreate bool
	// Validate is admission for the update, ValidateCreate for a create that
	// the update turns out to be.
	Validate, ValidateCreate ValidateFunc
}

// DeleteOptions are the options of one delete.
type DeleteOptions struct {
	Options  metav1.DeleteOptions
	DryRun   bool
	Validate ValidateFunc
}

// Result is what a write did.
type Result struct {
	// Object is the state after the write; after a delete the last state.
	Object *watchcache.Object
	// Hub is the same, decoded; shared, not to be changed.
	Hub scheme.Object
	// Created tells an update that created; Deleted that the object is gone.
	Created, Deleted bool
}

// Env is what resources may need from the server that they are part of.
type Env struct {
	Clock Clock
	// Registry is the live table; complete before the first request.
	Registry *Registry
	// ServiceIPRange and the node ports from NodePortMin to NodePortMax are
	// what Services get their addresses and ports from.
	ServiceIPRange           netip.Prefix
	NodePortMin, NodePortMax int
	// EventTTL is how long events are kept after their last write; zero keeps
	// them.
	EventTTL time.Duration
	// AllowPrivileged lets pods run privileged containers.
	AllowPrivileged bool
	// Tokens are what reviews of tokens and requests for them need; set before
	// the first request.
	Tokens *Tokens
	// Access is what reviews of access and checks of grants ask; set before the
	// first request.
	Access *Access
	// Streams are what connects to pods, services and nodes; set before the
	// first request. Without it the resources have no such subresources.
	Streams *Streams
}

// Connect answers a request for a subresource that streams.
type Connect func(ctx context.Context, c Call, r *request.Request) (*request.Response, error)

// Streams are the subresources that lead to nodes and to what runs there.
type Streams struct {
	PodLog, PodExec, PodAttach, PodPortForward Connect
	PodProxy, ServiceProxy, NodeProxy          Connect
}

// Access answers who may do what.
type Access struct {
	// Authorize decides about a request that a user would make.
	Authorize func(ctx context.Context, u *request.User, i *request.Info) (AccessDecision, error)
	// Rules gives all that a user may do in a namespace as far as rules tell it;
	// faults say what is missing from them.
	Rules func(ctx context.Context, u *request.User, namespace string) (rules []rbacv1.PolicyRule, faults []error)
	// RoleRules gives the rules of a Role, or with an empty namespace of a
	// ClusterRole.
	RoleRules func(namespace, name string) (rules []rbacv1.PolicyRule, ok bool)
}

// AccessDecision is an answer of Access.
type AccessDecision struct {
	Allowed, Denied bool
	Reason          string
}

// Tokens checks and makes bearer tokens.
type Tokens struct {
	// Audiences are the API server's own: whom a token is for that names nobody.
	Audiences []string
	// Review tells whose a token is, and for which of the audiences it is good. A
	// nil user goes with an error, in Kubernetes' words.
	Review func(ctx context.Context, token string, audiences []string) (user *request.User, common []string, err error)
	// Sign makes a token with the claims of a *serviceaccount.Claims.
	Sign func(claims any) (string, error)
	// MaxExpiration shortens longer lifetimes; 0 means no limit.
	MaxExpiration time.Duration
	// ExtendExpiration lets the tokens that pods get live for a year longer than
	// they say, noting their use, as long as clients do not all read them anew.
	ExtendExpiration bool
}
