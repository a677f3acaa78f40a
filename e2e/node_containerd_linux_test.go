package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

const containerdConfig = `version = 2
root = "DIR/root"
state = "DIR/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "DIR/c.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "DIR/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "IMAGE"
  disable_apparmor = true
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "DIR/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`

const podNetwork = `{"cniVersion":"0.4.0","name":"pilothouse-e2e","plugins":[{"type":"bridge","bridge":"phcni0","isGateway":true,"hairpinMode":true,
 "ipam":{"type":"host-local","dataDir":"DIR/ipam","ranges":[[{"subnet":"10.246.77.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}}]}`

// containerd starts Debian's containerd in a folder of its own, and gives its
// socket. The test is skipped where it is not installed.
func containerd(t *testing.T, image string) string {
	t.Helper()
	for _, program := range []string{"containerd", "runc", "/usr/lib/cni/bridge"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%v: apt-get install containerd runc containernetworking-plugins", err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("containerd needs root")
	}
	dir, err := os.MkdirTemp("", "ctd") // a short path: sockets' names have 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "cni"), 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{"config.toml": strings.ReplaceAll(containerdConfig, "IMAGE", image), "cni/10-pods.conflist": podNetwork} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(strings.ReplaceAll(content, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said := &heard{}
	cmd := exec.Command("containerd", "--config", filepath.Join(dir, "config.toml"))
	cmd.Stdout, cmd.Stderr = &said.process, &said.process
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
		exec.Command("ip", "link", "delete", "phcni0").Run()
	})
	said.awaits(t, "containerd successfully booted")
	return "unix://" + filepath.Join(dir, "c.sock")
}

// TestContainersOfContainerd is the builtin node's test with another runtime, as
// far as it is about the agent.
func TestContainersOfContainerd(t *testing.T) {
	image := registryWith(t, "box:1")
	p := start(t, t.TempDir(), "--node=cri", "--container-runtime-endpoint="+containerd(t, image))
	c := client(t, p)
	node := nodeOf(t, c)
	if v := node.Status.NodeInfo.ContainerRuntimeVersion; !strings.HasPrefix(v, "containerd://") {
		t.Errorf("the runtime is %s", v)
	}
	k := newKubectl(t, p).as("--namespace=default")
	k.runWith(fill(t, "testdata/pods.yaml", image), "apply -f -")
	pod := podIs(t, c, "full", "running", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	k.run("exec full -c web -- cat /data/init /data/hook /conf/b /all/key /all/labels /etc/hosts", `doneran`, `two`, `hidden`, `app="full"`, pod.Status.PodIP+" full")
	k.run("exec full -c web -- touch /tmp/well")
	podIs(t, c, "full", "ready", ready)
	t.Run("logs", func(t *testing.T) { logs(t, newKubectlFor(t, k), c) })
	t.Run("exec with a terminal", func(t *testing.T) { execTerminal(t, newKubectlFor(t, k)) })
	t.Run("attach", func(t *testing.T) { attach(t, newKubectlFor(t, k), c) })
	t.Run("port-forward", func(t *testing.T) { portForward(t, newKubectlFor(t, k)) })
	t.Run("cp", func(t *testing.T) { copyFiles(t, newKubectlFor(t, k)) })
	t.Run("debug", func(t *testing.T) { debug(t, newKubectlFor(t, k), image) })
	t.Run("how pods end", func(t *testing.T) { ends(t, c) })
	t.Run("deletion", func(t *testing.T) { deletion(t, c) })
}
