package registry

import (
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxGeneratedBase is what is left of a generateName before the suffix, so that
// the whole fits into a DNS label.
const maxGeneratedBase = 63 - generatedLength

var metadataPath = field.NewPath("metadata")

// generateName sets the name of an object that asks for one, and tells whether
// it did.
func (s *Store) generateName(obj scheme.Object) bool {
	base := obj.GetGenerateName()
	if base == "" || obj.GetName() != "" {
		return false
	}
	if len(base) > maxGeneratedBase {
		base = base[:maxGeneratedBase]
	}
	obj.SetName(base + s.o.NameSuffix())
	return true
}

// fillSystemFields gives a new object its identity.
func (s *Store) fillSystemFields(obj scheme.Object) {
	obj.SetCreationTimestamp(s.now())
	obj.SetUID(types.UID(s.o.NewUID()))
}

// WipeSystemFields takes from a new object what only the server may set.
func WipeSystemFields(obj metav1.Object) {
	obj.SetCreationTimestamp(metav1.Time{})
	obj.SetUID("")
	obj.SetDeletionTimestamp(nil)
	obj.SetDeletionGracePeriodSeconds(nil)
	obj.SetSelfLink("")
}

// now is the time as objects hold it, in whole seconds.
func (s *Store) now() metav1.Time {
	return metav1.NewTime(s.o.Clock().UTC().Truncate(time.Second))
}

// ensureNamespace makes the object's namespace the request's; a different one
// is refused.
func (s *Store) ensureNamespace(obj scheme.Object, ns string) error {
	if !s.resource.Namespaced {
		ns = ""
	}
	switch obj.GetNamespace() {
	case ns:
		return nil
	case "":
		obj.SetNamespace(ns)
		return nil
	}
	if ns == "" {
		obj.SetNamespace("")
		return nil
	}
	return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
}

// validateNewMeta checks a new object's metadata with the strategy's rule for
// names.
func (s *Store) validateNewMeta(obj scheme.Object) field.ErrorList {
	name := s.resource.Strategy.ValidateName
	if name == nil {
		name = apivalidation.NameIsDNSSubdomain
	}
	errs := apivalidation.ValidateObjectMetaAccessor(readMeta{obj, scheme.ManagedFields(obj)}, s.resource.Namespaced, name, metadataPath)
	if s.strictFinalizers() {
		errs = append(errs, finalizerFaults(obj.GetFinalizers())...)
	}
	return errs
}

// looseFinalizerGroups are the groups of Kubernetes whose kinds take finalizers
// without a domain: these check metadata as its extension servers do.
var looseFinalizerGroups = map[string]bool{
	"admissionregistration.k8s.io": true,
	"apiextensions.k8s.io":         true,
	"apiregistration.k8s.io":       true,
	"coordination.k8s.io":          true,
	"node.k8s.io":                  true,
	"policy":                       true,
}

// strictFinalizers tells that finalizers without a domain have to be one of
// Kubernetes' own. Custom resources and some groups take any.
func (s *Store) strictFinalizers() bool {
	return !s.resource.Dynamic && !looseFinalizerGroups[s.gr.Group]
}

func finalizerFaults(finalizers []string) (errs field.ErrorList) {
	for i, f := range finalizers {
		switch {
		case strings.Contains(f, "/"), f == string(corev1.FinalizerKubernetes), f == metav1.FinalizerOrphanDependents, f == metav1.FinalizerDeleteDependents:
		default:
			errs = append(errs, field.Invalid(metadataPath.Child("finalizers").Index(i), f, "name is neither a standard finalizer name nor is it fully qualified"))
		}
	}
	return errs
}

// validateUpdatedMeta checks the metadata of an update. Kubernetes does so once
// for every kind and as often again as the kind in question wants, and clients
// get causes in that number.
func (s *Store) validateUpdatedMeta(obj, old scheme.Object, st *Strategy) field.ErrorList {
	now, before := readMeta{obj, scheme.ManagedFields(obj)}, readMeta{old, scheme.ManagedFields(old)}
	errs := apivalidation.ValidateObjectMetaAccessor(now, s.resource.Namespaced, pathSegment, metadataPath)
	errs = append(errs, apivalidation.ValidateObjectMetaAccessorUpdate(now, before, metadataPath)...)
	if !st.SkipsMetaChanges {
		errs = append(errs, apivalidation.ValidateObjectMetaAccessorUpdate(now, before, metadataPath)...)
		if s.strictFinalizers() {
			errs = append(errs, finalizerFaults(obj.GetFinalizers())...)
		}
	}
	for range st.ValidatesMetaOnUpdate {
		errs = append(errs, s.validateNewMeta(obj)...)
	}
	return errs
}

// readMeta is an object's metadata with its managedFields read once: a custom
// resource converts them for everybody who asks.
type readMeta struct {
	metav1.Object
	managed []metav1.ManagedFieldsEntry
}

func (m readMeta) GetManagedFields() []metav1.ManagedFieldsEntry { return m.managed }

// pathSegment is the rule that every name keeps to: it can be part of a path.
func pathSegment(name string, prefix bool) []string {
	if prefix {
		return path.IsValidPathSegmentPrefix(name)
	}
	return path.IsValidPathSegmentName(name)
}

// restoreMeta gives an updated object what an update cannot change.
func restoreMeta(obj, old scheme.Object) {
	if obj.GetUID() == "" {
		obj.SetUID(old.GetUID())
	}
	if created := old.GetCreationTimestamp(); !created.IsZero() {
		obj.SetCreationTimestamp(created)
	}
	if deleted := old.GetDeletionTimestamp(); !deleted.IsZero() {
		obj.SetDeletionTimestamp(deleted)
	}
	if grace := old.GetDeletionGracePeriodSeconds(); grace != nil && obj.GetDeletionGracePeriodSeconds() == nil {
		obj.SetDeletionGracePeriodSeconds(grace)
	}
}

// parseObjectVersion reads the resourceVersion of an object that a client sent;
// none is 0.
func parseObjectVersion(v string) (int64, error) {
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil {
		return 0, textError(err.Error())
	}
	return int64(n), nil
}
