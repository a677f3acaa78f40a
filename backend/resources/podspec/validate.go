package podspec

import (
	"math"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateTemplate gives what is wrong with a pod template at path.
func ValidateTemplate(t *v1.PodTemplateSpec, path *field.Path, o Options) field.ErrorList {
	spec := path.Child("spec")
	errs := metav1validation.ValidateLabels(t.Labels, path.Child("labels"))
	errs = append(errs, apivalidation.ValidateAnnotations(t.Annotations, path.Child("annotations"))...)
	errs = append(errs, ValidateAnnotations(t.Annotations, &t.Spec, path.Child("annotations"), o)...)
	errs = append(errs, ValidateSpec(&t.Spec, nil, spec, o)...)
	errs = append(errs, seccompMatches(t.Annotations, &t.Spec, spec)...)
	if len(t.Spec.EphemeralContainers) > 0 {
		errs = append(errs, field.Forbidden(spec.Child("ephemeralContainers"), "ephemeral containers not allowed in pod template"))
	}
	return errs
}

// ValidateSpec gives what is wrong with a pod spec at path, after its defaults
// were set. meta is the pod's when the spec is a pod's own, nil for a template.
func ValidateSpec(s *v1.PodSpec, meta *metav1.ObjectMeta, path *field.Path, o Options) field.ErrorList {
	v := specValidator{
		Options: o,
		spec:    s,
		claims:  claimNames(s.ResourceClaims),
	}
	var errs field.ErrorList
	if s.TerminationGracePeriodSeconds == nil {
		errs = append(errs, field.Required(path.Child("terminationGracePeriodSeconds"), ""))
	}
	v.volumes, errs = v.validateVolumes(meta, path.Child("volumes"), errs)
	errs = append(errs, validateResourceClaims(s.ResourceClaims, meta, path.Child("resourceClaims"))...)
	errs = append(errs, v.validateContainers(path.Child("containers"))...)
	errs = append(errs, v.validateInitContainers(path.Child("initContainers"))...)
	errs = append(errs, v.validateEphemeralContainers(path.Child("ephemeralContainers"))...)
	errs = append(errs, v.validatePodResources(path)...)
	errs = append(errs, v.validateHostNetworkPorts(path)...)
	errs = append(errs, oneOfRequired(path.Child("restartPolicy"), s.RestartPolicy, restartPolicies)...)
	errs = append(errs, oneOfRequired(path.Child("dnsPolicy"), s.DNSPolicy, dnsPolicies)...)
	errs = append(errs, metav1validation.ValidateLabels(s.NodeSelector, path.Child("nodeSelector"))...)
	errs = append(errs, v.validatePodSecurityContext(path.Child("securityContext"))...)
	errs = append(errs, v.validateAffinity(path.Child("affinity"))...)
	errs = append(errs, validateDNSConfig(s, path.Child("dnsConfig"))...)
	for i, gate := range s.ReadinessGates {
		errs = append(errs, validate.QualifiedName(string(gate.ConditionType), path.Child("readinessGates").Index(i).Child("conditionType"))...)
	}
	errs = append(errs, validateSchedulingGates(s.SchedulingGates, path.Child("schedulingGates"))...)
	errs = append(errs, v.validateSpreadConstraints(path.Child("topologySpreadConstraints"))...)
	errs = append(errs, v.validateHostProcess(path)...)
	errs = append(errs, v.validateHostUsers(path)...)
	errs = append(errs, validateHostnameOverride(s, path)...)
	errs = append(errs, validateNames(s, path)...)
	if len(s.Tolerations) > 0 {
		errs = append(errs, validateTolerations(s.Tolerations, path.Child("tolerations"))...)
	}
	errs = append(errs, validateHostAliases(s.HostAliases, path.Child("hostAliases"))...)
	errs = append(errs, v.validateClasses(path)...)
	errs = append(errs, validateOS(s, path)...)
	return append(errs, v.validateFileKeyVolumes(path)...)
}

// specValidator is one validation of one spec: what its parts need to know of
// each other.
type specValidator struct {
	Options
	spec *v1.PodSpec
	// volumes are the spec's volumes without faults, by name.
	volumes map[string]*v1.VolumeSource
	// claims are the names in the spec's resourceClaims.
	claims sets.Set[string]
}

// hostUsers tells whether the pod runs in the node's user namespace, which it
// does unless it says otherwise.
func (v *specValidator) hostUsers() bool {
	return v.spec.HostUsers == nil || *v.spec.HostUsers
}

var (
	restartPolicies = []v1.RestartPolicy{v1.RestartPolicyAlways, v1.RestartPolicyOnFailure, v1.RestartPolicyNever}
	dnsPolicies     = []v1.DNSPolicy{v1.DNSClusterFirstWithHostNet, v1.DNSClusterFirst, v1.DNSDefault, v1.DNSNone}
	preemptions     = []v1.PreemptionPolicy{v1.PreemptLowerPriority, v1.PreemptNever}
)

// oneOfRequired wants one of the supported values and calls an empty one
// missing.
func oneOfRequired[T ~string](path *field.Path, value T, supported []T) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return validate.OneOf(path, value, supported)
}

