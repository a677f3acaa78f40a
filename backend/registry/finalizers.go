package registry

import (
	"slices"

	"pilothouse/backend/scheme"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// finalizers gives the finalizers that an object has while it is being deleted:
// its own, and those by which the garbage collector knows what to do with its
// dependents. changed tells whether they are others than before.
//
// The options come first (orphanDependents, then propagationPolicy), then what
// the object says itself, then the kind's default.
func (d *deletion) finalizers(obj scheme.Object) (finalizers []string, changed bool) {
	old := obj.GetFinalizers()
	finalizers = []string{}
	for _, f := range old {
		if f != metav1.FinalizerOrphanDependents && f != metav1.FinalizerDeleteDependents {
			finalizers = append(finalizers, f)
		}
	}
	switch d.propagation(old) {
	case metav1.DeletePropagationOrphan:
		finalizers = append(finalizers, metav1.FinalizerOrphanDependents)
	case metav1.DeletePropagationForeground:
		finalizers = append(finalizers, metav1.FinalizerDeleteDependents)
	}
	if sameSet(old, finalizers) {
		return old, false
	}
	return finalizers, true
}

// propagation is what is to become of an object's dependents.
func (d *deletion) propagation(finalizers []string) metav1.DeletionPropagation {
	if d.resource.Strategy.NoPropagation {
		return metav1.DeletePropagationBackground
	}
	//nolint:staticcheck // clients still send the older option
	if orphan := d.options.OrphanDependents; orphan != nil {
		if *orphan {
			return metav1.DeletePropagationOrphan
		}
		return metav1.DeletePropagationBackground
	}
	if p := d.options.PropagationPolicy; p != nil {
		return *p
	}
	for _, f := range finalizers {
		switch f {
		case metav1.FinalizerOrphanDependents:
			return metav1.DeletePropagationOrphan
		case metav1.FinalizerDeleteDependents:
			return metav1.DeletePropagationForeground
		}
	}
	if d.resource.Strategy.OrphanByDefault {
		return metav1.DeletePropagationOrphan
	}
	return metav1.DeletePropagationBackground
}

func sameSet(a, b []string) bool {
	in := func(of []string) func(string) bool {
		return func(s string) bool { return !slices.Contains(of, s) }
	}
	return !slices.ContainsFunc(a, in(b)) && !slices.ContainsFunc(b, in(a))
}
