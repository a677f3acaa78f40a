package core

import (
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	serviceTypes = []corev1.ServiceType{
		corev1.ServiceTypeClusterIP, corev1.ServiceTypeExternalName, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort,
	}
	sessionAffinities       = []corev1.ServiceAffinity{corev1.ServiceAffinityClientIP, corev1.ServiceAffinityNone}
	externalTrafficPolicies = []corev1.ServiceExternalTrafficPolicy{
		corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal,
	}
	internalTrafficPolicies = []corev1.ServiceInternalTrafficPolicy{
		corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceInternalTrafficPolicyLocal,
	}
	trafficDistributions = []string{
		corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode,
	}
)

// maxClientIPAffinitySeconds is one day.
const maxClientIPAffinitySeconds = 86400

var specPath = field.NewPath("spec")

// validateService wants a Service whose addresses and ports were allocated; old
// is nil for a new one.
func validateService(svc, old *corev1.Service) field.ErrorList {
	var errs field.ErrorList
	errs = append(errs, validateTopologyAnnotations(svc)...)
	errs = append(errs, validateServiceForType(svc)...)
	errs = append(errs, validateServicePorts(svc)...)
	if svc.Spec.Selector != nil {
		errs = append(errs, metav1validation.ValidateLabels(svc.Spec.Selector, specPath.Child("selector"))...)
	}
	errs = append(errs, validateSessionAffinity(&svc.Spec)...)
	errs = append(errs, validateClusterIPs(svc, old)...)
	errs = append(errs, validateExternalIPs(svc, old)...)
	if svc.Spec.Type == "" {
		errs = append(errs, field.Required(specPath.Child("type"), ""))
	} else {
		errs = append(errs, validate.OneOf(specPath.Child("type"), svc.Spec.Type, serviceTypes)...)
	}
	errs = append(errs, validatePortUniqueness(svc)...)
	errs = append(errs, validateLoadBalancer(svc, old)...)
	errs = append(errs, validateTrafficPolicies(svc)...)
	return errs
}

func validateTopologyAnnotations(svc *corev1.Service) field.ErrorList {
	hints, hintsSet := svc.Annotations[corev1.DeprecatedAnnotationTopologyAwareHints]
	mode, modeSet := svc.Annotations[corev1.AnnotationTopologyMode]
	if !hintsSet || !modeSet || hints == mode {
		return nil
	}
	message := fmt.Sprintf("must match annotations[%s] when both are specified", corev1.DeprecatedAnnotationTopologyAwareHints)
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "annotations").Key(corev1.AnnotationTopologyMode), mode, message)}
}

func validateServiceForType(svc *corev1.Service) field.ErrorList {
	var errs field.ErrorList
	if len(svc.Spec.Ports) == 0 && !isHeadless(svc) && svc.Spec.Type != corev1.ServiceTypeExternalName {
		errs = append(errs, field.Required(specPath.Child("ports"), ""))
	}
	switch svc.Spec.Type {
	case corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort:
		if isHeadless(svc) {
			message := fmt.Sprintf("may not be set to 'None' for %s services", svc.Spec.Type)
			errs = append(errs, field.Invalid(specPath.Child("clusterIPs").Index(0), svc.Spec.ClusterIPs[0], message))
		}
	case corev1.ServiceTypeExternalName:
		errs = append(errs, validateExternalName(&svc.Spec)...)
	}
	return errs
}

func validateExternalName(spec *corev1.ServiceSpec) field.ErrorList {
	const unwanted = "may not be set for ExternalName services"
	var errs field.ErrorList
	if len(spec.ClusterIPs) > 0 {
		errs = append(errs, field.Forbidden(specPath.Child("clusterIPs"), unwanted))
	}
	if len(spec.IPFamilies) > 0 {
		errs = append(errs, field.Forbidden(specPath.Child("ipFamilies"), unwanted))
	}
	if spec.IPFamilyPolicy != nil {
		errs = append(errs, field.Forbidden(specPath.Child("ipFamilyPolicy"), unwanted))
	}
	// A trailing dot makes the name absolute.
	name := strings.TrimSuffix(spec.ExternalName, ".")
	if name == "" {
		return append(errs, field.Required(specPath.Child("externalName"), ""))
	}
	return append(errs, validate.DNSSubdomain(name, specPath.Child("externalName"))...)
}

