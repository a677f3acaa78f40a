package podspec

import (
	"fmt"
	"regexp"
	"strings"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/component-helpers/node/util/sysctl"
)

const maxSysctlLength = 253

var (
	sysctlName = regexp.MustCompile(`^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`)

	procMounts           = []v1.ProcMountType{v1.DefaultProcMount, v1.UnmaskedProcMount}
	seccompTypes         = []v1.SeccompProfileType{v1.SeccompProfileTypeLocalhost, v1.SeccompProfileTypeRuntimeDefault, v1.SeccompProfileTypeUnconfined}
	appArmorTypes        = []v1.AppArmorProfileType{v1.AppArmorProfileTypeLocalhost, v1.AppArmorProfileTypeRuntimeDefault, v1.AppArmorProfileTypeUnconfined}
	groupChangePolicies  = []v1.PodFSGroupChangePolicy{v1.FSGroupChangeAlways, v1.FSGroupChangeOnRootMismatch}
	supplementalPolicies = []v1.SupplementalGroupsPolicy{v1.SupplementalGroupsPolicyMerge, v1.SupplementalGroupsPolicyStrict}
	// MountOption belongs to a feature gate that is off.
	selinuxChangePolicies = []v1.PodSELinuxChangePolicy{v1.SELinuxChangePolicyRecursive}
)

// validatePodSecurityContext looks at what the pod says for all its containers.
func (v *specValidator) validatePodSecurityContext(path *field.Path) field.ErrorList {
	sc := v.spec.SecurityContext
	if sc == nil {
		return nil
	}
	var errs field.ErrorList
	group := func(id *int64, at *field.Path) {
		if id != nil {
			errs = append(errs, validate.Messages(at, *id, validation.IsValidGroupID(*id))...)
		}
	}
	group(sc.FSGroup, path.Child("fsGroup"))
	if sc.RunAsUser != nil {
		errs = append(errs, validate.Messages(path.Child("runAsUser"), *sc.RunAsUser, validation.IsValidUserID(*sc.RunAsUser))...)
	}
	group(sc.RunAsGroup, path.Child("runAsGroup"))
	for i := range sc.SupplementalGroups {
		group(&sc.SupplementalGroups[i], path.Child("supplementalGroups").Index(i))
	}
	if share := v.spec.ShareProcessNamespace; share != nil && *share && v.spec.HostPID {
		errs = append(errs, field.Invalid(path.Child("shareProcessNamespace"), *share, "ShareProcessNamespace and HostPID cannot both be enabled"))
	}
	errs = append(errs, v.validateSysctls(sc.Sysctls, path.Child("sysctls"))...)
	if sc.FSGroupChangePolicy != nil {
		errs = append(errs, validate.OneOf(path.Child("fsGroupChangePolicy"), *sc.FSGroupChangePolicy, groupChangePolicies)...)
	}
	errs = append(errs, validateSeccomp(sc.SeccompProfile, path.Child("seccompProfile"))...)
	errs = append(errs, validateWindowsOptions(sc.WindowsOptions, path.Child("windowsOptions"))...)
	errs = append(errs, validateAppArmor(sc.AppArmorProfile, path.Child("appArmorProfile"))...)
	if sc.SupplementalGroupsPolicy != nil {
		errs = append(errs, validate.OneOf(path.Child("supplementalGroupsPolicy"), *sc.SupplementalGroupsPolicy, supplementalPolicies)...)
	}
	if sc.SELinuxChangePolicy != nil {
		errs = append(errs, validate.OneOf(path.Child("seLinuxChangePolicy"), *sc.SELinuxChangePolicy, selinuxChangePolicies)...)
	}
	return errs
}

func (v *specValidator) validateSysctls(sysctls []v1.Sysctl, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := sets.Set[string]{}
	for i, s := range sysctls {
		at := path.Index(i).Child("name")
		switch {
		case s.Name == "":
			errs = append(errs, field.Required(at, ""))
		case len(s.Name) > maxSysctlLength || !sysctlName.MatchString(s.Name):
			errs = append(errs, field.Invalid(at, s.Name, fmt.Sprintf("must have at most %d characters and match regex %s", maxSysctlLength, sysctlName)))
		case seen.Has(s.Name):
			errs = append(errs, field.Duplicate(at, s.Name))
		}
		if !v.AllowNamespacedSysctlsOnHost {
			if err := hostSysctl(s.Name, v.spec, at); err != nil {
				errs = append(errs, err)
			}
		}
		seen.Insert(s.Name)
	}
	return errs
}

// hostSysctl refuses sysctls of a namespace that the pod shares with the node.
func hostSysctl(name string, spec *v1.PodSpec, path *field.Path) *field.Error {
	ns, _, _ := sysctl.GetNamespace(name)
	switch {
	case spec.HostNetwork && ns == sysctl.NetNamespace:
		return field.Invalid(path, name, "may not be specified when 'hostNetwork' is true")
	case spec.HostIPC && ns == sysctl.IPCNamespace:
		return field.Invalid(path, name, "may not be specified when 'hostIPC' is true")
	}
	return nil
}

