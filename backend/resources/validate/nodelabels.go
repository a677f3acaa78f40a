package validate

// deprecatedNodeLabels says what took the place of node labels that Kubernetes
// warns about.
var deprecatedNodeLabels = map[string]string{
	"beta.kubernetes.io/arch":                  `deprecated since v1.14; use "kubernetes.io/arch" instead`,
	"beta.kubernetes.io/os":                    `deprecated since v1.14; use "kubernetes.io/os" instead`,
	"failure-domain.beta.kubernetes.io/region": `deprecated since v1.17; use "topology.kubernetes.io/region" instead`,
	"failure-domain.beta.kubernetes.io/zone":   `deprecated since v1.17; use "topology.kubernetes.io/zone" instead`,
	"beta.kubernetes.io/instance-type":         `deprecated since v1.17; use "node.kubernetes.io/instance-type" instead`,
}

// DeprecatedNodeLabel gives the warning about a node label, as upstream words
// it, and whether there is one.
func DeprecatedNodeLabel(key string) (string, bool) {
	message, found := deprecatedNodeLabels[key]
	return message, found
}
