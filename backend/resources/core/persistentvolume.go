package core

import (
	"context"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func persistentVolumeResource(env *registry.Env) registry.Resource {
	spec, doc := corev1.PersistentVolumeSpec{}.SwaggerDoc(), corev1.PersistentVolumeStatus{}.SwaggerDoc()
	now := func() *metav1.Time { return new(metav1.NewTime(env.Clock().UTC())) }
	status := registry.For[*corev1.PersistentVolume]{
		PrepareForUpdate: func(_ context.Context, pv, old *corev1.PersistentVolume) {
			pv.Spec = old.Spec
			setPhaseTransition(&pv.Status, &old.Status, now)
		},
		ResetFields: map[string][]string{"v1": {"spec"}},
	}.Strategy()
	return registry.Resource{
		Name:       "persistentvolumes",
		Singular:   "persistentvolume",
		Kind:       "PersistentVolume",
		ShortNames: []string{"pv"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &corev1.PersistentVolume{} },
			Default: registry.Typed(func(pv *corev1.PersistentVolume) {
				setDefault(&pv.Status.Phase, corev1.VolumePending)
				podspec.SetPersistentVolumeDefaults(&pv.Spec)
			}),
		}},
		Strategy: registry.For[*corev1.PersistentVolume]{
			PrepareForCreate: func(_ context.Context, pv *corev1.PersistentVolume) {
				pv.Status = corev1.PersistentVolumeStatus{Phase: corev1.VolumePending, LastPhaseTransitionTime: now()}
			},
			PrepareForUpdate:      func(_ context.Context, pv, old *corev1.PersistentVolume) { pv.Status = old.Status },
			Validate:              func(_ context.Context, pv *corev1.PersistentVolume) field.ErrorList { return validateVolume(pv, nil) },
			ValidateUpdate:        validateVolumeUpdate,
			WarningsOnCreate:      func(_ context.Context, pv *corev1.PersistentVolume) []string { return volumeWarnings(pv) },
			WarningsOnUpdate:      func(_ context.Context, pv, _ *corev1.PersistentVolume) []string { return volumeWarnings(pv) },
			ValidatesMetaOnUpdate: 2,
			SkipsMetaChanges:      true,
			DeleteReturnsObject:   true,
			ResetFields:           map[string][]string{"v1": {"status"}},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Capacity", spec["capacity"]),
			printers.Column("Access Modes", spec["accessModes"]),
			printers.Column("Reclaim Policy", spec["persistentVolumeReclaimPolicy"]),
			printers.Column("Status", doc["phase"]),
			printers.Column("Claim", spec["claimRef"]),
			printers.Column("StorageClass", "StorageClass of the pv"),
			printers.Column("VolumeAttributesClass", "VolumeAttributesClass of the pv"),
			printers.Column("Reason", doc["reason"]),
			printers.Age,
			printers.Wide("VolumeMode", spec["volumeMode"]),
		},
		Cells: registry.Row(volumeCells),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

// setPhaseTransition notes when the phase changed, unless the client says it.
func setPhaseTransition(s, old *corev1.PersistentVolumeStatus, now func() *metav1.Time) {
	given := s.LastPhaseTransitionTime
	switch {
	case s.Phase == old.Phase && given == nil:
		s.LastPhaseTransitionTime = old.LastPhaseTransitionTime
	case s.Phase != old.Phase && (given == nil || given.Equal(old.LastPhaseTransitionTime)):
		s.LastPhaseTransitionTime = now()
	}
}

func volumeCells(pv *corev1.PersistentVolume, now registry.Clock) []any {
	claim := ""
	if ref := pv.Spec.ClaimRef; ref != nil {
		claim = ref.Namespace + "/" + ref.Name
	}
	phase := string(pv.Status.Phase)
	if pv.DeletionTimestamp != nil {
		phase = "Terminating"
	}
	size := pv.Spec.Capacity[corev1.ResourceStorage]
	class, annotated := pv.Annotations[corev1.BetaStorageClassAnnotation]
	if !annotated {
		class = pv.Spec.StorageClassName
	}
	return []any{
		pv.Name,
		size.String(),
		accessModes(pv.Spec.AccessModes),
		string(pv.Spec.PersistentVolumeReclaimPolicy),
		phase,
		claim,
		class,
		orUnset(pv.Spec.VolumeAttributesClassName),
		pv.Status.Reason,
		printers.Since(pv.CreationTimestamp, now),
		orUnset(pv.Spec.VolumeMode),
	}
}

func orUnset[T ~string](p *T) string {
	if p == nil {
		return "<unset>"
	}
	return string(*p)
}

var shortAccessModes = []struct {
	mode  corev1.PersistentVolumeAccessMode
	short string
}{
	{corev1.ReadWriteOnce, "RWO"},
	{corev1.ReadOnlyMany, "ROX"},
	{corev1.ReadWriteMany, "RWX"},
	{corev1.ReadWriteOncePod, "RWOP"},
}

// accessModes gives modes as kubectl shows them: RWO,ROX.
func accessModes(modes []corev1.PersistentVolumeAccessMode) string {
	var out []string
	for _, m := range shortAccessModes {
		if slices.Contains(modes, m.mode) {
			out = append(out, m.short)
		}
	}
	return strings.Join(out, ",")
}

func volumeWarnings(pv *corev1.PersistentVolume) []string {
	spec := &pv.Spec
	var out []string
	add := func(path *field.Path, text string) { out = append(out, path.String()+": "+text) }
	annotations := field.NewPath("metadata", "annotations")
	if _, ok := pv.Annotations[corev1.BetaStorageClassAnnotation]; ok {
		add(annotations.Key(corev1.BetaStorageClassAnnotation), storageClassAnnotationWarning)
	}
	if _, ok := pv.Annotations[corev1.MountOptionAnnotation]; ok {
		add(annotations.Key(corev1.MountOptionAnnotation), `deprecated since v1.31; use "mountOptions" attribute instead`)
	}
	if spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRecycle {
		add(specPath.Child("persistentVolumeReclaimPolicy"), "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.")
	}
	if a := spec.NodeAffinity; a != nil && a.Required != nil {
		for i := range a.Required.NodeSelectorTerms {
			path := specPath.Child("nodeAffinity", "required", "nodeSelectorTerms").Index(i)
			out = append(out, podspec.NodeSelectorTermWarnings(&a.Required.NodeSelectorTerms[i], false, path)...)
		}
	}
	for _, s := range []struct {
		used        bool
		name, since string
	}{
		{spec.CephFS != nil, "cephfs", "deprecated in v1.28, non-functional in v1.31+"},
		{spec.PhotonPersistentDisk != nil, "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"},
		{spec.ScaleIO != nil, "scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
		{spec.StorageOS != nil, "storageOS", "deprecated in v1.22, non-functional in v1.25+"},
		{spec.Glusterfs != nil, "glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
		{spec.RBD != nil, "rbd", "deprecated in v1.28, non-functional in v1.31+"},
	} {
		if s.used {
			add(specPath.Child(s.name), s.since)
		}
	}
	return out
}

const storageClassAnnotationWarning = `deprecated since v1.8; use "storageClassName" attribute instead`
