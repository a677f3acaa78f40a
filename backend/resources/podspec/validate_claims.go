package podspec

import (
	"reflect"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	accessModes = []v1.PersistentVolumeAccessMode{v1.ReadOnlyMany, v1.ReadWriteMany, v1.ReadWriteOnce, v1.ReadWriteOncePod}
	volumeModes = []v1.PersistentVolumeMode{v1.PersistentVolumeBlock, v1.PersistentVolumeFilesystem}
)

// validateTemplateMetadata looks at the metadata of a template in a pod, which
// may have labels and annotations only.
func validateTemplateMetadata(m *metav1.ObjectMeta, path *field.Path) field.ErrorList {
	errs := apivalidation.ValidateAnnotations(m.Annotations, path.Child("annotations"))
	errs = append(errs, metav1validation.ValidateLabels(m.Labels, path.Child("labels"))...)
	return append(errs, onlyFields(*m, templateMetadataFields, "cannot be set", path)...)
}

// ClaimOptions say how strictly the spec of a claim is validated on updates.
type ClaimOptions struct {
	AllowInvalidSelectorValues bool
	AllowInvalidDataSource     bool
}

// ValidateClaimSpec gives what is wrong with the spec of a claim in a template.
func ValidateClaimSpec(s *v1.PersistentVolumeClaimSpec, path *field.Path) field.ErrorList {
	return ValidateClaimSpecWith(s, path, ClaimOptions{})
}

// ValidateClaimSpecWith is ValidateClaimSpec with options for updates.
func ValidateClaimSpecWith(s *v1.PersistentVolumeClaimSpec, path *field.Path, o ClaimOptions) field.ErrorList {
	var errs field.ErrorList
	if len(s.AccessModes) == 0 {
		errs = append(errs, field.Required(path.Child("accessModes"), "at least 1 access mode is required"))
	}
	if s.Selector != nil {
		errs = append(errs, metav1validation.ValidateLabelSelector(s.Selector, metav1validation.LabelSelectorValidationOptions{AllowInvalidLabelValueInSelector: o.AllowInvalidSelectorValues}, path.Child("selector"))...)
	}
	errs = append(errs, validateAccessModes(s.AccessModes, path.Child("accessModes"))...)
	errs = append(errs, validateStorageRequest(s.Resources.Requests, path.Child("resources").Key(string(v1.ResourceStorage)))...)
	if c := s.StorageClassName; c != nil && *c != "" {
		errs = append(errs, validate.DNSSubdomain(*c, path.Child("storageClassName"))...)
	}
	if s.VolumeMode != nil {
		errs = append(errs, validate.OneOf(path.Child("volumeMode"), *s.VolumeMode, volumeModes)...)
	}
	errs = append(errs, validateDataSources(s, path, o)...)
	if c := s.VolumeAttributesClassName; c != nil && *c != "" {
		errs = append(errs, validate.DNSSubdomain(*c, path.Child("volumeAttributesClassName"))...)
	}
	return errs
}

func validateAccessModes(modes []v1.PersistentVolumeAccessMode, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	onePod, others := false, false
	for _, mode := range modes {
		faults := validate.OneOf(path, mode, accessModes)
		errs = append(errs, faults...)
		if mode == v1.ReadWriteOncePod {
			onePod = true
		} else if len(faults) == 0 {
			others = true
		}
	}
	if onePod && others {
		errs = append(errs, field.Forbidden(path, "may not use ReadWriteOncePod with other access modes"))
	}
	return errs
}

func validateStorageRequest(requests v1.ResourceList, path *field.Path) field.ErrorList {
	size, there := requests[v1.ResourceStorage]
	if !there {
		return field.ErrorList{field.Required(path, "")}
	}
	if errs := validate.PositiveQuantity(size, path); len(errs) > 0 {
		return errs
	}
	return validate.QuantityOf(v1.ResourceStorage, size, path)
}

// validateDataSources looks at what a claim is filled from. The two fields are
// the older and the newer form of one and must agree, unless the newer one
// names a namespace, which the older one cannot.
func validateDataSources(s *v1.PersistentVolumeClaimSpec, path *field.Path, o ClaimOptions) field.ErrorList {
	var errs field.ErrorList
	if d := s.DataSource; d != nil {
		errs = append(errs, validateDataSource(d.APIGroup, d.Kind, d.Name, path.Child("dataSource"), o)...)
	}
	ref := s.DataSourceRef
	if ref == nil {
		return errs
	}
	at := path.Child("dataSourceRef")
	errs = append(errs, validateDataSource(ref.APIGroup, ref.Kind, ref.Name, at, o)...)
	namespaced := ref.Namespace != nil && *ref.Namespace != ""
	if namespaced {
		errs = append(errs, validate.Messages(at.Child("namespace"), *ref.Namespace, apivalidation.ValidateNamespaceName(*ref.Namespace, false))...)
	}
	switch d := s.DataSource; {
	case d == nil:
	case namespaced:
		errs = append(errs, field.Invalid(path, path.Child("dataSource"), "may not be specified when dataSourceRef.namespace is specified"))
	case !reflect.DeepEqual(d.APIGroup, ref.APIGroup) || d.Kind != ref.Kind || d.Name != ref.Name:
		errs = append(errs, field.Invalid(path, path.Child("dataSource"), "must match dataSourceRef"))
	}
	return errs
}

func validateDataSource(group *string, kind, name string, path *field.Path, o ClaimOptions) field.ErrorList {
	errs := required(name, path.Child("name"))
	errs = append(errs, required(kind, path.Child("kind"))...)
	apiGroup := ""
	if group != nil {
		apiGroup = *group
	}
	if apiGroup == "" && kind != "PersistentVolumeClaim" {
		errs = append(errs, field.Invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"))
	}
	if apiGroup != "" && !o.AllowInvalidDataSource {
		errs = append(errs, validate.Messages(path.Child("apiGroup"), apiGroup, validation.IsDNS1123Subdomain(apiGroup))...)
	}
	return errs
}
