package apitest_test

import (
	"fmt"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"
)

// TestWhatAKubeletAsks makes the requests that a kubelet of 1.36 made of a
// kube-apiserver while it joined and ran one pod, taken from the audit log of
// that run, with the rights that nodes have.
func TestWhatAKubeletAsks(t *testing.T) {
	t.Parallel()
	nodes := []string{"system:nodes"}
	s := apitest.Start(t, apitest.Options{
		Users:  []apitest.User{{Name: "system:node:worker", Groups: nodes}, {Name: "system:node:other", Groups: nodes}},
		Change: func(o *config.Options) { o.Admission.Enable = []string{"NodeRestriction"} }, // as clusters with kubelets have it
	})
	admin, k, other := s.Admin(), s.As("system:node:worker"), s.As("system:node:other")
	const strategic = "application/strategic-merge-patch+json"
	patch := func(c *apitest.Caller, path, body string) *apitest.Answer {
		t.Helper()
		return c.Do("PATCH", path, body, "Content-Type", strategic)
	}
	// watch opens a list that goes on as a watch, as reflectors do, and gives how
	// many objects there were at its begin.
	watch := func(path, selector string) (*apitest.Watch, int) {
		t.Helper()
		w := k.Watch(path + "?allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&timeoutSeconds=400" + selector)
		for n := 0; ; n++ {
			switch e := w.Next(); {
			case e.Type == "BOOKMARK" && e.Object.GetAnnotations()["k8s.io/initial-events-end"] == "true":
				return w, n
			case e.Type != "ADDED":
				t.Fatalf("%s begins with %s", path, e.Type)
			}
		}
	}
	const node, lease, csi = "/api/v1/nodes/worker", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", "/apis/storage.k8s.io/v1/csinodes"

	// It joins.
	k.Get(node).Must(404)
	k.Post("/api/v1/nodes", `{"metadata":{"name":"worker","labels":{"kubernetes.io/hostname":"worker","kubernetes.io/os":"linux"}}}`).Must(201)
	patch(k, node+"/status", `{"status":{"$setElementOrder/conditions":[{"type":"Ready"}],"conditions":[{"type":"Ready","status":"True","reason":"KubeletReady"}],
		"addresses":[{"type":"InternalIP","address":"192.0.2.1"}],"allocatable":{"pods":"110"},"capacity":{"pods":"110"},"nodeInfo":{"kubeletVersion":"v1.36.2"}}}`).Must(200)
	if _, n := watch("/api/v1/nodes", "&fieldSelector=metadata.name%3Dworker"); n != 1 {
		t.Errorf("%d nodes of that name", n)
	}
	k.Get(lease + "/worker").Must(404)
	l := k.Post(lease, fmt.Sprintf(`{"metadata":{"name":"worker"},"spec":{"holderIdentity":"worker","leaseDurationSeconds":40,"renewTime":%q}}`, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00"))).Must(201).Object()
	k.Put(lease+"/worker", l.Object).Must(200)
	k.Get(csi + "/worker").Must(404)
	k.Post(csi, `{"metadata":{"name":"worker"},"spec":{"drivers":[]}}`).Must(201)
	k.Delete("/apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.nodeName%3Dworker").Must(200)
	for _, list := range []string{"/apis/node.k8s.io/v1/runtimeclasses", "/apis/storage.k8s.io/v1/csidrivers"} {
		watch(list, "")
	}
	if _, n := watch("/api/v1/services", "&fieldSelector=spec.clusterIP%21%3DNone"); n != 1 {
		t.Errorf("%d services, want the API's own", n)
	}
	mine, n := watch("/api/v1/pods", "&fieldSelector=spec.nodeName%3Dworker")
	if n != 0 {
		t.Errorf("%d pods", n)
	}

	// It runs a pod that the scheduler gives it.
	admin.Post("/api/v1/namespaces/default/configmaps", `{"metadata":{"name":"settings"},"data":{"a":"b"}}`).Must(201)
	admin.Post("/api/v1/namespaces/default/secrets", `{"metadata":{"name":"hidden"},"data":{"a":"Yg=="}}`).Must(201)
	awaits(t, "200", codeOf(admin, "/api/v1/namespaces/default/serviceaccounts/default"))
	awaits(t, "200", codeOf(admin, "/api/v1/namespaces/default/configmaps/kube-root-ca.crt"))
	// A kubelet renews its Lease all the time; here, before it gets something to do.
	k.Do("PATCH", lease+"/worker", fmt.Sprintf(`{"spec":{"renewTime":%q}}`, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00")), "Content-Type", "application/merge-patch+json").Must(200)
	pod := admin.Post(pods, `{"metadata":{"name":"web"},"spec":{"containers":[{"name":"c","image":"i","envFrom":[{"configMapRef":{"name":"settings"}},{"secretRef":{"name":"hidden"}}]}]}}`).Must(201).Object()
	if e := mine.Next(); e.Type != "ADDED" || e.Object.GetName() != "web" {
		t.Errorf("%s %s", e.Type, e.Object.GetName())
	}
	k.Get(pods + "/web").Must(200)
	const maps, secrets = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/secrets"
	awaits(t, "200", codeOf(k, maps+"/settings")) // the authorizer watches pods, too
	awaits(t, "200", codeOf(k, secrets+"/hidden"))
	for path, name := range map[string]string{maps: "settings", secrets: "hidden"} {
		if _, n := watch(path, "&fieldSelector=metadata.name%3D"+name); n != 1 {
			t.Errorf("%d objects at %s", n, path)
		}
	}
	if _, n := watch(maps, "&fieldSelector=metadata.name%3Dkube-root-ca.crt"); n != 1 {
		t.Error("there is no kube-root-ca.crt")
	}
	token := fmt.Sprintf(`{"spec":{"audiences":["https://kubernetes.default.svc"],"expirationSeconds":3607,"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"web","uid":%q}}}`, pod.GetUID())
	k.Post("/api/v1/namespaces/default/serviceaccounts/default/token", token).Must(201)
	patch(k, pods+"/web/status", fmt.Sprintf(`{"metadata":{"uid":%q},"status":{"$setElementOrder/conditions":[{"type":"PodReadyToStartContainers"},{"type":"Initialized"},{"type":"Ready"},{"type":"PodScheduled"}],
		"conditions":[{"type":"Ready","status":"True"}],"phase":"Running","podIP":"10.0.0.9","podIPs":[{"ip":"10.0.0.9"}],"containerStatuses":[{"name":"c","image":"i","imageID":"","ready":true,"restartCount":0,"state":{"running":{}}}]}}`, pod.GetUID())).Must(200)
	event := k.Post("/api/v1/namespaces/default/events", `{"metadata":{"name":"web.1"},"involvedObject":{"kind":"Pod","namespace":"default","name":"web"},"reason":"Started","type":"Normal","source":{"component":"kubelet","host":"worker"},"count":1}`).Must(201).Object()
	patch(k, "/api/v1/namespaces/default/events/"+event.GetName(), `{"count":2}`).Must(200)

	// It asks who may do something at its own port.
	k.Post("/apis/authorization.k8s.io/v1/subjectaccessreviews", `{"spec":{"user":"kube-apiserver-kubelet-client","resourceAttributes":{"verb":"get","resource":"nodes","subresource":"log","name":"worker"}}}`).Must(201)
	k.Post("/apis/authentication.k8s.io/v1/tokenreviews", `{"spec":{"token":"x"}}`).Must(201)

	// Nothing of this is another node's.
	other.Get(maps + "/settings").Must(403)
	other.Get(secrets + "/hidden").Must(403)
	other.Post("/api/v1/namespaces/default/serviceaccounts/default/token", token).Must(403)
	patch(other, pods+"/web/status", `{"status":{"phase":"Failed"}}`).Must(403)
	patch(other, node+"/status", `{"status":{"phase":"Running"}}`).Must(403)

	// The pod ends.
	admin.Delete(pods + "/web").Must(200)
	for e := mine.Next(); e.Object.GetDeletionTimestamp() == nil; e = mine.Next() {
	}
	k.Do("DELETE", pods+"/web", fmt.Sprintf(`{"gracePeriodSeconds":0,"preconditions":{"uid":%q}}`, pod.GetUID())).Must(200)
	for e := mine.Next(); e.Type != "DELETED"; e = mine.Next() {
	}
}
