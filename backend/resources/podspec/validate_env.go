package podspec

import (
	"fmt"
	"strings"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateEnv(vars []v1.EnvVar, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range vars {
		v := &vars[i]
		if v.Name == "" {
			errs = append(errs, field.Required(path.Index(i).Child("name"), ""))
		} else if faults := validation.IsRelaxedEnvVarName(v.Name); len(faults) > 0 {
			errs = append(errs, validate.Messages(path.Index(i).Child("name"), v.Name, faults)...)
		}
		if v.ValueFrom != nil {
			errs = append(errs, validateEnvSource(v, path.Index(i).Child("valueFrom"))...)
		}
	}
	return errs
}

func validateEnvSource(v *v1.EnvVar, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	sources := 0
	from := v.ValueFrom
	if from.FieldRef != nil {
		sources++
		errs = append(errs, validateFieldRef(from.FieldRef, envFields, path.Child("fieldRef"))...)
	}
	if from.ResourceFieldRef != nil {
		sources++
		errs = append(errs, validateResourceFieldRef(from.ResourceFieldRef, false, path.Child("resourceFieldRef"))...)
	}
	if r := from.ConfigMapKeyRef; r != nil {
		sources++
		errs = append(errs, validateKeyRef(r.Name, r.Key, path.Child("configMapKeyRef"))...)
	}
	if r := from.SecretKeyRef; r != nil {
		sources++
		errs = append(errs, validateKeyRef(r.Name, r.Key, path.Child("secretKeyRef"))...)
	}
	if from.FileKeyRef != nil {
		sources++
		errs = append(errs, validateFileKeyRef(from.FileKeyRef, path.Child("fileKeyRef"))...)
	}
	switch {
	case sources == 0:
		errs = append(errs, field.Invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"))
	case v.Value != "":
		errs = append(errs, field.Invalid(path, "", "may not be specified when `value` is not empty"))
	case sources > 1:
		errs = append(errs, field.Invalid(path, "", "may not have more than one field specified at a time"))
	}
	return errs
}

func validateEnvFrom(sources []v1.EnvFromSource, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, s := range sources {
		p := path.Index(i)
		if s.Prefix != "" {
			errs = append(errs, validate.Messages(p.Child("prefix"), s.Prefix, validation.IsRelaxedEnvVarName(s.Prefix))...)
		}
		n := 0
		if s.ConfigMapRef != nil {
			n++
			errs = append(errs, validateSourceName(s.ConfigMapRef.Name, p.Child("configMapRef"))...)
		}
		if s.SecretRef != nil {
			n++
			errs = append(errs, validateSourceName(s.SecretRef.Name, p.Child("secretRef"))...)
		}
		switch {
		case n == 0:
			errs = append(errs, field.Invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
		case n > 1:
			errs = append(errs, field.Invalid(path, "", "may not have more than one field specified at a time"))
		}
	}
	return errs
}

// validateSourceName looks at the name of what all variables come from. It may
// end in a hyphen as a prefix may.
func validateSourceName(name string, path *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path.Child("name"), "")}
	}
	return validate.Messages(path.Child("name"), name, apivalidation.NameIsDNSSubdomain(name, true))
}

func validateKeyRef(name, key string, path *field.Path) field.ErrorList {
	errs := validate.DNSSubdomain(name, path.Child("name"))
	if key == "" {
		return append(errs, field.Required(path.Child("key"), ""))
	}
	return append(errs, validate.Messages(path.Child("key"), key, validation.IsConfigMapKey(key))...)
}

func validateFileKeyRef(r *v1.FileKeySelector, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if r.Key == "" {
		errs = append(errs, field.Required(path.Child("key"), ""))
	} else {
		errs = append(errs, validate.Messages(path.Child("key"), r.Key, validation.IsRelaxedEnvVarName(r.Key))...)
	}
	if r.VolumeName == "" {
		errs = append(errs, field.Required(path.Child("volumeName"), ""))
	} else {
		errs = append(errs, validate.DNSLabel(r.VolumeName, path.Child("volumeName"))...)
	}
	if r.Path == "" {
		return append(errs, field.Required(path.Child("path"), ""))
	}
	return append(errs, noBacksteps(r.Path, path.Child("path"))...)
}

// validateFileKeyVolumes wants the files of variables to lie in emptyDir
// volumes of the pod.
func (v *specValidator) validateFileKeyVolumes(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	visitContainers(v.spec, path, func(c *v1.Container, p *field.Path) {
		for i := range c.Env {
			from := c.Env[i].ValueFrom
			if from == nil || from.FileKeyRef == nil {
				continue
			}
			name := from.FileKeyRef.VolumeName
			at := p.Child("env").Index(i).Child("valueFrom", "fileKeyRef", "volumeName")
			switch source := findVolume(v.spec.Volumes, name); {
			case source == nil:
				errs = append(errs, field.NotFound(at, name))
			case source.EmptyDir == nil:
				errs = append(errs, field.Invalid(at, name, "referenced volume must be of type emptyDir"))
			}
		}
	})
	return errs
}

