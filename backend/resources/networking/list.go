// Package networking owns the kinds of networking.k8s.io: Ingress, IngressClass,
// NetworkPolicy, IPAddress and ServiceCIDR, one file each. Read list.go first.
package networking

import "pilothouse/backend/registry"

// Resources gives the kinds of this package.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		ingressClassResource(env),
		ingressResource(env),
		ipAddressResource(env),
		networkPolicyResource(env),
		serviceCIDRResource(env),
	}
}

// viewVerbs are the verbs of a subresource that is a view of the object.
var viewVerbs = []string{"get", "patch", "update"}
