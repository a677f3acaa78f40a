package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestRealMetricsServer runs metrics-server behind an APIService, reading the
// kubelet API of a node that checks who asks.
func TestRealMetricsServer(t *testing.T) {
	program := realProgram(t, "metrics-server/metrics-server")
	manifests := realModule(t, "metrics-server", "sigs.k8s.io/metrics-server") + "/manifests/base/"
	k := newKubectl(t, start(t, t.TempDir(), "--node=sim", "--node-ip=127.0.0.1", "--node-name=worker"))

	// Its authors' roles, and a Service that leads to it. Its certificate is its own.
	port := freePort(t)
	k.run("apply -f "+manifests+"rbac.yaml", "clusterrole.rbac.authorization.k8s.io/system:metrics-server created")
	k.runWith("apiVersion: v1\nkind: Service\nmetadata: {name: metrics-server, namespace: kube-system}\nspec: {type: ExternalName, externalName: localhost}\n", "apply -f -", "created")
	k.run("apply -f "+manifests+"apiservice.yaml", "created")
	k.run(`patch apiservice v1beta1.metrics.k8s.io --type=merge -p '{"spec":{"service":{"port":`+port+`}}}'`, "patched")
	k.run("get apiservice v1beta1.metrics.k8s.io", "kube-system/metrics-server False")

	kubeconfig := asAccount(t, k, "kube-system", "metrics-server")
	server := startReal(t, program, nil, "--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--cert-dir="+t.TempDir(), "--bind-address=127.0.0.1", "--secure-port="+port, "--metric-resolution=10s", "--kubelet-request-timeout=5s", "--v=2",
		"--kubelet-preferred-address-types=InternalIP", "--kubelet-use-node-status-port", "--kubelet-certificate-authority="+filepath.Join(k.p.dir, "data/pki/ca.crt"))
	server.awaits(t, "an APIService that is available", func() bool {
		out, _, _ := k.try("", "get", "apiservice", "v1beta1.metrics.k8s.io")
		return strings.Contains(out, "True")
	})

	k = k.as("--namespace=default")
	k.runWith(`
apiVersion: v1
kind: Pod
metadata: {name: box, labels: {app: box}, annotations: {sim.pilothouse.dev/cpu: 250m, sim.pilothouse.dev/memory: 96Mi}}
spec: {containers: [{name: c, image: box:1}, {name: d, image: box:1}]}
`, "apply -f -", "created")
	server.awaits(t, "the pod's figures", func() bool {
		out, _, code := k.try("", "top", "pods", "--containers", "-l", "app=box")
		return code == 0 && len(strings.Split(strings.TrimSpace(out), "\n")) == 3
	})
	k.run("top pods", "NAME CPU(cores) MEMORY(bytes)", "192Mi")
	k.run("top pods --containers", "box c", "box d", "96Mi")
	k.run("top nodes", "NAME CPU(cores) CPU(%) MEMORY(bytes) MEMORY(%)", "worker", "256Mi")
	k.run("get --raw /apis/metrics.k8s.io/v1beta1/namespaces/default/pods/box", `"kind":"PodMetrics"`, `"memory":"96Mi"`)
	k.run("get podmetrics", "box")

	// Who may not read nodes may not by the other server either.
	k.run("create sa reader", "created")
	k.run("create clusterrolebinding reader --clusterrole=view --serviceaccount=default:reader", "created")
	k.as("--namespace=default", "--as=system:serviceaccount:default:reader").run("top pods", "box")
	k.run("create sa stranger", "created")
	k.as("--namespace=default", "--as=system:serviceaccount:default:stranger").fails(1, "top pods", "pods.metrics.k8s.io is forbidden")

	k.run("delete pod box --now", "deleted")
	server.awaits(t, "a pod that is gone", func() bool {
		out, _, code := k.try("", "top", "pods")
		return code == 0 && !strings.Contains(out, "box")
	})
	server.alive(t)
}
