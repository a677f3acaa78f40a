package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
)

// builtinNode starts a server whose node runs containers; on a machine that
// does not allow them it says why, and the test is skipped.
func builtinNode(t *testing.T, dir string, more ...string) *process {
	t.Helper()
	p := start(t, dir, append([]string{"--node=auto"}, more...)...)
	t.Cleanup(func() { // it takes its bridge and its control groups away
		p.Process.Signal(unix.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(waitTimeout):
		}
	})
	node := nodeOf(t, client(t, p))
	if backend := node.Annotations["node.pilothouse.dev/backend"]; backend != "builtin" {
		t.Skipf("containers cannot run here, the node is %s: %s", backend, node.Annotations["node.pilothouse.dev/backend-chosen-because"])
	}
	return p
}

func fill(t *testing.T, file, image string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "IMAGE", image)
}

func TestContainersOfTheBuiltinNode(t *testing.T) {
	image := registryWith(t, "box:1")
	p := builtinNode(t, t.TempDir())
	k := newKubectl(t, p).as("--namespace=default")
	c := client(t, p)
	k.runWith(fill(t, "testdata/pods.yaml", image), "apply -f -")
	podIs(t, c, "full", "running", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })

	t.Run("a pod has all that it asks for", func(t *testing.T) { fullPod(t, newKubectlFor(t, k), c) })
	t.Run("usage", func(t *testing.T) {
		k := newKubectlFor(t, k)
		node := nodeOf(t, c).Name
		k.run("get --raw /api/v1/nodes/"+node+"/proxy/metrics/resource", "# TYPE node_cpu_usage_seconds_total counter node_cpu_usage_seconds_total ", "# TYPE node_memory_working_set_bytes gauge node_memory_working_set_bytes ")
		k.run("get --raw /api/v1/nodes/"+node+"/proxy/stats/summary", `"node":{"nodeName":"`+node+`"`, `"usageCoreNanoSeconds":`)
	})
	t.Run("logs", func(t *testing.T) { logs(t, newKubectlFor(t, k), c) })
	t.Run("exec with a terminal", func(t *testing.T) { execTerminal(t, newKubectlFor(t, k)) })
	t.Run("attach", func(t *testing.T) { attach(t, newKubectlFor(t, k), c) })
	t.Run("port-forward", func(t *testing.T) { portForward(t, newKubectlFor(t, k)) })
	t.Run("cp", func(t *testing.T) { copyFiles(t, newKubectlFor(t, k)) })
	t.Run("debug", func(t *testing.T) { debug(t, newKubectlFor(t, k), image) })
	t.Run("services", func(t *testing.T) { services(t, newKubectlFor(t, k), c, image) })
	t.Run("how pods end", func(t *testing.T) { ends(t, c) })
	t.Run("what is refused", func(t *testing.T) { refusals(t, c, image) })
	t.Run("speed", func(t *testing.T) { speed(t, c, image) })
	t.Run("speed of streams", func(t *testing.T) { speedOfStreams(t, p, c, image) })
	t.Run("deletion", func(t *testing.T) { deletion(t, c) })
}

func newKubectlFor(t *testing.T, k *kubectl) *kubectl {
	own := *k
	own.t = t
	return &own
}

