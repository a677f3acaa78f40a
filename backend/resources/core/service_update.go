package core

import (
	"context"
	"fmt"

	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

const onceSet = "may not change once set"

func validateServiceUpdate(_ context.Context, svc, old *corev1.Service) field.ErrorList {
	errs := validateClusterIPsUpdate(svc, old)
	errs = append(errs, validateIPFamiliesUpdate(svc, old)...)
	errs = append(errs, validateLoadBalancerClass(svc, old)...)
	if needsHealthCheck(old) && needsHealthCheck(svc) && svc.Spec.HealthCheckNodePort != old.Spec.HealthCheckNodePort {
		errs = append(errs, field.Forbidden(specPath.Child("healthCheckNodePort"), "field is immutable"))
	}
	return append(errs, validateService(svc, old)...)
}

// validateClusterIPsUpdate lets the second address come and go; the first stays
// as long as the Service has addresses.
func validateClusterIPsUpdate(svc, old *corev1.Service) field.ErrorList {
	if !needsClusterIP(svc) || !needsClusterIP(old) || (isHeadless(svc) && isHeadless(old)) {
		return nil
	}
	ips, was := svc.Spec.ClusterIPs, old.Spec.ClusterIPs
	var errs field.ErrorList
	changed := func(i int) { errs = append(errs, field.Invalid(clusterIPsPath.Index(i), ips, onceSet)) }
	switch {
	case len(was) == len(ips):
		for i := range was {
			if was[i] != ips[i] {
				changed(i)
			}
		}
	case len(was) > len(ips):
		if len(ips) == 0 {
			return field.ErrorList{field.Invalid(clusterIPsPath.Index(0), ips, "primary clusterIP can not be unset")}
		}
		if ips[0] != was[0] {
			changed(0)
		}
		if len(ips) == 1 && !isSingleStack(svc) {
			errs = append(errs, field.Invalid(ipFamilyPolicyPath, svc.Spec.IPFamilyPolicy, "must be set to 'SingleStack' when releasing the secondary clusterIP"))
		}
	case len(was) > 0 && ips[0] != was[0]:
		changed(0)
	}
	return errs
}

func isSingleStack(svc *corev1.Service) bool {
	return svc.Spec.IPFamilyPolicy != nil && *svc.Spec.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack
}

func validateIPFamiliesUpdate(svc, old *corev1.Service) field.ErrorList {
	if !needsClusterIP(svc) || !needsClusterIP(old) || isHeadless(svc) || isHeadless(old) {
		return nil
	}
	first := ipFamiliesPath.Index(0)
	families, was := svc.Spec.IPFamilies, old.Spec.IPFamilies
	var errs field.ErrorList
	if len(was) == len(families) {
		for i := range was {
			if was[i] != families[i] {
				errs = append(errs, field.Invalid(first, families, onceSet))
			}
		}
		return errs
	}
	if len(was) > len(families) && len(svc.Spec.ClusterIPs) == 0 {
		errs = append(errs, field.Invalid(first, families, "primary ipFamily can not be unset"))
	}
	if len(was) > 0 && len(families) > 0 && was[0] != families[0] {
		errs = append(errs, field.Invalid(first, svc.Spec.ClusterIPs, onceSet))
	}
	if len(was) > len(families) && len(families) == 1 && !isSingleStack(svc) {
		errs = append(errs, field.Invalid(ipFamilyPolicyPath, svc.Spec.IPFamilyPolicy, "must be set to 'SingleStack' when releasing the secondary ipFamily"))
	}
	return errs
}

var balancerIPModes = []corev1.LoadBalancerIPMode{corev1.LoadBalancerIPModeProxy, corev1.LoadBalancerIPModeVIP}

func validateServiceStatusUpdate(_ context.Context, svc, old *corev1.Service) field.ErrorList {
	path := field.NewPath("status", "loadBalancer", "ingress")
	ingress := svc.Status.LoadBalancer.Ingress
	if !isLoadBalancer(svc) && len(ingress) > 0 {
		return field.ErrorList{field.Forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")}
	}
	var existing []string
	for _, in := range old.Status.LoadBalancer.Ingress {
		existing = append(existing, in.IP)
	}
	var errs field.ErrorList
	for i := range ingress {
		in, p := &ingress[i], path.Index(i)
		if in.IP != "" {
			errs = append(errs, validate.IP(p.Child("ip"), in.IP, existing...)...)
		}
		mode := p.Child("ipMode")
		switch {
		case in.IPMode == nil:
			if in.IP != "" {
				errs = append(errs, field.Required(mode, "must be specified when `ip` is set"))
			}
		case in.IP == "":
			errs = append(errs, field.Forbidden(mode, "may not be specified when `ip` is not set"))
		default:
			errs = append(errs, validate.OneOf(mode, *in.IPMode, balancerIPModes)...)
		}
		errs = append(errs, validateBalancerHostname(in.Hostname, p.Child("hostname"))...)
	}
	return errs
}

func validateBalancerHostname(name string, path *field.Path) field.ErrorList {
	if name == "" {
		return nil
	}
	errs := validate.Messages(path, name, validation.IsDNS1123Subdomain(name))
	if netutils.ParseIPSloppy(name) != nil {
		errs = append(errs, field.Invalid(path, name, "must be a DNS name, not an IP address"))
	}
	return errs
}

func serviceStatusWarnings(_ context.Context, svc, _ *corev1.Service) []string {
	var out []string
	for i, in := range svc.Status.LoadBalancer.Ingress {
		if in.IP != "" {
			out = append(out, validation.GetWarningsForIP(field.NewPath("status", "loadBalancer", "ingress").Index(i), in.IP)...)
		}
	}
	return out
}

func serviceWarnings(svc *corev1.Service) []string {
	spec := &svc.Spec
	var out []string
	if _, ok := svc.Annotations[corev1.DeprecatedAnnotationTopologyAwareHints]; ok {
		out = append(out, fmt.Sprintf("annotation %s is deprecated, please use %s instead", corev1.DeprecatedAnnotationTopologyAwareHints, corev1.AnnotationTopologyMode))
	}
	if spec.ClusterIP != corev1.ClusterIPNone {
		for i, ip := range spec.ClusterIPs {
			out = append(out, validation.GetWarningsForIP(clusterIPsPath.Index(i), ip)...)
		}
	}
	headless := spec.Type == corev1.ServiceTypeClusterIP && spec.ClusterIP == corev1.ClusterIPNone
	if headless {
		if spec.LoadBalancerIP != "" {
			out = append(out, "spec.loadBalancerIP is ignored for headless services")
		}
		if len(spec.ExternalIPs) > 0 {
			out = append(out, "spec.externalIPs is ignored for headless services")
		}
		if spec.SessionAffinity != corev1.ServiceAffinityNone {
			out = append(out, "spec.SessionAffinity is ignored for headless services")
		}
	}
	for i, ip := range spec.ExternalIPs {
		out = append(out, validation.GetWarningsForIP(specPath.Child("externalIPs").Index(i), ip)...)
	}
	if len(spec.ExternalIPs) > 0 && !headless && spec.Type != corev1.ServiceTypeExternalName {
		out = append(out, "spec.externalIPs is deprecated and may no longer be implemented in some clusters")
	}
	if netutils.ParseIPSloppy(spec.LoadBalancerIP) != nil {
		out = append(out, validation.GetWarningsForIP(specPath.Child("loadBalancerIP"), spec.LoadBalancerIP)...)
	}
	for i, cidr := range spec.LoadBalancerSourceRanges {
		out = append(out, validation.GetWarningsForCIDR(specPath.Child("loadBalancerSourceRanges").Index(i), cidr)...)
	}
	if spec.Type == corev1.ServiceTypeExternalName && len(spec.ExternalIPs) > 0 {
		out = append(out, `spec.externalIPs is ignored when spec.type is "ExternalName"`)
	}
	if spec.Type != corev1.ServiceTypeExternalName && spec.ExternalName != "" {
		out = append(out, `spec.externalName is ignored when spec.type is not "ExternalName"`)
	}
	if d := spec.TrafficDistribution; d != nil && *d == corev1.ServiceTrafficDistributionPreferClose {
		out = append(out, `spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"`)
	}
	return out
}
