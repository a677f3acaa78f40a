package delegate

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/informer"
	"pilothouse/backend/metrics"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

var namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// copied are the kinds of which this server has copies: without namespaces
// nothing could be in one, and what the main server has to say about writes has
// to be said here.
var copied = []schema.GroupVersionResource{
	namespaces,
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicies"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicybindings"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicies"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicybindings"},
}

// object is one of any kind, also from a list, where it does not say of which.
type object struct{ unstructured.Unstructured }

// UnmarshalJSON reads the object.
func (o *object) UnmarshalJSON(raw []byte) error { return utiljson.Unmarshal(raw, &o.Object) }

// copies keeps copies of the objects of one kind.
type copies struct {
	o         Options
	gvr       schema.GroupVersionResource
	kind      schema.GroupVersionKind
	originals *informer.Informer[*object]
	queue     workqueue.TypedRateLimitingInterface[string]
}

func newCopies(o Options, gvr schema.GroupVersionResource) *copies {
	c := &copies{o: o, gvr: gvr, queue: newQueue("delegated objects")}
	c.kind = gvr.GroupVersion().WithKind(o.Registry.Store(gvr.Group, gvr.Resource).Resource().Kind)
	c.originals = informer.New(o.Main, gvr, "", func() *object { return &object{} })
	c.originals.OnChange(func(old, current *object) {
		if current == nil {
			current = old
		}
		c.queue.Add(current.GetName())
	})
	return c
}

// run follows the originals until ctx ends.
func (c *copies) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(metrics.Guarded("delegate", func() { c.originals.Run(ctx) })) //nolint:errcheck // it ends with the context
	select {
	case <-ctx.Done():
		return
	case <-c.originals.Synced():
	}
	for ctx.Err() == nil {
		if err := c.queueOwn(ctx); err == nil {
			break
		}
		pause(ctx, time.Second)
	}
	work(ctx, c.queue, c.sync)
}

// queueOwn queues the copies that there are: the originals of some may have gone
// while this server was not there.
func (c *copies) queueOwn(ctx context.Context) error {
	list := &unstructured.UnstructuredList{}
	if err := c.o.Own.List(ctx, c.gvr, "", metav1.ListOptions{}, list); err != nil {
		klog.V(2).InfoS("Copies cannot be listed", "resource", c.gvr.Resource, "err", err)
		return err
	}
	for i := range list.Items {
		c.queue.Add(list.Items[i].GetName())
	}
	return nil
}

func (c *copies) sync(ctx context.Context, name string) error {
	original, there := c.originals.Get("", name)
	own := &unstructured.Unstructured{}
	err := c.o.Own.Get(ctx, c.gvr, "", name, own)
	switch {
	case apierrors.IsNotFound(err) && (!there || original.GetDeletionTimestamp() != nil):
		return nil
	case apierrors.IsNotFound(err):
		return c.o.Own.Create(ctx, c.gvr, "", c.copyContent(original, &unstructured.Unstructured{Object: map[string]any{}}))
	case err != nil:
		return err
	case there && original.GetDeletionTimestamp() == nil && own.GetDeletionTimestamp() == nil:
		if next := c.copyContent(original, own.DeepCopy()); !reflect.DeepEqual(next, own) {
			return c.o.Own.Update(ctx, c.gvr, next)
		}
		return nil
	case own.GetAnnotations()[originAnnotation] == "":
		return nil
	case own.GetDeletionTimestamp() == nil:
		if err := c.o.Own.Delete(ctx, c.gvr, "", name, &metav1.DeleteOptions{}); err != nil {
			return ignoreNotFound(err)
		}
		c.queue.Add(name)
		return nil
	case c.gvr == namespaces && !there:
		return c.finalize(ctx, own)
	case there && original.GetDeletionTimestamp() == nil:
		return c.finalize(ctx, own) // another one of the same name has come
	}
	return nil
}

// copyContent puts what an original says into a copy.
func (c *copies) copyContent(original *object, into *unstructured.Unstructured) *unstructured.Unstructured {
	for key := range into.Object {
		if key != "metadata" && key != "status" {
			delete(into.Object, key)
		}
	}
	for key, value := range original.DeepCopy().Object {
		if key != "metadata" && key != "status" {
			into.Object[key] = value
		}
	}
	annotations := maps.Clone(original.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[originAnnotation] = string(original.GetUID())
	into.SetGroupVersionKind(c.kind)
	into.SetName(original.GetName())
	into.SetLabels(original.GetLabels())
	into.SetAnnotations(annotations)
	return into
}

// finalize ends the copy of a namespace: the main server has seen to it that
// nothing is left in it.
func (c *copies) finalize(ctx context.Context, own *unstructured.Unstructured) error {
	own = own.DeepCopy()
	unstructured.RemoveNestedField(own.Object, "spec", "finalizers")
	body, err := json.Marshal(own)
	if err != nil {
		return err
	}
	_, err = c.o.Own.Bytes(ctx, client.Call{Method: "PUT", Path: client.Path(c.gvr, "", own.GetName(), "finalize"), Body: body})
	c.queue.Add(own.GetName())
	return ignoreNotFound(err)
}