func fullPod(t *testing.T, k *kubectl, c *kubernetes.Clientset) {
	pod := podIs(t, c, "full", "initialized", func(p *corev1.Pod) bool {
		return p.Status.ContainerStatuses[0].Started != nil && *p.Status.ContainerStatuses[0].Started
	})
	ip := pod.Status.PodIP
	k.run("exec full -c web -- env", "IP="+ip, "CPU=1", "KEY=hidden", "C_a=1", "C_b=two", "FROM_IMAGE=yes", "HOSTNAME=full", "KUBERNETES_SERVICE_HOST=", "OWN=full-hidden")
	k.run("exec full -c web -- cat /data/init /data/hook /conf/b /all/key /all/labels /etc/hosts /etc/hostname", `doneran`, `two`, `hidden`, `app="full"`, ip+" full", "full")
	k.fails(1, "exec full -c web -- touch /conf/x", "read-only file system")
	k.fails(1, "exec full -c web -- test /gone")
	k.fails(1, "exec full -c web -- test /old/file")
	k.run("exec full -c web -- test /old/new")
	k.run("exec full -c web -- try", "mount: operation not permitted", "mknod: operation not permitted", "unshare: operation not permitted", "read-only file system", "raw: listen ip4:icmp 127.0.0.1: socket: operation not permitted")
	k.run("exec full -c user -- id", "1000 1001 [1002 2000]", "CapEff: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2")
	if said := k.run("exec full -c web -- ps"); strings.Count(said, "serve") != 1 || !strings.Contains(said, "1 /bin/box serve") {
		t.Errorf("processes of others are seen:\n%s", said)
	}
	if ready(pod) {
		t.Error("it is ready before its probe passes")
	}
	k.run("exec full -c web -- touch /tmp/well")
	podIs(t, c, "full", "ready", ready)
	k.run("exec full -c user -- fetch http://"+ip+":80/", "hello")
	k.run("get --raw /api/v1/namespaces/default/pods/full:80/proxy/", "hello")
	k.run("get --raw /api/v1/nodes/"+pod.Spec.NodeName+"/proxy/stats/summary", `"name":"web"`)
}

func logs(t *testing.T, k *kubectl, c *kubernetes.Clientset) {
	podIs(t, c, "counts", "running", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning || over(p) })
	if said := k.run("logs -f counts"); said != "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n" {
		t.Errorf("the log is %q", said)
	}
	podIs(t, c, "counts", "over", over)
	k.run("logs counts --tail=2", "18 19")
	podIs(t, c, "crashes", "started again", func(p *corev1.Pod) bool {
		s := p.Status.ContainerStatuses
		return len(s) == 1 && s[0].RestartCount > 0 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "CrashLoopBackOff"
	})
	k.run("logs crashes --previous", "last words")
}

// terminalPair gives the two ends of a terminal.
func terminalPair(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	raw, err := ours.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

func setSize(t *testing.T, f *os.File, w, h uint16) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: w, Row: h})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func execTerminal(t *testing.T, k *kubectl) {
	ours, theirs := terminalPair(t)
	setSize(t, ours, 101, 33)
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	cmd := k.command(ctx, "", "exec", "-it", "full", "-c", "web", "--", "size")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	h := hear(ours)
	h.awaits(t, "101x33")
	setSize(t, ours, 77, 22)
	h.awaits(t, "77x22")
	fmt.Fprintln(ours, "hello")
	h.awaits(t, "typed hello")
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("exit code %d: %s", code, h.log())
	}
	// Without a terminal: input to its end, both outputs, the exit code.
	if out, errs, code := k.try("through\n", "exec", "-i", "full", "-c", "web", "--", "cat"); out != "through\n" || code != 0 {
		t.Errorf("cat gives %q %q %d", out, errs, code)
	}
	if out, errs, code := k.try("", "exec", "full", "-c", "web", "--", "exit", "9", "to stderr"); code != 9 || !strings.Contains(errs, "to stderr") || out != "" {
		t.Errorf("exit gives %q %q %d", out, errs, code)
	}
	k.fails(1, "exec full -c web -- no-such-program", "executable file not found in $PATH")
}

func attach(t *testing.T, k *kubectl, c *kubernetes.Clientset) {
	podIs(t, c, "shell", "running", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	cmd := k.command(ctx, "", "attach", "-i", "shell")
	in, inEnd := io.Pipe()
	out, outEnd := io.Pipe()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, outEnd, outEnd
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := hear(out)
	for !strings.Contains(h.log(), "heard") { // what is typed before the other side listens waits there
		fmt.Fprintln(inEnd, "echo heard")
		time.Sleep(50 * time.Millisecond)
		if ctx.Err() != nil {
			t.Fatalf("no answer: %s", h.log())
		}
	}
	fmt.Fprintln(inEnd, "exit 4")
	pod := podIs(t, c, "shell", "over", over)
	if code := pod.Status.ContainerStatuses[0].State.Terminated.ExitCode; code != 4 {
		t.Errorf("exit code %d", code)
	}
	inEnd.Close()
	cmd.Wait()
	k.run("logs shell", "heard")
}

func portForward(t *testing.T, k *kubectl) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := k.command(ctx, "", "port-forward", "full", ":80")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cancel()
	h := hear(out)
	h.awaits(t, "-> 80")
	port := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(h.log())[1]
	for range 3 {
		r, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://127.0.0.1:" + port)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if string(b) != "hello" {
			t.Errorf("it says %q", b)
		}
	}
}

