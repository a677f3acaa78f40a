package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
)

// nodeAddress is the address of the node and of the server in the test's network.
const nodeAddress = "10.99.0.1"

const kubeletConfig = `kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
failCgroupV1: false
cgroupDriver: cgroupfs
containerRuntimeEndpoint: $SOCKET
address: $ADDRESS
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $CA}}
authorization: {mode: Webhook}
rotateCertificates: true
serverTLSBootstrap: true
makeIPTablesUtilChains: false
localStorageCapacityIsolation: false
enforceNodeAllocatable: [pods]
evictionHard: {memory.available: 50Mi}
imageGCHighThresholdPercent: 100
nodeStatusUpdateFrequency: 2s
syncFrequency: 5s
fileCheckFrequency: 5s
podLogsDir: $DIR/logs
volumePluginDir: $DIR/plugins
resolvConf: ""
healthzPort: 0
`

// joining is what kubeadm sets up for nodes that join: a token, and what whoever
// has it may ask for.
const joining = `apiVersion: v1
kind: Secret
metadata: {name: bootstrap-token-abcdef, namespace: kube-system}
type: bootstrap.kubernetes.io/token
stringData:
  token-id: abcdef
  token-secret: "0123456789abcdef"
  usage-bootstrap-authentication: "true"
  usage-bootstrap-signing: "true"
  auth-extra-groups: system:bootstrappers:kubeadm:default-node-token
`

var joiningBindings = []string{
	"create clusterrolebinding kubeadm:kubelet-bootstrap --clusterrole=system:node-bootstrapper --group=system:bootstrappers:kubeadm:default-node-token",
	"create clusterrolebinding kubeadm:node-autoapprove-bootstrap --clusterrole=system:certificates.k8s.io:certificatesigningrequests:nodeclient --group=system:bootstrappers:kubeadm:default-node-token",
	"create clusterrolebinding kubeadm:node-autoapprove-certificate-rotation --clusterrole=system:certificates.k8s.io:certificatesigningrequests:selfnodeclient --group=system:nodes",
}