// validateSecurityContext looks at what a container says for itself.
func (v *specValidator) validateSecurityContext(sc *v1.SecurityContext, path *field.Path) field.ErrorList {
	if sc == nil {
		return nil
	}
	var errs field.ErrorList
	privileged := sc.Privileged != nil && *sc.Privileged
	if privileged && !v.AllowPrivileged {
		errs = append(errs, field.Forbidden(path.Child("privileged"), "disallowed by cluster policy"))
	}
	if sc.RunAsUser != nil {
		errs = append(errs, validate.Messages(path.Child("runAsUser"), *sc.RunAsUser, validation.IsValidUserID(*sc.RunAsUser))...)
	}
	if sc.RunAsGroup != nil {
		errs = append(errs, validate.Messages(path.Child("runAsGroup"), *sc.RunAsGroup, validation.IsValidGroupID(*sc.RunAsGroup))...)
	}
	if sc.ProcMount != nil {
		errs = append(errs, validate.OneOf(path.Child("procMount"), *sc.ProcMount, procMounts)...)
		if *sc.ProcMount == v1.UnmaskedProcMount && v.hostUsers() {
			errs = append(errs, field.Invalid(path.Child("procMount"), sc.ProcMount, "`hostUsers` must be false to use `Unmasked`"))
		}
	}
	errs = append(errs, validateSeccomp(sc.SeccompProfile, path.Child("seccompProfile"))...)
	if sc.AllowPrivilegeEscalation != nil && !*sc.AllowPrivilegeEscalation {
		if privileged {
			errs = append(errs, field.Invalid(path, validate.Internal(sc), "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"))
		}
		if sc.Capabilities != nil {
			for _, c := range sc.Capabilities.Add {
				if c == "CAP_SYS_ADMIN" {
					errs = append(errs, field.Invalid(path, validate.Internal(sc), "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"))
				}
			}
		}
	}
	errs = append(errs, validateWindowsOptions(sc.WindowsOptions, path.Child("windowsOptions"))...)
	return append(errs, validateAppArmor(sc.AppArmorProfile, path.Child("appArmorProfile"))...)
}

func validateSeccomp(p *v1.SeccompProfile, path *field.Path) field.ErrorList {
	if p == nil {
		return nil
	}
	var errs field.ErrorList
	if p.Type == "" {
		errs = append(errs, field.Required(path.Child("type"), "type is required when seccompProfile is set"))
	} else {
		errs = append(errs, validate.OneOf(path.Child("type"), p.Type, seccompTypes)...)
	}
	profile := path.Child("localhostProfile")
	switch {
	case p.Type == v1.SeccompProfileTypeLocalhost && p.LocalhostProfile == nil:
		errs = append(errs, field.Required(profile, "must be set when seccomp type is Localhost"))
	case p.Type == v1.SeccompProfileTypeLocalhost:
		errs = append(errs, descendingPath(*p.LocalhostProfile, profile)...)
	case p.LocalhostProfile != nil:
		errs = append(errs, field.Invalid(profile, validate.Internal(p), "can only be set when seccomp type is Localhost"))
	}
	return errs
}

const maxAppArmorProfileLength = 4095

func validateAppArmor(p *v1.AppArmorProfile, path *field.Path) field.ErrorList {
	if p == nil {
		return nil
	}
	at := path.Child("localhostProfile")
	const needed = "must be set when AppArmor type is Localhost"
	var errs field.ErrorList
	switch p.Type {
	case v1.AppArmorProfileTypeLocalhost:
		if p.LocalhostProfile == nil {
			return field.ErrorList{field.Required(at, needed)}
		}
		profile := *p.LocalhostProfile
		if strings.TrimSpace(profile) != profile {
			errs = append(errs, field.Invalid(at, profile, "must not be padded with whitespace"))
		} else if profile == "" {
			errs = append(errs, field.Required(at, needed))
		}
		if len(profile) > maxAppArmorProfileLength {
			errs = append(errs, field.TooLong(at, "", maxAppArmorProfileLength))
		}
	case v1.AppArmorProfileTypeRuntimeDefault, v1.AppArmorProfileTypeUnconfined:
		if p.LocalhostProfile != nil {
			errs = append(errs, field.Invalid(at, p.LocalhostProfile, "can only be set when AppArmor type is Localhost"))
		}
	case "":
		errs = append(errs, field.Required(path.Child("type"), "type is required when appArmorProfile is set"))
	default:
		errs = append(errs, field.NotSupported(path.Child("type"), p.Type, appArmorTypes))
	}
	return errs
}
