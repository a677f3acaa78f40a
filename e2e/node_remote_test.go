package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestANodeOnAnotherMachine starts a node as a program of its own, with an
// administrator's kubeconfig: it gets itself a certificate.
func TestANodeOnAnotherMachine(t *testing.T) {
	p := start(t, t.TempDir())
	dir := filepath.Join(t.TempDir(), "node")
	said := &heard{}
	cmd := exec.Command(binary, "node", "--kubeconfig="+p.kubeconfig, "--node=sim", "--node-name=far", "--data-dir="+dir, "--port=0")
	cmd.Stdout, cmd.Stderr = &said.process, &said.process
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	said.awaits(t, "Node far is at work")
	c := client(t, p)
	node := nodeOf(t, c)
	if node.Name != "far" || node.Annotations["node.pilothouse.dev/backend-chosen-because"] != "--node=sim" {
		t.Errorf("the node is %s %v", node.Name, node.Annotations)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	if _, err := c.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	podIs(t, c, "p", "ready", ready)
	k := newKubectl(t, p).as("--namespace=default")
	k.run("logs p", "nothing runs on this node")
	k.fails(1, "exec p -- ls", "nothing runs on this node")
	k.run("get csr -o jsonpath={.items[0].spec.username}", "kubernetes-admin")
	k.run("get pod p -o jsonpath={.metadata.managedFields[*].manager} --show-managed-fields", "kubelet")
	k.run("delete pod p --timeout=150s", "deleted")
}
