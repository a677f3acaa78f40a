package e2e

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// TestKubernetesControllers runs a real kube-controller-manager and a real
// kube-scheduler with the nodes in the box: they take over from the server's
// loops while they run, nothing is done twice, and the loops go on afterwards.
func TestKubernetesControllers(t *testing.T) {
	kubernetesProgram(t, "kube-controller-manager")
	written := newJournal(t)
	p := start(t, t.TempDir(), append(written.flags(), "--node=sim", "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction")...)
	k, c := newKubectl(t, p).as("--namespace=shop"), client(t, p)
	nodeOf(t, c)

	managerPort, schedulerPort := freePort(t), freePort(t)
	manager, scheduler := startManager(t, p, managerPort), startScheduler(t, p, schedulerPort)
	taken := time.Now()
	k.run("create ns shop", "created")
	eventually(t, "an account for pods", func() bool { _, _, code := k.try("", "get", "sa", "default"); return code == 0 })
	k.run("apply -f testdata/controllers.yaml", "deployment.apps/web created")
	k.run("rollout status deploy/web --timeout=60s", "successfully rolled out")
	k.run("rollout status sts/db --timeout=60s", "complete")
	k.run("rollout status ds/agent --timeout=60s", "successfully rolled out")
	k.run("wait --for=condition=Complete job/sum --timeout=60s", "condition met")
	k.run("wait --for=condition=Ready pod/scratch --timeout=60s", "condition met")
	t.Run("workloads", func(t *testing.T) { workloadsOfManager(t, k.with(t), c) })
	t.Run("the rest", func(t *testing.T) { restOfManager(t, k.with(t)) })
	t.Run("scheduling", func(t *testing.T) { scheduling(t, k.with(t), c) })
	t.Run("certificates", func(t *testing.T) { certificatesOfManager(t, k.with(t)) })
	t.Run("who may see their metrics", func(t *testing.T) { delegation(t, k.with(t), managerPort, schedulerPort) })
	t.Run("garbage", func(t *testing.T) { garbageOfManager(t, k.with(t)) })
	eventually(t, "a Job of the CronJob", func() bool {
		out, _, _ := k.try("", "get", "cronjob", "each-minute", "-o", "jsonpath={.status.lastSuccessfulTime}")
		return out != ""
	})
	k.run("delete ns shop --timeout=60s", "deleted")
	written.areTheirs(t, taken)
	written.nothingRefused(t, "because it is being terminated", "pods.metrics.k8s.io")
	manager.complains(t, managerComplaints...)
	scheduler.complains(t, schedulerComplaints...)

	manager.stop(t)
	scheduler.stop(t)
	k.run("create ns later", "created")
	later := k.as("--namespace=later")
	later.run("create deploy later --image=web:1 --replicas=2", "created")
	later.run("rollout status deploy/later --timeout=60s", "successfully rolled out")
	later.run("get events --field-selector=reason=Scheduled -o jsonpath={.items[*].reportingComponent}", "default-scheduler default-scheduler")
}

// gaveWay waits until the server says that the loop of this name has stopped.
func (p *process) gaveWay(t *testing.T, loop string) {
	t.Helper()
	eventually(t, loop+" to give way", func() bool {
		return strings.Contains(p.log(), fmt.Sprintf(`"Another program does a controller's work" controller=%q`, loop))
	})
}

func startManager(t *testing.T, p *process, port string) *component {
	t.Helper()
	kubeconfig := p.kubeconfigOf(t, "system:kube-controller-manager")
	c := startKubernetes(t, "kube-controller-manager", "--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--use-service-account-credentials", "--root-ca-file="+p.pkiFile("ca.crt"), "--service-account-private-key-file="+p.pkiFile("sa.key"),
		"--cluster-signing-cert-file="+p.pkiFile("ca.crt"), "--cluster-signing-key-file="+p.pkiFile("ca.key"),
		"--flex-volume-plugin-dir="+t.TempDir(), "--controllers=*,bootstrap-signer-controller,token-cleaner-controller",
		"--secure-port="+port, "--cert-dir="+t.TempDir(), "--horizontal-pod-autoscaler-sync-period=1s", "-v=2")
	p.gaveWay(t, "deployment-controller")
	p.gaveWay(t, "garbage-collector-controller")
	return c
}

