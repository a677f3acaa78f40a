package core

import (
	"pilothouse/backend/registry"

	policyv1 "k8s.io/api/policy/v1"
)

// podSubresources are what lives below a pod's path. Those that stream get
// their Connect from the package that knows how to reach a node.
func podSubresources(env *registry.Env) []registry.Subresource {
	view := []string{"get", "patch", "update"}
	stream := []string{"create", "get"}
	return []registry.Subresource{
		{Name: "attach", Verbs: stream, Kind: "PodAttachOptions"},
		{Name: "binding", Verbs: []string{"create"}, Kind: "Binding"},
		{Name: "ephemeralcontainers", Verbs: view, Strategy: &registry.Strategy{}},
		{Name: "eviction", Verbs: []string{"create"}, Kind: "Eviction", GroupVersion: policyv1.SchemeGroupVersion},
		{Name: "exec", Verbs: stream, Kind: "PodExecOptions"},
		{Name: "log", Verbs: []string{"get"}},
		{Name: "portforward", Verbs: stream, Kind: "PodPortForwardOptions"},
		{Name: "proxy", Verbs: []string{"create", "delete", "get", "patch", "update"}, Kind: "PodProxyOptions"},
		{Name: "resize", Verbs: view, Strategy: &registry.Strategy{}},
		{Name: "status", Verbs: view, Strategy: &registry.Strategy{}},
	}
}
