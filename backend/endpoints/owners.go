package endpoints

import (
	"reflect"
	"strings"

	"pilothouse/backend/request"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Texts of the warnings about owner references that stand twice.
const (
	duplicateOwners = ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, " +
		"and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
	duplicateOwnersAfterMutation = ".metadata.ownerReferences contains duplicate entries after mutating admission happens; API server dedups owner references in 1.20+, " +
		"and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
)

// dropDuplicateOwners removes owner references that stand twice, and says so.
func dropDuplicateOwners(r *request.Request, obj metav1.Object, warning string) {
	refs := obj.GetOwnerReferences()
	if len(refs) < 2 {
		return
	}
	kept := make([]metav1.OwnerReference, 0, len(refs))
	var twice []string
	for _, ref := range refs {
		if hasOwner(kept, ref) {
			twice = append(twice, string(ref.UID))
			continue
		}
		kept = append(kept, ref)
	}
	if len(twice) == 0 {
		return
	}
	r.Warn(warning + strings.Join(twice, ", "))
	obj.SetOwnerReferences(kept)
}

func hasOwner(refs []metav1.OwnerReference, ref metav1.OwnerReference) bool {
	for i := range refs {
		if refs[i].UID == ref.UID && reflect.DeepEqual(refs[i], ref) {
			return true
		}
	}
	return false
}
