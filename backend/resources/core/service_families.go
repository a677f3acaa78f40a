package core

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// initIPFamilies fills in ipFamilyPolicy and ipFamilies from what the client
// asks for and the one family that the server has.
func (a *serviceAllocator) initIPFamilies(svc, old *corev1.Service) error {
	if svc.Spec.Type == corev1.ServiceTypeExternalName || keepsPreferredDualStack(svc, old) {
		return nil
	}
	if svc.Spec.IPFamilyPolicy == nil {
		svc.Spec.IPFamilyPolicy = defaultFamilyPolicy(svc, old)
	}
	if errs := validateClusterIPs(svc, old); len(errs) > 0 {
		return invalidService(svc, errs...)
	}
	errs := shrinkFamilies(svc, old)
	errs = append(errs, a.inferFamilies(svc)...)
	if len(errs) > 0 {
		return invalidService(svc, errs...)
	}
	spec := &svc.Spec
	if spec.ClusterIP == corev1.ClusterIPNone && len(spec.Selector) == 0 {
		// Whoever writes the endpoints of such a Service chooses their families,
		// whatever the cluster has.
		if len(spec.IPFamilies) == 0 {
			spec.IPFamilies = []corev1.IPFamily{a.family()}
		}
		if len(spec.IPFamilies) < 2 && !isSingleStack(svc) {
			spec.IPFamilies = append(spec.IPFamilies, otherFamily(spec.IPFamilies[0]))
		}
		return nil
	}
	if *spec.IPFamilyPolicy == corev1.IPFamilyPolicyRequireDualStack {
		errs = append(errs, field.Invalid(ipFamilyPolicyPath, spec.IPFamilyPolicy, "this cluster is not configured for dual-stack services"))
	}
	for i, f := range spec.IPFamilies {
		if f != a.family() {
			errs = append(errs, field.Invalid(ipFamiliesPath.Index(i), f, "not configured on this cluster"))
		}
	}
	if len(errs) > 0 {
		return invalidService(svc, errs...)
	}
	if len(spec.IPFamilies) == 0 {
		spec.IPFamilies = []corev1.IPFamily{a.family()}
	}
	return nil
}

// keepsPreferredDualStack tells an update that leaves a PreferDualStack
// Service's families as they are: it must not gain or lose one because the
// cluster did.
func keepsPreferredDualStack(svc, old *corev1.Service) bool {
	return old != nil && old.Spec.Type == svc.Spec.Type && needsClusterIP(svc) &&
		prefersDualStack(svc) && (old.Spec.IPFamilyPolicy == nil || prefersDualStack(old)) &&
		slices.Equal(svc.Spec.ClusterIPs, old.Spec.ClusterIPs) && slices.Equal(svc.Spec.IPFamilies, old.Spec.IPFamilies)
}

func prefersDualStack(svc *corev1.Service) bool {
	p := svc.Spec.IPFamilyPolicy
	return p != nil && *p == corev1.IPFamilyPolicyPreferDualStack
}

func defaultFamilyPolicy(svc, old *corev1.Service) *corev1.IPFamilyPolicy {
	switch {
	case old != nil && old.Spec.IPFamilyPolicy != nil:
		return new(*old.Spec.IPFamilyPolicy)
	case svc.Spec.ClusterIP == corev1.ClusterIPNone && len(svc.Spec.Selector) == 0:
		return new(corev1.IPFamilyPolicyRequireDualStack)
	}
	return new(corev1.IPFamilyPolicySingleStack)
}

// shrinkFamilies takes the second address and family away when the policy
// becomes SingleStack, and refuses every other way to lose them.
func shrinkFamilies(svc, old *corev1.Service) field.ErrorList {
	spec := &svc.Spec
	refuse := func(message string) *field.Error {
		return field.Invalid(ipFamilyPolicyPath, spec.IPFamilyPolicy, message)
	}
	var errs field.ErrorList
	if old != nil && isSingleStack(svc) {
		if slices.Equal(spec.ClusterIPs, old.Spec.ClusterIPs) && len(spec.ClusterIPs) > 1 {
			spec.ClusterIPs = spec.ClusterIPs[:1]
		}
		if slices.Equal(spec.IPFamilies, old.Spec.IPFamilies) && len(spec.IPFamilies) > 1 {
			spec.IPFamilies = spec.IPFamilies[:1]
		}
	} else if old != nil {
		if n := len(spec.ClusterIPs); n > 0 && n < len(old.Spec.ClusterIPs) {
			errs = append(errs, refuse("must be 'SingleStack' to release the secondary cluster IP"))
		}
		if n := len(spec.IPFamilies); n > 0 && n < len(old.Spec.IPFamilies) {
			errs = append(errs, refuse("must be 'SingleStack' to release the secondary IP family"))
		}
	}
	if isSingleStack(svc) {
		if len(spec.ClusterIPs) == 2 {
			errs = append(errs, refuse("must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified"))
		}
		if len(spec.IPFamilies) == 2 {
			errs = append(errs, refuse("must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"))
		}
	}
	return errs
}

// inferFamilies adds the families of the addresses that the client names.
func (a *serviceAllocator) inferFamilies(svc *corev1.Service) field.ErrorList {
	spec := &svc.Spec
	var errs field.ErrorList
	for i, ip := range spec.ClusterIPs {
		if ip == corev1.ClusterIPNone {
			break
		}
		if i < len(spec.IPFamilies) {
			continue
		}
		family := corev1.IPv4Protocol
		if netutils.IsIPv6String(ip) {
			family = corev1.IPv6Protocol
		}
		if family != a.family() {
			errs = append(errs, field.Invalid(clusterIPsPath.Index(i), spec.ClusterIPs, fmt.Sprintf("%s is not configured on this cluster", family)))
			continue
		}
		spec.IPFamilies = append(spec.IPFamilies, family)
	}
	return errs
}

func otherFamily(f corev1.IPFamily) corev1.IPFamily {
	if f == corev1.IPv4Protocol {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}
