package endpoints

import (
	"context"
	"fmt"
	"net/http"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// listVirtual lists the objects of a resource without storage.
func (c *call) listVirtual(ctx context.Context, o *internalversion.ListOptions) (*request.Response, error) {
	objects, err := c.e.Resource.Virtual.List(ctx, c.storeCall(nil, "", nil))
	if err != nil {
		return nil, err
	}
	if objects, err = selectObjects(objects, o); err != nil {
		return nil, err
	}
	switch c.form.As.Kind {
	case "Table":
		return c.tableOfObjects(http.StatusOK, objects, metav1.ListMeta{})
	case "PartialObjectMetadata":
		return nil, notAcceptable(fmt.Sprintf("you requested PartialObjectMetadata, but the requested object is a list (%s)", c.v.goType(true)))
	case "PartialObjectMetadataList":
		return c.metadataOfObjects(objects)
	}
	list, err := c.virtualList(objects)
	if err != nil {
		return nil, err
	}
	return c.encoded(http.StatusOK, list)
}

func selectObjects(objects []runtime.Object, o *internalversion.ListOptions) ([]runtime.Object, error) {
	kept := make([]runtime.Object, 0, len(objects))
	for _, obj := range objects {
		m, err := meta.Accessor(obj)
		if err != nil {
			return nil, apierrors.NewInternalError(err)
		}
		named := fields.Set{"metadata.name": m.GetName(), "metadata.namespace": m.GetNamespace()}
		if (o.LabelSelector == nil || o.LabelSelector.Matches(labels.Set(m.GetLabels()))) &&
			(o.FieldSelector == nil || o.FieldSelector.Matches(named)) {
			kept = append(kept, obj)
		}
	}
	return kept, nil
}

func (c *call) metadataOfObjects(objects []runtime.Object) (*request.Response, error) {
	list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{
		APIVersion: c.form.As.GroupVersion().String(), Kind: "PartialObjectMetadataList",
	}}
	for _, obj := range objects {
		m, err := meta.Accessor(obj)
		if err != nil {
			return nil, apierrors.NewInternalError(err)
		}
		partial := meta.AsPartialObjectMetadata(m)
		partial.TypeMeta = metav1.TypeMeta{APIVersion: list.APIVersion, Kind: "PartialObjectMetadata"}
		list.Items = append(list.Items, *partial)
	}
	return c.encoded(http.StatusOK, list)
}

// virtualList makes the typed list of objects.
func (c *call) virtualList(objects []runtime.Object) (runtime.Object, error) {
	gvk := c.v.gvk.GroupVersion().WithKind(c.e.Resource.ListKind)
	list, err := scheme.NewObject(gvk)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	for _, obj := range objects {
		obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	}
	if err := meta.SetList(list, objects); err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("list of %s: %w", c.v.gvk.Kind, err))
	}
	list.GetObjectKind().SetGroupVersionKind(gvk)
	return list, nil
}
