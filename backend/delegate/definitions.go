package delegate

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"pilothouse/backend/informer"
)

type definition = apiextensionsv1.CustomResourceDefinition

var definitions = apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions")

// originAnnotation of a copy is the UID of what it was copied from.
const originAnnotation = "pilothouse/copied-from"

// followOwn queues the definitions whose copies change.
func (d *Delegate) followOwn(ctx context.Context) {
	own := informer.New(d.o.Own, definitions, "", func() *definition { return &definition{} })
	own.OnChange(func(old, current *definition) {
		if current == nil {
			current = old
		}
		d.queue.Add(current.Name)
	})
	own.Run(ctx) //nolint:errcheck // it ends with the context
}

// sync brings one definition's copy in step with the original, and the
// original's status with the copy's.
func (d *Delegate) sync(ctx context.Context, name string) error {
	original, there := d.definitions.Get("", name)
	if there && !d.o.Serves(original.Spec.Group) {
		return nil
	}
	own := &definition{}
	err := d.o.Own.Get(ctx, definitions, "", name, own)
	switch {
	case apierrors.IsNotFound(err):
		own = nil
	case err != nil:
		return err
	case own.Annotations[originAnnotation] == "":
		return nil // it is this server's
	}
	switch {
	case own == nil && !there:
		return nil
	case own == nil && original.DeletionTimestamp != nil:
		return d.release(ctx, original)
	case own == nil:
		return d.o.Own.Create(ctx, definitions, "", copyOf(original))
	case !there || original.DeletionTimestamp != nil || own.Annotations[originAnnotation] != string(original.UID):
		if own.DeletionTimestamp == nil {
			return ignoreNotFound(d.o.Own.Delete(ctx, definitions, "", name, &metav1.DeleteOptions{}))
		}
	case !reflect.DeepEqual(own.Spec, original.Spec):
		own.Spec = *original.Spec.DeepCopy()
		return d.o.Own.Update(ctx, definitions, own)
	}
	if !there {
		return nil
	}
	return d.report(ctx, original, own)
}

func copyOf(original *definition) *definition {
	c := &definition{ObjectMeta: metav1.ObjectMeta{Name: original.Name, Labels: original.Labels, Annotations: map[string]string{originAnnotation: string(original.UID)}}}
	for _, name := range []string{"api-approved.kubernetes.io"} {
		if v, ok := original.Annotations[name]; ok {
			c.Annotations[name] = v
		}
	}
	c.Spec = *original.Spec.DeepCopy()
	return c
}

// report writes to the original how the copy is doing. The versions that are
// stored are the main server's to tell: people take versions off that list.
func (d *Delegate) report(ctx context.Context, original, own *definition) error {
	if reflect.DeepEqual(original.Status.Conditions, own.Status.Conditions) && reflect.DeepEqual(original.Status.AcceptedNames, own.Status.AcceptedNames) {
		return nil
	}
	next := original.DeepCopy()
	next.Status.Conditions, next.Status.AcceptedNames = own.Status.Conditions, own.Status.AcceptedNames
	return ignoreNotFound(d.o.Main.UpdateSubresource(ctx, definitions, "status", next))
}

// release takes off the finalizer that has held the original until its objects
// were gone.
func (d *Delegate) release(ctx context.Context, original *definition) error {
	i := slices.Index(original.Finalizers, apiextensionsv1.CustomResourceCleanupFinalizer)
	if i < 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": original.UID, "resourceVersion": original.ResourceVersion, "finalizers": slices.Delete(slices.Clone(original.Finalizers), i, i+1),
	}})
	if err != nil {
		return err
	}
	return ignoreNotFound(d.o.Main.Patch(ctx, definitions, "", original.Name, "", types.MergePatchType, patch, nil))
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
