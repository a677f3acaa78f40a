package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// newNamespaces empties namespaces that are being deleted, then removes their
// finalizer "kubernetes", which lets them go.
func newNamespaces(d Deps) func(context.Context) error {
	spaces := namespaceInformer(d.Shared)
	q := loop.NewQueue[string]("namespace")
	spaces.OnChange(func(old, n *corev1.Namespace) {
		if n != nil && n.DeletionTimestamp != nil && (old == nil || old.DeletionTimestamp == nil) {
			q.Add(n.Name)
		}
	})
	terminator := &terminator{d}
	return func(ctx context.Context) error {
		return loop.Together(ctx, spaces.Run, func(ctx context.Context) error { return q.Work(ctx, 4, terminator.terminate) })
	}
}

type terminator struct{ Deps }

// remains is what deleting a namespace's content left behind.
type remains struct {
	mu         sync.Mutex // guards the fields below while resources are emptied
	resources  map[schema.GroupResource]int
	finalizers map[string]int
	// failures are errors of deletes.
	failures []error
	// undiscovered are the group versions of servers that are away.
	undiscovered []schema.GroupVersion
}

// terminate does one round: delete all content, tell what remains, and when
// nothing does, finalize.
func (t *terminator) terminate(ctx context.Context, name string) error {
	n := &corev1.Namespace{}
	if err := t.Client.Get(ctx, namespaces, "", name, n); err != nil {
		return ignoreNotFound(err)
	}
	if n.DeletionTimestamp == nil || !slices.Contains(n.Spec.Finalizers, corev1.FinalizerKubernetes) {
		return nil
	}
	left := t.empty(ctx, name)
	if len(left.resources) > 0 || len(left.failures) > 0 || len(left.undiscovered) > 0 {
		if err := t.report(ctx, name, left); err != nil {
			return ignoreNotFound(err)
		}
		return loop.Again{}
	}
	// Nothing can be created any more, so what was empty stays empty. The
	// conditions are only written where an earlier round said otherwise.
	if len(n.Status.Conditions) > 0 {
		if err := t.report(ctx, name, left); err != nil {
			return ignoreNotFound(err)
		}
	}
	return ignoreNotFound(t.finalize(ctx, name))
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// atATime is how many resources of a namespace are emptied at the same time: most
// of that is waiting for the disk.
const atATime = 8

// empty deletes everything in a namespace and counts what is still there. Pods go
// first, and alone as long as there are any: what they use is there until they
// have ended (OrderedNamespaceDeletion of Kubernetes).
func (t *terminator) empty(ctx context.Context, name string) *remains {
	left := &remains{resources: map[schema.GroupResource]int{}, finalizers: map[string]int{}}
	entries := t.emptied()
	podsFirst := slices.IndexFunc(entries, func(e *registry.Entry) bool { return e.GVR() == pods })
	if podsFirst >= 0 {
		t.emptyResource(ctx, entries[podsFirst], name, left)
		if len(left.resources) > 0 || len(left.failures) > 0 {
			return left
		}
	}
	err := loop.Each(ctx, atATime, entries, func(ctx context.Context, e *registry.Entry) error {
		t.emptyResource(ctx, e, name, left)
		return nil
	})
	if err != nil {
		left.failed(err)
	}
	t.emptyRemote(ctx, name, left)
	return left
}

// emptied are the resources here whose objects are in namespaces, one version of
// each.
func (t *terminator) emptied() (entries []*registry.Entry) {
	seen := map[*registry.Store]bool{}
	for _, group := range t.Registry.Table().Groups() {
		for _, version := range group.Versions {
			for _, e := range version.Entries {
				if !e.Resource.Namespaced || e.Store == nil || seen[e.Store] || e.Resource.StoredAs != nil || !can(e.Resource, "delete") {
					continue
				}
				seen[e.Store] = true
				entries = append(entries, e)
			}
		}
	}
	return entries
}

func can(r *registry.Resource, verb string) bool { return loop.Can(r, verb) }

func (t *terminator) emptyResource(ctx context.Context, e *registry.Entry, name string, left *remains) {
	gr := e.Resource.GroupResource()
	list, err := e.Store.List(ctx, registry.ListOptions{Namespace: name, Limit: 1})
	if err != nil {
		left.failed(err)
		return
	}
	if len(list.Items) == 0 {
		return
	}
	background := metav1.DeletePropagationBackground
	if err := t.Client.DeleteCollection(ctx, e.GVR(), name, &metav1.DeleteOptions{PropagationPolicy: &background}, metav1.ListOptions{}); err != nil {
		left.failed(fmt.Errorf("%s: %w", gr, err))
	}
	list, err = e.Store.List(ctx, registry.ListOptions{Namespace: name})
	if err != nil {
		left.failed(err)
		return
	}
	left.mu.Lock()
	defer left.mu.Unlock()
	for _, o := range list.Items {
		left.resources[gr]++
		var meta struct {
			Metadata struct {
				Finalizers []string `json:"finalizers"`
			} `json:"metadata"`
		}
		if json.Unmarshal(o.Raw, &meta) == nil {
			for _, f := range meta.Metadata.Finalizers {
				left.finalizers[f]++
			}
		}
	}
}

func (r *remains) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, err)
}

