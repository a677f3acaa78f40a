package podspec

import (
	"fmt"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateVolumes gives the volumes without faults by name, and the faults
// after those that are there.
func (v *specValidator) validateVolumes(meta *metav1.ObjectMeta, path *field.Path, errs field.ErrorList) (map[string]*v1.VolumeSource, field.ErrorList) {
	sources := make(map[string]*v1.VolumeSource, len(v.spec.Volumes))
	created := createdClaims(v.spec.Volumes, meta)
	for i := range v.spec.Volumes {
		vol, p := &v.spec.Volumes[i], path.Index(i)
		faults := v.validateVolumeSource(vol, meta, p)
		if vol.Name == "" {
			faults = append(faults, field.Required(p.Child("name"), ""))
		} else {
			faults = append(faults, validate.DNSLabel(vol.Name, p.Child("name"))...)
		}
		if sources[vol.Name] != nil {
			faults = append(faults, field.Duplicate(p.Child("name"), vol.Name))
		}
		if len(faults) == 0 {
			sources[vol.Name] = &vol.VolumeSource
		}
		errs = append(errs, faults...)
		if c := vol.PersistentVolumeClaim; c != nil && created.Has(c.ClaimName) {
			errs = append(errs, field.Invalid(p.Child("persistentVolumeClaim", "claimName"), c.ClaimName, "must not reference a PVC that gets created for an ephemeral volume"))
		}
	}
	return sources, errs
}

// createdClaims are the names of the claims that will be made for ephemeral
// volumes; only a pod that has a name tells them.
func createdClaims(volumes []v1.Volume, meta *metav1.ObjectMeta) sets.Set[string] {
	if meta == nil || meta.Name == "" {
		return nil
	}
	var names sets.Set[string]
	for i := range volumes {
		if volumes[i].Ephemeral == nil {
			continue
		}
		if names == nil {
			names = sets.Set[string]{}
		}
		names.Insert(meta.Name + "-" + volumes[i].Name)
	}
	return names
}

// validateVolumeSource wants exactly one source; of several the first, in
// Kubernetes' order, is looked at and the others are refused.
func (v *specValidator) validateVolumeSource(vol *v1.Volume, meta *metav1.ObjectMeta, path *field.Path) field.ErrorList {
	s := &vol.VolumeSource
	var errs field.ErrorList
	n := 0
	// Where a field's path has another name than the field, it has it in
	// Kubernetes too.
	source := func(set bool, refused, name string, look func(path *field.Path) field.ErrorList) {
		switch {
		case !set:
		case n > 0:
			errs = append(errs, field.Forbidden(path.Child(refused), "may not specify more than 1 volume type"))
		default:
			n++
			errs = append(errs, look(path.Child(name))...)
		}
	}
	if s.EmptyDir != nil {
		n++
		if limit := s.EmptyDir.SizeLimit; limit != nil && limit.Sign() < 0 {
			errs = append(errs, field.Forbidden(path.Child("emptyDir", "sizeLimit"), "SizeLimit field must be a valid resource quantity"))
		}
	}
	source(s.HostPath != nil, "hostPath", "hostPath", func(p *field.Path) field.ErrorList { return validateHostPath(s.HostPath, p) })
	source(s.GitRepo != nil, "gitRepo", "gitRepo", func(p *field.Path) field.ErrorList {
		return append(required(s.GitRepo.Repository, p.Child("repository")), descendingPath(s.GitRepo.Directory, p.Child("directory"))...)
	})
	source(s.GCEPersistentDisk != nil, "gcePersistentDisk", "persistentDisk", func(p *field.Path) field.ErrorList {
		return append(required(s.GCEPersistentDisk.PDName, p.Child("pdName")), partition(s.GCEPersistentDisk.Partition, p)...)
	})
	source(s.AWSElasticBlockStore != nil, "awsElasticBlockStore", "awsElasticBlockStore", func(p *field.Path) field.ErrorList {
		return append(required(s.AWSElasticBlockStore.VolumeID, p.Child("volumeID")), partition(s.AWSElasticBlockStore.Partition, p)...)
	})
	source(s.Secret != nil, "secret", "secret", func(p *field.Path) field.ErrorList {
		errs := required(s.Secret.SecretName, p.Child("secretName"))
		errs = append(errs, fileMode(s.Secret.DefaultMode, p.Child("defaultMode"))...)
		return append(errs, keysToPaths(s.Secret.Items, p.Child("items"))...)
	})
	source(s.NFS != nil, "nfs", "nfs", func(p *field.Path) field.ErrorList { return validateNFS(s.NFS, p) })
	source(s.ISCSI != nil, "iscsi", "iscsi", func(p *field.Path) field.ErrorList { return validateISCSI(s.ISCSI, p) })
	if s.ISCSI != nil && s.ISCSI.InitiatorName != nil && len(vol.Name+":"+s.ISCSI.TargetPortal) > 64 {
		errs = append(errs, field.Invalid(path.Child("name"), vol.Name, "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."))
	}
	source(s.Glusterfs != nil, "glusterfs", "glusterfs", func(p *field.Path) field.ErrorList {
		return append(required(s.Glusterfs.EndpointsName, p.Child("endpoints")), required(s.Glusterfs.Path, p.Child("path"))...)
	})
	source(s.Flocker != nil, "flocker", "flocker", func(p *field.Path) field.ErrorList { return validateFlocker(s.Flocker, p) })
	source(s.PersistentVolumeClaim != nil, "persistentVolumeClaim", "persistentVolumeClaim", func(p *field.Path) field.ErrorList {
		return required(s.PersistentVolumeClaim.ClaimName, p.Child("claimName"))
	})
	source(s.RBD != nil, "rbd", "rbd", func(p *field.Path) field.ErrorList {
		return append(requiredList(s.RBD.CephMonitors, p.Child("monitors")), required(s.RBD.RBDImage, p.Child("image"))...)
	})
	source(s.Cinder != nil, "cinder", "cinder", func(p *field.Path) field.ErrorList {
		errs := required(s.Cinder.VolumeID, p.Child("volumeID"))
		if s.Cinder.SecretRef != nil {
			errs = append(errs, required(s.Cinder.SecretRef.Name, p.Child("secretRef", "name"))...)
		}
		return errs
	})
	source(s.CephFS != nil, "cephFS", "cephfs", func(p *field.Path) field.ErrorList {
		return requiredList(s.CephFS.Monitors, p.Child("monitors"))
	})
	source(s.Quobyte != nil, "quobyte", "quobyte", func(p *field.Path) field.ErrorList { return validateQuobyte(s.Quobyte, p) })
	source(s.DownwardAPI != nil, "downwarAPI", "downwardAPI", func(p *field.Path) field.ErrorList {
		errs := fileMode(s.DownwardAPI.DefaultMode, p.Child("defaultMode"))
		for i := range s.DownwardAPI.Items {
			errs = append(errs, validateDownwardFile(&s.DownwardAPI.Items[i], p)...)
		}
		return errs
	})
	source(s.FC != nil, "fc", "fc", func(p *field.Path) field.ErrorList { return validateFC(s.FC, p) })
	source(s.FlexVolume != nil, "flexVolume", "flexVolume", func(p *field.Path) field.ErrorList {
		return append(required(s.FlexVolume.Driver, p.Child("driver")), flexOptions(s.FlexVolume.Options, p.Child("options"))...)
	})
	source(s.ConfigMap != nil, "configMap", "configMap", func(p *field.Path) field.ErrorList {
		errs := required(s.ConfigMap.Name, p.Child("name"))
		errs = append(errs, fileMode(s.ConfigMap.DefaultMode, p.Child("defaultMode"))...)
		return append(errs, keysToPaths(s.ConfigMap.Items, p.Child("items"))...)
	})
	source(s.AzureFile != nil, "azureFile", "azureFile", func(p *field.Path) field.ErrorList {
		return append(required(s.AzureFile.SecretName, p.Child("secretName")), required(s.AzureFile.ShareName, p.Child("shareName"))...)
	})
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
	source(s.StorageOS != nil, "storageos", "storageos", func(p *field.Path) field.ErrorList { return validateStorageOS(s.StorageOS, p) })
	source(s.Projected != nil, "projected", "projected", func(p *field.Path) field.ErrorList { return v.validateProjected(s.Projected, p) })
	source(s.ScaleIO != nil, "scaleIO", "scaleIO", func(p *field.Path) field.ErrorList {
		errs := required(s.ScaleIO.Gateway, p.Child("gateway"))
		errs = append(errs, required(s.ScaleIO.System, p.Child("system"))...)
		return append(errs, required(s.ScaleIO.VolumeName, p.Child("volumeName"))...)
	})
	source(s.CSI != nil, "csi", "csi", func(p *field.Path) field.ErrorList { return validateCSI(s.CSI, p) })
	source(s.Ephemeral != nil, "ephemeral", "ephemeral", func(p *field.Path) field.ErrorList {
		errs := validateEphemeral(s.Ephemeral, p)
		if meta == nil || meta.Name == "" || vol.Name == "" {
			return errs
		}
		claim := meta.Name + "-" + vol.Name
		for _, fault := range apivalidation.NameIsDNSSubdomain(claim, false) {
			errs = append(errs, field.Invalid(path.Child("name"), vol.Name, fmt.Sprintf("PVC name %q: %v", claim, fault)))
		}
		return errs
	})
	source(s.Image != nil, "image", "image", func(p *field.Path) field.ErrorList {
		var errs field.ErrorList
		if v.Pod {
			errs = required(s.Image.Reference, p.Child("reference"))
		}
		return append(errs, oneOfRequired(p.Child("pullPolicy"), s.Image.PullPolicy, pullPolicies)...)
	})
	if n == 0 {
		errs = append(errs, field.Required(path, "must specify a volume type"))
	}
	return errs
}

func required(value string, path *field.Path) field.ErrorList {
	if value != "" {
		return nil
	}
	return field.ErrorList{field.Required(path, "")}
}

func requiredList(values []string, path *field.Path) field.ErrorList {
	if len(values) > 0 {
		return nil
	}
	return field.ErrorList{field.Required(path, "")}
}

// fileMode wants permission bits.
func fileMode(mode *int32, path *field.Path) field.ErrorList {
	if mode == nil || 0 <= *mode && *mode <= 0777 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *mode, "must be a number between 0 and 0777 (octal), both inclusive")}
}

