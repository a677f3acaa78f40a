package crd

import (
	"context"
	"fmt"
	"math"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

func pathOf(jsonPath string) []string { return strings.Split(strings.TrimPrefix(jsonPath, "."), ".") }

// checkScale validates what the scale subresource would show.
func (v *version) checkScale(u *unstructured.Unstructured, spec, status bool) field.ErrorList {
	if v.spec.Subresources == nil || v.spec.Subresources.Scale == nil {
		return nil
	}
	scale := v.spec.Subresources.Scale
	var faults field.ErrorList
	if spec {
		faults = append(faults, checkReplicas(u, scale.SpecReplicasPath)...)
	}
	if status {
		faults = append(faults, checkReplicas(u, scale.StatusReplicasPath)...)
		if p := scale.LabelSelectorPath; p != nil {
			if s, _, err := unstructured.NestedString(u.Object, pathOf(*p)...); err != nil {
				faults = append(faults, field.Invalid(field.NewPath(*p), s, err.Error()))
			}
		}
	}
	return faults
}

func checkReplicas(u *unstructured.Unstructured, path string) field.ErrorList {
	n, _, err := unstructured.NestedInt64(u.Object, pathOf(path)...)
	switch {
	case err != nil:
		return field.ErrorList{field.Invalid(field.NewPath(path), n, err.Error())}
	case n < 0:
		return field.ErrorList{field.Invalid(field.NewPath(path), n, "should be a non-negative integer")}
	case n > math.MaxInt32:
		return field.ErrorList{field.Invalid(field.NewPath(path), n, fmt.Sprintf("should be less than or equal to %v", math.MaxInt32))}
	}
	return nil
}

// scale is the scale subresource, for the paths of each version.
func (k *kind) scale() registry.Subresource {
	s := registry.Subresource{
		Name: "scale", Verbs: []string{"get", "patch", "update"},
		New: func() runtime.Object { return &autoscalingv1.Scale{} },
		Get: func(ctx context.Context, c registry.Call) (runtime.Object, error) {
			o, err := c.Store.Get(ctx, c.Namespace, c.Name, registry.GetOptions{})
			if err != nil {
				return nil, err
			}
			obj, err := c.Store.Decode(o)
			if err != nil {
				return nil, err
			}
			return k.scaleOf(unstructuredOf(obj), c.Version)
		},
		Update: k.updateScale,
	}
	return s
}

// scaleOf gives the Scale of an object.
func (k *kind) scaleOf(u *unstructured.Unstructured, version string) (*autoscalingv1.Scale, error) {
	u, err := k.convertOne(u, version)
	if err != nil {
		return nil, err
	}
	paths := k.versions[version].spec.Subresources.Scale
	spec, found, err := unstructured.NestedInt64(u.Object, pathOf(paths.SpecReplicasPath)...)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	if !found {
		return nil, shown(fmt.Sprintf("the spec replicas field %q does not exist", paths.SpecReplicasPath))
	}
	status, _, err := unstructured.NestedInt64(u.Object, pathOf(paths.StatusReplicasPath)...)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	selector := ""
	if p := paths.LabelSelectorPath; p != nil {
		if selector, _, err = unstructured.NestedString(u.Object, pathOf(*p)...); err != nil {
			return nil, apierrors.NewInternalError(err)
		}
	}
	return &autoscalingv1.Scale{
		TypeMeta: metav1.TypeMeta{Kind: "Scale", APIVersion: "autoscaling/v1"},
		ObjectMeta: metav1.ObjectMeta{Name: u.GetName(), Namespace: u.GetNamespace(), UID: u.GetUID(),
			ResourceVersion: u.GetResourceVersion(), CreationTimestamp: u.GetCreationTimestamp()},
		Spec:   autoscalingv1.ScaleSpec{Replicas: int32(spec)},
		Status: autoscalingv1.ScaleStatus{Replicas: int32(status), Selector: selector},
	}, nil
}

// shown is a 500 whose text the client is meant to see, as Kubernetes has it.
func shown(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 500, Message: message}}
}

func (k *kind) updateScale(ctx context.Context, c registry.Call, transform func(current runtime.Object) (runtime.Object, error)) (runtime.Object, error) {
	paths := k.versions[c.Version].spec.Subresources.Scale
	var validate registry.ValidateFunc
	var next *autoscalingv1.Scale
	var before runtime.Object
	if c.Validate != nil {
		validate = func(ctx context.Context, _, _ scheme.Object) error { return c.Validate(ctx, next, before) }
	}
	result, err := c.Store.Update(ctx, c.Namespace, c.Name, registry.UpdateOptions{
		DryRun: c.DryRun, Validate: validate,
		Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
			live := unstructuredOf(current)
			scale, err := k.scaleOf(live.DeepCopy(), c.Version)
			if err != nil {
				return nil, err
			}
			managers := managedfields.NewScaleHandler(live.GetManagedFields(), k.gvk(c.Version).GroupVersion(), k.replicasFields())
			if scale.ManagedFields, err = managers.ToSubresource(); err != nil {
				return nil, err
			}
			before = scale
			changed, err := transform(scale.DeepCopy())
			if err != nil {
				return nil, err
			}
			next = changed.(*autoscalingv1.Scale)
			parent, err := k.convertOne(live.DeepCopy(), c.Version)
			if err != nil {
				return nil, err
			}
			if err := unstructured.SetNestedField(parent.Object, int64(next.Spec.Replicas), pathOf(paths.SpecReplicasPath)...); err != nil {
				return nil, apierrors.NewInternalError(err)
			}
			if next.ResourceVersion != "" {
				parent.SetResourceVersion(next.ResourceVersion)
			}
			entries, err := managers.ToParent(next.ManagedFields)
			if err != nil {
				return nil, err
			}
			parent.SetManagedFields(entries)
			return k.convertOne(parent, k.storage().spec.Name)
		},
	})
	if err != nil {
		return nil, err
	}
	return k.scaleOf(unstructuredOf(result.Hub).DeepCopy(), c.Version)
}

// replicasFields says for each version which field a Scale's replicas are, so
// that who manages the one manages the other.
func (k *kind) replicasFields() managedfields.ResourcePathMappings {
	m := managedfields.ResourcePathMappings{}
	for name, v := range k.versions {
		if v.spec.Subresources == nil || v.spec.Subresources.Scale == nil {
			continue
		}
		path := fieldpath.Path{}
		for _, field := range pathOf(v.spec.Subresources.Scale.SpecReplicasPath) {
			path = append(path, fieldpath.PathElement{FieldName: &field})
		}
		m[k.gvk(name).GroupVersion().String()] = path
	}
	return m
}
