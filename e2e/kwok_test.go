package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// The size of the cluster: nodes, and pods of which one a node is a DaemonSet's
// and the others are Deployments', of which each has deploymentSize.
const (
	kwokNodes      = 200
	kwokPods       = 5000
	deploymentSize = 100
)

// TestACluster is a day of a large cluster: KWOK's kubelets, and what is in the
// box for everything else. https://kwok.sigs.k8s.io
func TestACluster(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir()))
	c := client(t, k.p)
	startKWOK(t, k.p)

	began := time.Now()
	newNodes(t, c)
	eventually(t, "nodes that are ready", func() bool {
		return len(strings.Fields(k.run("get nodes -o name"))) == kwokNodes && readyNodes(t, c) == kwokNodes
	})
	figure(t, fmt.Sprint(kwokNodes, " nodes are ready"), time.Since(began), 5*time.Second, waitTimeout)

	began = time.Now()
	k.runWith(everywhere, "apply -f -", "daemonset.apps/agent created")
	k.runWith(manyDeployments(), "apply -f -", "deployment.apps/web-0 created")
	awaitAvailable(t, c)
	figure(t, fmt.Sprint(kwokPods, " pods run"), time.Since(began), 40*time.Second, 10*time.Minute)
	checkPods(t, c)

	t.Run("rollout", func(t *testing.T) { rollout(k.with(t)) })
	t.Run("job", func(t *testing.T) {
		k := k.with(t)
		k.runWith(kwokJob, "apply -f -", "job.batch/sum created")
		k.run("wait --for=condition=Complete job/sum --timeout=150s", "condition met")
		k.run("get job sum -o jsonpath='{.status.succeeded} {.status.completedIndexes}'", "30 0-29")
	})
	t.Run("drain", func(t *testing.T) { drain(k.with(t), c) })
}

// startKWOK starts KWOK's own program with its own stages.
func startKWOK(t *testing.T, p *process) {
	t.Helper()
	path := module(t, "kwok", "sigs.k8s.io/kwok/cmd/kwok")
	where := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok")
	where.Dir = "kwok"
	dir, err := where.Output()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--kubeconfig=" + p.kubeconfig, "--manage-all-nodes=true", "--cidr=10.128.0.1/9", "--node-ip=10.0.0.1", "--node-port=0", "--node-lease-duration-seconds=40"}
	stages := strings.TrimSpace(string(dir)) + "/kustomize/stage/"
	for _, s := range []string{"node/fast/node-initialize", "node/heartbeat-with-lease/node-heartbeat-with-lease", "pod/fast/pod-ready", "pod/fast/pod-complete", "pod/fast/pod-delete"} {
		args = append(args, "--config="+stages+s+".yaml")
	}
	own := filepath.Join(t.TempDir(), "kwok.yaml")
	if err := os.WriteFile(own, []byte("apiVersion: config.kwok.x-k8s.io/v1alpha1\nkind: KwokConfiguration\noptions: {podPlayStageParallelism: 16, nodePlayStageParallelism: 16, nodeLeaseParallelism: 16, podsOnNodeSyncParallelism: 16}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := &output{}
	c := exec.Command(path, append(args, "--config="+own)...)
	c.Env = append(os.Environ(), "HOME="+t.TempDir())
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill() //nolint:errcheck // it may be gone
		c.Wait()         //nolint:errcheck // it is killed
		if t.Failed() {
			t.Logf("KWOK said: %s", said.b.String()[max(0, said.b.Len()-4000):])
		}
	})
}

func newNodes(t *testing.T, c *kubernetes.Clientset) {
	t.Helper()
	var wg sync.WaitGroup
	for from := range 8 {
		wg.Go(func() {
			for i := from; i < kwokNodes; i += 8 {
				n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("kwok-", i), Labels: map[string]string{"zone": strconv.Itoa(i / 3)}}}
				if _, err := c.CoreV1().Nodes().Create(t.Context(), n, metav1.CreateOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func readyNodes(t *testing.T, c *kubernetes.Clientset) (n int) {
	list, err := c.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		for _, k := range list.Items[i].Status.Conditions {
			if k.Type == corev1.NodeReady && k.Status == corev1.ConditionTrue && len(list.Items[i].Spec.Taints) == 0 {
				n++
			}
		}
	}
	return n
}

const (
	everywhere = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: c, image: agent:1}]}
`
	kwokJob = `
apiVersion: batch/v1
kind: Job
metadata: {name: sum}
spec:
  completions: 30
  parallelism: 10
  completionMode: Indexed
  template:
    spec: {restartPolicy: Never, containers: [{name: c, image: sum:1}]}
`
	guarded = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: guarded}
spec:
  replicas: 6
  selector: {matchLabels: {app: guarded}}
  template:
    metadata: {labels: {app: guarded}}
    spec: {nodeSelector: {zone: "0"}, containers: [{name: c, image: web:1}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: guarded}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: guarded}}}
`
)

func manyDeployments() string {
	var b strings.Builder
	for i := range (kwokPods - kwokNodes) / deploymentSize {
		fmt.Fprintf(&b, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-%[1]d}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: web-%[1]d}}
  template:
    metadata: {labels: {app: web-%[1]d}}
    spec: {containers: [{name: c, image: "web:1", resources: {requests: {cpu: 10m, memory: 10Mi}}}]}
