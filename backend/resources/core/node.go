package core

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func nodeResource(env *registry.Env) registry.Resource {
	status := registry.For[*corev1.Node]{
		PrepareForUpdate: func(_ context.Context, n, old *corev1.Node) {
			n.Spec = old.Spec
			n.Status.Config = nil
		},
		ValidateUpdate: func(_ context.Context, n, old *corev1.Node) field.ErrorList { return validateNodeChange(n, old) },
		ResetFields:    map[string][]string{"v1": {"spec"}},
	}.Strategy()
	info := corev1.NodeSystemInfo{}.SwaggerDoc()
	addresses := corev1.NodeStatus{}.SwaggerDoc()["addresses"]
	return registry.Resource{
		Name:       "nodes",
		Singular:   "node",
		Kind:       "Node",
		ShortNames: []string{"no"},
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &corev1.Node{} },
			Default: registry.Typed(defaultNode),
		}},
		Strategy: registry.For[*corev1.Node]{
			ValidatesMetaOnUpdate: 1,
			// Configuration through the API is gone: nothing keeps its fields.
			PrepareForCreate: func(_ context.Context, n *corev1.Node) { n.Spec.ConfigSource, n.Status.Config = nil, nil },
			PrepareForUpdate: func(_ context.Context, n, old *corev1.Node) {
				n.Status = old.Status
				n.Spec.ConfigSource = nil
			},
			Validate: func(_ context.Context, n *corev1.Node) field.ErrorList { return validateNode(n, nil) },
			ValidateUpdate: func(_ context.Context, n, old *corev1.Node) field.ErrorList {
				return append(validateNode(n, old), validateNodeChange(n, old)...)
			},
			WarningsOnCreate: func(_ context.Context, n *corev1.Node) []string { return nodeWarnings(n) },
			WarningsOnUpdate: func(_ context.Context, n, _ *corev1.Node) []string { return nodeWarnings(n) },
			ResetFields:      map[string][]string{"v1": {"status"}},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Status", "The status of the node"),
			printers.Column("Roles", "The roles of the node"),
			printers.Age,
			printers.Column("Version", info["kubeletVersion"]),
			printers.Wide("Internal-IP", addresses),
			printers.Wide("External-IP", addresses),
			printers.Wide("OS-Image", info["osImage"]),
			printers.Wide("Kernel-Version", info["kernelVersion"]),
			printers.Wide("Container-Runtime", info["containerRuntimeVersion"]),
		},
		Cells: registry.Row(nodeCells),
		Fields: []registry.Field{
			registry.FieldOf("spec.unschedulable", func(n *corev1.Node) string { return strconv.FormatBool(n.Spec.Unschedulable) }),
		},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
			connecting(env, registry.Subresource{Name: "proxy", Verbs: proxyVerbs, Kind: "NodeProxyOptions"}, proxyMethods,
				newObject[corev1.NodeProxyOptions](), func(s *registry.Streams) registry.Connect { return s.NodeProxy }),
		},
	}
}

func defaultNode(n *corev1.Node) {
	spec := &n.Spec
	// podCIDR is the older form of the first of podCIDRs and wins.
	if spec.PodCIDR != "" && (len(spec.PodCIDRs) == 0 || spec.PodCIDRs[0] != spec.PodCIDR) {
		spec.PodCIDRs = []string{spec.PodCIDR}
	}
	if len(spec.PodCIDRs) > 0 {
		spec.PodCIDR = spec.PodCIDRs[0]
	}
	if len(n.Status.Allocatable) == 0 && n.Status.Capacity != nil {
		n.Status.Allocatable = n.Status.Capacity.DeepCopy()
	}
	roundResources(n.Status.Capacity)
	roundResources(n.Status.Allocatable)
}

func nodeWarnings(n *corev1.Node) []string {
	var out []string
	if n.Spec.DoNotUseExternalID != "" {
		out = append(out, "spec.externalID: this field is deprecated, and is unused by Kubernetes")
	}
	for i, cidr := range n.Spec.PodCIDRs {
		out = append(out, validation.GetWarningsForCIDR(specPath.Child("podCIDRs").Index(i), cidr)...)
	}
	return out
}

func nodeCells(n *corev1.Node, now registry.Clock) []any {
	info := n.Status.NodeInfo
	return []any{
		n.Name,
		nodeStatus(n),
		joinedOr(nodeRoles(n), "<none>"),
		printers.Since(n.CreationTimestamp, now),
		info.KubeletVersion,
		nodeAddress(n, corev1.NodeInternalIP),
		nodeAddress(n, corev1.NodeExternalIP),
		orUnknown(info.OSImage),
		orUnknown(info.KernelVersion),
		orUnknown(info.ContainerRuntimeVersion),
	}
}

func nodeStatus(n *corev1.Node) string {
	status := "Unknown"
	for _, c := range n.Status.Conditions {
		if c.Type != corev1.NodeReady {
			continue
		}
		if c.Status == corev1.ConditionTrue {
			status = "Ready"
		} else {
			status = "NotReady"
		}
	}
	if n.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	return status
}

const nodeRolePrefix = "node-role.kubernetes.io/"

func nodeRoles(n *corev1.Node) []string {
	var out []string
	for k, v := range n.Labels {
		if role, ok := strings.CutPrefix(k, nodeRolePrefix); ok && role != "" {
			out = append(out, role)
		} else if k == "kubernetes.io/role" && v != "" {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func nodeAddress(n *corev1.Node, t corev1.NodeAddressType) string {
	for _, a := range n.Status.Addresses {
		if a.Type == t {
			return a.Address
		}
	}
	return "<none>"
}

func orUnknown(s string) string {
	if s == "" {
		return "<unknown>"
	}
	return s
}
