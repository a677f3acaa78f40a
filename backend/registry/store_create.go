package registry

import (
	"context"
	"fmt"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// generateAttempts is how many names are tried for a generateName.
const generateAttempts = 8

// Create keeps a new object, given in the storage version and owned by the
// Store from here on. Its name may be left to generateName. A dry run does all
// but keep it; the result then has no resourceVersion.
//
// Errors: 422 for what validation finds, whatever admission says, 409
// AlreadyExists, 500 for a resourceVersion.
func (s *Store) Create(ctx context.Context, obj scheme.Object, o CreateOptions) (*Result, error) {
	generated := obj.GetName() == "" && obj.GetGenerateName() != ""
	for attempt := 1; ; attempt++ {
		one := obj
		if generated {
			one = obj.DeepCopyObject().(scheme.Object)
		}
		result, err := s.create(ctx, one, o)
		if err == nil || !generated || !apierrors.IsAlreadyExists(err) || attempt == generateAttempts {
			return result, err
		}
	}
}

func (s *Store) create(ctx context.Context, obj scheme.Object, o CreateOptions) (*Result, error) {
	given := obj.GetResourceVersion()
	finish, err := s.prepareCreate(ctx, obj, o.DryRun, o.Validate)
	defer func() { finish(false) }()
	if err != nil {
		return nil, err
	}
	key, err := s.key(obj.GetNamespace(), obj.GetName())
	if err != nil {
		return nil, err
	}
	if v, err := parseObjectVersion(given); err == nil && v != 0 && !o.DryRun {
		return nil, textError("resourceVersion should not be set on objects to be created")
	}
	if s.current(key) != nil {
		return nil, s.alreadyExists(obj, key)
	}
	if o.DryRun {
		return s.pretend(key, obj, 0)
	}
	d, err := s.draft(key, obj, s.hub.Revision()+1)
	if err != nil {
		return nil, err
	}
	object, err := s.commit(ctx, d, 0, false)
	if isConflict(err) {
		return nil, s.alreadyExists(obj, key)
	}
	if err != nil {
		return nil, storageError(err)
	}
	finish(true)
	finish = finishNothing
	return s.written(object, obj), nil
}

// prepareCreate makes a whole object of what a client sent and checks it:
// identity, name, allocation, the strategy's preparation, validation, admission.
// finish is never nil.
func (s *Store) prepareCreate(ctx context.Context, obj scheme.Object, dryRun bool, validate ValidateFunc) (finish func(bool), err error) {
	st := &s.resource.Strategy
	finish = finishNothing
	s.fillSystemFields(obj)
	s.generateName(obj)
	if !s.resource.Namespaced {
		obj.SetNamespace("")
	}
	if st.BeginCreate != nil {
		f, err := st.BeginCreate(ctx, obj, dryRun)
		if err != nil {
			return finish, err
		}
		if f != nil {
			finish = f
		}
	}
	if st.PrepareForCreate != nil {
		st.PrepareForCreate(ctx, obj)
	}
	errs := s.validateNewMeta(obj)
	if st.Validate != nil {
		errs = append(errs, st.Validate(ctx, obj)...)
	}
	request.From(ctx).Mark("Object validated")
	if len(errs) > 0 {
		return finish, s.invalid(obj, errs)
	}
	if st.WarningsOnCreate != nil {
		warn(ctx, st.WarningsOnCreate(ctx, obj))
	}
	if st.Canonicalize != nil {
		st.Canonicalize(obj)
	}
	if validate != nil {
		return finish, validate(ctx, obj, nil)
	}
	return finish, nil
}

func finishNothing(bool) {}

func warn(ctx context.Context, warnings []string) {
	r := request.From(ctx)
	for _, w := range warnings {
		r.Warn(w)
	}
}

func (s *Store) invalid(obj scheme.Object, errs field.ErrorList) error {
	kind := s.gvk.GroupKind()
	if named := obj.GetObjectKind().GroupVersionKind().Kind; s.resource.Dynamic && named != "" {
		kind.Kind = named // a custom resource is called what it calls itself
	}
	return apierrors.NewInvalid(kind, obj.GetName(), errs)
}

// alreadyExists is the 409 of a create; it says so when the object in the way is
// on its way out, or when the name was the server's idea.
func (s *Store) alreadyExists(obj scheme.Object, key string) error {
	err := apierrors.NewAlreadyExists(s.gr, obj.GetName())
	if obj.GetGenerateName() != "" {
		err = apierrors.NewGenerateNameConflict(s.gr, obj.GetName(), 1)
	}
	existing := s.current(key)
	if existing == nil {
		return err
	}
	if old, decodeErr := s.Decode(existing); decodeErr == nil && old.GetDeletionTimestamp() != nil {
		err.ErrStatus.Message = fmt.Sprintf("object is being deleted: %s", err.ErrStatus.Message)
	}
	return err
}

// pretend is the result of a dry run; revision is that of the state it starts
// from, 0 for a create.
func (s *Store) pretend(key string, obj scheme.Object, revision int64) (*Result, error) {
	d, err := s.draft(key, obj, revision)
	if err != nil {
		return nil, err
	}
	return &Result{Object: d.object, Hub: obj}, nil
}