---`, i, deploymentSize)
	}
	return b.String()
}

// awaitAvailable waits until all pods are there and ready, by the word of their
// controllers.
func awaitAvailable(t *testing.T, c *kubernetes.Clientset) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for have := int32(0); have != kwokPods; {
		have = 0
		var apps *appsv1.DeploymentList
		d, err := c.AppsV1().DaemonSets("default").Get(ctx, "agent", metav1.GetOptions{})
		if err == nil {
			apps, err = c.AppsV1().Deployments("default").List(ctx, metav1.ListOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		have += d.Status.NumberAvailable
		for i := range apps.Items {
			have += apps.Items[i].Status.AvailableReplicas
		}
		select {
		case <-ctx.Done():
			t.Fatalf("only %d pods are available", have)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// checkPods looks at every pod: all run, and nodes have about as many.
func checkPods(t *testing.T, c *kubernetes.Clientset) {
	t.Helper()
	list, err := c.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	on := map[string]int{}
	addresses := map[string]bool{}
	for i := range list.Items {
		p := &list.Items[i]
		on[p.Spec.NodeName]++
		addresses[p.Status.PodIP] = true
		if p.Status.Phase != corev1.PodRunning || !ready(p) {
			t.Fatalf("%s is %s", p.Name, p.Status.Phase)
		}
	}
	if len(list.Items) != kwokPods || len(on) != kwokNodes || len(addresses) != kwokPods {
		t.Errorf("%d pods with %d addresses on %d nodes", len(list.Items), len(addresses), len(on))
	}
	for node, n := range on {
		if fair := kwokPods / kwokNodes; n < fair/2 || n > 2*fair {
			t.Errorf("%d pods on %s", n, node)
		}
	}
}

func rollout(k *kubectl) {
	images := "get pods -l app=web-0 -o jsonpath='{.items[*].spec.containers[0].image}'"
	all := func(n int, image string) {
		k.t.Helper()
		eventually(k.t, image, func() bool { return k.run(images) == strings.TrimSpace(strings.Repeat(image+" ", n)) })
	}
	k.run("set image deployment/web-0 c=web:2", "image updated")
	k.run("rollout status deployment/web-0 --timeout=150s", "successfully rolled out")
	all(deploymentSize, "web:2")
	k.run("scale deployment/web-0 --replicas=150", "scaled")
	k.run("rollout status deployment/web-0 --timeout=150s", "successfully rolled out")
	all(150, "web:2")
	k.run("scale deployment/web-0 --replicas=20", "scaled")
	k.run("rollout status deployment/web-0 --timeout=150s", "successfully rolled out")
	all(20, "web:2")
	k.run("rollout undo deployment/web-0", "rolled back")
	k.run("rollout status deployment/web-0 --timeout=150s", "successfully rolled out")
	all(20, "web:1")
	history := k.run("rollout history deployment/web-0")
	if strings.Contains(history, "\n1 ") || !strings.Contains(history, "\n3 ") {
		k.t.Errorf("the rollback is not revision 3 in place of 1: %s", history)
	}
	k.run("scale deployment/web-0 --replicas="+strconv.Itoa(deploymentSize), "scaled")
	k.run("rollout status deployment/web-0 --timeout=150s", "successfully rolled out")
}

// drain takes a node's pods elsewhere, one of the guarded ones at a time.
func drain(k *kubectl, c *kubernetes.Clientset) {
	t := k.t
	k.runWith(guarded, "apply -f -", "deployment.apps/guarded created")
	k.run("rollout status deployment/guarded --timeout=150s", "successfully rolled out")
	k.run("wait --for=jsonpath={.status.disruptionsAllowed}=1 pdb/guarded --timeout=150s", "condition met")
	watched := watchHealth(t, c, "app=guarded", 6)

	k.run("drain kwok-0 --ignore-daemonsets --timeout=150s", "node/kwok-0 cordoned", "evicting pod default/guarded-", "node/kwok-0 drained")
	left := strings.TrimSpace(k.run("get pods --field-selector=spec.nodeName=kwok-0 -o name"))
	if !strings.HasPrefix(left, "pod/agent-") || strings.Contains(left, "\n") {
		t.Errorf("on the drained node are %q", left)
	}
	k.run("rollout status deployment/guarded --timeout=150s", "successfully rolled out")
	awaitGuarded := "get deploy guarded -o jsonpath={.status.availableReplicas}"
	eventually(t, "six guarded pods", func() bool { return k.run(awaitGuarded) == "6" })
	if least := watched(); least < 5 {
		t.Errorf("only %d of the guarded pods were healthy at a moment, 5 have to be", least)
	}
	k.run("uncordon kwok-0", "node/kwok-0 uncordoned")
	k.run("get node kwok-0 -o jsonpath={.spec.unschedulable}", "")
}

// watchHealth counts the pods that are ready and not going as they change. The
// func ends that and gives the least that there were, once there are as many as
// wanted in the beginning.
func watchHealth(t *testing.T, c *kubernetes.Clientset, selector string, want int) (least func() int) {
	t.Helper()
	w, err := c.CoreV1().Pods("default").Watch(t.Context(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		t.Fatal(err)
	}
	healthy := map[string]bool{}
	fewest, full, ended := want, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for e := range w.ResultChan() {
			p, ok := e.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			if delete(healthy, p.Name); e.Type != watch.Deleted && p.DeletionTimestamp == nil && ready(p) {
				healthy[p.Name] = true
			}
			select {
			case <-full:
				fewest = min(fewest, len(healthy))
			default:
				if len(healthy) == want {
					close(full)
				}
			}
		}
	}()
	select {
	case <-full:
	case <-time.After(waitTimeout):
		t.Fatal("the pods are not ready")
	}
	return func() int { w.Stop(); <-ended; return fewest }
}
