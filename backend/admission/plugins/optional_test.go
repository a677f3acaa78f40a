package plugins

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
)

func TestAlwaysPullImages(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "AlwaysPullImages")
	pod := w.pod(c, podNamed("p", `,"initContainers":[{"name":"i","image":"i","imagePullPolicy":"Never"}],"volumes":[{"name":"v","image":{"reference":"r","pullPolicy":"IfNotPresent"}}]`))
	if pod.Spec.Containers[0].ImagePullPolicy != corev1.PullAlways || pod.Spec.InitContainers[0].ImagePullPolicy != corev1.PullAlways || pod.Spec.Volumes[0].Image.PullPolicy != corev1.PullAlways {
		t.Errorf("policies of %v", pod.Spec)
	}
	a := w.attributes(createPod(podNamed("p", "")))
	a.Object.(*corev1.Pod).Spec.Containers[0].ImagePullPolicy = corev1.PullNever
	if err := c.Validate(context.Background(), a); err == nil || err.Error() != `pods "p" is forbidden: spec.containers[0].imagePullPolicy: Unsupported value: "Never": supported values: "Always"` {
		t.Errorf("a policy that came later: %v", err)
	}
}

func TestNamespaceExistsAndAutoProvision(t *testing.T) {
	w := newWorld(t)
	exists, provision := w.only("", "NamespaceExists"), w.only("", "NamespaceAutoProvision")
	in := func(dry bool) *admission.Attributes {
		a := w.attributes(write{op: admission.Create, resource: "configmaps", object: `{"metadata":{"name":"a"}}`, dryRun: dry})
		a.Namespace = "new"
		return a
	}
	if _, err := w.admit(exists, in(false)); err == nil || err.Error() != `namespaces "new" not found` {
		t.Errorf("NamespaceExists: %v", err)
	}
	if _, err := w.admit(provision, in(true)); err != nil || w.r.Store("", "namespaces").Peek("", "new") != nil {
		t.Errorf("a dry run made the namespace, or %v", err)
	}
	if _, err := w.admit(provision, in(false)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.admit(exists, in(false)); err != nil {
		t.Errorf("the namespace was not made: %v", err)
	}
}

func TestDenyServiceExternalIPs(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "DenyServiceExternalIPs")
	with := func(ips string) string { return `{"metadata":{"name":"s"},"spec":{"externalIPs":[` + ips + `]}}` }
	w.ok(c, write{op: admission.Create, resource: "services", object: with("")})
	w.ok(c, write{op: admission.Update, resource: "services", object: with(`"1.1.1.1"`), old: with(`"1.1.1.1","2.2.2.2"`)})
	const text = `services "s" is forbidden: Use of external IPs is denied by admission control`
	w.refused(c, write{op: admission.Create, resource: "services", object: with(`"1.1.1.1"`)}, 403, text)
	w.refused(c, write{op: admission.Update, resource: "services", object: with(`"3.3.3.3"`), old: with(`"1.1.1.1"`)}, 403, text)
}

func TestExtendedResourceToleration(t *testing.T) {
	w := newWorld(t)
	pod := w.pod(w.only("", "ExtendedResourceToleration"), `{"metadata":{"name":"p"},"spec":{"tolerations":[{"key":"e.com/a","operator":"Exists","effect":"NoSchedule","tolerationSeconds":4}],"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"1","e.com/b":"1","e.com/a":"1"}}}]}}`)
	got := pod.Spec.Tolerations
	if len(got) != 2 || got[0].TolerationSeconds != nil || got[1].Key != "e.com/b" {
		t.Errorf("tolerations %v", got)
	}
}

func TestLimitPodHardAntiAffinityTopology(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "LimitPodHardAntiAffinityTopology")
	by := func(key string) write {
		return createPod(podNamed("p", `,"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"`+key+`"}]}}`))
	}
	w.ok(c, by("kubernetes.io/hostname"))
	w.refused(c, by("zone"), 403, `pods "p" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only key kubernetes.io/hostname is allowed`)
}

func TestPodNodeSelector(t *testing.T) {
	w := newWorld(t)
	c := w.only(`{podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: "pool=any", ns: "pool=any,disk=ssd"}}`, "PodNodeSelector")
	if got := w.pod(c, podNamed("p", `,"nodeSelector":{"disk":"ssd"}`)).Spec.NodeSelector; len(got) != 2 || got["pool"] != "any" {
		t.Errorf("selector %v", got)
	}
	w.refused(c, createPod(podNamed("p", `,"nodeSelector":{"pool":"own"}`)), 403, `pods "p" is forbidden: pod node label selector conflicts with its namespace node label selector`)
	w.refused(c, createPod(podNamed("p", `,"nodeSelector":{"disk":"hdd"}`)), 403, `pods "p" is forbidden: pod node label selector labels conflict with its namespace whitelist`)
	w.have("namespaces", "", `{"metadata":{"name":"own","annotations":{"scheduler.alpha.kubernetes.io/node-selector":"a=b"}}}`)
	a := w.attributes(createPod(podNamed("p", "")))
	a.Namespace = "own"
	if _, err := w.admit(c, a); err != nil || a.Object.(*corev1.Pod).Spec.NodeSelector["a"] != "b" {
		t.Errorf("the namespace's own selector: %v", err)
	}
}