// TestKubernetesNode joins a real kubelet with containerd below it, and a real
// kube-proxy. All of them, the server too, have a network, mounts and processes
// of their own: nothing of it is left on the machine.
func TestKubernetesNode(t *testing.T) {
	kubernetesProgram(t, "kubelet")
	if os.Getenv(apartVariable) == "" {
		apart(t)
		return
	}
	setUpApart(t)
	image := registryWith(t, "box:1")
	dir := t.TempDir()
	written := newJournal(t)
	p := start(t, dir, append(written.flags(), "--bind-address="+nodeAddress, "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--enable-bootstrap-token-auth",
		"--kubelet-preferred-address-types=InternalIP", "--kubelet-certificate-authority="+filepath.Join(dir, "data", "pki", "ca.crt"))...)
	k, c := newKubectl(t, p), client(t, p)
	k.runWith(joining, "create -f -", "created")
	for _, b := range joiningBindings {
		k.run(b, "created")
	}
	eventually(t, "what kubeadm join looks for", func() bool {
		out, _, _ := k.try("", "get", "cm", "cluster-info", "-n", "kube-public", "-o", "jsonpath={.data}")
		return strings.Contains(out, "jws-kubeconfig-abcdef") && strings.Contains(out, "server: https://"+nodeAddress)
	})
	k = k.as("--namespace=default")

	own := joinKubelet(t, p, containerd(t, image))
	nodeJoins(t, k, c)
	whatANodeMay(t, k, own)

	k.runWith(fill(t, "testdata/pods.yaml", image), "apply -f -")
	podIs(t, c, "full", "running", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	node := k.as("--namespace=default")
	node.p = &process{kubeconfig: own}
	node.run("get secret sec -o name", "secret/sec") // of a pod that is there now
	k.run("get events --field-selector=reason=Started,involvedObject.name=full -o jsonpath={.items[*].source}", "kubelet")
	t.Run("a pod has all that it asks for", func(t *testing.T) { podOfKubelet(t, newKubectlFor(t, k), c) })
	t.Run("logs", func(t *testing.T) { logs(t, newKubectlFor(t, k), c) })
	t.Run("exec with a terminal", func(t *testing.T) { execTerminal(t, newKubectlFor(t, k)) })
	t.Run("attach", func(t *testing.T) { attach(t, newKubectlFor(t, k), c) })
	t.Run("port-forward", func(t *testing.T) { portForward(t, newKubectlFor(t, k)) })
	t.Run("cp", func(t *testing.T) { copyFiles(t, newKubectlFor(t, k)) })
	t.Run("debug", func(t *testing.T) { debug(t, newKubectlFor(t, k), image) })
	t.Run("services", func(t *testing.T) { servicesOfKubeProxy(t, newKubectlFor(t, k), p) })
	t.Run("how pods end", func(t *testing.T) { ends(t, c) })
	t.Run("deletion", func(t *testing.T) { deletion(t, c) })
	written.nothingRefused(t)
}

// joinKubelet starts a kubelet that has a bootstrap token and no more; own is the
// kubeconfig that it makes of it.
func joinKubelet(t *testing.T, p *process, socket string) (own string) {
	t.Helper()
	dir := os.Getenv(apartVariable)
	own = filepath.Join(dir, "kubeconfig")
	fill := strings.NewReplacer("$SOCKET", socket, "$ADDRESS", nodeAddress, "$CA", p.pkiFile("ca.crt"), "$DIR", dir)
	write(t, filepath.Join(dir, "config.yaml"), []byte(fill.Replace(kubeletConfig)))
	startKubernetes(t, "kubelet", "--config="+filepath.Join(dir, "config.yaml"), "--kubeconfig="+own,
		"--bootstrap-kubeconfig="+p.kubeconfigWith(t, "{token: abcdef.0123456789abcdef}"),
		"--cert-dir="+filepath.Join(dir, "pki"), "--root-dir="+filepath.Join(dir, "root"),
		"--hostname-override=real", "--node-ip="+nodeAddress, "--node-labels=example.org/of=kubelet", "-v=2")
	return own
}

// nodeJoins waits for what a node does from its token to being ready.
func nodeJoins(t *testing.T, k *kubectl, c *kubernetes.Clientset) {
	t.Helper()
	node := nodeOf(t, c)
	if v := node.Status.NodeInfo; v.KubeletVersion != "v1.36.2" || !strings.HasPrefix(v.ContainerRuntimeVersion, "containerd://") || node.Labels["example.org/of"] != "kubelet" {
		t.Errorf("the node is %+v %v", v, node.Labels)
	}
	k.run("get csr --field-selector=spec.signerName=kubernetes.io/kube-apiserver-client-kubelet", "system:bootstrap:abcdef", "Approved,Issued")
	k.run("get lease real -n kube-node-lease -o jsonpath={.spec.holderIdentity}", "real")
	k.run("get csinode real -o name", "csinode.storage.k8s.io/real")
	// Its serving certificate is for a person to approve.
	serving := "get csr --field-selector=spec.signerName=kubernetes.io/kubelet-serving -o jsonpath={.items[0].metadata.name}"
	name := ""
	eventually(t, "a request for a serving certificate", func() bool {
		out, _, code := k.try("", words(serving)...)
		name = out
		return code == 0 && name != ""
	})
	k.run("get csr "+name, "system:node:real", "Pending")
	k.run("certificate approve "+name, "approved")
	k.run("wait csr/"+name+" --for=jsonpath={.status.certificate} --timeout=60s", "condition met")
}

// whatANodeMay is what the authorizer of nodes and NodeRestriction let the kubelet
// do: its own, and no more.
func whatANodeMay(t *testing.T, k *kubectl, kubeconfig string) {
	t.Helper()
	node := *k
	node.p = &process{kubeconfig: kubeconfig}
	node.run("auth whoami", "system:node:real", "system:nodes")
	k.run("create secret generic apart --from-literal=a=b", "created")
	node.fails(1, "get secret apart", `User "system:node:real" cannot get resource "secrets" in API group "" in the namespace "default": no relationship found between node 'real' and this object`)
	node.fails(1, "get secrets", "No Object name found")
	node.fails(1, "label node real node-restriction.kubernetes.io/a=b", "is not allowed to modify labels: node-restriction.kubernetes.io/a")
	k.runWith("apiVersion: v1\nkind: Node\nmetadata: {name: other}\n", "create -f -", "created")
	node.fails(1, "label node other a=b", "node 'real' cannot read 'other', only its own Node object")
	k.run("delete node/other secret/apart", "deleted")
	// A new certificate for itself, as it asks for one before the first expires.
	_, csr := request(t, "system:node:real", "system:nodes")
	node.runWith("apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: rotation}\n"+
		"spec: {signerName: kubernetes.io/kube-apiserver-client-kubelet, usages: [digital signature, client auth], request: "+csr+"}\n", "create -f -", "created")
	node.run("wait csr/rotation --for=jsonpath={.status.certificate} --timeout=60s", "condition met")
	k.run("get csr rotation -o jsonpath={.status.conditions[*].message}", "Auto approving self kubelet client certificate after SubjectAccessReview.")
}

func podOfKubelet(t *testing.T, k *kubectl, c *kubernetes.Clientset) {
	pod := podIs(t, c, "full", "initialized", func(p *corev1.Pod) bool {
		return len(p.Status.ContainerStatuses) == 2 && p.Status.ContainerStatuses[0].Started != nil && *p.Status.ContainerStatuses[0].Started
	})
	ip := pod.Status.PodIP
	k.run("exec full -c web -- env", "IP="+ip, "CPU=1", "KEY=hidden", "C_a=1", "C_b=two", "FROM_IMAGE=yes", "HOSTNAME=full", "KUBERNETES_SERVICE_HOST=10.0.0.1", "OWN=full-hidden")
	k.run("exec full -c web -- cat /data/init /data/hook /conf/b /all/key /all/labels /etc/hosts", `doneran`, `two`, `hidden`, `app="full"`, ip+" full")
	k.run("exec full -c web -- cat /var/run/secrets/kubernetes.io/serviceaccount/ca.crt /var/run/secrets/kubernetes.io/serviceaccount/namespace", "BEGIN CERTIFICATE", "default")
	if ready(pod) {
		t.Error("it is ready before its probe passes")
	}
	k.run("exec full -c web -- touch /tmp/well")
	podIs(t, c, "full", "ready", ready)
	k.run("get --raw /api/v1/namespaces/default/pods/full:80/proxy/", "hello")
	k.run("get --raw /api/v1/nodes/real/proxy/pods", `"name":"full"`)
	k.run("get --raw /api/v1/nodes/real/proxy/configz", `"serverTLSBootstrap":true`)
	k.run(`patch cm conf --type=merge -p '{"data":{"b":"three"}}'`, "patched")
	eventually(t, "the new content of a volume", func() bool {
		out, _, _ := k.try("", "exec", "full", "-c", "web", "--", "cat", "/conf/b")
		return out == "three"
	})
}

// servicesOfKubeProxy is what kube-proxy makes of Services and EndpointSlices.
func servicesOfKubeProxy(t *testing.T, k *kubectl, p *process) {
	if _, err := exec.LookPath("iptables"); err != nil {
		t.Skipf("%v: apt-get install iptables", err)
	}
	const services = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.0.0.80, selector: {app: full}, ports: [{name: http, port: 8080, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {clusterIP: 10.0.0.81, selector: {app: nobody}, ports: [{port: 80}]}
`
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, fmt.Appendf(nil, `kind: KubeProxyConfiguration
apiVersion: kubeproxy.config.k8s.io/v1alpha1
clientConnection: {kubeconfig: %q}
mode: iptables
hostnameOverride: real
nodePortAddresses: [primary]
clusterCIDR: 10.246.77.0/24
iptables: {masqueradeAll: true, minSyncPeriod: 100ms}
conntrack: {maxPerCore: 0}
healthzBindAddress: %s:10256
metricsBindAddress: %s:10249
`, p.kubeconfigOf(t, "system:kube-proxy"), nodeAddress, nodeAddress))
	proxy := startKubernetes(t, "kube-proxy", "--config="+config, "-v=2")
	k.runWith(services, "apply -f -", "service/web created")

	get := func(url string) string {
		r, err := (&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body) //nolint:errcheck // what was read says it
		return string(b)
	}
	eventually(t, "kube-proxy to be healthy", func() bool {
		return strings.Contains(get("http://"+nodeAddress+":10256/healthz"), `"nodeEligible":true`)
	})
	last := ""
	defer func() {
		if t.Failed() {
			t.Logf("the service says %q, its slices are %s", last, k.run("get endpointslices -o yaml"))
		}
	}()
	eventually(t, "an answer of the service", func() bool { last = get("http://10.0.0.80:8080/"); return last == "hello" })
	eventually(t, "a refusal where nobody is", func() bool {
		_, last, _ = k.try("", "exec", "full", "-c", "user", "--", "fetch", "http://10.0.0.81/")
		return strings.Contains(last, "refused")
	})
	k.run("exec full -c user -- fetch http://10.0.0.80:8080/", "hello")
	k.run("exec full -c user -- api /api/v1/pods", `pods is forbidden: User \"system:serviceaccount:default:default\"`)
	if m := get("http://" + nodeAddress + ":10249/metrics"); !strings.Contains(m, "kubeproxy_sync_proxy_rules_last_timestamp_seconds") {
		t.Errorf("its metrics are %s", m)
	}
	k.run("label pod full app-", "unlabeled")
	eventually(t, "the end of the service's only endpoint", func() bool {
		_, last, _ = k.try("", "exec", "full", "-c", "user", "--", "fetch", "http://10.0.0.80:8080/")
		return strings.Contains(last, "refused")
	})
	k.run("label pod full app=full", "labeled")
	eventually(t, "an answer of the service again", func() bool { last = get("http://10.0.0.80:8080/"); return last == "hello" })
	proxy.stop(t)
	proxy.complains(t)
}

// apartVariable is set in the process that apart starts, to a folder for what is
// mounted there.
const apartVariable = "PILOTHOUSE_E2E_APART"

// apart runs the test in a process of its own network, mounts and processes.
func apart(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a kubelet needs root")
	}
	for _, hierarchy := range kubepods() {
		if _, err := os.Stat(hierarchy); err == nil {
			t.Skipf("this machine runs a kubelet: there is %s", hierarchy)
		}
	}
	t.Cleanup(func() { // what a kubelet leaves when it ends
		for _, hierarchy := range kubepods() {
			removeGroups(hierarchy)
		}
	})
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=15m")
	cmd.Env = append(os.Environ(), apartVariable+"="+t.TempDir(), "PILOTHOUSE_BIN="+binary)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr // while it goes on
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

// kubepods are the control groups of pods, by hierarchy.
func kubepods() []string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return []string{"/sys/fs/cgroup/kubepods"}
	}
	all, _ := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs") //nolint:errcheck // the pattern is right
	for i, f := range all {
		all[i] = filepath.Join(filepath.Dir(f), "kubepods")
	}
	return all
}

// removeGroups removes a control group in which nothing runs, with those below it.
func removeGroups(dir string) {
	below, _ := os.ReadDir(dir) //nolint:errcheck // it may not be there
	for _, e := range below {
		if e.IsDir() {
			removeGroups(filepath.Join(dir, e.Name()))
		}
	}
	os.Remove(dir) //nolint:errcheck // what is left is seen by the next start
}

// setUpApart makes a network of the loopback interface, with the node's address,
// and hides from the kubelet what it would change for the whole machine: settings
// of the kernel, and its folders of logs and of the network plugins' state.
func setUpApart(t *testing.T) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(unix.Mount("proc", "/proc", "proc", 0, ""))
	dir := filepath.Join(os.Getenv(apartVariable), "settings")
	must(os.Mkdir(dir, 0o700))
	must(unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	for file, value := range map[string]string{"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1"} {
		own := filepath.Join(dir, filepath.Base(file))
		write(t, own, []byte(value+"\n"))
		must(unix.Mount(own, filepath.Join("/proc/sys", file), "", unix.MS_BIND, ""))
	}
	for _, folder := range []string{"/var/log", "/var/lib/cni", "/var/lib/kubelet"} {
		if _, err := os.Stat(folder); err == nil {
			must(unix.Mount("tmpfs", folder, "tmpfs", 0, ""))
		}
	}
	lo, err := netlink.LinkByName("lo")
	must(err)
	must(netlink.LinkSetUp(lo))
	must(netlink.AddrAdd(lo, &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(nodeAddress), Mask: net.CIDRMask(32, 32)}}))
	_, services, err := net.ParseCIDR("10.0.0.0/24")
	must(err)
	must(netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: services, Src: net.ParseIP(nodeAddress)})) // a way at all, that kube-proxy changes
}
