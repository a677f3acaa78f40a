package registry

import (
	"context"
	"time"

	"pilothouse/backend/scheme"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Clock gives the time; time.Now outside tests.
type Clock func() time.Time

// Strategy is how one resource differs from the generic verbs. Every func may
// be nil. Objects are in the storage version. The names and the order of calls
// are those of Kubernetes' rest strategies.
type Strategy struct {
	// ValidateName gives the faults of a name; prefix tells a generateName.
	// Nil means DNS subdomain (RFC 1123).
	ValidateName func(name string, prefix bool) []string

	// PrepareForCreate resets what a client may not set (status, generation).
	PrepareForCreate func(ctx context.Context, obj scheme.Object)
	// Validate gives what is wrong with a new object besides its metadata,
	// which the Store checks.
	Validate         func(ctx context.Context, obj scheme.Object) field.ErrorList
	WarningsOnCreate func(ctx context.Context, obj scheme.Object) []string

	// PrepareForUpdate resets what a client may not change and raises the
	// generation where the spec changed.
	PrepareForUpdate func(ctx context.Context, obj, old scheme.Object)
	ValidateUpdate   func(ctx context.Context, obj, old scheme.Object) field.ErrorList
	WarningsOnUpdate func(ctx context.Context, obj, old scheme.Object) []string
	// Canonicalize brings a valid object into its one form before it is stored.
	Canonicalize func(obj scheme.Object)

	// ValidatesMetaOnUpdate is how often the kind's own check of an update looks
	// at all of the metadata again, so that clients get those causes as often as
	// from Kubernetes (once for ConfigMaps, Secrets and many more, twice for
	// PersistentVolumes).
	ValidatesMetaOnUpdate int
	// SkipsMetaChanges tells that the kind's own check of an update does not
	// compare its metadata with the old one's once more, which most do.
	SkipsMetaChanges bool

	// AllowCreateOnUpdate lets PUT create.
	AllowCreateOnUpdate bool
	// RequireResourceVersion refuses an update that names no resourceVersion
	// (Kubernetes' AllowUnconditionalUpdate false).
	RequireResourceVersion bool

	// Grace sets the grace period of a delete in options and tells whether the
	// object is to be deleted gracefully; nil means at once.
	Grace func(ctx context.Context, obj scheme.Object, options *metav1.DeleteOptions) bool
	// DeleteReturnsObject makes DELETE answer with the object and not a Status.
	DeleteReturnsObject bool
	// OrphanByDefault keeps dependents when DELETE names no propagation.
	OrphanByDefault bool
	// NoPropagation ignores what DELETE says about dependents: the garbage
	// collector has nothing to do with such objects (events).
	NoPropagation bool
	// WarnOnDelete gives warnings for a delete with these options, whatever there
	// is to be deleted.
	WarnOnDelete func(options *metav1.DeleteOptions) []string
	// Terminate is for kinds that go in two steps (Namespace). The first DELETE
	// only marks the object, without a grace period; Terminate then sets what
	// shows that it is on its way. Later ones ask it whether the object has to
	// stay.
	Terminate func(ctx context.Context, obj scheme.Object) (stays bool)
	// ShouldDeleteDuringUpdate tells that an update which would have been
	// written removes the object; nil means: the deletionTimestamp is set, no
	// finalizer is left and the grace period is over.
	ShouldDeleteDuringUpdate func(ctx context.Context, obj, old scheme.Object) bool

	// BeginCreate and BeginUpdate run before everything else that a strategy
	// does to an object, with metadata.name and metadata.namespace set, as
	// Kubernetes' do: what they fill in (addresses and ports of a Service) is
	// validated with the rest, and an error of theirs comes before validation's.
	// finish is called once for each successful call: true when the object was
	// written, false after validation, admission, a conflict or a dry run ended
	// the write.
	BeginCreate func(ctx context.Context, obj scheme.Object, dryRun bool) (finish func(written bool), err error)
	BeginUpdate func(ctx context.Context, obj, old scheme.Object, dryRun bool) (finish func(written bool), err error)
	// AfterDelete runs after the object is gone.
	AfterDelete func(ctx context.Context, obj scheme.Object)

	// ResetFields are the field paths, per version ("apps/v1"), that server-side
	// apply takes from an applier because the strategy resets them; each path is
	// dotted: "status", "spec.template".
	ResetFields map[string][]string
}

// For is a Strategy over one Go type: the same funcs without type assertions.
type For[T scheme.Object] struct {
	ValidateName             func(name string, prefix bool) []string
	PrepareForCreate         func(ctx context.Context, obj T)
	Validate                 func(ctx context.Context, obj T) field.ErrorList
	WarningsOnCreate         func(ctx context.Context, obj T) []string
	PrepareForUpdate         func(ctx context.Context, obj, old T)
	ValidateUpdate           func(ctx context.Context, obj, old T) field.ErrorList
	WarningsOnUpdate         func(ctx context.Context, obj, old T) []string
	Canonicalize             func(obj T)
	ValidatesMetaOnUpdate    int
	SkipsMetaChanges         bool
	AllowCreateOnUpdate      bool
	RequireResourceVersion   bool
	Grace                    func(ctx context.Context, obj T, options *metav1.DeleteOptions) bool
	DeleteReturnsObject      bool
	OrphanByDefault          bool
	NoPropagation            bool
	WarnOnDelete             func(options *metav1.DeleteOptions) []string
	Terminate                func(ctx context.Context, obj T) bool
	ShouldDeleteDuringUpdate func(ctx context.Context, obj, old T) bool
	BeginCreate              func(ctx context.Context, obj T, dryRun bool) (func(bool), error)
	BeginUpdate              func(ctx context.Context, obj, old T, dryRun bool) (func(bool), error)
	AfterDelete              func(ctx context.Context, obj T)
	ResetFields              map[string][]string
}

// Strategy gives the untyped form.
func (f For[T]) Strategy() Strategy {
	s := Strategy{
		ValidateName:           f.ValidateName,
		ValidatesMetaOnUpdate:  f.ValidatesMetaOnUpdate,
		SkipsMetaChanges:       f.SkipsMetaChanges,
		AllowCreateOnUpdate:    f.AllowCreateOnUpdate,
		RequireResourceVersion: f.RequireResourceVersion,
		DeleteReturnsObject:    f.DeleteReturnsObject,
		OrphanByDefault:        f.OrphanByDefault,
		NoPropagation:          f.NoPropagation,
		ResetFields:            f.ResetFields,
	}
	if f.PrepareForCreate != nil {
		s.PrepareForCreate = func(ctx context.Context, o scheme.Object) { f.PrepareForCreate(ctx, o.(T)) }
	}
	if f.Validate != nil {
		s.Validate = func(ctx context.Context, o scheme.Object) field.ErrorList { return f.Validate(ctx, o.(T)) }
	}
	if f.WarningsOnCreate != nil {
		s.WarningsOnCreate = func(ctx context.Context, o scheme.Object) []string { return f.WarningsOnCreate(ctx, o.(T)) }
	}
	if f.PrepareForUpdate != nil {
		s.PrepareForUpdate = func(ctx context.Context, o, old scheme.Object) { f.PrepareForUpdate(ctx, o.(T), old.(T)) }
	}
	if f.ValidateUpdate != nil {
		s.ValidateUpdate = func(ctx context.Context, o, old scheme.Object) field.ErrorList {
			return f.ValidateUpdate(ctx, o.(T), old.(T))
		}
	}
	if f.WarningsOnUpdate != nil {
		s.WarningsOnUpdate = func(ctx context.Context, o, old scheme.Object) []string {
			return f.WarningsOnUpdate(ctx, o.(T), old.(T))
		}
	}
	if f.Canonicalize != nil {
		s.Canonicalize = func(o scheme.Object) { f.Canonicalize(o.(T)) }
	}
	if f.Grace != nil {
		s.Grace = func(ctx context.Context, o scheme.Object, opts *metav1.DeleteOptions) bool {
			return f.Grace(ctx, o.(T), opts)
		}
	}
	s.WarnOnDelete = f.WarnOnDelete
	if f.Terminate != nil {
		s.Terminate = func(ctx context.Context, o scheme.Object) bool { return f.Terminate(ctx, o.(T)) }
	}
	if f.ShouldDeleteDuringUpdate != nil {
		s.ShouldDeleteDuringUpdate = func(ctx context.Context, o, old scheme.Object) bool {
			return f.ShouldDeleteDuringUpdate(ctx, o.(T), old.(T))
		}
	}
	if f.BeginCreate != nil {
		s.BeginCreate = func(ctx context.Context, o scheme.Object, dry bool) (func(bool), error) {
			return f.BeginCreate(ctx, o.(T), dry)
		}
	}
	if f.BeginUpdate != nil {
		s.BeginUpdate = func(ctx context.Context, o, old scheme.Object, dry bool) (func(bool), error) {
			return f.BeginUpdate(ctx, o.(T), old.(T), dry)
		}
	}
	if f.AfterDelete != nil {
		s.AfterDelete = func(ctx context.Context, o scheme.Object) { f.AfterDelete(ctx, o.(T)) }
	}
	return s
}

// Typed turns a func over one Go type into one over objects, for Version.Default.
func Typed[T scheme.Object](f func(obj T)) func(scheme.Object) {
	return func(o scheme.Object) { f(o.(T)) }
}

// Row turns a typed row func into a Cells func.
func Row[T scheme.Object](f func(obj T, now Clock) []any) func(scheme.Object, Clock) []any {
	return func(o scheme.Object, now Clock) []any { return f(o.(T), now) }
}

// FieldOf is a selectable field over one Go type.
func FieldOf[T scheme.Object](name string, get func(obj T) string) Field {
	return Field{Name: name, Get: func(o scheme.Object) string { return get(o.(T)) }}
}