func copyFiles(t *testing.T, k *kubectl) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // 1 MiB
	if err := os.WriteFile(filepath.Join(dir, "there"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	k.run("cp " + dir + "/there default/full:/data/there -c web")
	k.run("cp default/full:/data/there " + dir + "/back -c web")
	if back, err := os.ReadFile(filepath.Join(dir, "back")); err != nil || !bytes.Equal(back, content) {
		t.Errorf("%v, %d bytes come back of %d", err, len(back), len(content))
	}
}

func debug(t *testing.T, k *kubectl, image string) {
	k.run("debug full -c look --image="+image+" --target=web --profile=general -- sleep", "")
	eventually(t, "the debug container", func() bool {
		out, _, code := k.try("", "exec", "full", "-c", "look", "--", "ps")
		return code == 0 && strings.Contains(out, "serve 80") && strings.Contains(out, "sleep")
	})
}

// services is what a pod reaches by name: the API, as who its account is, other
// pods and itself; and that it hears at once where nobody is.
func services(t *testing.T, k *kubectl, c *kubernetes.Clientset, image string) {
	const objects = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: full}, ports: [{name: http, port: 8080, targetPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: each}
spec: {clusterIP: None, selector: {app: full}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: caller}
spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: IMAGE, args: [sleep, "1000"]}]}
`
	k.runWith(strings.ReplaceAll(objects, "IMAGE", image), "apply -f -")
	podIs(t, c, "caller", "running", ready)
	eventually(t, "an answer of the service", func() bool {
		out, _, code := k.try("", "exec", "caller", "--", "fetch", "http://web:8080/")
		return code == 0 && strings.Contains(out, "hello")
	})
	k.run("exec caller -- fetch http://web.default.svc.cluster.local:8080/", "hello")
	k.run("exec caller -- fetch http://each.default.svc:80/", "hello")
	k.run("exec full -c user -- fetch http://web:8080/", "hello")
	k.fails(1, "exec caller -- fetch http://nobody/", "connection refused")
	k.fails(1, "exec caller -- fetch http://missing/", "no such host")
	const forbidden = `pods is forbidden: User \"system:serviceaccount:default:default\"`
	k.run("exec caller -- api /api/v1/pods", forbidden)
	k.run("exec caller -- api /api/v1/pods kubernetes.default.svc", forbidden)
	k.run("exec caller -- cat /etc/resolv.conf", "search default.svc.cluster.local svc.cluster.local cluster.local", "ndots:5")
}

