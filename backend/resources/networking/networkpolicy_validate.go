package networking

import (
	"slices"

	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// policyRules say which old mistakes an update may keep.
type policyRules struct {
	selectors metav1validation.LabelSelectorValidationOptions
	cidrs     []string
}

func rulesForUpdate(old *networkingv1.NetworkPolicySpec) policyRules {
	var r policyRules
	r.selectors.AllowInvalidLabelValueInSelector = len(metav1validation.ValidateLabelSelector(&old.PodSelector, r.selectors, nil)) > 0
	eachPeer(old, func(peer *networkingv1.NetworkPolicyPeer, _ *field.Path) {
		if peer.IPBlock != nil {
			r.cidrs = append(append(r.cidrs, peer.IPBlock.CIDR), peer.IPBlock.Except...)
		}
	})
	return r
}

func (r policyRules) validate(spec *networkingv1.NetworkPolicySpec) field.ErrorList {
	errs := metav1validation.ValidateLabelSelector(&spec.PodSelector, r.selectors, specPath.Child("podSelector"))
	for i, rule := range spec.Ingress {
		path := specPath.Child("ingress").Index(i)
		errs = append(errs, r.validateRule(rule.Ports, path.Child("ports"), rule.From, path.Child("from"))...)
	}
	for i, rule := range spec.Egress {
		path := specPath.Child("egress").Index(i)
		errs = append(errs, r.validateRule(rule.Ports, path.Child("ports"), rule.To, path.Child("to"))...)
	}
	return append(errs, validatePolicyTypes(spec.PolicyTypes, specPath.Child("policyTypes"))...)
}

func (r policyRules) validateRule(ports []networkingv1.NetworkPolicyPort, portsPath *field.Path, peers []networkingv1.NetworkPolicyPeer, peersPath *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range ports {
		errs = append(errs, validatePolicyPort(&ports[i], portsPath.Index(i))...)
	}
	for i := range peers {
		errs = append(errs, r.validatePeer(&peers[i], peersPath.Index(i))...)
	}
	return errs
}

var policyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}

func validatePolicyTypes(types []networkingv1.PolicyType, path *field.Path) field.ErrorList {
	if len(types) > len(policyTypes) {
		return field.ErrorList{field.Invalid(path, types, "may not specify more than two policyTypes")}
	}
	var errs field.ErrorList
	for i, t := range types {
		errs = append(errs, validate.OneOf(path.Index(i), t, policyTypes)...)
	}
	return errs
}

var policyProtocols = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}

func validatePolicyPort(p *networkingv1.NetworkPolicyPort, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if p.Protocol != nil && !slices.Contains(policyProtocols, *p.Protocol) {
		errs = append(errs, field.NotSupported(path.Child("protocol"), *p.Protocol, policyProtocols))
	}
	end := path.Child("endPort")
	switch {
	case p.Port == nil:
		if p.EndPort != nil {
			errs = append(errs, field.Invalid(end, *p.EndPort, "may not be specified when `port` is not specified"))
		}
	case p.Port.Type == intstr.Int:
		errs = append(errs, validate.PortNumber(p.Port.IntVal, path.Child("port"))...)
		if p.EndPort == nil {
			break
		}
		if *p.EndPort < p.Port.IntVal {
			errs = append(errs, field.Invalid(end, p.Port.IntVal, "must be greater than or equal to `port`")) // Kubernetes shows port here.
		}
		errs = append(errs, validate.PortNumber(*p.EndPort, end)...)
	default:
		if p.EndPort != nil {
			errs = append(errs, field.Invalid(end, *p.EndPort, "may not be specified when `port` is non-numeric"))
		}
		errs = append(errs, validate.Messages(path.Child("port"), p.Port.StrVal, validation.IsValidPortName(p.Port.StrVal))...)
	}
	return errs
}

func (r policyRules) validatePeer(p *networkingv1.NetworkPolicyPeer, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if p.PodSelector != nil {
		errs = append(errs, metav1validation.ValidateLabelSelector(p.PodSelector, r.selectors, path.Child("podSelector"))...)
	}
	if p.NamespaceSelector != nil {
		errs = append(errs, metav1validation.ValidateLabelSelector(p.NamespaceSelector, r.selectors, path.Child("namespaceSelector"))...)
	}
	if p.IPBlock != nil {
		errs = append(errs, r.validateIPBlock(p.IPBlock, path.Child("ipBlock"))...)
	}
	selected := p.PodSelector != nil || p.NamespaceSelector != nil
	switch {
	case !selected && p.IPBlock == nil:
		errs = append(errs, field.Required(path, "must specify a peer"))
	case selected && p.IPBlock != nil:
		errs = append(errs, field.Forbidden(path, "may not specify both ipBlock and another peer"))
	}
	return errs
}

func (r policyRules) validateIPBlock(b *networkingv1.IPBlock, path *field.Path) field.ErrorList {
	if b.CIDR == "" {
		return field.ErrorList{field.Required(path.Child("cidr"), "")}
	}
	errs := validate.CIDR(path.Child("cidr"), b.CIDR, r.cidrs...)
	_, block, err := netutils.ParseCIDRSloppy(b.CIDR)
	if err != nil {
		return errs
	}
	for i, text := range b.Except {
		p := path.Child("except").Index(i)
		errs = append(errs, validate.CIDR(p, text, r.cidrs...)...)
		_, except, err := netutils.ParseCIDRSloppy(text)
		if err != nil {
			continue
		}
		outer, _ := block.Mask.Size()
		inner, _ := except.Mask.Size()
		if !block.Contains(except.IP) || outer >= inner {
			errs = append(errs, field.Invalid(p, text, "must be a strict subset of `cidr`"))
		}
	}
	return errs
}
