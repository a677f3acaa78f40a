package podspec

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"pilothouse/backend/resources/validate"
)

var (
	mountPropagations = []v1.MountPropagationMode{v1.MountPropagationBidirectional, v1.MountPropagationHostToContainer, v1.MountPropagationNone}
	recursiveReadOnly = []v1.RecursiveReadOnlyMode{v1.RecursiveReadOnlyDisabled, v1.RecursiveReadOnlyEnabled, v1.RecursiveReadOnlyIfPossible}
)

// validateMounts looks at the mounts of a container. Some faults lie at the
// list and not at the mount, as they do in Kubernetes.
func (v *specValidator) validateMounts(c *v1.Container, path *field.Path) field.ErrorList {
	if len(c.VolumeMounts) == 0 {
		return nil
	}
	var errs field.ErrorList
	mounted := sets.Set[string]{}
	for i := range c.VolumeMounts {
		m, p := &c.VolumeMounts[i], path.Index(i)
		if m.Name == "" {
			errs = append(errs, field.Required(p.Child("name"), ""))
		}
		if v.volumes[m.Name] == nil {
			errs = append(errs, field.NotFound(p.Child("name"), m.Name))
		}
		if m.MountPath == "" {
			errs = append(errs, field.Required(p.Child("mountPath"), ""))
		}
		if mounted.Has(m.MountPath) {
			errs = append(errs, field.Invalid(p.Child("mountPath"), m.MountPath, "must be unique"))
		}
		mounted.Insert(m.MountPath)
		named, pathed := deviceClash(c.VolumeDevices, m)
		if named {
			errs = append(errs, field.Invalid(p.Child("name"), m.Name, "must not already exist in volumeDevices"))
		}
		if pathed {
			errs = append(errs, field.Invalid(p.Child("mountPath"), m.MountPath, "must not already exist as a path in volumeDevices"))
		}
		if m.SubPath != "" {
			errs = append(errs, descendingPath(m.SubPath, path.Child("subPath"))...)
		}
		if m.SubPathExpr != "" {
			if m.SubPath != "" {
				errs = append(errs, field.Invalid(p.Child("subPathExpr"), m.SubPathExpr, "subPathExpr and subPath are mutually exclusive"))
			}
			errs = append(errs, descendingPath(m.SubPathExpr, path.Child("subPathExpr"))...)
		}
		if m.MountPropagation != nil {
			errs = append(errs, validatePropagation(*m.MountPropagation, c, path.Child("mountPropagation"))...)
		}
		if m.RecursiveReadOnly != nil {
			errs = append(errs, validateRecursiveReadOnly(m, path.Child("recursiveReadOnly"))...)
		}
	}
	return errs
}

// deviceClash tells whether a container has a device of the mount's name, or at
// the mount's path. Of several devices of one name the last counts.
func deviceClash(devices []v1.VolumeDevice, m *v1.VolumeMount) (named, pathed bool) {
	paths := map[string]string{}
	for _, d := range devices {
		paths[d.Name] = d.DevicePath
	}
	_, named = paths[m.Name]
	for _, p := range paths {
		pathed = pathed || p == m.MountPath
	}
	return named, pathed
}

// mountClash is deviceClash the other way around.
func mountClash(mounts []v1.VolumeMount, d *v1.VolumeDevice) (named, pathed bool) {
	paths := map[string]string{}
	for _, m := range mounts {
		paths[m.Name] = m.MountPath
	}
	_, named = paths[d.Name]
	for _, p := range paths {
		pathed = pathed || p == d.DevicePath
	}
	return named, pathed
}

func validatePropagation(mode v1.MountPropagationMode, c *v1.Container, path *field.Path) field.ErrorList {
	errs := validate.OneOf(path, mode, mountPropagations)
	privileged := c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
	if mode == v1.MountPropagationBidirectional && !privileged {
		errs = append(errs, field.Forbidden(path, "Bidirectional mount propagation is available only to privileged containers"))
	}
	return errs
}

func validateRecursiveReadOnly(m *v1.VolumeMount, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch *m.RecursiveReadOnly {
	case v1.RecursiveReadOnlyDisabled:
	case v1.RecursiveReadOnlyEnabled, v1.RecursiveReadOnlyIfPossible:
		if !m.ReadOnly {
			errs = append(errs, field.Forbidden(path, "may only be specified when readOnly is true"))
		}
		if m.MountPropagation != nil && *m.MountPropagation != v1.MountPropagationNone {
			errs = append(errs, field.Forbidden(path, "may only be specified when mountPropagation is None or not specified"))
		}
	default:
		errs = append(errs, field.NotSupported(path, *m.RecursiveReadOnly, recursiveReadOnly))
	}
	return errs
}

// validateDevices looks at the volumes that a container uses as raw devices.
func (v *specValidator) validateDevices(c *v1.Container, path *field.Path) field.ErrorList {
	if len(c.VolumeDevices) == 0 {
		return nil
	}
	var errs field.ErrorList
	names, paths := sets.Set[string]{}, sets.Set[string]{}
	for i := range c.VolumeDevices {
		d, p := &c.VolumeDevices[i], path.Index(i)
		if d.Name == "" {
			errs = append(errs, field.Required(p.Child("name"), ""))
		}
		if names.Has(d.Name) {
			errs = append(errs, field.Invalid(p.Child("name"), d.Name, "must be unique"))
		}
		source := v.volumes[d.Name]
		if source != nil && source.PersistentVolumeClaim == nil && source.Ephemeral == nil {
			errs = append(errs, field.Invalid(p.Child("name"), d.Name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"))
		}
		if source == nil {
			errs = append(errs, field.NotFound(p.Child("name"), d.Name))
		}
		if d.DevicePath == "" {
			errs = append(errs, field.Required(p.Child("devicePath"), ""))
		}
		if paths.Has(d.DevicePath) {
			errs = append(errs, field.Invalid(p.Child("devicePath"), d.DevicePath, "must be unique"))
		}
		if len(noBacksteps(d.DevicePath, nil)) > 0 {
			errs = append(errs, field.Invalid(p.Child("devicePath"), d.DevicePath, "can not contain backsteps ('..')"))
		} else {
			paths.Insert(d.DevicePath)
		}
		named, pathed := mountClash(c.VolumeMounts, d)
		if named {
			errs = append(errs, field.Invalid(p.Child("name"), d.Name, "must not already exist in volumeMounts"))
		}
		if pathed {
			errs = append(errs, field.Invalid(p.Child("devicePath"), d.DevicePath, "must not already exist as a path in volumeMounts"))
		}
		if d.Name != "" {
			names.Insert(d.Name)
		}
	}
	return errs
}
