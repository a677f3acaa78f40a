package storage

import (
	"context"
	"math"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// volumeAttachments ask an attacher to bring a volume to a node. The spec is
// fixed once created; the status has its own path.
func volumeAttachments() registry.Resource {
	doc := storagev1.VolumeAttachmentSpec{}.SwaggerDoc()
	status := registry.For[*storagev1.VolumeAttachment]{
		PrepareForUpdate: func(_ context.Context, a, old *storagev1.VolumeAttachment) {
			a.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(&a.ObjectMeta, &old.ObjectMeta)
		},
		ValidateUpdate: func(_ context.Context, a, old *storagev1.VolumeAttachment) field.ErrorList {
			return validateAttachmentUpdate(a, old)
		},
		ResetFields:            map[string][]string{group + "/v1": {"metadata", "spec"}},
		ValidatesMetaOnUpdate:  1,
		SkipsMetaChanges:       true,
		RequireResourceVersion: true,
	}.Strategy()
	attacher := printers.Column("Attacher", doc["attacher"])
	attacher.Format = "name"
	return registry.Resource{
		Group:    group,
		Name:     "volumeattachments",
		Singular: "volumeattachment",
		Kind:     "VolumeAttachment",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &storagev1.VolumeAttachment{} },
		}},
		Strategy: registry.For[*storagev1.VolumeAttachment]{
			ValidateName: apivalidation.NameIsDNSSubdomain,
			PrepareForCreate: func(_ context.Context, a *storagev1.VolumeAttachment) {
				a.Status = storagev1.VolumeAttachmentStatus{}
			},
			Validate: func(_ context.Context, a *storagev1.VolumeAttachment) field.ErrorList {
				return append(validateAttachment(a), validateNewAttachment(a)...)
			},
			PrepareForUpdate: func(_ context.Context, a, old *storagev1.VolumeAttachment) { a.Status = old.Status },
			ValidateUpdate: func(_ context.Context, a, old *storagev1.VolumeAttachment) field.ErrorList {
				return validateAttachmentUpdate(a, old)
			},
			ResetFields:            map[string][]string{group + "/v1": {"status"}},
			ValidatesMetaOnUpdate:  1,
			SkipsMetaChanges:       true,
			RequireResourceVersion: true,
			DeleteReturnsObject:    true,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			attacher,
			printers.Column("PV", storagev1.VolumeAttachmentSource{}.SwaggerDoc()["persistentVolumeName"]),
			printers.Column("Node", doc["nodeName"]),
			printers.Boolean("Attached", storagev1.VolumeAttachmentStatus{}.SwaggerDoc()["attached"]),
			printers.Age,
		},
		Cells: registry.Row(func(a *storagev1.VolumeAttachment, now registry.Clock) []any {
			pv := ""
			if a.Spec.Source.PersistentVolumeName != nil {
				pv = *a.Spec.Source.PersistentVolumeName
			}
			return []any{a.Name, a.Spec.Attacher, pv, a.Spec.NodeName, a.Status.Attached, printers.Since(a.CreationTimestamp, now)}
		}),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

const (
	maxAttachmentMetadata = 256 << 10
	maxVolumeErrorMessage = 1024
)

func validateAttachment(a *storagev1.VolumeAttachment) field.ErrorList {
	var errs field.ErrorList
	spec, status := field.NewPath("spec"), field.NewPath("status")
	if a.Spec.Attacher == "" {
		errs = append(errs, field.Required(spec.Child("attacher"), ""))
	}
	errs = append(errs, validateAttachmentSource(&a.Spec.Source, spec.Child("source"))...)
	errs = append(errs, validate.Messages(spec.Child("nodeName"), a.Spec.NodeName, apivalidation.NameIsDNSSubdomain(a.Spec.NodeName, false))...)
	if sizeOf(a.Status.AttachmentMetadata) > maxAttachmentMetadata {
		errs = append(errs, field.TooLong(status.Child("attachmentMetadata"), "", maxAttachmentMetadata))
	}
	errs = append(errs, validateVolumeError(a.Status.AttachError, status.Child("attachError"))...)
	return append(errs, validateVolumeError(a.Status.DetachError, status.Child("detachError"))...)
}

// validateNewAttachment is what only new attachments must meet.
func validateNewAttachment(a *storagev1.VolumeAttachment) field.ErrorList {
	var errs field.ErrorList
	if a.Spec.Attacher != "" {
		errs = validate.CSIDriverName(a.Spec.Attacher, field.NewPath("spec", "attacher"))
	}
	if name := a.Spec.Source.PersistentVolumeName; name != nil {
		errs = append(errs, validate.Messages(field.NewPath("spec", "source", "persistentVolumeName"), *name,
			apivalidation.NameIsDNSSubdomain(*name, false))...)
	}
	return errs
}

func validateAttachmentSource(s *storagev1.VolumeAttachmentSource, at *field.Path) field.ErrorList {
	const exactlyOne = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
	switch {
	case s.InlineVolumeSpec == nil && s.PersistentVolumeName == nil:
		return field.ErrorList{field.Required(at, exactlyOne)}
	case s.InlineVolumeSpec != nil && s.PersistentVolumeName != nil:
		return field.ErrorList{field.Forbidden(at, exactlyOne)}
	case s.PersistentVolumeName != nil && *s.PersistentVolumeName == "":
		return field.ErrorList{field.Required(at.Child("persistentVolumeName"), "must specify non empty persistentVolumeName")}
	case s.InlineVolumeSpec != nil:
		return validateInlineVolume(s.InlineVolumeSpec, at.Child("inlineVolumeSpec"))
	}
	return nil
}

// validateVolumeError bounds an error's message. The length in the text is not
// the bound, but what upstream writes there.
func validateVolumeError(e *storagev1.VolumeError, at *field.Path) field.ErrorList {
	if e == nil {
		return nil
	}
	var errs field.ErrorList
	if len(e.Message) > maxVolumeErrorMessage {
		errs = append(errs, field.TooLong(at.Child("message"), "", maxAttachmentMetadata))
	}
	if e.ErrorCode != nil && *e.ErrorCode < 0 {
		errs = append(errs, field.Invalid(at.Child("errorCode"), *e.ErrorCode, validation.InclusiveRangeError(0, math.MaxInt32)))
	}
	return errs
}

// validateAttachmentUpdate checks the object twice, as upstream does: clients
// see both.
func validateAttachmentUpdate(a, old *storagev1.VolumeAttachment) field.ErrorList {
	errs := append(validateAttachment(a), validateAttachment(a)...)
	if !equality.Semantic.DeepEqual(a.Spec, old.Spec) {
		errs = append(errs, field.Invalid(field.NewPath("spec"), validate.Internal(a.Spec), apivalidation.FieldImmutableErrorMsg))
	}
	return errs
}
