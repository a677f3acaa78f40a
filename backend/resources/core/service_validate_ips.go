package core

import (
	"fmt"
	"slices"

	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

var (
	ipFamilies       = []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}
	ipFamilyPolicies = []corev1.IPFamilyPolicy{
		corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack, corev1.IPFamilyPolicySingleStack,
	}
	clusterIPsPath     = specPath.Child("clusterIPs")
	ipFamiliesPath     = specPath.Child("ipFamilies")
	ipFamilyPolicyPath = specPath.Child("ipFamilyPolicy")
)

// validateClusterIPs wants clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy
// to agree. The allocator asks it before it fills in what is missing.
func validateClusterIPs(svc, old *corev1.Service) field.ErrorList {
	spec := &svc.Spec
	if spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	var errs field.ErrorList
	switch {
	case spec.ClusterIP == "" && len(spec.ClusterIPs) > 0:
		errs = append(errs, field.Invalid(clusterIPsPath, spec.ClusterIPs, "must be empty when `clusterIP` is not specified"))
	case spec.ClusterIP != "" && len(spec.ClusterIPs) == 0:
		errs = append(errs, field.Required(clusterIPsPath, ""))
	case spec.ClusterIP != "" && spec.ClusterIPs[0] != spec.ClusterIP:
		errs = append(errs, field.Invalid(clusterIPsPath, spec.ClusterIPs, "first value must match `clusterIP`"))
	}
	seen := map[corev1.IPFamily]bool{}
	for i, family := range spec.IPFamilies {
		errs = append(errs, validate.OneOf(ipFamiliesPath.Index(i), family, ipFamilies)...)
		if seen[family] {
			errs = append(errs, field.Duplicate(ipFamiliesPath.Index(i), family))
		}
		seen[family] = true
	}
	if spec.IPFamilyPolicy != nil && !slices.Contains(ipFamilyPolicies, *spec.IPFamilyPolicy) {
		errs = append(errs, field.NotSupported(ipFamilyPolicyPath, spec.IPFamilyPolicy, ipFamilyPolicies))
	}
	wrong := validateClusterIPValues(spec, old)
	errs = append(errs, wrong.errs...)
	if wrong.unusable {
		return errs
	}
	if len(spec.ClusterIPs) > 1 {
		dual, err := netutils.IsDualStackIPStrings(spec.ClusterIPs)
		if err != nil {
			errs = append(errs, field.InternalError(clusterIPsPath, fmt.Errorf("failed to check for dual stack with error:%v", err)))
		}
		if !dual {
			errs = append(errs, field.Invalid(clusterIPsPath, spec.ClusterIPs, "may specify no more than one IP for each IP family"))
		}
	}
	return append(errs, validateClusterIPFamilies(svc)...)
}

type clusterIPErrors struct {
	errs field.ErrorList
	// unusable tells that the values are no addresses, so that nothing more can
	// be said about them.
	unusable bool
}

func validateClusterIPValues(spec *corev1.ServiceSpec, old *corev1.Service) clusterIPErrors {
	var existing []string
	if old != nil {
		existing = old.Spec.ClusterIPs
	}
	var out clusterIPErrors
	for i, ip := range spec.ClusterIPs {
		if i == 0 && ip == corev1.ClusterIPNone {
			if len(spec.ClusterIPs) > 1 {
				out.unusable = true
				out.errs = append(out.errs, field.Invalid(clusterIPsPath, spec.ClusterIPs, "'None' must be the first and only value"))
			}
			continue
		}
		wrong := validate.IP(clusterIPsPath.Index(i), ip, existing...)
		out.unusable = out.unusable || len(wrong) > 0
		out.errs = append(out.errs, wrong...)
	}
	if len(spec.ClusterIPs) > 2 {
		out.errs = append(out.errs, field.Invalid(clusterIPsPath, spec.ClusterIPs, "may only hold up to 2 values"))
	}
	return out
}

func validateClusterIPFamilies(svc *corev1.Service) field.ErrorList {
	if isHeadless(svc) {
		return nil
	}
	var errs field.ErrorList
	for i, ip := range svc.Spec.ClusterIPs {
		if i >= len(svc.Spec.IPFamilies) {
			break
		}
		six := netutils.IsIPv6String(ip)
		if family := svc.Spec.IPFamilies[i]; (family == corev1.IPv4Protocol && six) || (family == corev1.IPv6Protocol && !six) {
			errs = append(errs, field.Invalid(clusterIPsPath.Index(i), ip, fmt.Sprintf("expected an %s value as indicated by `ipFamilies[%v]`", family, i)))
		}
	}
	return errs
}
