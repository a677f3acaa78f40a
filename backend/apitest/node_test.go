package apitest_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"

	corev1 "k8s.io/api/core/v1"
)

// simulated starts a server with a node that only pretends.
func simulated(t *testing.T, dir string) *apitest.Server {
	t.Helper()
	return apitest.Start(t, apitest.Options{DataDir: dir, Change: func(o *config.Options) { o.Node.Backend, o.Node.Name = "sim", "worker" }})
}

func podOf(c *apitest.Caller, name string) *corev1.Pod {
	var p corev1.Pod
	if a := c.Get(pods + "/" + name); a.Code == 200 {
		a.Into(&p)
	}
	return &p
}

func phaseOf(c *apitest.Caller, name string) func() string {
	return func() string { return string(podOf(c, name).Status.Phase) }
}

func TestPodsRunOnASimulatedNode(t *testing.T) {
	t.Parallel()
	s := simulated(t, "")
	c := s.Admin()
	c.Post(pods, `{"metadata":{"name":"web"},"spec":{"initContainers":[{"name":"first","image":"i"},{"name":"beside","image":"i","restartPolicy":"Always","startupProbe":{"tcpSocket":{"port":1}}}],
		"containers":[{"name":"c","image":"i","readinessProbe":{"httpGet":{"port":80}}}]}}`).Must(201)
	c.Post(pods, `{"metadata":{"name":"once"},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}`).Must(201)
	c.Post(pods, `{"metadata":{"name":"bad","annotations":{"sim.pilothouse.dev/run-for":"1ms","sim.pilothouse.dev/exit-code":"3"}},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}`).Must(201)
	awaits(t, "Running", phaseOf(c, "web"))
	awaits(t, "Succeeded", phaseOf(c, "once"))
	awaits(t, "Failed", phaseOf(c, "bad"))

	awaits(t, "ContainersReady Initialized PodReadyToStartContainers PodScheduled Ready", func() string { // it runs before it is ready
		var good []string
		for _, k := range podOf(c, "web").Status.Conditions {
			if k.Status == corev1.ConditionTrue && k.Reason == "" && k.Message == "" {
				good = append(good, string(k.Type))
			}
		}
		slices.Sort(good)
		return strings.Join(good, " ")
	})
	web := podOf(c, "web")
	if len(web.Status.Conditions) != 5 || web.Status.PodIP == "" || web.Status.HostIP == "" || web.Spec.NodeName != "worker" || web.Status.StartTime == nil {
		t.Errorf("status %+v", web.Status)
	}
	if i := web.Status.InitContainerStatuses; len(i) != 2 || i[0].State.Terminated == nil || i[0].State.Terminated.Reason != "Completed" || i[1].State.Running == nil || !i[1].Ready {
		t.Errorf("init containers %+v", i)
	}
	if all := podOf(c, "bad").Status.ContainerStatuses; len(all) != 1 || all[0].State.Terminated == nil || all[0].State.Terminated.ExitCode != 3 {
		t.Errorf("a container that fails %+v", all)
	}

	if said := c.Get(pods + "/web/log?container=c").Must(200).Body; !strings.Contains(string(said), "nothing runs on this node") {
		t.Errorf("log %q", said)
	}
	node := "/api/v1/nodes/worker"
	if ok := string(c.Get(node + "/proxy/healthz").Must(200).Body); ok != "ok" {
		t.Errorf("healthz %q", ok)
	}
	if list := string(c.Get(node + "/proxy/pods").Must(200).Body); !strings.Contains(list, `"web"`) {
		t.Errorf("pods %s", list)
	}
	c.Get(node + "/proxy/stats/summary").Must(200)

	c.Delete(pods + "/web").Must(200)
	awaits(t, "404", codeOf(c, pods+"/web"))

	// What runs goes on after a restart, as the same containers.
	c.Post(pods, `{"metadata":{"name":"stays"},"spec":{"containers":[{"name":"c","image":"i"}]}}`).Must(201)
	awaits(t, "Running", phaseOf(c, "stays"))
	before := podOf(c, "stays").Status.ContainerStatuses
	s.Stop()
	c = simulated(t, s.DataDir()).Admin()
	c.Post(pods, `{"metadata":{"name":"next"},"spec":{"containers":[{"name":"c","image":"i"}]}}`).Must(201)
	awaits(t, "Running", phaseOf(c, "next"))
	if after := podOf(c, "stays").Status.ContainerStatuses; len(before) != 1 || len(after) != 1 || after[0].ContainerID != before[0].ContainerID || after[0].RestartCount != 0 {
		t.Errorf("after a restart %+v, before %+v", after, before)
	}
}

