package validate

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
)

// shapes are the types whose internal form has other fields, or the same in
// another order. Each gives a value of a struct with the internal form's.
var shapes = map[reflect.Type]func(v any) any{
	reflect.TypeFor[corev1.PodSpec]():      func(v any) any { return podSpecShape(v.(corev1.PodSpec)) },
	reflect.TypeFor[corev1.VolumeSource](): func(v any) any { return volumeSourceShape(v.(corev1.VolumeSource)) },
}

type internalPodSpec struct {
	Volumes                       []corev1.Volume
	InitContainers                []corev1.Container
	Containers                    []corev1.Container
	EphemeralContainers           []corev1.EphemeralContainer
	RestartPolicy                 corev1.RestartPolicy
	TerminationGracePeriodSeconds *int64
	ActiveDeadlineSeconds         *int64
	DNSPolicy                     corev1.DNSPolicy
	NodeSelector                  map[string]string
	ServiceAccountName            string
	AutomountServiceAccountToken  *bool
	NodeName                      string
	SecurityContext               *internalPodSecurityContext
	ImagePullSecrets              []corev1.LocalObjectReference
	Hostname                      string
	Subdomain                     string
	SetHostnameAsFQDN             *bool
	Affinity                      *corev1.Affinity
	SchedulerName                 string
	Tolerations                   []corev1.Toleration
	HostAliases                   []corev1.HostAlias
	PriorityClassName             string
	Priority                      *int32
	PreemptionPolicy              *corev1.PreemptionPolicy
	DNSConfig                     *corev1.PodDNSConfig
	ReadinessGates                []corev1.PodReadinessGate
	RuntimeClassName              *string
	Overhead                      corev1.ResourceList
	EnableServiceLinks            *bool
	TopologySpreadConstraints     []corev1.TopologySpreadConstraint
	OS                            *corev1.PodOS
	SchedulingGates               []corev1.PodSchedulingGate
	ResourceClaims                []corev1.PodResourceClaim
	Resources                     *corev1.ResourceRequirements
	HostnameOverride              *string
	SchedulingGroup               *corev1.PodSchedulingGroup
}

// internalPodSecurityContext has what v1 keeps in the spec itself.
type internalPodSecurityContext struct {
	HostNetwork              bool
	HostPID                  bool
	HostIPC                  bool
	ShareProcessNamespace    *bool
	HostUsers                *bool
	SELinuxOptions           *corev1.SELinuxOptions
	WindowsOptions           *corev1.WindowsSecurityContextOptions
	RunAsUser                *int64
	RunAsGroup               *int64
	RunAsNonRoot             *bool
	SupplementalGroups       []int64
	SupplementalGroupsPolicy *corev1.SupplementalGroupsPolicy
	FSGroup                  *int64
	FSGroupChangePolicy      *corev1.PodFSGroupChangePolicy
	Sysctls                  []corev1.Sysctl
	SeccompProfile           *corev1.SeccompProfile
	AppArmorProfile          *corev1.AppArmorProfile
	SELinuxChangePolicy      *corev1.PodSELinuxChangePolicy
}

func podSpecShape(s corev1.PodSpec) internalPodSpec {
	sc := corev1.PodSecurityContext{}
	if s.SecurityContext != nil {
		sc = *s.SecurityContext
	}
	return internalPodSpec{
		Volumes:                       s.Volumes,
		InitContainers:                s.InitContainers,
		Containers:                    s.Containers,
		EphemeralContainers:           s.EphemeralContainers,
		RestartPolicy:                 s.RestartPolicy,
		TerminationGracePeriodSeconds: s.TerminationGracePeriodSeconds,
		ActiveDeadlineSeconds:         s.ActiveDeadlineSeconds,
		DNSPolicy:                     s.DNSPolicy,
		NodeSelector:                  s.NodeSelector,
		ServiceAccountName:            s.ServiceAccountName,
		AutomountServiceAccountToken:  s.AutomountServiceAccountToken,
		NodeName:                      s.NodeName,
		SecurityContext: &internalPodSecurityContext{
			HostNetwork:              s.HostNetwork,
			HostPID:                  s.HostPID,
			HostIPC:                  s.HostIPC,
			ShareProcessNamespace:    s.ShareProcessNamespace,
			HostUsers:                s.HostUsers,
			SELinuxOptions:           sc.SELinuxOptions,
			WindowsOptions:           sc.WindowsOptions,
			RunAsUser:                sc.RunAsUser,
			RunAsGroup:               sc.RunAsGroup,
			RunAsNonRoot:             sc.RunAsNonRoot,
			SupplementalGroups:       sc.SupplementalGroups,
			SupplementalGroupsPolicy: sc.SupplementalGroupsPolicy,
			FSGroup:                  sc.FSGroup,
			FSGroupChangePolicy:      sc.FSGroupChangePolicy,
			Sysctls:                  sc.Sysctls,
			SeccompProfile:           sc.SeccompProfile,
			AppArmorProfile:          sc.AppArmorProfile,
			SELinuxChangePolicy:      sc.SELinuxChangePolicy,
		},
		ImagePullSecrets:          s.ImagePullSecrets,
		Hostname:                  s.Hostname,
		Subdomain:                 s.Subdomain,
		SetHostnameAsFQDN:         s.SetHostnameAsFQDN,
		Affinity:                  s.Affinity,
		SchedulerName:             s.SchedulerName,
		Tolerations:               s.Tolerations,
		HostAliases:               s.HostAliases,
		PriorityClassName:         s.PriorityClassName,
		Priority:                  s.Priority,
		PreemptionPolicy:          s.PreemptionPolicy,
		DNSConfig:                 s.DNSConfig,
		ReadinessGates:            s.ReadinessGates,
		RuntimeClassName:          s.RuntimeClassName,
		Overhead:                  s.Overhead,
		EnableServiceLinks:        s.EnableServiceLinks,
		TopologySpreadConstraints: s.TopologySpreadConstraints,
		OS:                        s.OS,
		SchedulingGates:           s.SchedulingGates,
		ResourceClaims:            s.ResourceClaims,
		Resources:                 s.Resources,
		HostnameOverride:          s.HostnameOverride,
		SchedulingGroup:           s.SchedulingGroup,
	}
}

