package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/scheme"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// Revisions is the resource of ControllerRevisions.
var Revisions = appsv1.SchemeGroupVersion.WithResource("controllerrevisions")

// History is the ControllerRevisions of an object: the templates that it had. Each
// holds a strategic merge patch, with which kubectl goes back to it.
type History struct {
	loop.Deps
	View  *loop.View[*appsv1.ControllerRevision]
	Owner scheme.Object
	Kind  Kind
	// Selector and Template are the owner's.
	Selector *metav1.LabelSelector
	Template *corev1.PodTemplateSpec
	// Label is the one that a revision has its hash under.
	Label string
	// Collisions counts names that were taken; Find counts up.
	Collisions *int32
}

// Find gives the revisions, oldest first, and the one of the template, which is
// made when it is missing and the newest of all then.
func (h *History) Find(ctx context.Context) (current *appsv1.ControllerRevision, all []*appsv1.ControllerRevision, err error) {
	selector, err := metav1.LabelSelectorAsSelector(h.Selector)
	if err != nil {
		return nil, nil, err
	}
	all, err = Claim(ctx, h.Deps, Revisions, h.Owner, h.Kind.GroupVersionKind, selector, h.View.ListOwned(h.Owner.GetNamespace(), h.Owner.GetUID(), selector))
	if err != nil {
		return nil, nil, err
	}
	data, err := patchOf(h.Template)
	if err != nil {
		return nil, nil, err
	}
	sortRevisions(all)
	next := int64(1)
	if n := len(all); n > 0 {
		next = all[n-1].Revision + 1
	}
	for _, r := range slices.Backward(all) {
		if !samePatch(r.Data.Raw, data) {
			continue
		}
		if r.Revision == next-1 {
			return r, all, nil
		}
		r = r.DeepCopy()
		r.Revision = next
		if err := h.Client.Update(ctx, Revisions, r); err != nil {
			return nil, nil, err
		}
		h.View.CatchUp(ctx, r)
		all = append(Without(all, func(o *appsv1.ControllerRevision) bool { return o.UID == r.UID }), r)
		return r, all, nil
	}
	current, err = h.create(ctx, data, next)
	if err != nil {
		return nil, nil, err
	}
	return current, append(all, current), nil
}

func (h *History) create(ctx context.Context, data []byte, revision int64) (*appsv1.ControllerRevision, error) {
	for range 10 {
		hash := Hash(json.RawMessage(data), h.Collisions)
		r := &appsv1.ControllerRevision{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: h.Owner.GetNamespace(), Name: h.Owner.GetName() + "-" + hash, Labels: maps.Clone(h.Template.Labels),
				Annotations: maps.Clone(h.Owner.GetAnnotations()), OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(h.Owner, h.Kind.GroupVersionKind)},
			},
			Data: runtime.RawExtension{Raw: data}, Revision: revision,
		}
		if r.Labels == nil {
			r.Labels = map[string]string{}
		}
		r.Labels[h.Label] = hash
		delete(r.Annotations, corev1.LastAppliedConfigAnnotation)
		err := h.Client.Create(ctx, Revisions, r.Namespace, r)
		if !apierrors.IsAlreadyExists(err) {
			if err == nil {
				h.View.CatchUp(ctx, r)
			}
			return r, err
		}
		count := int32(1)
		if h.Collisions != nil {
			count = *h.Collisions + 1
		}
		h.Collisions = &count
	}
	return nil, fmt.Errorf("no name is free for a revision of %s", h.Owner.GetName())
}

// Keep deletes the oldest revisions beyond a limit, apart from those in use.
func (h *History) Keep(ctx context.Context, all []*appsv1.ControllerRevision, limit int, inUse func(*appsv1.ControllerRevision) bool) error {
	unused := Without(all, inUse)
	for _, r := range unused[:max(len(unused)-limit, 0)] {
		if err := Delete(ctx, h.Deps, Revisions, r); err != nil {
			return err
		}
	}
	return nil
}

func sortRevisions(all []*appsv1.ControllerRevision) {
	slices.SortFunc(all, func(a, b *appsv1.ControllerRevision) int {
		if a.Revision != b.Revision {
			return int(a.Revision - b.Revision)
		}
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
}

// patchOf gives the patch that sets a template.
func patchOf(t *corev1.PodTemplateSpec) ([]byte, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(t)
	if err != nil {
		return nil, err
	}
	content["$patch"] = "replace"
	return json.Marshal(map[string]any{"spec": map[string]any{"template": content}})
}

// TemplateOf reads the template that a revision holds.
func TemplateOf(r *appsv1.ControllerRevision) (*corev1.PodTemplateSpec, error) {
	var held struct {
		Spec struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(r.Data.Raw, &held); err != nil {
		return nil, fmt.Errorf("revision %s: %w", r.Name, err)
	}
	return &held.Spec.Template, nil
}

// samePatch compares JSON whatever the order of its keys.
func samePatch(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	ax, err := json.Marshal(x)
	if err != nil {
		return false
	}
	by, err := json.Marshal(y)
	return err == nil && bytes.Equal(ax, by)
}

// ByOwner gives those of a list that an owner controls.
func ByOwner[O scheme.Object](v *loop.View[O], owner scheme.Object) []O {
	return Without(v.ListOwned(owner.GetNamespace(), owner.GetUID(), labels.Nothing()), func(o O) bool { return !metav1.IsControlledBy(o, owner) })
}
