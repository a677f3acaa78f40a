package history

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Restorable makes of a version of the past an object that can be written: over
// current, or with a nil current as a new one. What the server chooses is left to
// it.
func Restorable(o, current *unstructured.Unstructured) {
	for _, field := range []string{"managedFields", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink", "uid", "resourceVersion"} {
		unstructured.RemoveNestedField(o.Object, "metadata", field)
	}
	if current == nil {
		unstructured.RemoveNestedField(o.Object, "status")
		if o.GetKind() == "Pod" && o.GetAPIVersion() == "v1" {
			unstructured.RemoveNestedField(o.Object, "spec", "nodeName") // it is to be scheduled anew
		}
		return
	}
	o.SetUID(current.GetUID())
	o.SetResourceVersion(current.GetResourceVersion())
}