func startScheduler(t *testing.T, p *process, port string) *component {
	t.Helper()
	kubeconfig := p.kubeconfigOf(t, "system:kube-scheduler")
	c := startKubernetes(t, "kube-scheduler", "--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig, "--secure-port="+port, "--cert-dir="+t.TempDir(), "-v=2")
	p.gaveWay(t, "kube-scheduler")
	return c
}

// workloadsOfManager is what became of testdata/controllers.yaml.
func workloadsOfManager(t *testing.T, k *kubectl, c *kubernetes.Clientset) {
	eventually(t, "a scaled Deployment", func() bool { // an HPA needs no metrics to have as many as its least
		out, _, _ := k.try("", "get", "deploy", "web", "-o", "jsonpath={.status.availableReplicas}")
		return out == "4"
	})
	k.run("get rc old -o jsonpath={.status.readyReplicas}", "2")
	k.run("get job sum -o jsonpath='{.status.succeeded} {.status.completedIndexes}'", "6 0-5")
	eventually(t, "the end of a Job that is over", func() bool { _, _, code := k.try("", "get", "job", "gone"); return code != 0 })
	// Everything is made by one of two.
	for selector, want := range map[string]int{"app=web": 4, "app=db": 2, "app=agent": 1, "app=old": 2, "job-name=sum": 6} {
		pods, err := c.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{LabelSelector: selector})
		if err != nil || len(pods.Items) != want {
			t.Errorf("%s: %d pods, %v, want %d", selector, len(pods.Items), err, want)
		}
		created, err := c.CoreV1().Events("shop").List(t.Context(), metav1.ListOptions{FieldSelector: "reason=SuccessfulCreate"})
		if err != nil {
			t.Fatal(err)
		}
		for i := range pods.Items {
			n := 0
			for _, e := range created.Items {
				if e.Message == "Created pod: "+pods.Items[i].Name {
					n += max(1, int(e.Count))
				}
			}
			if selector != "app=db" && n != 1 { // a StatefulSet says it otherwise
				t.Errorf("pod %s was created %d times", pods.Items[i].Name, n)
			}
		}
	}
	k.run("get pvc data-db-0 data-db-1 -o jsonpath={.items[*].status.phase}", "Bound Bound")
	eventually(t, "what a budget lets go", func() bool {
		out, _, _ := k.try("", "get", "pdb", "web", "-o", "jsonpath={.status.disruptionsAllowed}/{.status.expectedPods}")
		return out == "1/4"
	})
	eventually(t, "endpoints", func() bool {
		slices, _, _ := k.try("", "get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "jsonpath={.items[*].endpoints[*].conditions.ready}")
		endpoints, _, _ := k.try("", "get", "endpoints", "web", "-o", "jsonpath={.subsets[*].addresses[*].ip}")
		return slices == "true true true true" && len(strings.Fields(endpoints)) == 4
	})
	k.run("get deploy web -o jsonpath={.metadata.managedFields[*].manager} --show-managed-fields", "kube-controller-manager")
}

func restOfManager(t *testing.T, k *kubectl) {
	is := func(what, command, want string) {
		t.Helper()
		eventually(t, what, func() bool { out, _, _ := k.try("", words(command)...); return strings.Contains(out, want) })
	}
	is("the use of a quota", "get quota all -o jsonpath={.status.used.count/deployments\\.apps}", "1")
	is("a token", "get secret default-token -o jsonpath={.data.token}", base64.RawStdEncoding.EncodeToString([]byte("eyJ")))
	is("an account", "get sa default -o name", "serviceaccount/default")
	is("the authority", "get cm kube-root-ca.crt -o jsonpath={.data}", "BEGIN CERTIFICATE")
	is("an aggregated role", "get clusterrole view -o jsonpath={.rules[*].resources}", `"trips"`)
	is("a mirrored slice", "get endpointslices -l kubernetes.io/service-name=by-hand -o jsonpath={.items[*].endpoints[*].addresses}", "192.0.2.7")
	is("a claim to a device", "get resourceclaims -o jsonpath={.items[*].metadata.annotations}", `"resource.kubernetes.io/pod-claim-name":"d"`)
	is("an ephemeral volume's claim", "get pvc scratch-v -o jsonpath={.metadata.ownerReferences[*].kind}", "Pod")
	is("a range of cluster IPs that is ready", "get servicecidr kubernetes -o jsonpath={.status.conditions[?(@.type==\"Ready\")].status}", "True")
	is("a finalizer of a claim", "get pvc data-db-0 -o jsonpath={.metadata.finalizers}", "kubernetes.io/pvc-protection")
}

// scheduling is what only kube-scheduler does: one pod goes for another's sake.
func scheduling(t *testing.T, k *kubectl, c *kubernetes.Clientset) {
	node, err := c.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	most := node.Items[0].Status.Allocatable[corev1.ResourceCPU]
	half := most.MilliValue()*6/10 - 1
	pod := func(name, class string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {terminationGracePeriodSeconds: 0, priorityClassName: %s, containers: [{name: c, image: web:1, resources: {requests: {cpu: %dm}}}]}\n", name, class, half)
	}
	k.run("create priorityclass low --value=1", "created")
	k.run("create priorityclass high --value=1000", "created")
	k.runWith(pod("low", "low"), "apply -f -", "created")
	k.run("wait --for=condition=Ready pod/low --timeout=60s", "condition met")
	k.runWith(pod("high", "high"), "apply -f -", "created")
	k.run("wait --for=condition=Ready pod/high --timeout=60s", "condition met")
	k.fails(1, "get pod low", "not found")
	k.run("get events --field-selector=reason=Preempted", "Preempted by pod")
	k.run("get events --field-selector=reason=Scheduled,involvedObject.name=high", "Successfully assigned shop/high to")
	k.run("get pod claims -o jsonpath={.status.conditions[*].message}", "device class none.example.org does not exist")
	k.run("get lease kube-scheduler -n kube-system -o jsonpath={.spec.holderIdentity}", hostname(t))
}

func hostname(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func certificatesOfManager(t *testing.T, k *kubectl) {
	_, csr := request(t, "dora", "dev")
	k.runWith("apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: dora}\n"+
		"spec: {signerName: kubernetes.io/kube-apiserver-client, usages: [client auth], expirationSeconds: 3600, request: "+csr+"}\n", "create -f -", "created")
	k.run("certificate approve dora", "approved")
	k.run("wait csr/dora --for=jsonpath={.status.certificate} --timeout=60s", "condition met")
	if pem, err := base64.StdEncoding.DecodeString(k.run("get csr dora -o jsonpath={.status.certificate}")); err != nil || !strings.Contains(string(pem), "BEGIN CERTIFICATE") {
		t.Errorf("the certificate is %q, %v", pem, err)
	}
}

// delegation is that they ask the server who somebody is and what he may do.
func delegation(t *testing.T, k *kubectl, ports ...string) {
	k.run("create sa prometheus", "created")
	k.run("create clusterrolebinding prometheus --clusterrole=system:monitoring --serviceaccount=shop:prometheus", "created")
	tokens := []string{"", strings.TrimSpace(k.run("create token default")), strings.TrimSpace(k.run("create token prometheus"))}
	client := &http.Client{Timeout: waitTimeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // it has made its certificate itself
	for _, port := range ports {
		for i, want := range []int{http.StatusForbidden, http.StatusForbidden, http.StatusOK} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%s/metrics", port), nil)
			if err != nil {
				t.Fatal(err)
			}
			if tokens[i] != "" {
				r.Header.Set("Authorization", "Bearer "+tokens[i])
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode != want || want == http.StatusOK && !strings.Contains(string(content), "leader_election_master_status") {
				t.Errorf("port %s, token %d: %d, %v, %.200s", port, i, answer.StatusCode, err, content)
			}
		}
	}
}

func garbageOfManager(t *testing.T, k *kubectl) {
	k.run("delete rc old --cascade=orphan --timeout=60s", "deleted")
	k.run("get pods -l app=old -o jsonpath={.items[*].metadata.ownerReferences}")
	if out := k.run("get pods -l app=old -o name"); strings.Count(out, "pod/") != 2 {
		t.Errorf("orphans: %s", out)
	}
	k.run("delete hpa web", "deleted")
	k.run("delete deploy web --cascade=foreground --timeout=60s", "deleted")
	if out := k.run("get rs,pods -l app=web -o name"); out != "" {
		t.Errorf("left: %s", out)
	}
	k.run("delete ds agent", "deleted")
	eventually(t, "the end of a DaemonSet's pods", func() bool {
		out, _, code := k.try("", "get", "pods", "-l", "app=agent", "-o", "name")
		return code == 0 && out == ""
	})
}

// managerComplaints are what kube-controller-manager says of itself: of caches that
// are behind its own writes, of writes at the same moment as the admission of
// quotas, of objects that went meanwhile, and that nobody measures pods here.
var managerComplaints = []string{
	"The manifest file is empty", "is not as new as written version", "the object has been modified", "because it is being terminated",
	"the server could not find the requested resource (get pods.metrics.k8s.io)", `"old\" not found`,
}

// schedulerComplaints are what kube-scheduler says while a pod's claim is not made.
var schedulerComplaints = []string{"The manifest file is empty", `pod="shop/scratch" status="not found"`}
