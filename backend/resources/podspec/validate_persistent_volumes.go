package podspec

import (
	"path"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var reclaimPolicies = []v1.PersistentVolumeReclaimPolicy{
	v1.PersistentVolumeReclaimDelete, v1.PersistentVolumeReclaimRecycle, v1.PersistentVolumeReclaimRetain,
}

// SetPersistentVolumeDefaults fills in the spec of a PersistentVolume what
// Kubernetes fills in.
func SetPersistentVolumeDefaults(s *v1.PersistentVolumeSpec) {
	if s.PersistentVolumeReclaimPolicy == "" {
		s.PersistentVolumeReclaimPolicy = v1.PersistentVolumeReclaimRetain
	}
	if s.VolumeMode == nil {
		s.VolumeMode = new(v1.PersistentVolumeFilesystem)
	}
	roundUp(s.Capacity)
	if s := s.HostPath; s != nil && s.Type == nil {
		s.Type = new(v1.HostPathUnset)
	}
	if s := s.ISCSI; s != nil && s.ISCSIInterface == "" {
		s.ISCSIInterface = "default"
	}
	setAzureDisk(s.AzureDisk)
	if s := s.RBD; s != nil {
		r := v1.RBDVolumeSource{RBDPool: s.RBDPool, RadosUser: s.RadosUser, Keyring: s.Keyring}
		setRBD(&r)
		s.RBDPool, s.RadosUser, s.Keyring = r.RBDPool, r.RadosUser, r.Keyring
	}
	if s := s.ScaleIO; s != nil {
		if s.StorageMode == "" {
			s.StorageMode = "ThinProvisioned"
		}
		if s.FSType == "" {
			s.FSType = "xfs"
		}
	}
}

// ValidatePersistentVolumeSpec gives what is wrong with the spec of the
// PersistentVolume of a name. With allowInvalidNodeValues the node selector may
// have values that are no label values, as stored ones may.
func ValidatePersistentVolumeSpec(s *v1.PersistentVolumeSpec, name string, allowInvalidNodeValues bool, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(s.AccessModes) == 0 {
		errs = append(errs, field.Required(at.Child("accessModes"), ""))
	}
	errs = append(errs, validateAccessModes(s.AccessModes, at.Child("accessModes"))...)
	errs = append(errs, validateVolumeCapacity(s.Capacity, at.Child("capacity"))...)
	if p := s.PersistentVolumeReclaimPolicy; p != "" {
		errs = append(errs, validate.OneOf(at.Child("persistentVolumeReclaimPolicy"), p, reclaimPolicies)...)
	}
	if a := s.NodeAffinity; a != nil {
		if a.Required == nil {
			errs = append(errs, field.Required(at.Child("nodeAffinity", "required"), "must specify required node constraints"))
		} else {
			errs = append(errs, validate.NodeSelector(a.Required, allowInvalidNodeValues, at.Child("nodeAffinity", "required"))...)
		}
	}
	errs = append(errs, validatePersistentSource(s, name, at)...)
	if s.HostPath != nil && path.Clean(s.HostPath.Path) == "/" && s.PersistentVolumeReclaimPolicy == v1.PersistentVolumeReclaimRecycle {
		errs = append(errs, field.Forbidden(at.Child("persistentVolumeReclaimPolicy"), "may not be 'recycle' for a hostPath mount of '/'"))
	}
	if c := s.StorageClassName; c != "" {
		errs = append(errs, validate.DNSSubdomain(c, at.Child("storageClassName"))...)
	}
	if s.VolumeMode != nil {
		errs = append(errs, validate.OneOf(at.Child("volumeMode"), *s.VolumeMode, volumeModes)...)
	}
	if c := s.VolumeAttributesClassName; c != nil {
		class := at.Child("volumeAttributesClassName")
		if *c == "" {
			errs = append(errs, field.Required(class, "an empty string is disallowed"))
		} else {
			errs = append(errs, validate.DNSSubdomain(*c, class)...)
		}
		if s.CSI == nil {
			errs = append(errs, field.Required(at.Child("csi"), "has to be specified when using volumeAttributesClassName"))
		}
	}
	return errs
}

func validateVolumeCapacity(capacity v1.ResourceList, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(capacity) == 0 {
		errs = append(errs, field.Required(at, ""))
	}
	if _, ok := capacity[v1.ResourceStorage]; !ok || len(capacity) > 1 {
		errs = append(errs, field.NotSupported(at, capacity, []v1.ResourceName{v1.ResourceStorage}))
	}
	for _, name := range sets.List(sets.KeySet(capacity)) {
		p := at.Key(string(name))
		errs = append(errs, validate.BasicQuantity(capacity[name], p)...)
		errs = append(errs, validate.PositiveQuantity(capacity[name], p)...)
	}
	return errs
}

// validatePersistentSource wants exactly one source; of several the first, in
// Kubernetes' order, is looked at and the others are refused. Where a field's
// path has another name than the field, it has it in Kubernetes too.
func validatePersistentSource(s *v1.PersistentVolumeSpec, name string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	n := 0
	source := func(set bool, refused, shown string, look func(p *field.Path) field.ErrorList) {
		switch {
		case !set:
		case n > 0:
			errs = append(errs, field.Forbidden(at.Child(refused), "may not specify more than 1 volume type"))
		default:
			n++
			errs = append(errs, look(at.Child(shown))...)
		}
	}
	both := func(a, b field.ErrorList) field.ErrorList { return append(a, b...) }
	source(s.HostPath != nil, "hostPath", "hostPath", func(p *field.Path) field.ErrorList { return validateHostPath(s.HostPath, p) })
	source(s.GCEPersistentDisk != nil, "gcePersistentDisk", "persistentDisk", func(p *field.Path) field.ErrorList {
		return both(required(s.GCEPersistentDisk.PDName, p.Child("pdName")), partition(s.GCEPersistentDisk.Partition, p))
	})
	source(s.AWSElasticBlockStore != nil, "awsElasticBlockStore", "awsElasticBlockStore", func(p *field.Path) field.ErrorList {
		return both(required(s.AWSElasticBlockStore.VolumeID, p.Child("volumeID")), partition(s.AWSElasticBlockStore.Partition, p))
	})
	source(s.Glusterfs != nil, "glusterfs", "glusterfs", func(p *field.Path) field.ErrorList { return validatePersistentGlusterfs(s.Glusterfs, p) })
	source(s.Flocker != nil, "flocker", "flocker", func(p *field.Path) field.ErrorList { return validateFlocker(s.Flocker, p) })
	source(s.NFS != nil, "nfs", "nfs", func(p *field.Path) field.ErrorList { return validateNFS(s.NFS, p) })
	source(s.RBD != nil, "rbd", "rbd", func(p *field.Path) field.ErrorList {
		return both(requiredList(s.RBD.CephMonitors, p.Child("monitors")), required(s.RBD.RBDImage, p.Child("image")))
	})
	source(s.Quobyte != nil, "quobyte", "quobyte", func(p *field.Path) field.ErrorList { return validateQuobyte(s.Quobyte, p) })
	source(s.CephFS != nil, "cephFS", "cephfs", func(p *field.Path) field.ErrorList { return requiredList(s.CephFS.Monitors, p.Child("monitors")) })
	source(s.ISCSI != nil, "iscsi", "iscsi", func(p *field.Path) field.ErrorList { return validatePersistentISCSI(s.ISCSI, name, p) })
	source(s.Cinder != nil, "cinder", "cinder", func(p *field.Path) field.ErrorList {
		return both(required(s.Cinder.VolumeID, p.Child("volumeID")), secretNameAndNamespace(s.Cinder.SecretRef, p))
	})
	source(s.FC != nil, "fc", "fc", func(p *field.Path) field.ErrorList { return validateFC(s.FC, p) })
	if s.FlexVolume != nil {
		n++ // Kubernetes does not refuse it as a second source.
		p := at.Child("flexVolume")
		errs = append(errs, required(s.FlexVolume.Driver, p.Child("driver"))...)
		errs = append(errs, flexOptions(s.FlexVolume.Options, p.Child("options"))...)
	}
	source(s.AzureFile != nil, "azureFile", "azureFile", func(p *field.Path) field.ErrorList { return validatePersistentAzureFile(s.AzureFile, p) })
	source(s.VsphereVolume != nil, "vsphereVolume", "vsphereVolume", func(p *field.Path) field.ErrorList {
		return required(s.VsphereVolume.VolumePath, p.Child("volumePath"))
	})
	source(s.PhotonPersistentDisk != nil, "photonPersistentDisk", "photonPersistentDisk", func(p *field.Path) field.ErrorList {
		return required(s.PhotonPersistentDisk.PdID, p.Child("pdID"))
	})
	source(s.PortworxVolume != nil, "portworxVolume", "portworxVolume", func(p *field.Path) field.ErrorList {
		return required(s.PortworxVolume.VolumeID, p.Child("volumeID"))
	})
	source(s.AzureDisk != nil, "azureDisk", "azureDisk", func(p *field.Path) field.ErrorList { return validateAzureDisk(s.AzureDisk, p) })
	source(s.ScaleIO != nil, "scaleIO", "scaleIO", func(p *field.Path) field.ErrorList {
		errs := required(s.ScaleIO.Gateway, p.Child("gateway"))
		errs = append(errs, required(s.ScaleIO.System, p.Child("system"))...)
		return append(errs, required(s.ScaleIO.VolumeName, p.Child("volumeName"))...)
	})
	source(s.Local != nil, "local", "local", func(p *field.Path) field.ErrorList {
		errs := required(s.Local.Path, p.Child("path"))
		if s.Local.Path != "" {
			errs = noBacksteps(s.Local.Path, p.Child("path"))
		}
		if s.NodeAffinity == nil {
			errs = append(errs, field.Required(at.Child("nodeAffinity"), "Local volume requires node affinity"))
		}
		return errs
	})
	source(s.StorageOS != nil, "storageos", "storageos", func(p *field.Path) field.ErrorList { return validatePersistentStorageOS(s.StorageOS, p) })
	source(s.CSI != nil, "csi", "csi", func(p *field.Path) field.ErrorList { return validatePersistentCSI(s.CSI, p) })
	if n == 0 {
		errs = append(errs, field.Required(at, "must specify a volume type"))
	}
	return errs
}

// secretNameAndNamespace wants a reference, where there is one, to be whole.
func secretNameAndNamespace(ref *v1.SecretReference, at *field.Path) field.ErrorList {
	if ref == nil {
		return nil
	}
	return append(required(ref.Name, at.Child("secretRef", "name")), required(ref.Namespace, at.Child("secretRef", "namespace"))...)
}

func validatePersistentGlusterfs(s *v1.GlusterfsPersistentVolumeSource, at *field.Path) field.ErrorList {
	errs := required(s.EndpointsName, at.Child("endpoints"))
	errs = append(errs, required(s.Path, at.Child("path"))...)
	if s.EndpointsNamespace == nil {
		return errs
	}
	namespace := at.Child("endpointsNamespace")
	if *s.EndpointsNamespace == "" {
		return append(errs, field.Invalid(namespace, "", "if the endpointnamespace is set, it must be a valid namespace name"))
	}
	return append(errs, validate.Messages(namespace, *s.EndpointsNamespace, apivalidation.ValidateNamespaceName(*s.EndpointsNamespace, false))...)
}

func validatePersistentISCSI(s *v1.ISCSIPersistentVolumeSource, name string, at *field.Path) field.ErrorList {
	errs := required(s.TargetPortal, at.Child("targetPortal"))
	if s.InitiatorName != nil && len(name+":"+s.TargetPortal) > 64 {
		errs = append(errs, field.Invalid(at.Child("targetportal"), s.TargetPortal, "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."))
	}
	if s.IQN == "" {
		errs = append(errs, field.Required(at.Child("iqn"), ""))
	} else {
		errs = append(errs, iscsiName(s.IQN, persistentNames, at.Child("iqn"))...)
	}
	if s.Lun < 0 || s.Lun > 255 {
		errs = append(errs, field.Invalid(at.Child("lun"), s.Lun, validation.InclusiveRangeError(0, 255)))
	}
	if (s.DiscoveryCHAPAuth || s.SessionCHAPAuth) && s.SecretRef == nil {
		errs = append(errs, field.Required(at.Child("secretRef"), ""))
	}
	if s.SecretRef != nil {
		errs = append(errs, required(s.SecretRef.Name, at.Child("secretRef", "name"))...)
	}
	if s.InitiatorName != nil {
		errs = append(errs, iscsiName(*s.InitiatorName, persistentNames, at.Child("initiatorname"))...)
	}
	return errs
}

func validatePersistentAzureFile(s *v1.AzureFilePersistentVolumeSource, at *field.Path) field.ErrorList {
	errs := required(s.SecretName, at.Child("secretName"))
	errs = append(errs, required(s.ShareName, at.Child("shareName"))...)
	if s.SecretNamespace != nil {
		errs = append(errs, required(*s.SecretNamespace, at.Child("secretNamespace"))...)
	}
	return errs
}

func validatePersistentStorageOS(s *v1.StorageOSPersistentVolumeSource, at *field.Path) field.ErrorList {
	inline := v1.StorageOSVolumeSource{VolumeName: s.VolumeName, VolumeNamespace: s.VolumeNamespace}
	errs := validateStorageOS(&inline, at)
	if s.SecretRef != nil {
		errs = append(errs, required(s.SecretRef.Name, at.Child("secretRef", "name"))...)
		errs = append(errs, required(s.SecretRef.Namespace, at.Child("secretRef", "namespace"))...)
	}
	return errs
}

func validatePersistentCSI(s *v1.CSIPersistentVolumeSource, at *field.Path) field.ErrorList {
	errs := ValidateCSIDriverName(s.Driver, at.Child("driver"))
	errs = append(errs, required(s.VolumeHandle, at.Child("volumeHandle"))...)
	secret := func(ref *v1.SecretReference, name string) {
		if ref == nil {
			return
		}
		p := at.Child(name)
		if ref.Name == "" {
			errs = append(errs, field.Required(p.Child("name"), ""))
		} else {
			errs = append(errs, validate.DNSSubdomain(ref.Name, p.Child("name"))...)
		}
		if ref.Namespace == "" {
			errs = append(errs, field.Required(p.Child("namespace"), ""))
		} else {
			errs = append(errs, validate.DNSLabel(ref.Namespace, p.Child("namespace"))...)
		}
	}
	secret(s.ControllerPublishSecretRef, "controllerPublishSecretRef")
	secret(s.ControllerExpandSecretRef, "controllerExpandSecretRef")
	secret(s.NodePublishSecretRef, "nodePublishSecretRef")
	secret(s.NodeExpandSecretRef, "nodeExpandSecretRef")
	return errs
}
