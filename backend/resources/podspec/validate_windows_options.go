package podspec

import (
	"fmt"
	"regexp"
	"strings"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	maxCredentialSpecKiB = 64
	maxUserDomainLength  = 256
	maxUserNameLength    = 104
)

var (
	controlCharacters = regexp.MustCompile(`[[:cntrl:]]+`)
	// A NetBios domain has up to 15 characters and no dot in front.
	netBiosDomain    = regexp.MustCompile(`^[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}$`)
	dnsDomain        = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$`)
	invalidUserChars = regexp.MustCompile(`["/\\:;|=,\+\*\?<>@\[\]]`)
	dotsAndSpaces    = regexp.MustCompile(`^[\. ]+$`)
)

// validateWindowsOptions looks at what only Windows containers have.
func validateWindowsOptions(w *v1.WindowsSecurityContextOptions, path *field.Path) field.ErrorList {
	if w == nil {
		return nil
	}
	var errs field.ErrorList
	if name := w.GMSACredentialSpecName; name != nil {
		errs = append(errs, validate.Messages(path.Child("gmsaCredentialSpecName"), name, validation.IsDNS1123Subdomain(*name))...)
	}
	if spec := w.GMSACredentialSpec; spec != nil {
		at := path.Child("gmsaCredentialSpec")
		switch n := len(*spec); {
		case n == 0:
			errs = append(errs, field.Invalid(at, spec, "gmsaCredentialSpec cannot be an empty string"))
		case n > maxCredentialSpecKiB*1024:
			errs = append(errs, field.Invalid(at, spec, fmt.Sprintf("gmsaCredentialSpec size must be under %d KiB", maxCredentialSpecKiB)))
		}
	}
	if w.RunAsUserName != nil {
		for _, fault := range windowsUserFaults(*w.RunAsUserName) {
			errs = append(errs, field.Invalid(path.Child("runAsUserName"), w.RunAsUserName, fault))
		}
	}
	return errs
}

// windowsUserFaults tells what is wrong with USER or DOMAIN\USER.
func windowsUserFaults(name string) []string {
	parts := strings.Split(name, `\`)
	switch {
	case name == "":
		return []string{"runAsUserName cannot be an empty string"}
	case controlCharacters.MatchString(name):
		return []string{"runAsUserName cannot contain control characters"}
	case len(parts) > 2:
		return []string{"runAsUserName cannot contain more than one backslash"}
	}
	var faults []string
	user := parts[len(parts)-1]
	if len(parts) == 2 {
		domain := parts[0]
		if len(domain) >= maxUserDomainLength {
			faults = append(faults, fmt.Sprintf("runAsUserName's Domain length must be under %d characters", maxUserDomainLength))
		}
		if !netBiosDomain.MatchString(domain) && !dnsDomain.MatchString(domain) {
			faults = append(faults, "runAsUserName's Domain doesn't match the NetBios nor the DNS format")
		}
	}
	switch n := len(user); {
	case n == 0:
		faults = append(faults, "runAsUserName's User cannot be empty")
	case n > maxUserNameLength:
		faults = append(faults, fmt.Sprintf("runAsUserName's User length must not be longer than %d characters", maxUserNameLength))
	}
	if dotsAndSpaces.MatchString(user) {
		faults = append(faults, "runAsUserName's User cannot contain only periods or spaces")
	}
	if invalidUserChars.MatchString(user) {
		faults = append(faults, `runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]`)
	}
	return faults
}

// validateHostProcess wants all containers or none to be host processes, which
// need the node's network and a server that allows privileged pods.
func (v *specValidator) validateHostProcess(path *field.Path) field.ErrorList {
	var forPod *bool
	if sc := v.spec.SecurityContext; sc != nil && sc.WindowsOptions != nil {
		forPod = sc.WindowsOptions.HostProcess
	}
	var errs field.ErrorList
	containers, hostProcesses := 0, 0
	visitContainers(v.spec, nil, func(c *v1.Container, _ *field.Path) {
		containers++
		own := hostProcess(c)
		if own != nil && *own || own == nil && forPod != nil && *forPod {
			hostProcesses++
		}
	})
	if forPod != nil {
		visitContainers(v.spec, path, func(c *v1.Container, p *field.Path) {
			if own := hostProcess(c); own != nil && *own != *forPod {
				errs = append(errs, field.Invalid(p.Child("securityContext", "windowsOptions", "hostProcess"), *own, fmt.Sprintf("pod hostProcess value must be identical if both are specified, was %v", *forPod)))
			}
		})
	}
	if hostProcesses == 0 {
		return errs
	}
	if hostProcesses != containers {
		errs = append(errs, field.Invalid(path, "", "If pod contains any hostProcess containers then all containers must be HostProcess containers"))
	}
	if !v.spec.HostNetwork {
		errs = append(errs, field.Invalid(path.Child("hostNetwork"), false, "hostNetwork must be true if pod contains any hostProcess containers"))
	}
	if !v.AllowPrivileged {
		errs = append(errs, field.Forbidden(path, "hostProcess containers are disallowed by cluster policy"))
	}
	return errs
}

func hostProcess(c *v1.Container) *bool {
	if c.SecurityContext == nil || c.SecurityContext.WindowsOptions == nil {
		return nil
	}
	return c.SecurityContext.WindowsOptions.HostProcess
}

var operatingSystems = []v1.OSName{v1.Linux, v1.Windows}

// validateOS looks at the operating system that the pod is for and refuses what
// the other one has.
func validateOS(s *v1.PodSpec, path *field.Path) field.ErrorList {
	switch {
	case s.OS == nil:
		return nil
	case s.OS.Name == "":
		return field.ErrorList{field.Required(path.Child("os", "name"), "")}
	case s.OS.Name == v1.Linux:
		return forbidWindowsFields(s, path)
	case s.OS.Name == v1.Windows:
		return forbidLinuxFields(s, path)
	}
	return field.ErrorList{field.NotSupported(path.Child("os"), s.OS.Name, operatingSystems)}
}

func forbidWindowsFields(s *v1.PodSpec, path *field.Path) field.ErrorList {
	const detail = "windows options cannot be set for a linux pod"
	var errs field.ErrorList
	if s.SecurityContext != nil && s.SecurityContext.WindowsOptions != nil {
		errs = append(errs, field.Forbidden(path.Child("securityContext", "windowsOptions"), detail))
	}
	visitContainers(s, path, func(c *v1.Container, p *field.Path) {
		if c.SecurityContext != nil && c.SecurityContext.WindowsOptions != nil {
			errs = append(errs, field.Forbidden(p.Child("securityContext", "windowsOptions"), detail))
		}
	})
	return errs
}

func forbidLinuxFields(s *v1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	forbid := func(set bool, at *field.Path) {
		if set {
			errs = append(errs, field.Forbidden(at, "cannot be set for a windows pod"))
		}
	}
	if sc := s.SecurityContext; sc != nil {
		p := path.Child("securityContext")
		forbid(sc.AppArmorProfile != nil, p.Child("appArmorProfile"))
		forbid(sc.SELinuxOptions != nil, p.Child("seLinuxOptions"))
		forbid(s.HostUsers != nil, path.Child("hostUsers"))
		forbid(s.HostPID, path.Child("hostPID"))
		forbid(s.HostIPC, path.Child("hostIPC"))
		forbid(sc.SeccompProfile != nil, p.Child("seccompProfile"))
		forbid(sc.FSGroup != nil, p.Child("fsGroup"))
		forbid(sc.FSGroupChangePolicy != nil, p.Child("fsGroupChangePolicy"))
		forbid(len(sc.Sysctls) > 0, p.Child("sysctls"))
		forbid(s.ShareProcessNamespace != nil, path.Child("shareProcessNamespace"))
		forbid(sc.RunAsUser != nil, p.Child("runAsUser"))
		forbid(sc.RunAsGroup != nil, p.Child("runAsGroup"))
		forbid(sc.SupplementalGroups != nil, p.Child("supplementalGroups"))
		forbid(sc.SupplementalGroupsPolicy != nil, p.Child("supplementalGroupsPolicy"))
		forbid(sc.SELinuxChangePolicy != nil, p.Child("seLinuxChangePolicy"))
	}
	visitContainers(s, path, func(c *v1.Container, containerPath *field.Path) {
		sc := c.SecurityContext
		if sc == nil {
			return
		}
		p := containerPath.Child("securityContext")
		forbid(sc.AppArmorProfile != nil, p.Child("appArmorProfile"))
		forbid(sc.SELinuxOptions != nil, p.Child("seLinuxOptions"))
		forbid(sc.SeccompProfile != nil, p.Child("seccompProfile"))
		forbid(sc.Capabilities != nil, p.Child("capabilities"))
		forbid(sc.ReadOnlyRootFilesystem != nil, p.Child("readOnlyRootFilesystem"))
		forbid(sc.Privileged != nil, p.Child("privileged"))
		forbid(sc.AllowPrivilegeEscalation != nil, p.Child("allowPrivilegeEscalation"))
		forbid(sc.ProcMount != nil, p.Child("procMount"))
		forbid(sc.RunAsUser != nil, p.Child("runAsUser"))
		forbid(sc.RunAsGroup != nil, p.Child("runAsGroup"))
	})
	return errs
}
