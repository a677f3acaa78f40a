// Package storage owns the built-in resources of the group storage.k8s.io:
// storage classes, CSI objects and volume attachments. Each file is one resource; Resources lists them.
package storage

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "storage.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		csiDrivers(),
		csiNodes(),
		csiStorageCapacities(),
		storageClasses(),
		volumeAttachments(),
		volumeAttributesClasses(),
	}
}
