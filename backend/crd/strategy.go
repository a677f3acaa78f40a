package crd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func unstructuredOf(obj scheme.Object) *unstructured.Unstructured {
	return obj.(*unstructured.Unstructured)
}

// strategy is how objects of the kind are written.
func (k *kind) strategy() registry.Strategy {
	s := registry.Strategy{
		PrepareForCreate: func(ctx context.Context, obj scheme.Object) {
			u := unstructuredOf(obj)
			if k.hasStatus(ctx) {
				delete(u.Object, "status")
			}
			u.SetGeneration(1)
		},
		PrepareForUpdate: func(ctx context.Context, obj, old scheme.Object) {
			u, o := unstructuredOf(obj), unstructuredOf(old)
			if k.hasStatus(ctx) {
				keep(u.Object, o.Object, "status")
			}
			if !sameContent(u.Object, o.Object) {
				u.SetGeneration(o.GetGeneration() + 1)
			}
		},
		Validate: func(ctx context.Context, obj scheme.Object) field.ErrorList {
			return k.inRequestVersion(ctx, func(v *version, objs []*unstructured.Unstructured) field.ErrorList {
				return v.check(ctx, objs[0])
			}, obj)
		},
		ValidateUpdate: func(ctx context.Context, obj, old scheme.Object) field.ErrorList {
			return k.inRequestVersion(ctx, func(v *version, objs []*unstructured.Unstructured) field.ErrorList {
				return v.checkUpdate(ctx, objs[0], objs[1])
			}, obj, old)
		},
		Canonicalize:     k.canonicalize,
		WarningsOnCreate: func(_ context.Context, obj scheme.Object) []string { return finalizerWarnings(obj, nil) },
		WarningsOnUpdate: func(_ context.Context, obj, old scheme.Object) []string { return finalizerWarnings(obj, old) },

		RequireResourceVersion: true,
		ResetFields:            k.resetFields("status", func(s *apiextensionsv1.CustomResourceSubresources) bool { return s != nil && s.Status != nil }),
	}
	if k.definition.DeletionTimestamp != nil {
		s.BeginCreate = func(context.Context, scheme.Object, bool) (func(bool), error) {
			err := apierrors.NewMethodNotSupported(schema.GroupResource{Group: k.definition.Spec.Group, Resource: k.definition.Status.AcceptedNames.Plural}, "create")
			err.ErrStatus.Message = fmt.Sprintf("create not allowed while custom resource definition is terminating")
			return nil, err
		}
	}
	return s
}

// statusStrategy is how the status subresource is written.
func (k *kind) statusStrategy() registry.Strategy {
	return registry.Strategy{
		PrepareForUpdate: func(_ context.Context, obj, old scheme.Object) {
			u, o := unstructuredOf(obj), unstructuredOf(old)
			status, there := u.Object["status"]
			fields := u.GetManagedFields()
			u.Object = o.DeepCopy().Object
			u.SetManagedFields(fields)
			delete(u.Object, "status")
			if there {
				u.Object["status"] = status
			}
		},
		ValidateUpdate: func(ctx context.Context, obj, old scheme.Object) field.ErrorList {
			return k.inRequestVersion(ctx, func(v *version, objs []*unstructured.Unstructured) field.ErrorList {
				return v.checkStatusUpdate(ctx, objs[0], objs[1])
			}, obj, old)
		},
		Canonicalize:           k.canonicalize,
		RequireResourceVersion: true,
		ResetFields: k.resetFields("spec", func(s *apiextensionsv1.CustomResourceSubresources) bool { return true },
			"metadata.deletionGracePeriodSeconds", "metadata.deletionTimestamp", "metadata.finalizers", "metadata.generateName", "metadata.labels", "metadata.annotations", "metadata.ownerReferences", "metadata.selfLink"),
	}
}

func (k *kind) resetFields(path string, in func(*apiextensionsv1.CustomResourceSubresources) bool, more ...string) map[string][]string {
	out := map[string][]string{}
	for name, v := range k.versions {
		if in(v.spec.Subresources) {
			out[k.definition.Spec.Group+"/"+name] = append([]string{path}, more...)
		}
	}
	return out
}

// requestVersion is the version that a request speaks, the storage version for
// work that no client asked for.
func (k *kind) requestVersion(ctx context.Context) *version {
	if r := request.From(ctx); r != nil && r.Info.Group == k.definition.Spec.Group && r.Info.Resource == k.definition.Status.AcceptedNames.Plural {
		if v := k.versions[r.Info.Version]; v != nil {
			return v
		}
	}
	return k.storage()
}

func (k *kind) hasStatus(ctx context.Context) bool {
	s := k.requestVersion(ctx).spec.Subresources
	return s != nil && s.Status != nil
}

// inRequestVersion validates objects of the storage version as what the client
// sees: in the version of its request.
func (k *kind) inRequestVersion(ctx context.Context, check func(*version, []*unstructured.Unstructured) field.ErrorList, objs ...scheme.Object) field.ErrorList {
	v := k.requestVersion(ctx)
	converted := make([]*unstructured.Unstructured, len(objs))
	for i, o := range objs {
		converted[i] = unstructuredOf(o)
		if v.spec.Storage {
			continue
		}
		kept := converted[i].GetKind()
		c, err := k.convertOne(converted[i].DeepCopy(), v.spec.Name)
		if err != nil {
			return field.ErrorList{field.InternalError(nil, err)}
		}
		c.SetKind(kept)
		converted[i] = c
	}
	return check(v, converted)
}

// canonicalize brings a valid object into the form in which it is kept: what the
// storage version's schema does not know is lost, what it defaults is filled in.
func (k *kind) canonicalize(obj scheme.Object) {
	v := k.storage()
	u := unstructuredOf(obj)
	// Only embedded metadata could be at fault, and it has been read before, as
	// the object's own has.
	_, _ = v.coerceContent(u, false)
	v.applyDefaults(u)
}

// keep gives a field the value that it had.
func keep(m, old map[string]any, name string) {
	if was, there := old[name]; there {
		m[name] = was
	} else {
		delete(m, name)
	}
}

func withoutMetadata(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for key, v := range m {
		if key != "metadata" {
			out[key] = v
		}
	}
	return out
}

var standardFinalizers = []string{metav1.FinalizerOrphanDependents, metav1.FinalizerDeleteDependents, string(corev1.FinalizerKubernetes)}

// finalizerWarnings are about names of new finalizers that may clash with those
// of others.
func finalizerWarnings(obj, old scheme.Object) []string {
	var before, out []string
	if old != nil {
		before = old.GetFinalizers()
	}
	added := slices.DeleteFunc(slices.Clone(obj.GetFinalizers()), func(f string) bool { return slices.Contains(before, f) })
	slices.Sort(added)
	for _, f := range slices.Compact(added) {
		for _, fault := range validation.IsQualifiedName(f) {
			out = append(out, fmt.Sprintf("metadata.finalizers: %q: %s", f, fault))
		}
		if strings.Contains(f, "/") || slices.Contains(standardFinalizers, f) {
			continue
		}
		advice := "prefer a domain-qualified finalizer name"
		if strings.Contains(f, ".") {
			advice += " including a path (/)"
		}
		out = append(out, fmt.Sprintf("metadata.finalizers: %q: %s to avoid accidental conflicts with other finalizer writers", f, advice))
	}
	return out
}
