// Package node authorizes kubelets: a node reads its own objects and what the
// pods bound to it refer to, and nothing else ("using Node authorization" in the
// Kubernetes documentation). Admission limits what it writes. Read node.go first,
// then graph.go.
package node

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/authz"
	"pilothouse/backend/authz/rbac"
	"pilothouse/backend/authz/rbac/bootstrap"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	rbacv1 "k8s.io/api/rbac/v1"
)

const (
	group      = "system:nodes"
	userPrefix = "system:node:"
	// leaseNamespace is where the leases are by which nodes show that they live.
	leaseNamespace = "kube-node-lease"
)

// Authorizer is the Node mode.
type Authorizer struct {
	graph *graph
	rules []rbacv1.PolicyRule
}

// New gives an Authorizer over the objects of a registry.
func New(r *registry.Registry) (*Authorizer, error) {
	policy, err := bootstrap.Default()
	if err != nil {
		return nil, err
	}
	a := &Authorizer{graph: newGraph(r)}
	for i := range policy.ClusterRoles {
		if policy.ClusterRoles[i].Name == "system:node" {
			a.rules = policy.ClusterRoles[i].Rules
		}
	}
	return a, nil
}

// Name gives the node that a user is; ok is false for anyone else.
func Name(u *request.User) (name string, ok bool) {
	if u == nil || !u.InGroup(group) {
		return "", false
	}
	return strings.CutPrefix(u.Name, userPrefix)
}

// Authorize decides about requests of nodes and has no opinion on others.
func (a *Authorizer) Authorize(_ context.Context, at *authz.Attributes) (authz.Decision, string, error) {
	node, ok := Name(at.User)
	switch {
	case !ok:
		return authz.NoOpinion, "", nil
	case node == "":
		return authz.NoOpinion, fmt.Sprintf("unknown node for user %q", at.User.Name), nil
	}
	if at.IsResource {
		if check := special[resourceKey{at.Group, at.Resource}]; check != nil {
			reason := check(a, node, at)
			if reason == "" {
				return authz.Allow, "", nil
			}
			return authz.NoOpinion, reason, nil
		}
	}
	if rbac.Allows(a.rules, at) {
		return authz.Allow, "", nil
	}
	return authz.NoOpinion, "", nil
}

type resourceKey struct{ group, resource string }

// special are the resources that rules alone do not decide; each func gives the
// reason of a refusal, empty when it allows.
var special = map[resourceKey]func(a *Authorizer, node string, at *authz.Attributes) string{
	{"", "secrets"}:                         (*Authorizer).readNamespaced,
	{"", "configmaps"}:                      (*Authorizer).readNamespaced,
	{"", "persistentvolumeclaims"}:          (*Authorizer).claim,
	{"", "persistentvolumes"}:               (*Authorizer).getOne,
	{"resource.k8s.io", "resourceclaims"}:   (*Authorizer).getOne,
	{"storage.k8s.io", "volumeattachments"}: (*Authorizer).getOne,
	{"", "serviceaccounts"}:                 (*Authorizer).serviceAccount,
	{"coordination.k8s.io", "leases"}:       (*Authorizer).lease,
	{"storage.k8s.io", "csinodes"}:          (*Authorizer).csiNode,
	{"resource.k8s.io", "resourceslices"}:   (*Authorizer).slice,
	{"", "nodes"}:                           (*Authorizer).node,
	{"", "pods"}:                            (*Authorizer).pod,
}

// related asks the graph.
func (a *Authorizer) related(node string, at *authz.Attributes) string {
	if at.Name == "" {
		return "No Object name found"
	}
	if !a.graph.reaches(node, at.Resource, at.Namespace, at.Name) {
		return fmt.Sprintf("no relationship found between node '%s' and this object", node)
	}
	return ""
}

func (a *Authorizer) readNamespaced(node string, at *authz.Attributes) string {
	switch {
	case !slices.Contains([]string{"get", "list", "watch"}, at.Verb):
		return "can only read resources of this type"
	case at.Subresource != "":
		return "cannot read subresource"
	case at.Namespace == "":
		return "can only read namespaced object of this type"
	}
	return a.related(node, at)
}