func ends(t *testing.T, c *kubernetes.Clientset) {
	fails := podIs(t, c, "fails", "over", over)
	s := fails.Status.ContainerStatuses[0].State.Terminated
	if fails.Status.Phase != corev1.PodFailed || s.ExitCode != 3 || s.Reason != "Error" || strings.TrimSpace(s.Message) != "why" {
		t.Errorf("fails: %+v %+v", fails.Status.Phase, s)
	}
	inits := podIs(t, c, "bad-init", "over", over)
	if inits.Status.Phase != corev1.PodFailed || inits.Status.ContainerStatuses[0].State.Waiting == nil || inits.Status.ContainerStatuses[0].State.Waiting.Reason != "PodInitializing" {
		t.Errorf("bad-init: %+v", inits.Status)
	}
	once := podIs(t, c, "once", "over", over)
	if once.Status.Phase != corev1.PodSucceeded || once.Status.ContainerStatuses[0].State.Terminated.Reason != "Completed" {
		t.Errorf("once: %+v", once.Status)
	}
	late := podIs(t, c, "deadline", "over", over)
	if late.Status.Reason != "DeadlineExceeded" {
		t.Errorf("deadline: %+v", late.Status)
	}
	podIs(t, c, "no-config", "told why", func(p *corev1.Pod) bool {
		s := p.Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "CreateContainerConfigError" && s[0].State.Waiting.Message == `configmap "no-such" not found`
	})
	podIs(t, c, "no-image", "told why", func(p *corev1.Pod) bool {
		s := p.Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && (s[0].State.Waiting.Reason == "ErrImagePull" || s[0].State.Waiting.Reason == "ImagePullBackOff")
	})
	podIs(t, c, "unwell", "started again", func(p *corev1.Pod) bool {
		s := p.Status.ContainerStatuses
		return len(s) == 1 && s[0].RestartCount > 0 && s[0].State.Running != nil
	})
	if _, err := os.Stat("/sys/fs/cgroup"); err == nil {
		memory := podIs(t, c, "memory", "over", over)
		if s := memory.Status.ContainerStatuses[0].State.Terminated; s.ExitCode == 0 {
			if events, err := c.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=memory,reason=NotEnforced"}); err != nil || len(events.Items) == 0 {
				t.Errorf("its limit is not enforced, and nobody says so: %+v %v", s, err)
			}
		} else if s.Reason != "OOMKilled" || s.ExitCode != 137 {
			t.Errorf("memory: %+v", s)
		}
	}
}

func refusals(t *testing.T, c *kubernetes.Clientset, image string) {
	refuse := func(name, want string, change func(*corev1.PodSpec)) {
		t.Helper()
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: image}}}}
		change(&pod.Spec)
		if _, err := c.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		p := podIs(t, c, name, "refused", over)
		if p.Status.Reason != "NodeRefused" || !strings.Contains(p.Status.Message, want) || len(p.Status.ContainerStatuses) > 0 {
			t.Errorf("%s: %+v", name, p.Status)
		}
	}
	refuse("host-path", "hostPath", func(s *corev1.PodSpec) {
		s.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
	})
	refuse("host-network", "hostNetwork", func(s *corev1.PodSpec) { s.HostNetwork = true })
	refuse("capability", "SYS_ADMIN", func(s *corev1.PodSpec) {
		s.Containers[0].SecurityContext = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}}}
	})
}

// speed is how long a pod takes from its creation to Running. The machine may be
// busy: the bound is far above what docs/node.md tells.
func speed(t *testing.T, c *kubernetes.Clientset, image string) {
	best := time.Hour
	for i := range 5 {
		name := fmt.Sprint("fast", i)
		w, err := c.CoreV1().Pods("default").Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + name})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: image}}}}
		if _, err := c.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		deadline := time.After(waitTimeout)
		for running := false; !running; {
			select {
			case e := <-w.ResultChan():
				p, ok := e.Object.(*corev1.Pod)
				running = ok && p.Status.Phase == corev1.PodRunning
			case <-deadline:
				t.Fatal("it does not run")
			}
		}
		best = min(best, time.Since(began))
		w.Stop()
	}
	t.Logf("create to Running: %v", best)
	if best > 30*time.Second {
		t.Errorf("create to Running takes %v", best)
	}
}

func deletion(t *testing.T, c *kubernetes.Clientset) {
	if err := c.CoreV1().Pods("default").DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of all pods", func() bool {
		list, err := c.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 0
	})
	eventually(t, "the end of all containers", func() bool { return len(boxes(t)) == 0 })
}

// boxes gives the processes of the tests' containers on this machine.
func boxes(t *testing.T) []string {
	t.Helper()
	var out []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !bytes.HasPrefix(b, []byte("/bin/box\x00")) && !bytes.HasPrefix(b, []byte("pilothouse-container\x00")) {
			continue
		}
		out = append(out, f+" "+string(bytes.ReplaceAll(b, []byte{0}, []byte{' '})))
	}
	return out
}