func TestPodsAreBoundWhereTheyFit(t *testing.T) {
	t.Parallel()
	c := simulated(t, "").Admin()
	create := func(name, spec string) {
		c.Post(pods, `{"metadata":{"name":"`+name+`"},"spec":{`+spec+`"containers":[{"name":"c","image":"i"`+map[bool]string{true: `,"resources":{"requests":{"cpu":"2000"}}`}[name == "big"]+
			map[bool]string{true: `,"ports":[{"containerPort":80,"hostPort":80}]`}[strings.HasPrefix(name, "port")]+`}]}}`).Must(201)
	}
	why := func(name string) func() string {
		return func() string {
			for _, k := range podOf(c, name).Status.Conditions {
				if k.Type == corev1.PodScheduled && k.Reason == corev1.PodReasonUnschedulable {
					return k.Message
				}
			}
			return ""
		}
	}
	create("big", "")
	awaits(t, "0/1 nodes are available: 1 Insufficient cpu.", why("big"))
	create("picky", `"nodeSelector":{"disk":"fast"},`)
	awaits(t, "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.", why("picky"))
	create("port1", "")
	awaits(t, "Running", phaseOf(c, "port1"))
	create("port2", "")
	awaits(t, "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.", why("port2"))
	create("elsewhere", `"schedulerName":"mine",`)

	// What keeps a pod waiting may go away.
	c.Patch("/api/v1/nodes/worker", `{"metadata":{"labels":{"disk":"fast"}}}`).Must(200)
	awaits(t, "Running", phaseOf(c, "picky"))
	c.Delete(pods + "/port1").Must(200)
	awaits(t, "Running", phaseOf(c, "port2"))

	c.Patch("/api/v1/nodes/worker", `{"spec":{"unschedulable":true}}`).Must(200)
	awaits(t, "node.kubernetes.io/unschedulable:NoSchedule", func() string {
		var n corev1.Node
		c.Get("/api/v1/nodes/worker").Must(200).Into(&n)
		var all []string
		for _, taint := range n.Spec.Taints {
			all = append(all, taint.Key+":"+string(taint.Effect))
		}
		return strings.Join(all, " ")
	})
	create("late", "")
	awaits(t, "0/1 nodes are available: 1 node(s) were unschedulable.", func() string {
		if podOf(c, "late").Spec.NodeName != "" { // bound before the scheduler had heard of it
			c.Delete(pods + "/late?gracePeriodSeconds=0").Must(200)
			create("late", "")
		}
		return why("late")()
	})
	awaits(t, "FailedScheduling", func() string {
		var list corev1.EventList
		c.Get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=late,reason=FailedScheduling").Must(200).Into(&list)
		if len(list.Items) == 0 {
			return ""
		}
		return list.Items[0].Reason
	})
	if p := podOf(c, "elsewhere"); p.Spec.NodeName != "" || len(p.Status.Conditions) > 0 {
		t.Errorf("a pod of another scheduler was touched: %+v", p.Status)
	}
}

func TestWithoutANodePodsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	c := apitest.Start(t).Admin()
	// A node that somebody made by hand has no kubelet, however ready it looks.
	c.Post("/api/v1/nodes", `{"metadata":{"name":"paper"}}`).Must(201)
	c.Patch("/api/v1/nodes/paper/status", `{"status":{"conditions":[{"type":"Ready","status":"True"}],"allocatable":{"cpu":"8","memory":"8Gi","pods":"110"}}}`).Must(200)
	c.Post(pods, `{"metadata":{"name":"waits"},"spec":{"containers":[{"name":"c","image":"i"}]}}`).Must(201)
	// A lease makes the difference; by then the pod was seen for long.
	c.Post("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", `{"metadata":{"name":"other"},"spec":{"holderIdentity":"other"}}`).Must(201)
	if p := podOf(c, "waits"); p.Spec.NodeName != "" || len(p.Status.Conditions) > 0 {
		t.Errorf("it was touched: %+v", p)
	}
	var n corev1.Node
	if c.Get("/api/v1/nodes/paper").Must(200).Into(&n); len(n.Spec.Taints) != 1 {
		t.Errorf("taints %v", n.Spec.Taints)
	}
}

