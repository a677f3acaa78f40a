package podspec

import (
	"net"
	"path"
	"regexp"
	"strings"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var hostPathTypes = []v1.HostPathType{
	v1.HostPathUnset, v1.HostPathBlockDev, v1.HostPathCharDev, v1.HostPathDirectory,
	v1.HostPathDirectoryOrCreate, v1.HostPathFile, v1.HostPathFileOrCreate, v1.HostPathSocket,
}

func validateHostPath(s *v1.HostPathVolumeSource, at *field.Path) field.ErrorList {
	if s.Path == "" {
		return field.ErrorList{field.Required(at.Child("path"), "")}
	}
	errs := noBacksteps(s.Path, at.Child("path"))
	if s.Type != nil {
		errs = append(errs, validate.OneOf(at.Child("type"), *s.Type, hostPathTypes)...)
	}
	return errs
}

func partition(n int32, at *field.Path) field.ErrorList {
	if 0 <= n && n <= 255 {
		return nil
	}
	return field.ErrorList{field.Invalid(at.Child("partition"), n, validation.InclusiveRangeError(1, 255))}
}

func validateNFS(s *v1.NFSVolumeSource, at *field.Path) field.ErrorList {
	errs := required(s.Server, at.Child("server"))
	errs = append(errs, required(s.Path, at.Child("path"))...)
	if !path.IsAbs(s.Path) {
		errs = append(errs, field.Invalid(at.Child("path"), s.Path, "must be an absolute path"))
	}
	return errs
}

// What is wrong with names of iSCSI, as volumes of pods and PersistentVolumes say it.
const (
	inlineNames     = "must be valid format starting with iqn, eui, or naa"
	persistentNames = "must be valid format"
)

// iSCSI knows three kinds of names.
var iscsiNames = map[string]*regexp.Regexp{
	"iqn": regexp.MustCompile(`iqn\.\d{4}-\d{2}\.([[:alnum:]-.]+)(:[^,;*&$|\s]+)$`),
	"eui": regexp.MustCompile(`^eui.[[:alnum:]]{16}$`),
	"naa": regexp.MustCompile(`^naa.[[:alnum:]]{32}$`),
}

// iscsiName looks at a name; unlike is what to say of one of no known kind.
func iscsiName(name, unlike string, at *field.Path) field.ErrorList {
	for kind, pattern := range iscsiNames {
		if !strings.HasPrefix(name, kind) {
			continue
		}
		if pattern.MatchString(name) {
			return nil
		}
		return field.ErrorList{field.Invalid(at, name, persistentNames)}
	}
	return field.ErrorList{field.Invalid(at, name, unlike)}
}

func validateISCSI(s *v1.ISCSIVolumeSource, at *field.Path) field.ErrorList {
	errs := required(s.TargetPortal, at.Child("targetPortal"))
	if s.IQN == "" {
		errs = append(errs, field.Required(at.Child("iqn"), ""))
	} else {
		errs = append(errs, iscsiName(s.IQN, inlineNames, at.Child("iqn"))...)
	}
	if s.Lun < 0 || s.Lun > 255 {
		errs = append(errs, field.Invalid(at.Child("lun"), s.Lun, validation.InclusiveRangeError(0, 255)))
	}
	if (s.DiscoveryCHAPAuth || s.SessionCHAPAuth) && s.SecretRef == nil {
		errs = append(errs, field.Required(at.Child("secretRef"), ""))
	}
	if s.InitiatorName != nil {
		errs = append(errs, iscsiName(*s.InitiatorName, inlineNames, at.Child("initiatorname"))...)
	}
	return errs
}

func validateFlocker(s *v1.FlockerVolumeSource, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.DatasetName == "" && s.DatasetUUID == "" {
		errs = append(errs, field.Required(at, "one of datasetName and datasetUUID is required"))
	}
	if s.DatasetName != "" && s.DatasetUUID != "" {
		errs = append(errs, field.Invalid(at, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
	}
	if strings.Contains(s.DatasetName, "/") {
		errs = append(errs, field.Invalid(at.Child("datasetName"), s.DatasetName, "must not contain '/'"))
	}
	return errs
}

func validateQuobyte(s *v1.QuobyteVolumeSource, at *field.Path) field.ErrorList {
	const pairs = "must be a host:port pair or multiple pairs separated by commas"
	var errs field.ErrorList
	switch {
	case s.Registry == "":
		errs = append(errs, field.Required(at.Child("registry"), pairs))
	case len(s.Tenant) >= 65:
		errs = append(errs, field.Required(at.Child("tenant"), "must be a UUID and may not exceed a length of 64 characters"))
	default:
		for pair := range strings.SplitSeq(s.Registry, ",") {
			if _, _, err := net.SplitHostPort(pair); err != nil {
				errs = append(errs, field.Invalid(at.Child("registry"), s.Registry, pairs))
			}
		}
	}
	return append(errs, required(s.Volume, at.Child("volume"))...)
}

func validateFC(s *v1.FCVolumeSource, at *field.Path) field.ErrorList {
	targets := at.Child("targetWWNs")
	var errs field.ErrorList
	switch {
	case len(s.TargetWWNs) == 0 && len(s.WWIDs) == 0:
		errs = append(errs, field.Required(targets, "must specify either targetWWNs or wwids, but not both"))
	case len(s.TargetWWNs) > 0 && len(s.WWIDs) > 0:
		errs = append(errs, field.Invalid(targets, s.TargetWWNs, "targetWWNs and wwids can not be specified simultaneously"))
	}
	switch {
	case len(s.TargetWWNs) == 0:
	case s.Lun == nil:
		errs = append(errs, field.Required(at.Child("lun"), "lun is required if targetWWNs is specified"))
	case *s.Lun < 0 || *s.Lun > 255:
		errs = append(errs, field.Invalid(at.Child("lun"), s.Lun, validation.InclusiveRangeError(0, 255)))
	}
	return errs
}

// flexOptions refuses options under Kubernetes' own domains.
func flexOptions(options map[string]string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, key := range sets.List(sets.KeySet(options)) {
		domain, _, _ := strings.Cut(key, "/")
		domain = "." + strings.ToLower(domain)
		if strings.HasSuffix(domain, ".kubernetes.io") || strings.HasSuffix(domain, ".k8s.io") {
			errs = append(errs, field.Invalid(at.Key(key), key, "kubernetes.io and k8s.io namespaces are reserved"))
		}
	}
	return errs
}

var (
	azureCachingModes = []v1.AzureDataDiskCachingMode{v1.AzureDataDiskCachingNone, v1.AzureDataDiskCachingReadOnly, v1.AzureDataDiskCachingReadWrite}
	azureDiskKinds    = []v1.AzureDataDiskKind{v1.AzureDedicatedBlobDisk, v1.AzureManagedDisk, v1.AzureSharedBlobDisk}
	managedDiskURIs   = []string{"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"}
	blobDiskURIs      = []string{"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"}
)

func validateAzureDisk(s *v1.AzureDiskVolumeSource, at *field.Path) field.ErrorList {
	errs := required(s.DiskName, at.Child("diskName"))
	errs = append(errs, required(s.DataDiskURI, at.Child("diskURI"))...)
	if s.CachingMode != nil {
		errs = append(errs, validate.OneOf(at.Child("cachingMode"), *s.CachingMode, azureCachingModes)...)
	}
	if s.Kind == nil {
		return errs
	}
	errs = append(errs, validate.OneOf(at.Child("kind"), *s.Kind, azureDiskKinds)...)
	managed := *s.Kind == v1.AzureManagedDisk
	if managed && !strings.HasPrefix(s.DataDiskURI, "/subscriptions/") {
		errs = append(errs, field.NotSupported(at.Child("diskURI"), s.DataDiskURI, managedDiskURIs))
	}
	if !managed && !strings.HasPrefix(s.DataDiskURI, "https://") {
		errs = append(errs, field.NotSupported(at.Child("diskURI"), s.DataDiskURI, blobDiskURIs))
	}
	return errs
}

func validateStorageOS(s *v1.StorageOSVolumeSource, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.VolumeName == "" {
		errs = append(errs, field.Required(at.Child("volumeName"), ""))
	} else {
		errs = append(errs, validate.DNSLabel(s.VolumeName, at.Child("volumeName"))...)
	}
	if s.VolumeNamespace != "" {
		errs = append(errs, validate.DNSLabel(s.VolumeNamespace, at.Child("volumeNamespace"))...)
	}
	if s.SecretRef != nil {
		errs = append(errs, required(s.SecretRef.Name, at.Child("secretRef", "name"))...)
	}
	return errs
}

const maxDriverNameLength = 63

func validateCSI(s *v1.CSIVolumeSource, at *field.Path) field.ErrorList {
	errs := ValidateCSIDriverName(s.Driver, at.Child("driver"))
	if s.NodePublishSecretRef == nil {
		return errs
	}
	name := at.Child("nodePublishSecretRef", "name")
	if s.NodePublishSecretRef.Name == "" {
		return append(errs, field.Required(name, ""))
	}
	return append(errs, validate.Messages(name, s.NodePublishSecretRef.Name, apivalidation.NameIsDNSSubdomain(s.NodePublishSecretRef.Name, false))...)
}

// ValidateCSIDriverName wants the name of a CSI driver: a short domain, in
// which upper-case letters are let pass.
func ValidateCSIDriverName(name string, at *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	var errs field.ErrorList
	if len(name) > maxDriverNameLength {
		errs = append(errs, field.TooLong(at, "", maxDriverNameLength))
	}
	return append(errs, validate.Messages(at, name, validation.IsDNS1123Subdomain(strings.ToLower(name)))...)
}

// templateMetadataFields are the metadata that templates of objects other than
// pods may set.
var templateMetadataFields = sets.New("Annotations", "Labels")

func validateEphemeral(s *v1.EphemeralVolumeSource, at *field.Path) field.ErrorList {
	t := s.VolumeClaimTemplate
	p := at.Child("volumeClaimTemplate")
	if t == nil {
		return field.ErrorList{field.Required(p, "")}
	}
	errs := validateTemplateMetadata(&t.ObjectMeta, p.Child("metadata"))
	return append(errs, ValidateClaimSpec(&t.Spec, p.Child("spec"))...)
}