// validateNames looks at the spec's single names and numbers.
func validateNames(s *v1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.ServiceAccountName != "" {
		errs = append(errs, validate.Messages(path.Child("serviceAccountName"), s.ServiceAccountName, apivalidation.ValidateServiceAccountName(s.ServiceAccountName, false))...)
	}
	if s.NodeName != "" {
		errs = append(errs, validate.DNSSubdomain(s.NodeName, path.Child("nodeName"))...)
	}
	if d := s.ActiveDeadlineSeconds; d != nil && (*d < 1 || *d > math.MaxInt32) {
		errs = append(errs, field.Invalid(path.Child("activeDeadlineSeconds"), *d, validation.InclusiveRangeError(1, math.MaxInt32)))
	}
	if s.Hostname != "" {
		errs = append(errs, validate.DNSLabel(s.Hostname, path.Child("hostname"))...)
	}
	if s.Subdomain != "" {
		errs = append(errs, validate.DNSLabel(s.Subdomain, path.Child("subdomain"))...)
	}
	return errs
}

func (v *specValidator) validateClasses(path *field.Path) field.ErrorList {
	s := v.spec
	var errs field.ErrorList
	if s.PriorityClassName != "" {
		errs = append(errs, validate.DNSSubdomain(s.PriorityClassName, path.Child("priorityClassName"))...)
	}
	if s.RuntimeClassName != nil {
		errs = append(errs, validate.DNSSubdomain(*s.RuntimeClassName, path.Child("runtimeClassName"))...)
	}
	if s.PreemptionPolicy != nil {
		errs = append(errs, oneOfRequired(path.Child("preemptionPolicy"), *s.PreemptionPolicy, preemptions)...)
	}
	if s.Overhead != nil {
		errs = append(errs, v.validateRequirements(&v1.ResourceRequirements{Limits: s.Overhead}, validate.ContainerResourceName, nil, path.Child("overhead"))...)
	}
	return errs
}

func validateHostnameOverride(s *v1.PodSpec, path *field.Path) field.ErrorList {
	if s.HostnameOverride == nil {
		return nil
	}
	p := path.Child("hostnameOverride")
	var errs field.ErrorList
	if s.SetHostnameAsFQDN != nil && *s.SetHostnameAsFQDN {
		errs = append(errs, field.Forbidden(p, "may not be specified when setHostnameAsFQDN is true"))
	}
	if s.HostNetwork {
		errs = append(errs, field.Forbidden(p, "may not be specified when hostNetwork is true"))
	}
	if len(*s.HostnameOverride) > 64 {
		errs = append(errs, field.TooLong(p, "", 64))
	}
	return append(errs, validate.DNSSubdomain(*s.HostnameOverride, p)...)
}

func validateSchedulingGates(gates []v1.PodSchedulingGate, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := sets.Set[string]{}
	for i, gate := range gates {
		errs = append(errs, validate.QualifiedName(gate.Name, path.Index(i))...)
		if seen.Has(gate.Name) {
			errs = append(errs, field.Duplicate(path.Index(i), gate.Name))
		}
		seen.Insert(gate.Name)
	}
	return errs
}

// validateHostNetworkPorts wants ports on the node to be those of the
// container, when they are the same network. A template may leave them out.
func (v *specValidator) validateHostNetworkPorts(path *field.Path) field.ErrorList {
	if !v.spec.HostNetwork {
		return nil
	}
	var errs field.ErrorList
	for i := range v.spec.Containers {
		ports := path.Child("containers").Index(i).Child("ports")
		for j, p := range v.spec.Containers[i].Ports {
			if (v.Pod || p.HostPort != 0) && p.HostPort != p.ContainerPort {
				errs = append(errs, field.Invalid(ports.Index(j).Child("hostPort"), p.HostPort, "must match `containerPort` when `hostNetwork` is true"))
			}
		}
	}
	return errs
}

// validateHostUsers refuses what doesn't work in a user namespace of the pod's
// own.
func (v *specValidator) validateHostUsers(path *field.Path) field.ErrorList {
	if v.hostUsers() {
		return nil
	}
	const when = "when `hostUsers` is false"
	var errs field.ErrorList
	if v.spec.HostNetwork {
		errs = append(errs, field.Forbidden(path.Child("hostNetwork"), when))
	}
	if v.spec.HostPID {
		errs = append(errs, field.Forbidden(path.Child("HostPID"), when))
	}
	if v.spec.HostIPC {
		errs = append(errs, field.Forbidden(path.Child("HostIPC"), when))
	}
	if v.AllowVolumeDevicesWithoutHostUsers {
		return errs
	}
	visitContainers(v.spec, path, func(c *v1.Container, p *field.Path) {
		if len(c.VolumeDevices) > 0 {
			errs = append(errs, field.Forbidden(p.Child("volumeDevices"), when))
		}
	})
	return errs
}