func mountsBelow(t *testing.T, dir string) []string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, dir) {
			out = append(out, line)
		}
	}
	return out
}

func TestNothingIsLeftOfAKilledAgent(t *testing.T) {
	image := registryWith(t, "box:1")
	dir := t.TempDir()
	p := builtinNode(t, dir)
	c := client(t, p)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "stays"}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "c", Image: image, Args: []string{"sleep", "1000"}}},
		Volumes:    []corev1.Volume{{Name: "memory", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}}},
	}}
	if _, err := c.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	before := podIs(t, c, "stays", "ready", ready)
	if len(boxes(t)) == 0 {
		t.Fatal("no process of the container is seen")
	}
	p.Process.Kill()
	<-p.ended
	eventually(t, "the end of all containers", func() bool { return len(boxes(t)) == 0 })
	// Its memory is kept for the pod, as a kubelet does.
	if left := mountsBelow(t, dir); len(left) != 1 || !strings.Contains(left[0], "/memory tmpfs") {
		t.Errorf("mounts are left: %v", left)
	}
	next := builtinNode(t, dir)
	c = client(t, next)
	after := podIs(t, c, "stays", "running again", func(p *corev1.Pod) bool {
		return ready(p) && p.Status.ContainerStatuses[0].RestartCount == 1
	})
	if last := after.Status.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.Reason != "ContainerStatusUnknown" {
		t.Errorf("what became of the old one: %+v", after.Status.ContainerStatuses[0])
	}
	if after.UID != before.UID {
		t.Error("it is another pod")
	}
	// One bridge with the pod's end on it, named as the folder has it; then none.
	sum := sha256.Sum256([]byte(filepath.Join(dir, "data", "node")))
	bridge := fmt.Sprintf("/sys/class/net/ph%x/brif", sum[:4])
	if ends, err := os.ReadDir(bridge); err != nil || len(ends) != 1 {
		t.Errorf("on the bridge: %v %v", ends, err)
	}
	next.terminate(t)
	eventually(t, "the end of all containers", func() bool { return len(boxes(t)) == 0 })
	if _, err := os.Stat(bridge); !os.IsNotExist(err) {
		t.Errorf("the bridge is left: %v", err)
	}
	if left := mountsBelow(t, dir); len(left) > 0 {
		t.Errorf("mounts are left: %v", left)
	}
}

// speedOfStreams is how fast keys and logs go through the server and the node to
// a container and back. The bounds only tell broken from slow, docs/streams.md
// has the figures.
func speedOfStreams(t *testing.T, p *process, c *kubernetes.Clientset, image string) {
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	u := c.CoreV1().RESTClient().Get().Namespace("default").Resource("pods").Name("full").SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: "web", Command: []string{"cat"}, Stdin: true, Stdout: true}, scheme.ParameterCodec).URL()
	e, err := remotecommand.NewWebSocketExecutor(p.config(t), "GET", u.String())
	if err != nil {
		t.Fatal(err)
	}
	in, keys := io.Pipe()
	echo, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: out})
		out.Close()
	}()
	var times []time.Duration
	b := make([]byte, 1)
	for range 500 {
		began := time.Now()
		if _, err := keys.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(echo, b); err != nil {
			t.Fatal(err)
		}
		times = append(times, time.Since(began))
	}
	keys.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	slices.Sort(times)
	t.Logf("echo of a key: median %v, p95 %v", times[250], times[475])
	if times[250] > 5*time.Second {
		t.Errorf("an echo takes %v", times[250])
	}

	const size = 64 // MiB
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "flood"}, Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: image, Args: []string{"flood", strconv.Itoa(size)}, Stdin: true}},
	}}
	if _, err := c.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	podIs(t, c, "flood", "running", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	log, err := c.CoreV1().Pods("default").GetLogs("flood", &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	began := time.Now()
	n, err := io.Copy(io.Discard, log)
	took := time.Since(began)
	if err != nil || n != size<<20 {
		t.Errorf("%d bytes of %d come: %v", n, size<<20, err)
	}
	t.Logf("a log is followed with %.0f MB/s", float64(n)/1e6/took.Seconds())
}
