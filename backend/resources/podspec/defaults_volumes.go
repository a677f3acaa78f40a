package podspec

import (
	v1 "k8s.io/api/core/v1"
)

const tokenLifetimeSeconds = 3600

func setVolume(v *v1.Volume) {
	if v.VolumeSource == (v1.VolumeSource{}) {
		v.EmptyDir = &v1.EmptyDirVolumeSource{}
		return
	}
	// A volume may wrongly have several sources; each gets its defaults.
	if s := v.HostPath; s != nil && s.Type == nil {
		s.Type = new(v1.HostPathUnset)
	}
	if s := v.Image; s != nil && s.PullPolicy == "" {
		s.PullPolicy = pullPolicyOf(s.Reference)
	}
	if s := v.Secret; s != nil && s.DefaultMode == nil {
		s.DefaultMode = new(v1.SecretVolumeSourceDefaultMode)
	}
	if s := v.ConfigMap; s != nil && s.DefaultMode == nil {
		s.DefaultMode = new(v1.ConfigMapVolumeSourceDefaultMode)
	}
	if s := v.DownwardAPI; s != nil {
		if s.DefaultMode == nil {
			s.DefaultMode = new(v1.DownwardAPIVolumeSourceDefaultMode)
		}
		setDownwardFiles(s.Items)
	}
	if s := v.ISCSI; s != nil && s.ISCSIInterface == "" {
		s.ISCSIInterface = "default"
	}
	setRBD(v.RBD)
	setAzureDisk(v.AzureDisk)
	setProjected(v.Projected)
	if s := v.ScaleIO; s != nil {
		if s.StorageMode == "" {
			s.StorageMode = "ThinProvisioned"
		}
		if s.FSType == "" {
			s.FSType = "xfs"
		}
	}
	if s := v.Ephemeral; s != nil && s.VolumeClaimTemplate != nil {
		SetClaimSpecDefaults(&s.VolumeClaimTemplate.Spec)
	}
}

func setRBD(s *v1.RBDVolumeSource) {
	if s == nil {
		return
	}
	if s.RBDPool == "" {
		s.RBDPool = "rbd"
	}
	if s.RadosUser == "" {
		s.RadosUser = "admin"
	}
	if s.Keyring == "" {
		s.Keyring = "/etc/ceph/keyring"
	}
}

func setAzureDisk(s *v1.AzureDiskVolumeSource) {
	if s == nil {
		return
	}
	if s.CachingMode == nil {
		s.CachingMode = new(v1.AzureDataDiskCachingReadWrite)
	}
	if s.Kind == nil {
		s.Kind = new(v1.AzureSharedBlobDisk)
	}
	if s.FSType == nil {
		s.FSType = new("ext4")
	}
	if s.ReadOnly == nil {
		s.ReadOnly = new(false)
	}
}

func setProjected(s *v1.ProjectedVolumeSource) {
	if s == nil {
		return
	}
	if s.DefaultMode == nil {
		s.DefaultMode = new(v1.ProjectedVolumeSourceDefaultMode)
	}
	for i := range s.Sources {
		if d := s.Sources[i].DownwardAPI; d != nil {
			setDownwardFiles(d.Items)
		}
		if t := s.Sources[i].ServiceAccountToken; t != nil && t.ExpirationSeconds == nil {
			t.ExpirationSeconds = new(int64(tokenLifetimeSeconds))
		}
	}
}

func setDownwardFiles(files []v1.DownwardAPIVolumeFile) {
	for i := range files {
		setFieldRef(files[i].FieldRef)
	}
}

// SetClaimSpecDefaults fills in the spec of a claim, in a template or in a
// claim itself, what Kubernetes fills in.
func SetClaimSpecDefaults(s *v1.PersistentVolumeClaimSpec) {
	if s.VolumeMode == nil {
		s.VolumeMode = new(v1.PersistentVolumeFilesystem)
	}
	roundUp(s.Resources.Limits)
	roundUp(s.Resources.Requests)
}