// internalVolumeSource is VolumeSource with Quobyte in its internal place.
type internalVolumeSource struct {
	HostPath              *corev1.HostPathVolumeSource
	EmptyDir              *corev1.EmptyDirVolumeSource
	GCEPersistentDisk     *corev1.GCEPersistentDiskVolumeSource
	AWSElasticBlockStore  *corev1.AWSElasticBlockStoreVolumeSource
	GitRepo               *corev1.GitRepoVolumeSource
	Secret                *corev1.SecretVolumeSource
	NFS                   *corev1.NFSVolumeSource
	ISCSI                 *corev1.ISCSIVolumeSource
	Glusterfs             *corev1.GlusterfsVolumeSource
	PersistentVolumeClaim *corev1.PersistentVolumeClaimVolumeSource
	RBD                   *corev1.RBDVolumeSource
	Quobyte               *corev1.QuobyteVolumeSource
	FlexVolume            *corev1.FlexVolumeSource
	Cinder                *corev1.CinderVolumeSource
	CephFS                *corev1.CephFSVolumeSource
	Flocker               *corev1.FlockerVolumeSource
	DownwardAPI           *corev1.DownwardAPIVolumeSource
	FC                    *corev1.FCVolumeSource
	AzureFile             *corev1.AzureFileVolumeSource
	ConfigMap             *corev1.ConfigMapVolumeSource
	VsphereVolume         *corev1.VsphereVirtualDiskVolumeSource
	AzureDisk             *corev1.AzureDiskVolumeSource
	PhotonPersistentDisk  *corev1.PhotonPersistentDiskVolumeSource
	Projected             *corev1.ProjectedVolumeSource
	PortworxVolume        *corev1.PortworxVolumeSource
	ScaleIO               *corev1.ScaleIOVolumeSource
	StorageOS             *corev1.StorageOSVolumeSource
	CSI                   *corev1.CSIVolumeSource
	Ephemeral             *corev1.EphemeralVolumeSource
	Image                 *corev1.ImageVolumeSource
}

func volumeSourceShape(s corev1.VolumeSource) internalVolumeSource {
	return internalVolumeSource{
		HostPath:              s.HostPath,
		EmptyDir:              s.EmptyDir,
		GCEPersistentDisk:     s.GCEPersistentDisk,
		AWSElasticBlockStore:  s.AWSElasticBlockStore,
		GitRepo:               s.GitRepo,
		Secret:                s.Secret,
		NFS:                   s.NFS,
		ISCSI:                 s.ISCSI,
		Glusterfs:             s.Glusterfs,
		PersistentVolumeClaim: s.PersistentVolumeClaim,
		RBD:                   s.RBD,
		Quobyte:               s.Quobyte,
		FlexVolume:            s.FlexVolume,
		Cinder:                s.Cinder,
		CephFS:                s.CephFS,
		Flocker:               s.Flocker,
		DownwardAPI:           s.DownwardAPI,
		FC:                    s.FC,
		AzureFile:             s.AzureFile,
		ConfigMap:             s.ConfigMap,
		VsphereVolume:         s.VsphereVolume,
		AzureDisk:             s.AzureDisk,
		PhotonPersistentDisk:  s.PhotonPersistentDisk,
		Projected:             s.Projected,
		PortworxVolume:        s.PortworxVolume,
		ScaleIO:               s.ScaleIO,
		StorageOS:             s.StorageOS,
		CSI:                   s.CSI,
		Ephemeral:             s.Ephemeral,
		Image:                 s.Image,
	}
}
