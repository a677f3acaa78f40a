// Package scale owns the scale subresource: the number of replicas of a
// workload as an object of its own, Scale of autoscaling/v1. It never knows
// which workload it scales; each kind says how (Kind).
package scale

import (
	"context"
	"fmt"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Kind is how a kind of workload is scaled.
type Kind[T scheme.Object] struct {
	// Resource is the workload's, Version the one whose managed fields count.
	Resource schema.GroupResource
	Version  string
	// Get gives the wanted and the present number of replicas and the selector
	// of the pods, Set changes the wanted number.
	Get func(obj T) (replicas, present int32, selector string, err error)
	Set func(obj T, replicas int32)
}

// Subresource is the scale subresource of a kind.
func Subresource[T scheme.Object](k Kind[T]) registry.Subresource {
	return registry.Subresource{
		Name:         "scale",
		Verbs:        []string{"get", "patch", "update"},
		Kind:         "Scale",
		GroupVersion: autoscalingv1.SchemeGroupVersion,
		New:          func() runtime.Object { return &autoscalingv1.Scale{} },
		Get:          k.get,
		Update:       k.update,
	}
}

func (k Kind[T]) get(ctx context.Context, c registry.Call) (runtime.Object, error) {
	o, err := c.Store.Get(ctx, c.Namespace, c.Name, registry.GetOptions{})
	if err != nil {
		return nil, err
	}
	obj, err := c.Store.Decode(o)
	if err != nil {
		return nil, err
	}
	return k.of(obj)
}

// of makes the scale of a workload.
func (k Kind[T]) of(obj scheme.Object) (*autoscalingv1.Scale, error) {
	replicas, present, selector, err := k.Get(obj.(T))
	if err != nil {
		return nil, err
	}
	return &autoscalingv1.Scale{
		TypeMeta: metav1.TypeMeta{APIVersion: autoscalingv1.SchemeGroupVersion.String(), Kind: "Scale"},
		ObjectMeta: metav1.ObjectMeta{
			Name:              obj.GetName(),
			Namespace:         obj.GetNamespace(),
			UID:               obj.GetUID(),
			ResourceVersion:   obj.GetResourceVersion(),
			CreationTimestamp: obj.GetCreationTimestamp(),
		},
		Spec:   autoscalingv1.ScaleSpec{Replicas: replicas},
		Status: autoscalingv1.ScaleStatus{Replicas: present, Selector: selector},
	}, nil
}

// update writes the number of replicas of a changed scale into the workload.
func (k Kind[T]) update(ctx context.Context, c registry.Call, transform func(current runtime.Object) (runtime.Object, error)) (runtime.Object, error) {
	options := registry.UpdateOptions{
		DryRun: c.DryRun,
		Transform: func(ctx context.Context, current scheme.Object) (scheme.Object, error) {
			if current == nil {
				return nil, apierrors.NewNotFound(k.Resource, c.Name)
			}
			return k.apply(current, transform)
		},
	}
	if c.Validate != nil {
		options.Validate = func(ctx context.Context, obj, old scheme.Object) error {
			scaled, err := k.of(obj)
			if err != nil {
				return err
			}
			was, err := k.of(old)
			if err != nil {
				return err
			}
			return c.Validate(ctx, scaled, was)
		}
	}
	result, err := c.Store.Update(ctx, c.Namespace, c.Name, options)
	if err != nil {
		return nil, err
	}
	return k.of(result.Hub)
}

// apply changes the scale of a workload and gives the workload with what the
// scale says. The scale's managers become managers of the number of replicas.
func (k Kind[T]) apply(current scheme.Object, transform func(current runtime.Object) (runtime.Object, error)) (scheme.Object, error) {
	scaled, err := k.of(current)
	if err != nil {
		return nil, err
	}
	gv := schema.GroupVersion{Group: k.Resource.Group, Version: k.Version}
	managers := managedfields.NewScaleHandler(current.GetManagedFields(), gv, managedfields.ResourcePathMappings{
		gv.String(): fieldpath.MakePathOrDie("spec", "replicas"),
	})
	if scaled.ManagedFields, err = managers.ToSubresource(); err != nil {
		return nil, err
	}
	changed, err := transform(scaled)
	if err != nil {
		return nil, err
	}
	scale, ok := changed.(*autoscalingv1.Scale)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected input object type to be Scale, but %T", changed))
	}
	if errs := validate(scale); len(errs) > 0 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: autoscalingv1.GroupName, Kind: "Scale"}, current.GetName(), errs)
	}
	if scale.UID != "" && scale.UID != current.GetUID() {
		return nil, apierrors.NewConflict(schema.GroupResource{Group: k.Resource.Group, Resource: k.Resource.Resource + "/scale"}, current.GetName(),
			fmt.Errorf("Precondition failed: UID in precondition: %v, UID in object meta: %v", scale.UID, current.GetUID()))
	}
	entries, err := managers.ToParent(scale.ManagedFields)
	if err != nil {
		return nil, err
	}
	k.Set(current.(T), scale.Spec.Replicas)
	current.SetResourceVersion(scale.ResourceVersion)
	current.SetManagedFields(entries)
	return current, nil
}

func validate(s *autoscalingv1.Scale) field.ErrorList {
	errs := apivalidation.ValidateObjectMeta(&s.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	if s.Spec.Replicas < 0 {
		errs = append(errs, field.Invalid(field.NewPath("spec", "replicas"), s.Spec.Replicas, "must be greater than or equal to 0"))
	}
	return errs
}

// SelectorString gives a label selector as Scale's status has it.
func SelectorString(s *metav1.LabelSelector) (string, error) {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return "", err
	}
	return selector.String(), nil
}
