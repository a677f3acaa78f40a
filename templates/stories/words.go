package stories

import (
	"fmt"
	"strings"
)

// pools are texts for fields whose names end so, as a cluster has them; each is
// taken in its turn.
var pools = []struct {
	ends  []string
	texts []string
}{
	{[]string{"namespace", "namespaces", "narrowed", "where", "place"}, []string{"shop", "payments", "platform", "team-red"}},
	{[]string{"user", "who", "as", "by", "subject", "owner", "manager", "from", "to"}, []string{"dora@example.com", "system:serviceaccount:shop:deployer", "kube-controller-manager", "ann@example.com"}},
	{[]string{"verb", "verbs", "action"}, []string{"get", "list", "watch", "create", "update", "patch", "delete"}},
	{[]string{"resource", "resources", "type", "types"}, []string{"pods", "deployments.apps", "services", "configmaps", "jobs.batch"}},
	{[]string{"kind"}, []string{"Pod", "Deployment", "Service", "ConfigMap", "Job", "Database"}},
	{[]string{"group", "groups"}, []string{"apps", "batch", "networking.k8s.io", "example.com"}},
	{[]string{"container", "containers"}, []string{"main", "proxy", "prepare"}},
	{[]string{"image"}, []string{"registry.example/shop/cart:1.4.3", "registry.example/mesh/proxy:2.4"}},
	{[]string{"node"}, []string{"node-04", "node-11", "node-17"}},
	{[]string{"role", "binding"}, []string{"deployer", "view", "cluster-admin"}},
	{[]string{"reason"}, []string{"BackOff", "FailedScheduling", "Unhealthy", "Scheduled", "Pulled"}},
	{[]string{"state", "status", "phase", "stage"}, []string{"Running", "Pending", "CrashLoopBackOff", "Completed"}},
	{[]string{"took", "age", "ago", "duration"}, []string{"3m12s", "41h", "12d", "870ms"}},
	{[]string{"field", "column"}, []string{"spec.replicas", "spec.template.spec.containers", "status.phase", "metadata.labels"}},
	{[]string{"value", "now", "after", "new"}, []string{"3", "registry.example/shop/cart:1.4.3", "true", "250m"}},
	{[]string{"before", "was", "old"}, []string{"2", "registry.example/shop/cart:1.4.2", "false", "100m"}},
	{[]string{"label", "selector"}, []string{"app=cart", "tier=web", "team=shop"}},
	{[]string{"code"}, []string{"200", "201", "404", "409"}},
	{[]string{"remote", "ip", "address", "origin"}, []string{"10.0.4.17", "192.168.0.12"}},
	{[]string{"title"}, titles},
	{[]string{"text"}, []string{"api-gateway", "billing", "checkout", "ledger", "payments"}},
	{[]string{"cells", "parts"}, []string{"api-gateway", "2/2", "Running", "0", "41h"}},
	{[]string{"yaml", "body"}, []string{"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: api-gateway-config\n  namespace: shop\ndata:\n  LOG_LEVEL: info\n"}},
	{[]string{"message", "problem", "fault"}, []string{
		`pods "api-gateway-6c9f8d-x2b7q" is forbidden: User "dora@example.com" cannot delete resource "pods" in API group "" in the namespace "shop"`,
		"0/12 nodes are available: 3 node(s) had untolerated taint {dedicated: db}, 9 Insufficient memory.",
		`Operation cannot be fulfilled on deployments.apps "checkout": the object has been modified; please apply your changes to the latest version and try again`,
		"Readiness probe failed: HTTP probe failed with statuscode: 503",
	}},
	{[]string{"warning", "warnings", "note", "notes"}, []string{
		`unknown field "spec.template.spec.containers[0].imagePullPolcy"`, "batch/v1beta1 CronJob is deprecated in v1.21+, unavailable in v1.25+", "back-off 5m0s restarting failed container=main",
	}},
	{[]string{"description", "meaning", "info", "explain", "why"}, []string{
		"Number of desired pods. This is a pointer to distinguish between explicit zero and not specified. Defaults to 1.", "The reason for the condition's last transition.", "Restart policy for all containers within the pod.",
	}},
}

var titles = []string{"Containers", "Conditions", "Volumes", "Recent warnings", "Endpoints", "Rules", "Owners", "Quota", "Usage", "Ports", "Templates", "Subjects"}

// workloads are what names begin with.
var workloads = []string{"api-gateway", "billing", "cart", "catalog", "checkout", "frontend", "inventory", "ledger"}

// called is a text as it would be in a field; n is another one each time.
func called(field string, n int) string {
	for _, p := range pools {
		for _, end := range p.ends {
			if strings.HasSuffix(field, end) {
				return p.texts[n%len(p.texts)]
			}
		}
	}
	return name(n)
}

// name is the name of a pod, never the same twice.
func name(n int) string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	var suffix []byte
	for i, k := 0, n*7919+1234567; i < 5; i, k = i+1, k/len(letters) {
		suffix = append(suffix, letters[k%len(letters)])
	}
	return fmt.Sprintf("%s-6c9f8d-%s", workloads[n%len(workloads)], suffix)
}
