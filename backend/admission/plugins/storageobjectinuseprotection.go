package plugins

import (
	"context"
	"slices"

	"pilothouse/backend/admission"

	"k8s.io/apimachinery/pkg/api/meta"
)

// storageObjectInUseProtection gives new volumes, claims and volume attributes
// classes the finalizer that holds them while somebody uses them.
type storageObjectInUseProtection struct{ handler }

// protections are the finalizers by resource.
var protections = map[string]string{
	"persistentvolumeclaims":  "kubernetes.io/pvc-protection",
	"persistentvolumes":       "kubernetes.io/pv-protection",
	"volumeattributesclasses": "kubernetes.io/vac-protection",
}

func newStorageObjectInUseProtection(*deps) (admission.Plugin, error) {
	handles := on(admission.Create, claims, target{resource: "persistentvolumes"}, target{group: "storage.k8s.io", resource: "volumeattributesclasses"})
	return &storageObjectInUseProtection{handler{"StorageObjectInUseProtection", handles}}, nil
}

// Mutate adds the finalizer.
func (p *storageObjectInUseProtection) Mutate(_ context.Context, a *admission.Attributes) error {
	m, err := meta.Accessor(a.Object)
	if err != nil {
		return nil //nolint:nilerr // not an object that anybody could use
	}
	finalizer := protections[a.Resource.Resource]
	if !slices.Contains(m.GetFinalizers(), finalizer) {
		m.SetFinalizers(append(m.GetFinalizers(), finalizer))
	}
	return nil
}
