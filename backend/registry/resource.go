// Package registry owns the live table of resources (Registry), what makes one
// resource different from another (Resource, Strategy) and the generic verbs
// over a resource's storage and cache (Store). It never imports HTTP, admission
// or authorization: what they have to say comes in as functions. Read
// resource.go first, then strategy.go, store.go and registry.go.
package registry

import (
	"context"
	"slices"
	"time"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
)

// Resource is everything that is special about one kind of object. A built-in
// resource is one value of it in one file of backend/resources/GROUP; a CRD
// gives one at run time.
type Resource struct {
	Group      string
	Name       string // plural, as in paths: "configmaps"
	Singular   string // "configmap"
	Kind       string // "ConfigMap"
	ListKind   string // Kind+"List" when empty
	ShortNames []string
	Categories []string
	Namespaced bool
	// Verbs are those that discovery lists; nil means StandardVerbs.
	Verbs []string
	// Versions are the served versions, the preferred one first. Exactly one
	// has no ToHub and FromHub: the storage version.
	Versions []Version
	// StoredAs names the prefix that another resource's objects are kept
	// under, when two resources show the same objects (events of core and of
	// events.k8s.io). Nil means this resource's own group and name.
	StoredAs *schema.GroupResource
	// Stored is the storage version when it is none of Versions: with StoredAs,
	// the other resource's version (of the group StoredAs.Group and the same
	// kind) that all of Versions convert to and from.
	Stored *Version
	// Blank makes what the object of a bookmark is, in the storage version, where
	// Kubernetes shows more of it than New gives. Nil means that it does not.
	Blank func() scheme.Object

	// HashedVersion is the version that discovery's storageVersionHash is of,
	// where Kubernetes still stores another one than the preferred. Empty means
	// the storage version.
	HashedVersion string

	// TTL is how long objects are kept after their last write by storage that
	// can do so itself; zero is for ever.
	TTL time.Duration

	Strategy Strategy
	// Columns are the printer columns of the table form, Cells the values of
	// one object's row in their order (strings, int64, bool or nil).
	Columns []Column
	Cells   func(obj scheme.Object, now Clock) []any
	// RowConditions are the conditions of an object's row: that a pod is done.
	// Nil means there are none.
	RowConditions func(obj scheme.Object) []metav1.TableRowCondition
	// RowOrder is the order of the rows of a table of many objects, as for
	// slices.SortFunc; nil keeps that of the list.
	RowOrder func(a, b scheme.Object) int
	// Fields are the selectable fields besides metadata.name and
	// metadata.namespace. With StoredAs they are the first ones of the other
	// resource's, in its order, under names of this one's own.
	Fields []Field
	// UnknownField says that the resource cannot be selected by a field, where
	// Kubernetes has words of its own for the kind. Nil means "field label not
	// supported: x" for a resource with Fields and Kubernetes' general words
	// for others.
	UnknownField func(name string) string
	// Subresources by name: "status", "scale", "log".
	Subresources []Subresource

	// Virtual is set for resources that keep nothing: reviews, bindings at
	// namespace level, componentstatuses.
	Virtual *Virtual

	// Remote marks a resource that another API server serves (Table.With).
	Remote bool
	// Dynamic marks a resource that a CRD defines: objects are unstructured.
	Dynamic bool
	// Upgrade turns an object that was written when another version was the
	// storage version into the storage version; for Dynamic resources.
	Upgrade func(obj scheme.Object) (scheme.Object, error)
	// FieldTypes tell the field manager the merge types of a dynamic resource;
	// nil for built-in ones, whose types are generated.
	FieldTypes managedfields.TypeConverter
}

// StandardVerbs are the verbs of a resource that can do everything.
var StandardVerbs = []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}

// Version is one served version of a resource.
type Version struct {
	Name string
	// Group is the resource's own when empty; another one where the resource
	// shows objects of a kind that lives in two groups.
	New func() scheme.Object
	// Default fills in the fields that Kubernetes defaults in this version. It
	// runs on what a client sends and on what storage holds.
	Default func(obj scheme.Object)
	// Coerce does to an object that a client sent what reading into a Go type does
	// for built-in ones: fields that the version does not know go, and are named
	// when report is set. For Dynamic resources.
	Coerce func(obj scheme.Object, report bool) (unknown []string, err error)
	// ToHub turns an object of this version into the storage version, FromHub
	// the other way; nil for the storage version itself. They may share memory
	// with what they are given.
	ToHub, FromHub func(obj scheme.Object) (scheme.Object, error)
	// Deprecated is the warning that every request in this version gets.
	Deprecated string
	// Columns and Cells are the table form of this version where it differs from
	// the resource's (custom resources have columns per version). Cells gets the
	// object in this version.
	Columns []Column
	Cells   func(obj scheme.Object, now Clock) []any
}