// report writes the conditions that say how far the deletion is, in the words
// of Kubernetes' namespace controller.
func (t *terminator) report(ctx context.Context, name string, left *remains) error {
	for try := 0; ; try++ {
		n := &corev1.Namespace{}
		if err := t.Client.Get(ctx, namespaces, "", name, n); err != nil {
			return err
		}
		changed := false
		for _, c := range left.conditions() {
			changed = setCondition(&n.Status.Conditions, c, metav1.NewTime(t.Clock())) || changed
		}
		if !changed {
			return nil
		}
		err := t.Client.UpdateSubresource(ctx, namespaces, "status", n)
		if !apierrors.IsConflict(err) || try == 4 {
			return err
		}
	}
}

func (r *remains) conditions() []corev1.NamespaceCondition {
	condition := func(kind corev1.NamespaceConditionType, bad bool, goodReason, good, badReason, words string) corev1.NamespaceCondition {
		if bad {
			return corev1.NamespaceCondition{Type: kind, Status: corev1.ConditionTrue, Reason: badReason, Message: words}
		}
		return corev1.NamespaceCondition{Type: kind, Status: corev1.ConditionFalse, Reason: goodReason, Message: good}
	}
	return []corev1.NamespaceCondition{
		condition(corev1.NamespaceDeletionDiscoveryFailure, len(r.undiscovered) > 0, "ResourcesDiscovered", "All resources successfully discovered",
			"DiscoveryFailed", r.undiscoveredList()),
		condition(corev1.NamespaceDeletionGVParsingFailure, false, "ParsedGroupVersions", "All legacy kube types successfully parsed", "", ""),
		condition(corev1.NamespaceDeletionContentFailure, len(r.failures) > 0, "ContentDeleted", "All content successfully deleted, may be waiting on finalization",
			"ContentDeletionFailed", "Failed to delete all resource types, "+errorList(r.failures)),
		condition(corev1.NamespaceContentRemaining, len(r.resources) > 0, "ContentRemoved", "All content successfully removed",
			"SomeResourcesRemain", "Some resources are remaining: "+r.resourceList()),
		condition(corev1.NamespaceFinalizersRemaining, len(r.finalizers) > 0, "ContentHasNoFinalizers", "All content-preserving finalizers finished",
			"SomeFinalizersRemain", "Some content in the namespace has finalizers remaining: "+r.finalizerList()),
	}
}

func errorList(errs []error) string {
	words := make([]string, len(errs))
	for i, err := range errs {
		words[i] = err.Error()
	}
	sort.Strings(words)
	return fmt.Sprintf("%d remaining: %s", len(errs), strings.Join(words, ", "))
}

func (r *remains) resourceList() string {
	var words []string
	for gr, n := range r.resources {
		words = append(words, fmt.Sprintf("%s.%s has %d resource instances", gr.Resource, gr.Group, n))
	}
	sort.Strings(words)
	return strings.Join(words, ", ")
}

func (r *remains) finalizerList() string {
	var words []string
	for f, n := range r.finalizers {
		words = append(words, fmt.Sprintf("%s in %d resource instances", f, n))
	}
	sort.Strings(words)
	return strings.Join(words, ", ")
}

// setCondition adds or replaces a condition and tells whether that changed
// anything.
func setCondition(list *[]corev1.NamespaceCondition, c corev1.NamespaceCondition, now metav1.Time) bool {
	for i := range *list {
		old := &(*list)[i]
		if old.Type != c.Type {
			continue
		}
		if old.Status == c.Status && old.Reason == c.Reason && old.Message == c.Message {
			return false
		}
		c.LastTransitionTime = old.LastTransitionTime
		if old.Status != c.Status {
			c.LastTransitionTime = now
		}
		*old = c
		return true
	}
	c.LastTransitionTime = now
	*list = append(*list, c)
	return true
}

// finalize takes the finalizer away through the subresource for that.
func (t *terminator) finalize(ctx context.Context, name string) error {
	for try := 0; ; try++ {
		n := &corev1.Namespace{}
		if err := t.Client.Get(ctx, namespaces, "", name, n); err != nil {
			return err
		}
		n.Spec.Finalizers = slices.DeleteFunc(n.Spec.Finalizers, func(f corev1.FinalizerName) bool { return f == corev1.FinalizerKubernetes })
		err := t.Client.UpdateSubresource(ctx, namespaces, "finalize", n)
		if !apierrors.IsConflict(err) || try == 4 {
			return err
		}
	}
}