func (a *Authorizer) getOne(node string, at *authz.Attributes) string {
	switch {
	case at.Verb != "get":
		return "can only get individual resources of this type"
	case at.Subresource != "":
		return "cannot get subresource"
	}
	return a.related(node, at)
}

func (a *Authorizer) claim(node string, at *authz.Attributes) string {
	if at.Subresource != "status" {
		return a.getOne(node, at)
	}
	if at.Verb != "update" && at.Verb != "patch" {
		return "can only update or patch status of this type"
	}
	return a.related(node, at)
}

func (a *Authorizer) serviceAccount(node string, at *authz.Attributes) string {
	if at.Subresource == "" && at.Verb == "get" {
		return a.related(node, at)
	}
	switch {
	case at.Verb != "create" || at.Name == "":
		return "can only create tokens for individual service accounts"
	case at.Subresource != "token":
		return "can only create token subresource of serviceaccount"
	}
	return a.related(node, at)
}

func ownVerb(verb string) bool {
	return slices.Contains([]string{"get", "create", "update", "patch", "delete"}, verb)
}

func (a *Authorizer) lease(node string, at *authz.Attributes) string {
	switch {
	case !ownVerb(at.Verb):
		return "can only get, create, update, patch, or delete a node lease"
	case at.Namespace != leaseNamespace:
		return fmt.Sprintf("can only access leases in the %q system namespace", leaseNamespace)
	case at.Verb != "create" && at.Name != node: // admission looks at what is created
		return "can only access node lease with the same name as the requesting node"
	}
	return ""
}

func (a *Authorizer) csiNode(node string, at *authz.Attributes) string {
	switch {
	case !ownVerb(at.Verb):
		return "can only get, create, update, patch, or delete a CSINode"
	case at.Subresource != "":
		return "cannot authorize CSINode subresources"
	case at.Verb != "create" && at.Name != node:
		return "can only access CSINode with the same name as the requesting node"
	}
	return ""
}

func (a *Authorizer) slice(node string, at *authz.Attributes) string {
	if at.Subresource != "" {
		return "cannot authorize ResourceSlice subresources"
	}
	switch at.Verb {
	case "create":
		return ""
	case "get", "update", "patch", "delete":
		return a.related(node, at)
	case "watch", "list", "deletecollection":
		if selects(at, node) {
			return ""
		}
		return "can only list/watch/deletecollection resourceslices with spec.nodeName field selector"
	}
	return "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection"
}

func (a *Authorizer) node(node string, at *authz.Attributes) string {
	switch {
	case at.Subresource == "status" && (at.Verb == "update" || at.Verb == "patch"):
		return ""
	case at.Subresource != "":
		return "cannot authorize this subresource of nodes"
	}
	switch at.Verb {
	case "create", "update", "patch":
		return ""
	case "get", "list", "watch":
		switch at.Name {
		case node:
			return ""
		case "":
			return fmt.Sprintf("node '%s' cannot read all nodes, only its own Node object", node)
		}
		return fmt.Sprintf("node '%s' cannot read '%s', only its own Node object", node, at.Name)
	}
	return "can only read, create, update or patch nodes"
}

func (a *Authorizer) pod(node string, at *authz.Attributes) string {
	switch at.Subresource {
	case "status":
		if at.Verb == "update" || at.Verb == "patch" {
			return ""
		}
	case "eviction":
		if at.Verb == "create" {
			return ""
		}
	case "":
		switch at.Verb {
		case "create", "delete":
			return ""
		case "get":
			return a.related(node, at)
		case "list", "watch":
			switch {
			case selects(at, node):
				return ""
			case at.Name != "":
				return a.related(node, at)
			}
			return "can only list/watch pods with spec.nodeName field selector"
		}
	}
	return "can only read, create or delete pods, write their status and evict them"
}

// selects tells that a list is about the node's own objects.
func selects(at *authz.Attributes, node string) bool {
	for _, f := range at.Fields {
		if f.Field == "spec.nodeName" && f.Value == node {
			return true
		}
	}
	return false
}
