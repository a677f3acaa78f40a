package discovery

import (
	"context"
	"fmt"
	"reflect"

	"pilothouse/backend/resources/validate"

	discoveryv1 "k8s.io/api/discovery/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// The limits of one slice.
const (
	maxTopologyLabels = 16
	maxAddresses      = 100
	maxPorts          = 20000
	maxEndpoints      = 1000
	maxHints          = 8
)

var addressTypes = []discoveryv1.AddressType{discoveryv1.AddressTypeFQDN, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6}

func validateSlice(s, old *discoveryv1.EndpointSlice) field.ErrorList {
	var errs field.ErrorList
	if s.AddressType == "" {
		errs = append(errs, field.Required(field.NewPath("addressType"), ""))
	} else {
		errs = append(errs, validate.OneOf(field.NewPath("addressType"), s.AddressType, addressTypes)...)
	}
	errs = append(errs, validatePorts(s.Ports, field.NewPath("ports"))...)
	// Endpoints that were stored before the rules became stricter may stay.
	if old == nil || !reflect.DeepEqual(s.Endpoints, old.Endpoints) {
		errs = append(errs, validateEndpoints(s.Endpoints, s.AddressType, field.NewPath("endpoints"))...)
	}
	return errs
}

func validateSliceUpdate(_ context.Context, s, old *discoveryv1.EndpointSlice) field.ErrorList {
	return append(validateSlice(s, old), apivalidation.ValidateImmutableField(s.AddressType, old.AddressType, field.NewPath("addressType"))...)
}

func validatePorts(ports []discoveryv1.EndpointPort, path *field.Path) field.ErrorList {
	if len(ports) > maxPorts {
		return field.ErrorList{field.TooMany(path, len(ports), maxPorts)}
	}
	var errs field.ErrorList
	names := map[string]bool{}
	for i, port := range ports {
		p := path.Index(i)
		name := ""
		if port.Name != nil {
			name = *port.Name
		}
		if name != "" {
			errs = append(errs, validate.DNSLabel(name, p.Child("name"))...)
		}
		if names[name] {
			errs = append(errs, field.Duplicate(p.Child("name"), name))
		}
		names[name] = true
		if port.Protocol == nil {
			errs = append(errs, field.Required(p.Child("protocol"), ""))
		} else {
			errs = append(errs, validate.OneOf(p.Child("protocol"), *port.Protocol, validate.Protocols)...)
		}
		if port.AppProtocol != nil {
			errs = append(errs, validate.QualifiedName(*port.AppProtocol, p.Child("appProtocol"))...)
		}
	}
	return errs
}

func validateEndpoints(endpoints []discoveryv1.Endpoint, t discoveryv1.AddressType, path *field.Path) field.ErrorList {
	if len(endpoints) > maxEndpoints {
		return field.ErrorList{field.TooMany(path, len(endpoints), maxEndpoints)}
	}
	var errs field.ErrorList
	for i := range endpoints {
		e, p := &endpoints[i], path.Index(i)
		addresses := p.Child("addresses")
		if len(e.Addresses) == 0 {
			errs = append(errs, field.Required(addresses, "must contain at least 1 address"))
		} else if len(e.Addresses) > maxAddresses {
			errs = append(errs, field.TooMany(addresses, len(e.Addresses), maxAddresses))
		}
		for j, a := range e.Addresses {
			errs = append(errs, validateAddress(a, t, addresses, j)...)
		}
		if e.NodeName != nil {
			errs = append(errs, validate.Messages(p.Child("nodeName"), *e.NodeName, apivalidation.NameIsDNSSubdomain(*e.NodeName, false))...)
		}
		topology := p.Child("deprecatedTopology")
		if len(e.DeprecatedTopology) > maxTopologyLabels {
			errs = append(errs, field.TooMany(topology, len(e.DeprecatedTopology), maxTopologyLabels))
		}
		errs = append(errs, metav1validation.ValidateLabels(e.DeprecatedTopology, topology)...)
		if e.Hostname != nil {
			errs = append(errs, validate.DNSLabel(*e.Hostname, p.Child("hostname"))...)
		}
		if e.Hints != nil {
			errs = append(errs, validateHints(e.Hints, p.Child("hints"))...)
		}
	}
	return errs
}

// validateAddress reports an address of the wrong family at the list and
// everything else at the address, as Kubernetes does.
func validateAddress(a string, t discoveryv1.AddressType, list *field.Path, i int) field.ErrorList {
	path := list.Index(i)
	switch t {
	case discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6:
		six := t == discoveryv1.AddressTypeIPv6
		errs := validate.IP(path, a)
		if len(errs) > 0 {
			return errs
		}
		if netutils.IsIPv6String(a) != six {
			errs = append(errs, field.Invalid(list, a, fmt.Sprintf("must be an %s address", t)))
		}
		return append(errs, validate.NonSpecialIP(a, path)...)
	case discoveryv1.AddressTypeFQDN:
		return validation.IsFullyQualifiedDomainName(path, a)
	}
	return nil
}

func validateHints(h *discoveryv1.EndpointHints, path *field.Path) field.ErrorList {
	zones, nodes := path.Child("forZones"), path.Child("forNodes")
	if len(h.ForZones) > maxHints {
		return field.ErrorList{field.TooMany(zones, len(h.ForZones), maxHints)}
	}
	var errs field.ErrorList
	seen := map[string]bool{}
	for i, z := range h.ForZones {
		p := zones.Index(i).Child("name")
		if seen[z.Name] {
			errs = append(errs, field.Duplicate(p, z.Name))
		}
		seen[z.Name] = true
		errs = append(errs, validate.Messages(p, z.Name, validation.IsValidLabelValue(z.Name))...)
	}
	if len(h.ForNodes) > maxHints {
		return append(errs, field.TooMany(nodes, len(h.ForNodes), maxHints))
	}
	seen = map[string]bool{}
	for i, n := range h.ForNodes {
		p := nodes.Index(i).Child("name")
		if seen[n.Name] {
			errs = append(errs, field.Duplicate(p, n.Name))
		}
		seen[n.Name] = true
		errs = append(errs, validate.Messages(p, n.Name, apivalidation.NameIsDNSSubdomain(n.Name, false))...)
	}
	return errs
}
