package networking

import (
	"context"
	"reflect"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func networkPolicyResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      "networking.k8s.io",
		Name:       "networkpolicies",
		Singular:   "networkpolicy",
		Kind:       "NetworkPolicy",
		ShortNames: []string{"netpol"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &networkingv1.NetworkPolicy{} },
			Default: registry.Typed(defaultNetworkPolicy),
		}},
		Strategy: registry.For[*networkingv1.NetworkPolicy]{
			PrepareForCreate: func(_ context.Context, p *networkingv1.NetworkPolicy) { p.Generation = 1 },
			PrepareForUpdate: func(_ context.Context, p, old *networkingv1.NetworkPolicy) {
				p.Generation = old.Generation
				// An empty list is not the same as none here.
				if !reflect.DeepEqual(p.Spec, old.Spec) {
					p.Generation++
				}
			},
			Validate: func(_ context.Context, p *networkingv1.NetworkPolicy) field.ErrorList {
				return policyRules{}.validate(&p.Spec)
			},
			ValidateUpdate: func(_ context.Context, p, old *networkingv1.NetworkPolicy) field.ErrorList {
				return rulesForUpdate(&old.Spec).validate(&p.Spec)
			},
			WarningsOnCreate: func(_ context.Context, p *networkingv1.NetworkPolicy) []string { return policyWarnings(&p.Spec) },
			WarningsOnUpdate: func(_ context.Context, p, _ *networkingv1.NetworkPolicy) []string { return policyWarnings(&p.Spec) },
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Pod-Selector", networkingv1.NetworkPolicySpec{}.SwaggerDoc()["podSelector"]),
			printers.Age,
		},
		Cells: registry.Row(func(p *networkingv1.NetworkPolicy, now registry.Clock) []any {
			return []any{p.Name, metav1.FormatLabelSelector(&p.Spec.PodSelector), printers.Since(p.CreationTimestamp, now)}
		}),
	}
}

func defaultNetworkPolicy(p *networkingv1.NetworkPolicy) {
	spec := &p.Spec
	ports := func(list []networkingv1.NetworkPolicyPort) {
		for i := range list {
			if list[i].Protocol == nil {
				list[i].Protocol = new(corev1.ProtocolTCP)
			}
		}
	}
	for i := range spec.Ingress {
		ports(spec.Ingress[i].Ports)
	}
	for i := range spec.Egress {
		ports(spec.Egress[i].Ports)
	}
	if len(spec.PolicyTypes) > 0 {
		return
	}
	// A policy without types is for what comes in, and for what goes out when
	// it has rules for that.
	spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	if len(spec.Egress) != 0 {
		spec.PolicyTypes = append(spec.PolicyTypes, networkingv1.PolicyTypeEgress)
	}
}

// eachPeer calls f with every peer of a policy and its path.
func eachPeer(spec *networkingv1.NetworkPolicySpec, f func(*networkingv1.NetworkPolicyPeer, *field.Path)) {
	for i := range spec.Ingress {
		for j := range spec.Ingress[i].From {
			f(&spec.Ingress[i].From[j], specPath.Child("ingress").Index(i).Child("from").Index(j))
		}
	}
	for i := range spec.Egress {
		for j := range spec.Egress[i].To {
			f(&spec.Egress[i].To[j], specPath.Child("egress").Index(i).Child("to").Index(j))
		}
	}
}

func policyWarnings(spec *networkingv1.NetworkPolicySpec) []string {
	var out []string
	eachPeer(spec, func(peer *networkingv1.NetworkPolicyPeer, path *field.Path) {
		if peer.IPBlock == nil {
			return
		}
		path = path.Child("ipBlock")
		out = append(out, validation.GetWarningsForCIDR(path.Child("cidr"), peer.IPBlock.CIDR)...)
		for i, except := range peer.IPBlock.Except {
			out = append(out, validation.GetWarningsForCIDR(path.Child("except").Index(i), except)...)
		}
	})
	return out
}
