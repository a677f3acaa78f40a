package core

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func endpointsResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "endpoints",
		Singular:   "endpoints",
		Kind:       "Endpoints",
		ShortNames: []string{"ep"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name:       "v1",
			New:        func() scheme.Object { return &corev1.Endpoints{} },
			Default:    registry.Typed(defaultEndpoints),
			Deprecated: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
		}},
		ListKind: "EndpointsList",
		Strategy: registry.For[*corev1.Endpoints]{
			ValidatesMetaOnUpdate: 1,
			Validate:              func(_ context.Context, e *corev1.Endpoints) field.ErrorList { return validateSubsets(e.Subsets) },
			ValidateUpdate: func(_ context.Context, e, old *corev1.Endpoints) field.ErrorList {
				if apiequality.Semantic.DeepEqual(e.Subsets, old.Subsets) {
					return nil
				}
				return validateSubsets(e.Subsets)
			},
			WarningsOnCreate:    func(_ context.Context, e *corev1.Endpoints) []string { return endpointsWarnings(e) },
			WarningsOnUpdate:    func(_ context.Context, e, _ *corev1.Endpoints) []string { return endpointsWarnings(e) },
			AllowCreateOnUpdate: true,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Endpoints", corev1.Endpoints{}.SwaggerDoc()["subsets"]),
			printers.Age,
		},
		Cells: registry.Row(func(e *corev1.Endpoints, now registry.Clock) []any {
			return []any{e.Name, formatSubsets(e.Subsets), printers.Since(e.CreationTimestamp, now)}
		}),
	}
}

func defaultEndpoints(e *corev1.Endpoints) {
	for i := range e.Subsets {
		for j := range e.Subsets[i].Ports {
			setDefault(&e.Subsets[i].Ports[j].Protocol, corev1.ProtocolTCP)
		}
	}
}

func validateSubsets(subsets []corev1.EndpointSubset) field.ErrorList {
	var errs field.ErrorList
	for i := range subsets {
		s, path := &subsets[i], field.NewPath("subsets").Index(i)
		if len(s.Addresses) == 0 && len(s.NotReadyAddresses) == 0 {
			errs = append(errs, field.Required(path, "must specify `addresses` or `notReadyAddresses`"))
		}
		for j := range s.Addresses {
			errs = append(errs, validateEndpointAddress(&s.Addresses[j], path.Child("addresses").Index(j))...)
		}
		for j := range s.NotReadyAddresses {
			errs = append(errs, validateEndpointAddress(&s.NotReadyAddresses[j], path.Child("notReadyAddresses").Index(j))...)
		}
		for j := range s.Ports {
			errs = append(errs, validateEndpointPort(&s.Ports[j], len(s.Ports) > 1, path.Child("ports").Index(j))...)
		}
	}
	return errs
}

func validateEndpointAddress(a *corev1.EndpointAddress, path *field.Path) field.ErrorList {
	errs := validate.IP(path.Child("ip"), a.IP)
	if a.Hostname != "" {
		errs = append(errs, validate.DNSLabel(a.Hostname, path.Child("hostname"))...)
	}
	if a.NodeName != nil {
		errs = append(errs, validate.Messages(path.Child("nodeName"), *a.NodeName, apivalidation.NameIsDNSSubdomain(*a.NodeName, false))...)
	}
	return append(errs, validate.NonSpecialIP(a.IP, path.Child("ip"))...)
}

func validateEndpointPort(p *corev1.EndpointPort, needsName bool, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if p.Name != "" {
		errs = append(errs, validate.DNSLabel(p.Name, path.Child("name"))...)
	} else if needsName {
		errs = append(errs, field.Required(path.Child("name"), ""))
	}
	errs = append(errs, validate.PortNumber(p.Port, path.Child("port"))...)
	errs = append(errs, validate.Protocol(p.Protocol, path.Child("protocol"))...)
	if p.AppProtocol != nil {
		errs = append(errs, validate.QualifiedName(*p.AppProtocol, path.Child("appProtocol"))...)
	}
	return errs
}

func endpointsWarnings(e *corev1.Endpoints) []string {
	// Kubernetes' controller writes canonical addresses; it writes often.
	if e.Labels["endpoints.kubernetes.io/managed-by"] == "endpoint-controller" {
		return nil
	}
	var out []string
	for i, s := range e.Subsets {
		path := field.NewPath("subsets").Index(i)
		for j, a := range s.Addresses {
			out = append(out, validation.GetWarningsForIP(path.Child("addresses").Index(j).Child("ip"), a.IP)...)
		}
		for j, a := range s.NotReadyAddresses {
			out = append(out, validation.GetWarningsForIP(path.Child("notReadyAddresses").Index(j).Child("ip"), a.IP)...)
		}
	}
	return out
}

// shownEndpoints is how many addresses the column Endpoints shows.
const shownEndpoints = 3

func formatSubsets(subsets []corev1.EndpointSubset) string {
	if len(subsets) == 0 {
		return "<none>"
	}
	var shown []string
	count := 0
	add := func(text string) {
		if count++; count <= shownEndpoints {
			shown = append(shown, text)
		}
	}
	for _, s := range subsets {
		if len(s.Ports) == 0 {
			for _, a := range s.Addresses {
				add(a.IP)
			}
		}
		for _, p := range s.Ports {
			for _, a := range s.Addresses {
				add(net.JoinHostPort(a.IP, strconv.Itoa(int(p.Port))))
			}
		}
	}
	text := strings.Join(shown, ",")
	if count > shownEndpoints {
		return fmt.Sprintf("%s + %d more...", text, count-shownEndpoints)
	}
	return text
}