func validateServicePorts(svc *corev1.Service) field.ErrorList {
	var errs field.ErrorList
	names := map[string]bool{}
	for i := range svc.Spec.Ports {
		p, path := &svc.Spec.Ports[i], specPath.Child("ports").Index(i)
		if p.Name == "" {
			if len(svc.Spec.Ports) > 1 {
				errs = append(errs, field.Required(path.Child("name"), ""))
			}
		} else {
			errs = append(errs, validate.DNSLabel(p.Name, path.Child("name"))...)
			if names[p.Name] {
				errs = append(errs, field.Duplicate(path.Child("name"), p.Name))
			}
			names[p.Name] = true
		}
		errs = append(errs, validate.PortNumber(p.Port, path.Child("port"))...)
		errs = append(errs, validate.Protocol(p.Protocol, path.Child("protocol"))...)
		errs = append(errs, validate.PortNumberOrName(p.TargetPort, path.Child("targetPort"))...)
		if p.AppProtocol != nil {
			errs = append(errs, validate.QualifiedName(*p.AppProtocol, path.Child("appProtocol"))...)
		}
	}
	return errs
}

func validateSessionAffinity(spec *corev1.ServiceSpec) field.ErrorList {
	path := specPath.Child("sessionAffinity")
	var errs field.ErrorList
	if spec.SessionAffinity == "" {
		errs = append(errs, field.Required(path, ""))
	} else {
		errs = append(errs, validate.OneOf(path, spec.SessionAffinity, sessionAffinities)...)
	}
	config := specPath.Child("sessionAffinityConfig")
	switch spec.SessionAffinity {
	case corev1.ServiceAffinityClientIP:
		errs = append(errs, validateClientIPAffinity(spec.SessionAffinityConfig, config)...)
	case corev1.ServiceAffinityNone:
		if spec.SessionAffinityConfig != nil {
			errs = append(errs, field.Forbidden(config, "must not be set when session affinity is None"))
		}
	}
	return errs
}

func validateClientIPAffinity(config *corev1.SessionAffinityConfig, path *field.Path) field.ErrorList {
	const message = "when session affinity type is ClientIP"
	if config == nil {
		return field.ErrorList{field.Required(path, message)}
	}
	path = path.Child("clientIP")
	if config.ClientIP == nil {
		return field.ErrorList{field.Required(path, message)}
	}
	path = path.Child("timeoutSeconds")
	timeout := config.ClientIP.TimeoutSeconds
	if timeout == nil {
		return field.ErrorList{field.Required(path, message)}
	}
	if *timeout <= 0 || *timeout > maxClientIPAffinitySeconds {
		return field.ErrorList{field.Invalid(path, timeout, fmt.Sprintf("must be greater than 0 and less than %d", maxClientIPAffinitySeconds))}
	}
	return nil
}

func validateExternalIPs(svc, old *corev1.Service) field.ErrorList {
	var existing []string
	if old != nil {
		existing = old.Spec.ExternalIPs
	}
	var errs field.ErrorList
	for i, ip := range svc.Spec.ExternalIPs {
		path := specPath.Child("externalIPs").Index(i)
		if wrong := validate.IP(path, ip, existing...); len(wrong) > 0 {
			errs = append(errs, wrong...)
		} else {
			errs = append(errs, validate.NonSpecialIP(ip, path)...)
		}
	}
	return errs
}

// validatePortUniqueness wants each pair of protocol and port, and of protocol
// and node port, once.
func validatePortUniqueness(svc *corev1.Service) field.ErrorList {
	var errs field.ErrorList
	ports := specPath.Child("ports")
	if svc.Spec.Type == corev1.ServiceTypeClusterIP {
		for i, p := range svc.Spec.Ports {
			if p.NodePort != 0 {
				errs = append(errs, field.Forbidden(ports.Index(i).Child("nodePort"), "may not be used when `type` is 'ClusterIP'"))
			}
		}
	}
	nodePorts := map[corev1.ServicePort]bool{}
	for i, p := range svc.Spec.Ports {
		if p.NodePort == 0 {
			continue
		}
		key := corev1.ServicePort{Protocol: p.Protocol, NodePort: p.NodePort}
		if nodePorts[key] {
			errs = append(errs, field.Duplicate(ports.Index(i).Child("nodePort"), p.NodePort))
		}
		nodePorts[key] = true
	}
	seen := map[corev1.ServicePort]bool{}
	for i, p := range svc.Spec.Ports {
		key := corev1.ServicePort{Protocol: p.Protocol, Port: p.Port}
		if seen[key] {
			errs = append(errs, field.Duplicate(ports.Index(i), validate.Internal(key)))
		}
		seen[key] = true
	}
	return errs
}

