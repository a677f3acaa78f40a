package rbac

import (
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/resourcetest"

	rbacv1 "k8s.io/api/rbac/v1"
)

func roleKind(t *testing.T) resourcetest.Kind[*rbacv1.Role] {
	return resourcetest.Of[*rbacv1.Role](t, Resources(&registry.Env{}), "roles")
}

func bindingKind(t *testing.T) resourcetest.Kind[*rbacv1.RoleBinding] {
	return resourcetest.Of[*rbacv1.RoleBinding](t, Resources(&registry.Env{}), "rolebindings")
}

func TestRules(t *testing.T) {
	k := roleKind(t)
	k.Create("rules: []")
	k.Create(`rules: [{verbs: [get], apiGroups: [""], resources: [pods], resourceNames: [one]}]`)
	k.Create(`rules: [{}, {verbs: [get], nonResourceURLs: [/healthz]}, {verbs: [get], nonResourceURLs: [/a], resources: [pods]}]`,
		`rules[0].verbs: Required value: verbs must contain at least one value`,
		`rules[0].apiGroups: Required value: resource rules must supply at least one api group`,
		`rules[0].resources: Required value: resource rules must supply at least one resource`,
		`rules[1].nonResourceURLs: Invalid value: ["/healthz"]: namespaced rules cannot apply to non-resource URLs`,
		`rules[2].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs`,
		`rules[2].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs`)
	k.Update(`{}`, `rules: [{verbs: [get], apiGroups: [apps]}]`,
		`rules[0].resources: Required value: resource rules must supply at least one resource`)
}

func TestClusterRoles(t *testing.T) {
	k := resourcetest.Of[*rbacv1.ClusterRole](t, Resources(&registry.Env{}), "clusterroles")
	k.Create(`rules: [{verbs: [get], nonResourceURLs: [/healthz, /livez/*]}]`)
	k.Create(`aggregationRule: {clusterRoleSelectors: [{matchLabels: {a: b}}]}`)
	k.Create(`aggregationRule: {}`,
		`aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil`)
	k.Create(`aggregationRule: {clusterRoleSelectors: [{matchExpressions: [{key: a, operator: Like}]}]}`,
		`aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator`,
		`aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.`)
}

func TestBindings(t *testing.T) {
	k := bindingKind(t)
	k.JSON(k.New(`{roleRef: {kind: Role, name: r}, subjects: [{kind: User, name: u}, {kind: Group, name: g}, {kind: ServiceAccount, name: s}]}`), `
metadata: {}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: u}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: g}
- {kind: ServiceAccount, name: s}`)
	k.Create(`{roleRef: {kind: Role, name: a/b}, subjects: [{kind: Robot}, {kind: User, apiGroup: v1, name: u}, {kind: ServiceAccount, name: S, apiGroup: x}]}`,
		`roleRef.name: Invalid value: "a/b": may not contain '/'`,
		`subjects[0].name: Required value`,
		`subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"`,
		`subjects[1].apiGroup: Unsupported value: "v1": supported values: "rbac.authorization.k8s.io"`,
		`subjects[2].name: Invalid value: "S": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
		`subjects[2].apiGroup: Unsupported value: "x": supported values: ""`)
	k.Create(`{roleRef: {kind: Pod, apiGroup: v1}}`,
		`roleRef.apiGroup: Unsupported value: "v1": supported values: "rbac.authorization.k8s.io"`,
		`roleRef.kind: Unsupported value: "Pod": supported values: "Role", "ClusterRole"`,
		`roleRef.name: Required value`)
	k.Update(`{roleRef: {kind: Role, name: r}}`, `{roleRef: {kind: ClusterRole, name: r}}`,
		`roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"r"}: cannot change roleRef`)
	k.Row(`{metadata: {name: b, creationTimestamp: "2026-01-01T00:00:00Z"}, roleRef: {kind: Role, name: r}, subjects: [{kind: User, name: u}, {kind: User, name: v}, {kind: Group, name: g}, {kind: ServiceAccount, name: s, namespace: ns}]}`,
		`b | Role/r | 120m | u, v | g | ns/s`)
}

func TestClusterBindings(t *testing.T) {
	k := resourcetest.Of[*rbacv1.ClusterRoleBinding](t, Resources(&registry.Env{}), "clusterrolebindings")
	k.Create(`{roleRef: {kind: Role, name: r}, subjects: [{kind: ServiceAccount, name: s}]}`,
		`roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"`,
		`subjects[0].namespace: Required value`)
	k.Row(`{metadata: {name: b}, roleRef: {kind: ClusterRole, name: r}}`, `b | ClusterRole/r | <unknown> |  |  | `)
}
