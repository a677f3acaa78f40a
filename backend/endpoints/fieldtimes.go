package endpoints

import (
	"reflect"

	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// keepFieldTimes gives managedFields their old times where nothing but these
// times would change, so that a write that changes nothing writes nothing.
func keepFieldTimes(next, current scheme.Object) {
	if current == nil {
		return
	}
	entries, old := scheme.ManagedFields(next), scheme.ManagedFields(current)
	if len(entries) == 0 || len(entries) != len(old) || !onlyTimesDiffer(entries, old) {
		return
	}
	kept := make([]metav1.ManagedFieldsEntry, len(entries))
	for i := range entries {
		kept[i] = entries[i]
		kept[i].Time = old[i].Time
	}
	// Compared without copying either object: next has the times that it would
	// keep, and gets its own back when it differs in anything else.
	scheme.SetManagedFields(next, kept)
	if !sameObject(next, current) {
		scheme.SetManagedFields(next, entries)
	}
}

// onlyTimesDiffer tells that at least one time differs and nothing else.
func onlyTimesDiffer(a, b []metav1.ManagedFieldsEntry) bool {
	differ := false
	for i := range a {
		if a[i].Time.Equal(b[i].Time) {
			continue
		}
		differ = true
	}
	if !differ {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		x.Time, y.Time = nil, nil
		if !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}

func sameObject(a, b scheme.Object) bool {
	x, ok := a.(*unstructured.Unstructured)
	if !ok {
		return equality.Semantic.DeepEqual(a, b)
	}
	y, ok := b.(*unstructured.Unstructured)
	return ok && equality.Semantic.DeepEqualWithNilDifferentFromEmpty(x.Object, y.Object)
}
