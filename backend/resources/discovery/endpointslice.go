package discovery

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func endpointSliceResource(env *registry.Env) registry.Resource {
	doc := discoveryv1.EndpointSlice{}.SwaggerDoc()
	return registry.Resource{
		Group:      "discovery.k8s.io",
		Name:       "endpointslices",
		Singular:   "endpointslice",
		Kind:       "EndpointSlice",
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &discoveryv1.EndpointSlice{} },
			Default: registry.Typed(defaultSlice),
		}},
		Strategy: registry.For[*discoveryv1.EndpointSlice]{
			ValidatesMetaOnUpdate: 1,
			SkipsMetaChanges:      true,
			PrepareForCreate:      prepareSlice,
			PrepareForUpdate:      prepareSliceUpdate,
			Validate:              func(_ context.Context, s *discoveryv1.EndpointSlice) field.ErrorList { return validateSlice(s, nil) },
			ValidateUpdate:        validateSliceUpdate,
			WarningsOnCreate:      func(_ context.Context, s *discoveryv1.EndpointSlice) []string { return sliceWarnings(s) },
			WarningsOnUpdate:      func(_ context.Context, s, _ *discoveryv1.EndpointSlice) []string { return sliceWarnings(s) },
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("AddressType", doc["addressType"]),
			printers.Column("Ports", doc["ports"]),
			printers.Column("Endpoints", doc["endpoints"]),
			printers.Age,
		},
		Cells: registry.Row(sliceCells),
	}
}

func defaultSlice(s *discoveryv1.EndpointSlice) {
	for i := range s.Ports {
		p := &s.Ports[i]
		if p.Name == nil {
			p.Name = new("")
		}
		if p.Protocol == nil {
			p.Protocol = new(corev1.ProtocolTCP)
		}
	}
}

// prepareSlice starts the generation and drops the field of older versions
// that v1 only reads.
func prepareSlice(_ context.Context, s *discoveryv1.EndpointSlice) {
	s.Generation = 1
	dropTopology(s, nil)
}

// prepareSliceUpdate raises the generation with every change of anything but
// the metadata, and with one of the labels.
func prepareSliceUpdate(_ context.Context, s, old *discoveryv1.EndpointSlice) {
	dropTopology(s, old)
	s.Generation = old.Generation
	same := s.AddressType == old.AddressType &&
		apiequality.Semantic.DeepEqual(s.Endpoints, old.Endpoints) &&
		apiequality.Semantic.DeepEqual(s.Ports, old.Ports) &&
		apiequality.Semantic.DeepEqual(s.Labels, old.Labels)
	if !same {
		s.Generation++
	}
}

// dropTopology takes deprecatedTopology out, which v1 only reads, unless the
// endpoints stay as they were. A node name that it held before moves to its own
// field.
func dropTopology(s, old *discoveryv1.EndpointSlice) {
	known := map[string]bool{}
	if old != nil {
		if apiequality.Semantic.DeepEqual(s.Endpoints, old.Endpoints) {
			return
		}
		for _, e := range old.Endpoints {
			known[e.DeprecatedTopology[corev1.LabelHostname]] = true
		}
	}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		if name := e.DeprecatedTopology[corev1.LabelHostname]; name != "" && e.NodeName == nil && known[name] {
			e.NodeName = &name
		}
		e.DeprecatedTopology = nil
	}
}

func sliceWarnings(s *discoveryv1.EndpointSlice) []string {
	var out []string
	if s.AddressType == discoveryv1.AddressTypeFQDN {
		out = append(out, "spec.addressType: FQDN endpoints are deprecated")
	}
	if s.AddressType == discoveryv1.AddressTypeFQDN || isFromController(s) {
		return out
	}
	for i, e := range s.Endpoints {
		for j, a := range e.Addresses {
			out = append(out, validation.GetWarningsForIP(field.NewPath("endpoints").Index(i).Child("addresses").Index(j), a)...)
		}
	}
	return out
}

// isFromController tells the slices that Kubernetes' controllers write, with
// canonical addresses and often.
func isFromController(s *discoveryv1.EndpointSlice) bool {
	switch s.Labels[discoveryv1.LabelManagedBy] {
	case "endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io":
		return true
	}
	return false
}

func sliceCells(s *discoveryv1.EndpointSlice, now registry.Clock) []any {
	var ports, addresses shortList
	for _, p := range s.Ports {
		if p.Port == nil {
			ports.add("*")
		} else {
			ports.add(strconv.Itoa(int(*p.Port)))
		}
	}
	for _, e := range s.Endpoints {
		for _, a := range e.Addresses {
			addresses.add(a)
		}
	}
	return []any{s.Name, string(s.AddressType), ports.String(), addresses.String(), printers.Since(s.CreationTimestamp, now)}
}

// shortList shows the first three of its texts and how many more there are.
type shortList struct {
	shown []string
	count int
}

func (l *shortList) add(text string) {
	if l.count++; l.count <= 3 {
		l.shown = append(l.shown, text)
	}
}

// String gives the list as a cell shows it.
func (l *shortList) String() string {
	if l.count == 0 {
		return "<unset>"
	}
	text := strings.Join(l.shown, ",")
	if l.count > len(l.shown) {
		text = fmt.Sprintf("%s + %d more...", text, l.count-len(l.shown))
	}
	return text
}