// findVolume gives the last volume of a name, which is the one that counts.
func findVolume(volumes []v1.Volume, name string) *v1.Volume {
	for i := len(volumes) - 1; i >= 0; i-- {
		if volumes[i].Name == name {
			return &volumes[i]
		}
	}
	return nil
}

var (
	envFields = []string{
		"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
		"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
	}
	volumeFields = []string{"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"}

	// downwardLabels are the field paths of pods that have a name in v1 at all;
	// each use takes fewer.
	downwardLabels = sets.New(
		"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
		"spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "spec.schedulerName",
		"status.phase", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
	)

	containerResources = []string{
		"limits.cpu", "limits.ephemeral-storage", "limits.memory",
		"requests.cpu", "requests.ephemeral-storage", "requests.memory",
	}
)

// validateFieldRef looks at a reference to a field of the pod, which must be
// among allowed or one label or annotation: metadata.labels['KEY'].
func validateFieldRef(r *v1.ObjectFieldSelector, allowed []string, path *field.Path) field.ErrorList {
	if r.APIVersion == "" {
		return field.ErrorList{field.Required(path.Child("apiVersion"), "")}
	}
	if r.FieldPath == "" {
		return field.ErrorList{field.Required(path.Child("fieldPath"), "")}
	}
	at := path.Child("fieldPath")
	if r.APIVersion != "v1" {
		return field.ErrorList{field.Invalid(at, r.FieldPath, fmt.Sprintf("error converting fieldPath: unsupported pod version: %s", r.APIVersion))}
	}
	fieldPath, key, subscripted := splitSubscript(r.FieldPath)
	switch {
	case subscripted && fieldPath == "metadata.annotations":
		return validate.QualifiedName(strings.ToLower(key), path)
	case subscripted && fieldPath == "metadata.labels":
		return validate.QualifiedName(key, path)
	case subscripted:
		return field.ErrorList{field.Invalid(at, r.FieldPath, fmt.Sprintf("error converting fieldPath: field label does not support subscript: %s", r.FieldPath))}
	}
	if r.FieldPath == "spec.host" {
		fieldPath = "spec.nodeName"
	}
	if !downwardLabels.Has(fieldPath) {
		return field.ErrorList{field.Invalid(at, r.FieldPath, "error converting fieldPath: field label not supported: "+r.FieldPath)}
	}
	return validate.OneOf(at, fieldPath, allowed)
}

// splitSubscript splits PATH['KEY'].
func splitSubscript(s string) (path, key string, ok bool) {
	rest, ok := strings.CutSuffix(s, "']")
	if !ok {
		return s, "", false
	}
	path, key, ok = strings.Cut(rest, "['")
	if !ok || path == "" {
		return s, "", false
	}
	return path, key, true
}

// validateResourceFieldRef looks at a reference to a container's limits or
// requests; a volume has to say whose.
func validateResourceFieldRef(r *v1.ResourceFieldSelector, volume bool, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch {
	case volume && r.ContainerName == "":
		errs = append(errs, field.Required(path.Child("containerName"), ""))
	case r.Resource == "":
		errs = append(errs, field.Required(path.Child("resource"), ""))
	case !isHugePageField(r.Resource):
		errs = append(errs, validate.OneOf(path.Child("resource"), r.Resource, containerResources)...)
	}
	return append(errs, validateDivisor(r.Resource, r.Divisor, path.Child("divisor"))...)
}

func isHugePageField(name string) bool {
	return strings.HasPrefix(name, "requests.hugepages-") || strings.HasPrefix(name, "limits.hugepages-")
}

var byteDivisors = sets.New("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")

func validateDivisor(name string, divisor resource.Quantity, path *field.Path) field.ErrorList {
	if divisor.IsZero() {
		return nil
	}
	const bytes = "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the %s resource"
	ok, detail := byteDivisors.Has(divisor.String()), ""
	switch name {
	case "limits.cpu", "requests.cpu":
		ok = divisor.String() == "1m" || divisor.String() == "1"
		detail = "only divisor's values 1m and 1 are supported with the cpu resource"
	case "limits.memory", "requests.memory":
		detail = fmt.Sprintf(bytes, "memory")
	case "limits.ephemeral-storage", "requests.ephemeral-storage":
		detail = fmt.Sprintf(bytes, "local ephemeral storage")
	default:
		if !isHugePageField(name) {
			return nil
		}
		detail = fmt.Sprintf(bytes, "hugepages")
	}
	if ok {
		return nil
	}
	return field.ErrorList{field.Invalid(path, name, detail)}
}
