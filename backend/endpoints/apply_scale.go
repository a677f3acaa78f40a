package endpoints

import (
	"context"
	"fmt"
	"net/http"

	"pilothouse/backend/admission"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// applySubresource applies a configuration of a Scale, the only kind of its own
// that a subresource takes by apply. What a Scale sets is one field of its
// parent, and that is where its owner is recorded: so the configuration is
// applied to the parent, as one of that field alone.
func (c *call) applySubresource(ctx context.Context, p *patcher) (*request.Response, error) {
	if c.h.FieldManager == nil {
		return nil, errNoApply
	}
	config := &unstructured.Unstructured{Object: map[string]any{}}
	if err := yaml.Unmarshal(p.body, &config.Object); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("error decoding YAML: %v", err))
	}
	if config.GroupVersionKind() != p.gvk {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid object type: %v", config.GroupVersionKind()))
	}
	if err := c.checkSubObject(config); err != nil {
		return nil, err
	}
	parent, err := c.parentOfScale(config)
	if err != nil {
		return nil, err
	}
	o := patchAsUpdate(p.options)
	w := c.newWrite(c.r.Info.Name, o, o.DryRun)
	call := c.storeCall(o.DryRun, o.FieldManager, w.objectValidator(admission.Update))
	call.Track = func(live, _ scheme.Object) (scheme.Object, error) {
		force := p.options.Force != nil && *p.options.Force
		applied, err := c.h.FieldManager.Apply(c.e.Resource, c.e.Version.Name, c.sub.Name, live, parent.DeepCopy(), o.FieldManager, force)
		if err != nil {
			return nil, shown(err)
		}
		return applied, nil
	}
	result, err := c.sub.Update(ctx, call, func(current runtime.Object) (runtime.Object, error) {
		next := current.DeepCopyObject()
		if err := scaleTo(next, config); err != nil {
			return nil, err
		}
		return w.mutate(ctx, admission.Update, next, current)
	})
	if err != nil {
		return nil, err
	}
	return c.subObject(http.StatusOK, result)
}

// parentOfScale makes the configuration of the parent that sets what a Scale's
// configuration sets.
func (c *call) parentOfScale(config *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	parent := &unstructured.Unstructured{Object: map[string]any{}}
	parent.SetGroupVersionKind(c.v.gvk)
	parent.SetName(c.r.Info.Name)
	parent.SetNamespace(c.namespace())
	parent.SetResourceVersion(config.GetResourceVersion())
	replicas, there, err := unstructured.NestedFieldNoCopy(config.Object, "spec", "replicas")
	if err != nil || !there {
		return parent, nil //nolint:nilerr // a spec without replicas sets nothing
	}
	path := c.sub.ReplicasPath
	if path == nil {
		path = []string{"spec", "replicas"}
	}
	if err := unstructured.SetNestedField(parent.Object, replicas, path...); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return parent, nil
}

// scaleTo sets in a Scale what the configuration sets.
func scaleTo(obj runtime.Object, config *unstructured.Unstructured) error {
	scale, ok := obj.(*autoscalingv1.Scale)
	if !ok {
		return errNoApply
	}
	var wanted autoscalingv1.Scale
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(config.Object, &wanted); err != nil {
		return shownError(fmt.Sprintf("failed to create typed patch object: %v", err))
	}
	if _, there, err := unstructured.NestedFieldNoCopy(config.Object, "spec", "replicas"); err == nil && there {
		scale.Spec.Replicas = wanted.Spec.Replicas
	}
	if wanted.ResourceVersion != "" {
		scale.ResourceVersion = wanted.ResourceVersion
	}
	return nil
}
