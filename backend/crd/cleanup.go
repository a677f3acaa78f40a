package crd

import (
	"context"
	"fmt"
	"slices"

	"pilothouse/backend/registry"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// cleanUp removes the objects of a definition that is being deleted and, when
// none is left, the finalizer that held it. done is false while objects with
// finalizers of their own remain.
func (m *Manager) cleanUp(ctx context.Context, d *Definition) (done bool, err error) {
	if !slices.Contains(d.Finalizers, apiextensionsv1.CustomResourceCleanupFinalizer) {
		return true, nil
	}
	left, err := m.deleteObjects(ctx, d)
	if err != nil {
		return false, m.terminating(ctx, d, "InstanceDeletionFailed", fmt.Sprintf("could not list or delete all objects: %v", err))
	}
	if left > 0 {
		return false, m.terminating(ctx, d, "InstanceDeletionInProgress", "CustomResource deletion is in progress")
	}
	if err := m.terminating(ctx, d, "InstanceDeletionCompleted", "removed all instances"); err != nil {
		return false, ignoreGone(err)
	}
	d.Finalizers = slices.DeleteFunc(d.Finalizers, func(f string) bool { return f == apiextensionsv1.CustomResourceCleanupFinalizer })
	return true, ignoreGone(m.o.Client.Update(ctx, definitionsResource, d))
}

func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// terminating writes the condition that says how far a deletion is.
func (m *Manager) terminating(ctx context.Context, d *Definition, reason, message string) error {
	for i := range d.Status.Conditions {
		if c := &d.Status.Conditions[i]; c.Type == apiextensionsv1.Terminating && c.Reason == reason && c.Message == message {
			return nil
		}
	}
	status := apiextensionsv1.ConditionTrue
	if reason == "InstanceDeletionCompleted" {
		status = apiextensionsv1.ConditionFalse
	}
	m.set(d, apiextensionsv1.CustomResourceDefinitionCondition{Type: apiextensionsv1.Terminating, Status: status, Reason: reason, Message: message})
	return m.o.Client.UpdateSubresource(ctx, definitionsResource, "status", d)
}

// deleteObjects deletes all objects of a definition and counts what is left.
func (m *Manager) deleteObjects(ctx context.Context, d *Definition) (left int, err error) {
	store := m.o.Registry.Store(d.Spec.Group, d.Status.AcceptedNames.Plural)
	if store == nil {
		return 0, nil
	}
	list, err := store.List(ctx, registry.ListOptions{})
	if err != nil {
		return 0, err
	}
	gvr := schema.GroupVersionResource{Group: d.Spec.Group, Version: servedVersion(d), Resource: d.Status.AcceptedNames.Plural}
	for _, o := range list.Items {
		if gvr.Version == "" {
			_, err = store.Delete(ctx, o.Namespace, o.Name, registry.DeleteOptions{})
		} else {
			err = m.o.Client.Delete(ctx, gvr, o.Namespace, o.Name, &metav1.DeleteOptions{})
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return len(list.Items), err
		}
	}
	list, err = store.List(ctx, registry.ListOptions{Limit: 1})
	if err != nil {
		return 0, err
	}
	return len(list.Items), nil
}

// servedVersion is a version through which objects can be reached.
func servedVersion(d *Definition) string {
	for i := range d.Spec.Versions {
		if d.Spec.Versions[i].Served {
			return d.Spec.Versions[i].Name
		}
	}
	return ""
}