// Column is one column of a resource's table form; the words are those of
// metav1.TableColumnDefinition.
type Column struct {
	Name, Type, Format, Description string
	// Priority 0 shows always, 1 with -o wide.
	Priority int32
}

// Field is one selectable field.
type Field struct {
	Name string // "spec.nodeName"
	Get  func(obj scheme.Object) string
	// Reads are the paths of the object that Get looks at, Name alone when nil.
	// When many objects are loaded, Get is given an object that has these parts
	// only.
	Reads []string
	// Index makes lists and watches that ask for one value of it fast.
	Index bool
	// Hidden keeps the field from clients: it is for EachBy.
	Hidden bool
}

// ControllerField is the hidden field with the uid of the owner that controls an
// object.
const ControllerField = "metadata.controller"

// ByController is a ControllerField with an index.
func ByController() Field {
	return Field{
		Name: ControllerField, Reads: []string{"metadata.ownerReferences"}, Index: true, Hidden: true,
		Get: func(obj scheme.Object) string {
			if owner := metav1.GetControllerOfNoCopy(obj); owner != nil {
				return string(owner.UID)
			}
			return ""
		},
	}
}

// Subresource is what lives below an object's path. Where Strategy is set it is
// another view of the object itself (status, finalize, approval, resize): get
// gives the object, update and patch write it through that strategy. Otherwise
// the funcs say what it does.
type Subresource struct {
	Name string
	// Verbs are those that discovery lists.
	Verbs []string
	// Kind and GroupVersion are what discovery shows when they differ from the
	// resource's: Scale of autoscaling/v1, Eviction of policy/v1.
	Kind         string
	GroupVersion schema.GroupVersion
	// In names the versions that have the subresource; nil means all.
	In []string
	// Strategy makes it a view of the object.
	Strategy *Strategy
	// New makes what a create or update of this subresource decodes into, nil
	// for a view of the object.
	New func() runtime.Object
	// Default fills in what the object of a create leaves out; nil for nothing.
	Default func(obj runtime.Object)
	// Get gives another object made from the parent (Scale).
	Get func(ctx context.Context, c Call) (runtime.Object, error)
	// Update writes another object into the parent (Scale). transform is given
	// the subresource's current object and gives the one to be written; both
	// have managedFields of their own, which are for Update to bring into the
	// parent's (managedfields.ScaleHandler).
	Update func(ctx context.Context, c Call, transform func(current runtime.Object) (runtime.Object, error)) (runtime.Object, error)
	// Create acts on a posted object (Binding, Eviction, TokenRequest).
	Create func(ctx context.Context, c Call, obj runtime.Object) (runtime.Object, error)
	// Connect streams (exec, log, proxy).
	Connect func(ctx context.Context, c Call, r *request.Request) (*request.Response, error)
	// ConnectMethods are the HTTP methods that Connect takes.
	ConnectMethods []string
	// Options makes what the query of a connect decodes into (PodExecOptions):
	// Call.Options. Nil for one without options.
	Options func() runtime.Object
	// Reads marks a Connect that is no CONNECT to admission, because it reads
	// (log).
	Reads bool
}

// Serves tells whether a version of the resource has the subresource.
func (s *Subresource) Serves(version string) bool {
	return s.In == nil || slices.Contains(s.In, version)
}

// Call says which object a subresource call is about and what it may use.
type Call struct {
	Namespace, Name string
	Version         string
	Store           *Store
	Registry        *Registry
	DryRun          bool
	FieldManager    string
	// Options are the query of a Connect, as admission left them.
	Options runtime.Object
	// Validate is validating admission for the object that Update writes or
	// Create takes; it may be nil.
	Validate func(ctx context.Context, obj, old runtime.Object) error
}

// Virtual is a resource without storage.
type Virtual struct {
	New    func() runtime.Object
	Create func(ctx context.Context, c Call, obj runtime.Object) (runtime.Object, error)
	Get    func(ctx context.Context, c Call) (runtime.Object, error)
	List   func(ctx context.Context, c Call) ([]runtime.Object, error)
}