func TestPodTolerationRestriction(t *testing.T) {
	w := newWorld(t)
	c := w.only(`{default: [{key: team, operator: Equal, value: a, effect: NoSchedule}], whitelist: [{key: team, operator: Exists}, {key: node.kubernetes.io/memory-pressure, operator: Exists}]}`, "PodTolerationRestriction")
	if got := w.pod(c, podNamed("p", "")).Spec.Tolerations; len(got) != 1 || got[0].Key != "team" {
		t.Errorf("tolerations %v", got)
	}
	busy := w.pod(c, `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`)
	if got := busy.Spec.Tolerations; len(got) != 2 || got[1].Key != "node.kubernetes.io/memory-pressure" {
		t.Errorf("tolerations of a pod with requests %v", got)
	}
	w.refused(c, createPod(podNamed("p", `,"tolerations":[{"key":"other","operator":"Exists"}]`)), 500,
		"pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist")
}

func TestOwnerReferences(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "OwnerReferencesPermissionEnforcement")
	owned := func(block string) string {
		return `{"metadata":{"name":"c","ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"d","uid":"u"` + block + `}]}}`
	}
	in := write{op: admission.Update, resource: "configmaps", object: owned(""), old: `{"metadata":{"name":"c"}}`, user: "ann"}
	w.refused(c, in, 403, `configmaps "c" is forbidden: cannot set an ownerRef on a resource you can't delete: no rule, <nil>`)
	w.allow["ann delete configmaps c"] = true
	w.ok(c, in)
	in.object = owned(`,"blockOwnerDeletion":true`)
	w.refused(c, in, 403, `configmaps "c" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: no rule, <nil>`)
	w.allow["ann update deployments/finalizers d"] = true
	w.ok(c, in)
	in.object, in.old, in.user = owned(""), owned(""), "bob"
	w.ok(c, in)
	in.object = strings.Replace(owned(`,"blockOwnerDeletion":true`), "Deployment", "Nothing", 1)
	in.user = "ann"
	w.refused(c, in, 403, `configmaps "c" is forbidden: cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion apps/v1 Kind Nothing`)
}

func TestEventRateLimit(t *testing.T) {
	w := newWorld(t)
	c := w.only(`{limits: [{type: User, qps: 1, burst: 2, cacheSize: 1}]}`, "EventRateLimit")
	event := func(user string) write {
		return write{op: admission.Create, resource: "events", object: `{"metadata":{"name":"e"}}`, user: user}
	}
	w.ok(c, event("ann"))
	w.ok(c, event("ann"))
	w.refused(c, event("ann"), 429, "Too many requests: limit reached on type User for key ann")
	w.now = w.now.Add(time.Second)
	w.ok(c, event("ann"))
	w.refused(c, event("ann"), 429, "Too many requests: limit reached on type User for key ann")
	w.ok(c, event("bob")) // pushes ann out of the cache
	w.ok(c, event("ann"))
	for _, faulty := range []string{"{}", "{limits: [{type: Odd, qps: 1, burst: 1}]}", "{limits: [{type: User, qps: 0, burst: 1}]}"} {
		e := w.env
		e.Options.Enable, e.Options.ConfigFile = []string{"EventRateLimit"}, writeSettings(t, "EventRateLimit", faulty)
		if _, err := New(e); err == nil {
			t.Errorf("%s is accepted", faulty)
		}
	}
}

func TestImagePolicyWebhook(t *testing.T) {
	w := newWorld(t)
	asked, answer, code := 0, "", 200
	service := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked++
		rw.WriteHeader(code)
		fmt.Fprint(rw, answer)
	}))
	t.Cleanup(service.Close)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := `{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"s","cluster":{"server":"` + service.URL + `"}}],"contexts":[{"name":"c","context":{"cluster":"s"}}]}`
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := `{imagePolicy: {kubeConfigFile: ` + kubeconfig + `, retryBackoff: 1, allowTTL: 60, denyTTL: -1}}`
	c := w.only(settings, "ImagePolicyWebhook")
	answer = `{"status":{"allowed":true}}`
	w.ok(c, createPod(podNamed("p", "")))
	w.ok(c, createPod(podNamed("p", "")))
	if asked != 1 {
		t.Errorf("asked %d times, the answer is to be kept", asked)
	}
	other := createPod(strings.ReplaceAll(podNamed("p", ""), `"image":"i"`, `"image":"j"`))
	answer = `{"status":{"allowed":false,"reason":"old"}}`
	w.refused(c, other, 403, `pods "p" is forbidden: image policy webhook backend denied one or more images: old`)
	answer = `{"status":{}}`
	w.refused(c, other, 403, `pods "p" is forbidden: one or more images rejected by webhook backend`)
	code, asked = 500, 0
	w.refused(c, other, 403, `pods "p" is forbidden: Error contacting webhook: 500`)
	if asked != imageTries {
		t.Errorf("tried %d times", asked)
	}
	open := w.only(strings.Replace(settings, "allowTTL", "defaultAllow: true, allowTTL", 1), "ImagePolicyWebhook")
	w.ok(open, other)
}

func TestAlwaysDeny(t *testing.T) {
	w := newWorld(t)
	w.refused(w.only("", "AlwaysDeny"), createPod(podNamed("p", "")), 403, `pods "p" is forbidden: admission control is denying all modifications`)
}
