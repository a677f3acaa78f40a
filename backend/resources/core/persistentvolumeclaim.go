package core

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func persistentVolumeClaimResource(env *registry.Env) registry.Resource {
	spec, doc := corev1.PersistentVolumeClaimSpec{}.SwaggerDoc(), corev1.PersistentVolumeClaimStatus{}.SwaggerDoc()
	status := registry.For[*corev1.PersistentVolumeClaim]{
		PrepareForUpdate: func(_ context.Context, c, old *corev1.PersistentVolumeClaim) { c.Spec = old.Spec },
		ValidateUpdate:   validateClaimStatus,
		ResetFields:      map[string][]string{"v1": {"spec"}},
	}.Strategy()
	return registry.Resource{
		Name:       "persistentvolumeclaims",
		Singular:   "persistentvolumeclaim",
		Kind:       "PersistentVolumeClaim",
		ShortNames: []string{"pvc"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &corev1.PersistentVolumeClaim{} },
			Default: registry.Typed(func(c *corev1.PersistentVolumeClaim) {
				setDefault(&c.Status.Phase, corev1.ClaimPending)
				podspec.SetClaimSpecDefaults(&c.Spec)
				roundResources(c.Status.Capacity)
				roundResources(c.Status.AllocatedResources)
			}),
		}},
		Strategy: registry.For[*corev1.PersistentVolumeClaim]{
			ValidatesMetaOnUpdate: 1,
			PrepareForCreate: func(_ context.Context, c *corev1.PersistentVolumeClaim) {
				c.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}
				prepareDataSources(&c.Spec, nil)
				normalizeDataSources(&c.Spec)
			},
			PrepareForUpdate: func(_ context.Context, c, old *corev1.PersistentVolumeClaim) {
				c.Status = old.Status
				prepareDataSources(&c.Spec, &old.Spec)
				normalizeDataSources(&c.Spec)
			},
			Validate:            validateClaim,
			ValidateUpdate:      validateClaimUpdate,
			WarningsOnCreate:    func(_ context.Context, c *corev1.PersistentVolumeClaim) []string { return claimWarnings(c) },
			WarningsOnUpdate:    func(_ context.Context, c, _ *corev1.PersistentVolumeClaim) []string { return claimWarnings(c) },
			DeleteReturnsObject: true,
			ResetFields:         map[string][]string{"v1": {"status"}},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Status", doc["phase"]),
			printers.Column("Volume", spec["volumeName"]),
			printers.Column("Capacity", doc["capacity"]),
			printers.Column("Access Modes", doc["accessModes"]),
			printers.Column("StorageClass", "StorageClass of the pvc"),
			printers.Column("VolumeAttributesClass", "VolumeAttributesClass of the pvc"),
			printers.Age,
			printers.Wide("VolumeMode", spec["volumeMode"]),
		},
		Cells: registry.Row(claimCells),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

// prepareDataSources drops what a claim cannot be filled from: a source of
// another namespace, which Kubernetes keeps behind a gate, and a dataSource
// that is neither a claim nor a snapshot, which clients set before dataSourceRef
// came. What is stored may stay.
func prepareDataSources(spec, old *corev1.PersistentVolumeClaimSpec) {
	if ref := spec.DataSourceRef; ref != nil && ref.Namespace != nil && *ref.Namespace != "" && (old == nil || old.DataSourceRef == nil) {
		spec.DataSourceRef = nil
	}
	if old != nil && (old.DataSource != nil || old.DataSourceRef != nil) || spec.DataSourceRef != nil {
		return
	}
	if !isClaimOrSnapshot(spec.DataSource) {
		spec.DataSource = nil
	}
}

func isClaimOrSnapshot(s *corev1.TypedLocalObjectReference) bool {
	if s == nil {
		return false
	}
	group := ""
	if s.APIGroup != nil {
		group = *s.APIGroup
	}
	return s.Kind == "PersistentVolumeClaim" && group == "" || s.Kind == "VolumeSnapshot" && group == "snapshot.storage.k8s.io"
}

// normalizeDataSources fills in the older or newer form of a claim's source from
// the other: older clients leave out the one that they do not know.
func normalizeDataSources(spec *corev1.PersistentVolumeClaimSpec) {
	switch source, ref := spec.DataSource, spec.DataSourceRef; {
	case source != nil && ref == nil:
		spec.DataSourceRef = &corev1.TypedObjectReference{APIGroup: clonePointer(source.APIGroup), Kind: source.Kind, Name: source.Name}
	case source == nil && ref != nil && (ref.Namespace == nil || *ref.Namespace == ""):
		spec.DataSource = &corev1.TypedLocalObjectReference{APIGroup: clonePointer(ref.APIGroup), Kind: ref.Kind, Name: ref.Name}
	}
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

func claimCells(c *corev1.PersistentVolumeClaim, now registry.Clock) []any {
	phase := string(c.Status.Phase)
	if c.DeletionTimestamp != nil {
		phase = "Terminating"
	}
	capacity, modes := "", ""
	if c.Spec.VolumeName != "" {
		size := c.Status.Capacity[corev1.ResourceStorage]
		capacity, modes = size.String(), accessModes(c.Status.AccessModes)
	}
	class, annotated := c.Annotations[corev1.BetaStorageClassAnnotation]
	if !annotated && c.Spec.StorageClassName != nil {
		class = *c.Spec.StorageClassName
	}
	return []any{
		c.Name, phase, c.Spec.VolumeName, capacity, modes, class,
		orUnset(c.Spec.VolumeAttributesClassName),
		printers.Since(c.CreationTimestamp, now),
		orUnset(c.Spec.VolumeMode),
	}
}

func claimWarnings(c *corev1.PersistentVolumeClaim) []string {
	var out []string
	if _, ok := c.Annotations[corev1.BetaStorageClassAnnotation]; ok {
		path := field.NewPath("metadata", "annotations").Key(corev1.BetaStorageClassAnnotation)
		out = append(out, path.String()+": "+storageClassAnnotationWarning)
	}
	return append(out, podspec.ClaimSpecWarnings(&c.Spec, specPath)...)
}
