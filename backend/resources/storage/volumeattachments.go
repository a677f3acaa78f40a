package storage

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	storagev1 "k8s.io/api/storage/v1"
)

func volumeAttachments() registry.Resource {
	status := volumeAttachmentStatusStrategy()
	return registry.Resource{
		Group:    group,
		Name:     "volumeattachments",
		Singular: "volumeattachment",
		Kind:     "VolumeAttachment",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &storagev1.VolumeAttachment{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func volumeAttachmentStatusStrategy() registry.Strategy {
	return registry.For[*storagev1.VolumeAttachment]{}.Strategy()
}