func TestTwoHundredPods(t *testing.T) {
	t.Parallel()
	c := simulated(t, "").Admin()
	n := 200
	if testing.Short() { // with the race detector, too
		n = 60
	}
	for i := range n {
		c.Post(pods, fmt.Sprintf(`{"metadata":{"name":"p%d","labels":{"all":"yes"}},"spec":{"containers":[{"name":"c","image":"i"}]}}`, i)).Must(201)
	}
	awaits(t, fmt.Sprint(n), func() string {
		var list corev1.PodList
		c.Get(pods + "?fieldSelector=status.phase=Running").Must(200).Into(&list)
		return fmt.Sprint(len(list.Items))
	})
	// Every delete is a write to the disk: with a slow one the request runs out of
	// time, and goes on where it was when it is made again.
	awaits(t, "200", func() string {
		return fmt.Sprint(c.Do("DELETE", pods+"?labelSelector=all=yes", nil).Must(200, 504).Code)
	})
	awaits(t, "0", func() string {
		var list corev1.PodList
		c.Get(pods).Must(200).Into(&list)
		return fmt.Sprint(len(list.Items))
	})
}

// TestTheKubeletAPIAsksWhoMay calls a node past the server, as metrics-server does.
func TestTheKubeletAPIAsksWhoMay(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{
		Users:  []apitest.User{{Name: "meter"}},
		Change: func(o *config.Options) { o.Node.Backend, o.Node.Name, o.Node.Address = "sim", "worker", "127.0.0.1" },
	})
	c := s.Admin()
	c.Post(pods, `{"metadata":{"name":"web","annotations":{"sim.pilothouse.dev/cpu":"250m","sim.pilothouse.dev/memory":"32Mi"}},"spec":{"containers":[{"name":"c","image":"i"}]}}`).Must(201)
	awaits(t, "Running", phaseOf(c, "web"))
	var n corev1.Node
	c.Get("/api/v1/nodes/worker").Must(200).Into(&n)
	if a := n.Status.Addresses; len(a) == 0 || a[0].Address != "127.0.0.1" {
		t.Errorf("addresses %+v", a)
	}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: time.Minute} //nolint:gosec // what it serves with is another matter
	ask := func(path, token string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d%s", n.Status.DaemonEndpoints.KubeletEndpoint.Port, path), nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := web.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(said)
	}
	refused := func(path, token string, code int, said string) {
		t.Helper()
		if got, words := ask(path, token); got != code || strings.TrimSpace(words) != said {
			t.Errorf("%s: %d %s", path, got, words)
		}
	}
	if code, said := ask("/healthz", ""); code != 200 || said != "ok" {
		t.Errorf("healthz %d %s", code, said)
	}
	refused("/metrics/resource", "", 401, "Unauthorized")
	refused("/metrics/resource", "forged", 401, "Unauthorized")
	refused("/metrics/resource", "token-meter", 403, "Forbidden (user=meter, verb=get, resource=nodes, subresource(s)=[metrics])")
	c.Post("/apis/rbac.authorization.k8s.io/v1/clusterroles", `{"metadata":{"name":"meter"},"rules":[{"apiGroups":[""],"resources":["nodes/stats","nodes/pods"],"verbs":["get"]}]}`).Must(201)
	c.Post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", `{"metadata":{"name":"meter"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"meter"},"subjects":[{"kind":"User","name":"meter"}]}`).Must(201)
	for path, want := range map[string]string{"/stats/summary": `"workingSetBytes":33554432`, "/pods": `"web"`} {
		if code, said := ask(path, "token-meter"); code != 200 || !strings.Contains(said, want) {
			t.Errorf("%s: %d %s", path, code, said)
		}
	}
	refused("/configz", "token-meter", 403, "Forbidden (user=meter, verb=get, resource=nodes, subresource(s)=[configz proxy])")
	refused("/exec/default/web/c?command=id", "token-meter", 403, "Forbidden (user=meter, verb=create, resource=nodes, subresource(s)=[proxy])")

	said := string(c.Get("/api/v1/nodes/worker/proxy/metrics/resource").Must(200).Body)
	for _, want := range []string{
		`(?m)^# TYPE container_cpu_usage_seconds_total counter\ncontainer_cpu_usage_seconds_total\{container="c",namespace="default",pod="web"\} [0-9.]+ \d{13}$`,
		`(?m)^container_memory_working_set_bytes\{container="c",namespace="default",pod="web"\} 33554432 \d{13}$`,
		`(?m)^container_start_time_seconds\{container="c",namespace="default",pod="web"\} \d{10}(\.\d+)?$`,
		`(?m)^pod_memory_working_set_bytes\{namespace="default",pod="web"\} 33554432 \d{13}$`,
		`(?m)^node_cpu_usage_seconds_total 0*[0-9.]*[1-9][0-9.]* \d{13}$`,
		`(?m)^node_memory_working_set_bytes 100663296 \d{13}$`,
		`(?m)^resource_scrape_error 0$`,
	} {
		if !regexp.MustCompile(want).MatchString(said) {
			t.Errorf("%s is not in\n%s", want, said)
		}
	}
}
