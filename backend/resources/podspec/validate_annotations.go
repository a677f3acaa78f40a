package podspec

import (
	"encoding/json"
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// tolerationsAnnotation is where tolerations were before they had a field.
const tolerationsAnnotation = "scheduler.alpha.kubernetes.io/tolerations"

// ValidateAnnotations gives what is wrong with the annotations that mean
// something for a pod, at path.
func ValidateAnnotations(annotations map[string]string, spec *v1.PodSpec, path *field.Path, o Options) field.ErrorList {
	if len(annotations) == 0 {
		return nil
	}
	var errs field.ErrorList
	if value, mirror := annotations[v1.MirrorPodAnnotationKey]; mirror && spec.NodeName == "" {
		errs = append(errs, field.Invalid(path.Key(v1.MirrorPodAnnotationKey), value, "must set spec.nodeName if mirror pod annotation is set"))
	}
	if value := annotations[tolerationsAnnotation]; value != "" {
		var tolerations []v1.Toleration
		if err := json.Unmarshal([]byte(value), &tolerations); err != nil {
			errs = append(errs, field.Invalid(path, tolerationsAnnotation, err.Error()))
		} else {
			errs = append(errs, validateTolerations(tolerations, path.Child(tolerationsAnnotation))...)
		}
	}
	if !o.AllowInvalidDeletionCost {
		if _, err := deletionCost(annotations); err != nil {
			errs = append(errs, field.Invalid(path.Key(v1.PodDeletionCost), annotations[v1.PodDeletionCost], "must be a 32bit integer"))
		}
	}
	errs = append(errs, seccompAnnotations(annotations, path)...)
	return append(errs, appArmorAnnotations(annotations, spec, path)...)
}

func seccompAnnotations(annotations map[string]string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if p, there := annotations[v1.SeccompPodAnnotationKey]; there {
		errs = append(errs, seccompProfile(p, path.Child(v1.SeccompPodAnnotationKey))...)
	}
	for _, key := range withPrefix(annotations, v1.SeccompContainerAnnotationKeyPrefix) {
		errs = append(errs, seccompProfile(annotations[key], path.Child(key))...)
	}
	return errs
}

// withPrefix gives the keys with a prefix, sorted.
func withPrefix(annotations map[string]string, prefix string) []string {
	keys := sets.Set[string]{}
	for key := range annotations {
		if strings.HasPrefix(key, prefix) {
			keys.Insert(key)
		}
	}
	return sets.List(keys)
}

func seccompProfile(profile string, path *field.Path) field.ErrorList {
	switch profile {
	case v1.SeccompProfileRuntimeDefault, v1.DeprecatedSeccompProfileDockerDefault, v1.SeccompProfileNameUnconfined:
		return nil
	}
	if file, local := strings.CutPrefix(profile, v1.SeccompLocalhostProfileNamePrefix); local {
		return descendingPath(file, path)
	}
	return field.ErrorList{field.Invalid(path, profile, "must be a valid seccomp profile")}
}

func appArmorAnnotations(annotations map[string]string, spec *v1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, key := range withPrefix(annotations, v1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix) {
		name, profile := strings.TrimPrefix(key, v1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix), annotations[key]
		if !hasContainer(spec, name) {
			errs = append(errs, field.Invalid(path.Key(key), name, "container not found"))
		}
		switch {
		case profile == "", profile == v1.DeprecatedAppArmorBetaProfileRuntimeDefault, profile == v1.DeprecatedAppArmorBetaProfileNameUnconfined:
		case !strings.HasPrefix(profile, v1.DeprecatedAppArmorBetaProfileNamePrefix):
			errs = append(errs, field.Invalid(path.Key(key), profile, fmt.Sprintf("invalid AppArmor profile name: %q", profile)))
		}
	}
	return errs
}

func hasContainer(spec *v1.PodSpec, name string) bool {
	found := false
	visitContainers(spec, nil, func(c *v1.Container, _ *field.Path) { found = found || c.Name == name })
	return found
}

// seccompMatches wants seccomp annotations and fields, where both are there, to
// say the same.
func seccompMatches(annotations map[string]string, spec *v1.PodSpec, path *field.Path) field.ErrorList {
	if len(annotations) == 0 {
		return nil
	}
	var errs field.ErrorList
	look := func(key string, p *v1.SeccompProfile, at *field.Path) {
		annotation, there := annotations[key]
		if p == nil || !there {
			return
		}
		if err := seccompMatch(annotation, p, at.Child("securityContext", "seccompProfile")); err != nil {
			errs = append(errs, err)
		}
	}
	if spec.SecurityContext != nil {
		look(v1.SeccompPodAnnotationKey, spec.SecurityContext.SeccompProfile, path)
	}
	visitContainers(spec, path, func(c *v1.Container, p *field.Path) {
		if c.SecurityContext != nil {
			look(v1.SeccompContainerAnnotationKeyPrefix+c.Name, c.SecurityContext.SeccompProfile, p)
		}
	})
	return errs
}

func seccompMatch(annotation string, p *v1.SeccompProfile, path *field.Path) *field.Error {
	ok := true
	switch p.Type {
	case v1.SeccompProfileTypeUnconfined:
		ok = annotation == v1.SeccompProfileNameUnconfined
	case v1.SeccompProfileTypeRuntimeDefault:
		ok = annotation == v1.SeccompProfileRuntimeDefault || annotation == v1.DeprecatedSeccompProfileDockerDefault
	case v1.SeccompProfileTypeLocalhost:
		file, local := strings.CutPrefix(annotation, v1.SeccompLocalhostProfileNamePrefix)
		if local && (p.LocalhostProfile == nil || file != *p.LocalhostProfile) {
			return field.Forbidden(path.Child("localhostProfile"), "seccomp profile in annotation and field must match")
		}
		ok = local
	}
	if ok {
		return nil
	}
	return field.Forbidden(path.Child("type"), "seccomp type in annotation and field must match")
}

// appArmorMatches is seccompMatches for AppArmor; a container without a profile
// has the pod's.
func appArmorMatches(annotations map[string]string, spec *v1.PodSpec, path *field.Path) field.ErrorList {
	if len(annotations) == 0 || spec.OS != nil && spec.OS.Name == v1.Windows {
		return nil
	}
	var errs field.ErrorList
	visitContainers(spec, path, func(c *v1.Container, p *field.Path) {
		profile := containerAppArmor(spec, c)
		annotation, there := annotations[v1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+c.Name]
		if profile == nil || !there {
			return
		}
		at := p.Child("securityContext", "appArmorProfile")
		ok := true
		switch profile.Type {
		case v1.AppArmorProfileTypeUnconfined:
			ok = annotation == v1.DeprecatedAppArmorBetaProfileNameUnconfined
		case v1.AppArmorProfileTypeRuntimeDefault:
			ok = annotation == v1.DeprecatedAppArmorBetaProfileRuntimeDefault
		case v1.AppArmorProfileTypeLocalhost:
			file, local := strings.CutPrefix(annotation, v1.DeprecatedAppArmorBetaProfileNamePrefix)
			if local && (profile.LocalhostProfile == nil || file != *profile.LocalhostProfile) {
				errs = append(errs, field.Forbidden(at.Child("localhostProfile"), "apparmor profile in annotation and field must match"))
			}
			ok = local
		}
		if !ok {
			errs = append(errs, field.Forbidden(at.Child("type"), "apparmor type in annotation and field must match"))
		}
	})
	return errs
}

// containerAppArmor is the profile of a container: its own or the pod's.
func containerAppArmor(spec *v1.PodSpec, c *v1.Container) *v1.AppArmorProfile {
	if c.SecurityContext != nil && c.SecurityContext.AppArmorProfile != nil {
		return c.SecurityContext.AppArmorProfile
	}
	if spec.SecurityContext != nil {
		return spec.SecurityContext.AppArmorProfile
	}
	return nil
}