const onlyForLoadBalancer = "may only be used when `type` is 'LoadBalancer'"

func validateLoadBalancer(svc, old *corev1.Service) field.ErrorList {
	errs := validateSourceRanges(svc, old)
	allocate := svc.Spec.AllocateLoadBalancerNodePorts
	if allocate != nil && !isLoadBalancer(svc) {
		errs = append(errs, field.Forbidden(specPath.Child("allocateLoadBalancerNodePorts"), onlyForLoadBalancer))
	}
	if allocate == nil && isLoadBalancer(svc) {
		errs = append(errs, field.Required(field.NewPath("allocateLoadBalancerNodePorts"), ""))
	}
	return append(errs, validateLoadBalancerClass(svc, nil)...)
}

// validateSourceRanges looks at the field, or at the annotation that was there
// before it. The path in its errors is capitalized in Kubernetes too.
func validateSourceRanges(svc, old *corev1.Service) field.ErrorList {
	ranges, path := svc.Spec.LoadBalancerSourceRanges, specPath.Child("LoadBalancerSourceRanges")
	indexed := true
	if len(ranges) == 0 {
		annotation, set := svc.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey]
		if !set {
			return nil
		}
		path, indexed = field.NewPath("metadata", "annotations").Key(corev1.AnnotationLoadBalancerSourceRangesKey), false
		if annotation = strings.TrimSpace(annotation); annotation != "" {
			ranges = strings.Split(annotation, ",")
		}
	}
	var existing []string
	if old != nil {
		existing = slices.Clone(old.Spec.LoadBalancerSourceRanges)
		if annotation, set := old.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey]; set {
			existing = append(existing, strings.Split(annotation, ",")...)
		}
		for i := range existing {
			existing[i] = strings.TrimSpace(existing[i])
		}
	}
	var errs field.ErrorList
	if !isLoadBalancer(svc) {
		errs = append(errs, field.Forbidden(path, onlyForLoadBalancer))
	}
	for i, value := range ranges {
		p := path
		if indexed {
			p = path.Index(i)
		}
		errs = append(errs, validate.CIDR(p, strings.TrimSpace(value), existing...)...)
	}
	return errs
}

func validateLoadBalancerClass(svc, old *corev1.Service) field.ErrorList {
	path, class := specPath.Child("loadBalancerClass"), svc.Spec.LoadBalancerClass
	var errs field.ErrorList
	if old != nil && isLoadBalancer(old) && isLoadBalancer(svc) && !samePointer(class, old.Spec.LoadBalancerClass) {
		errs = append(errs, field.Invalid(path, class, "may not change once set"))
	}
	if class == nil {
		return errs
	}
	if !isLoadBalancer(svc) {
		return append(errs, field.Forbidden(path, onlyForLoadBalancer))
	}
	return append(errs, validate.QualifiedName(*class, path)...)
}

func validateTrafficPolicies(svc *corev1.Service) field.ErrorList {
	spec := &svc.Spec
	external := specPath.Child("externalTrafficPolicy")
	var errs field.ErrorList
	switch {
	case !externallyAccessible(svc):
		if spec.ExternalTrafficPolicy != "" {
			errs = append(errs, field.Invalid(external, spec.ExternalTrafficPolicy, "may only be set for externally-accessible services"))
		}
	case spec.ExternalTrafficPolicy == "":
		errs = append(errs, field.Required(external, ""))
	default:
		errs = append(errs, validate.OneOf(external, spec.ExternalTrafficPolicy, externalTrafficPolicies)...)
	}
	health := specPath.Child("healthCheckNodePort")
	switch {
	case !needsHealthCheck(svc):
		if spec.HealthCheckNodePort != 0 {
			errs = append(errs, field.Invalid(health, spec.HealthCheckNodePort, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))
		}
	case spec.HealthCheckNodePort == 0:
		errs = append(errs, field.Required(health, ""))
	default:
		errs = append(errs, validate.PortNumber(spec.HealthCheckNodePort, health)...)
	}
	internal := specPath.Child("internalTrafficPolicy")
	if spec.InternalTrafficPolicy != nil {
		errs = append(errs, validate.OneOf(internal, *spec.InternalTrafficPolicy, internalTrafficPolicies)...)
	} else if needsClusterIP(svc) {
		errs = append(errs, field.Required(internal, ""))
	}
	if spec.TrafficDistribution != nil {
		errs = append(errs, validate.OneOf(specPath.Child("trafficDistribution"), *spec.TrafficDistribution, trafficDistributions)...)
	}
	return errs
}