// keysToPaths looks at which keys become which files.
func keysToPaths(items []v1.KeyToPath, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range items {
		errs = append(errs, keyToPath(&items[i], path.Index(i))...)
	}
	return errs
}

func keyToPath(item *v1.KeyToPath, path *field.Path) field.ErrorList {
	errs := required(item.Key, path.Child("key"))
	errs = append(errs, required(item.Path, path.Child("path"))...)
	errs = append(errs, localPath(item.Path, path.Child("path"))...)
	return append(errs, fileMode(item.Mode, path.Child("mode"))...)
}

func validateDownwardFile(f *v1.DownwardAPIVolumeFile, path *field.Path) field.ErrorList {
	errs := required(f.Path, path.Child("path"))
	errs = append(errs, localPath(f.Path, path.Child("path"))...)
	switch {
	case f.FieldRef != nil:
		errs = append(errs, validateFieldRef(f.FieldRef, volumeFields, path.Child("fieldRef"))...)
		if f.ResourceFieldRef != nil {
			errs = append(errs, field.Invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
		}
	case f.ResourceFieldRef != nil:
		errs = append(errs, validateResourceFieldRef(f.ResourceFieldRef, true, path.Child("resourceFieldRef"))...)
	default:
		errs = append(errs, field.Required(path, "one of fieldRef and resourceFieldRef is required"))
	}
	return append(errs, fileMode(f.Mode, path.Child("mode"))...)
}
