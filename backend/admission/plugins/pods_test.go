package plugins

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

func TestNamespaceLifecycle(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "NamespaceLifecycle")
	cm := write{op: admission.Create, resource: "configmaps", object: `{"metadata":{"name":"a"}}`}
	w.ok(c, cm)
	gone := w.attributes(cm)
	gone.Namespace = "none"
	if _, err := w.admit(c, gone); err == nil || err.Error() != `namespaces "none" not found` {
		t.Errorf("a missing namespace: %v", err)
	}
	w.refused(c, write{op: admission.Delete, resource: "namespaces", old: `{"metadata":{"name":"kube-system"}}`}, 403,
		`namespaces "kube-system" is forbidden: this namespace may not be deleted`)
	w.ok(c, write{op: admission.Delete, resource: "namespaces", old: `{"metadata":{"name":"kube-node-lease"}}`})
	w.have("namespaces", "", `{"metadata":{"name":"ending"}}`)
	if c.Mutates(admission.Create, w.entry("localsubjectaccessreviews.authorization.k8s.io"), "") {
		t.Error("reviews tell whether a namespace exists")
	}
}

func TestServiceAccount(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "ServiceAccount")
	pod := w.pod(c, podNamed("p", ""))
	if pod.Spec.ServiceAccountName != "default" || pod.Spec.DeprecatedServiceAccount != "default" {
		t.Errorf("account %q, %q", pod.Spec.ServiceAccountName, pod.Spec.DeprecatedServiceAccount)
	}
	v := pod.Spec.Volumes[0]
	if !strings.HasPrefix(v.Name, "kube-api-access-") || len(v.Projected.Sources) != 3 || *v.Projected.Sources[0].ServiceAccountToken.ExpirationSeconds != 3607 || *v.Projected.DefaultMode != 0o644 {
		t.Errorf("token volume %v", v)
	}
	if m := pod.Spec.Containers[0].VolumeMounts; len(m) != 1 || m[0].Name != v.Name || m[0].MountPath != tokenPath || !m[0].ReadOnly {
		t.Errorf("mounts %v", m)
	}
	again := w.pod(c, podNamed("p", `,"volumes":[{"name":"kube-api-access-x","emptyDir":{}}]`))
	if len(again.Spec.Volumes) != 1 || again.Spec.Containers[0].VolumeMounts[0].Name != "kube-api-access-x" {
		t.Errorf("a token volume that is there: %v", again.Spec.Volumes)
	}

	w.have("serviceaccounts", "ns", `{"metadata":{"name":"quiet"},"automountServiceAccountToken":false,"imagePullSecrets":[{"name":"reg"}]}`)
	quiet := w.pod(c, podNamed("p", `,"serviceAccountName":"quiet"`))
	if len(quiet.Spec.Volumes) != 0 || len(quiet.Spec.ImagePullSecrets) != 1 {
		t.Errorf("account without a token: %v", quiet.Spec)
	}
	if loud := w.pod(c, podNamed("p", `,"serviceAccountName":"quiet","automountServiceAccountToken":true`)); len(loud.Spec.Volumes) != 1 {
		t.Error("the pod's own word does not win")
	}
	w.refused(c, createPod(podNamed("p", `,"serviceAccountName":"nobody"`)), 403,
		`pods "p" is forbidden: error looking up service account ns/nobody: serviceaccount "nobody" not found`)

	mirror := func(spec string) write {
		return createPod(`{"metadata":{"name":"p","annotations":{"kubernetes.io/config.mirror":"x"}},"spec":{"containers":[{"name":"c","image":"i"}]` + spec + `}}`)
	}
	if pod := w.ok(c, mirror("")).(*corev1.Pod); pod.Spec.ServiceAccountName != "" || len(pod.Spec.Volumes) != 0 {
		t.Error("a mirror pod was changed")
	}
	w.refused(c, mirror(`,"serviceAccountName":"default"`), 403, `pods "p" is forbidden: a mirror pod may not reference service accounts`)
	w.refused(c, mirror(`,"imagePullSecrets":[{"name":"s"}]`), 403, `pods "p" is forbidden: a mirror pod may not reference secrets`)
	w.refused(c, mirror(`,"volumes":[{"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]}}]`), 403,
		`pods "p" is forbidden: a mirror pod may not use ServiceAccountToken volume projections`)
}

func TestServiceAccountWaitsForTheDefaultOne(t *testing.T) {
	w := newWorld(t)
	w.have("namespaces", "", `{"metadata":{"name":"fresh"}}`)
	a := w.attributes(createPod(podNamed("p", "")))
	a.Namespace = "fresh"
	made := time.AfterFunc(30*time.Millisecond, func() { w.have("serviceaccounts", "fresh", `{"metadata":{"name":"default"}}`) })
	defer made.Stop()
	if _, err := w.admit(w.only("", "ServiceAccount"), a); err != nil {
		t.Errorf("the account came a little later: %v", err)
	}
}

func TestMountableSecrets(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "ServiceAccount")
	w.have("serviceaccounts", "ns", `{"metadata":{"name":"tight","annotations":{"kubernetes.io/enforce-mountable-secrets":"true"}},"secrets":[{"name":"mine"}]}`)
	with := func(spec string) write { return createPod(podNamed("p", `,"serviceAccountName":"tight"`+spec)) }
	w.ok(c, with(`,"volumes":[{"name":"v","secret":{"secretName":"mine"}}]`))
	w.refused(c, with(`,"volumes":[{"name":"v","secret":{"secretName":"other"}}]`), 403,
		`pods "p" is forbidden: volume with secret.secretName="other" is not allowed because service account tight does not reference that secret`)
	w.refused(c, with(`,"initContainers":[{"name":"i","image":"i","env":[{"name":"E","valueFrom":{"secretKeyRef":{"name":"other","key":"k"}}}]}]`), 403,
		`pods "p" is forbidden: init container i with envVar E referencing secret.secretName="other" is not allowed because service account tight does not reference that secret`)
	w.refused(c, with(`,"initContainers":[{"name":"i","image":"i","envFrom":[{"secretRef":{"name":"other"}}]}]`), 403,
		`pods "p" is forbidden: init container i with envFrom referencing secret.secretName="other" is not allowed because service account tight does not reference that secret`)
	w.refused(c, with(`,"imagePullSecrets":[{"name":"reg"}]`), 403,
		`pods "p" is forbidden: imagePullSecrets[0].name="reg" is not allowed because service account tight does not reference that imagePullSecret`)
	debug := podNamed("p", `,"serviceAccountName":"tight","ephemeralContainers":[{"name":"e","image":"i","env":[{"name":"E","valueFrom":{"secretKeyRef":{"name":"other","key":"k"}}}]}]`)
	w.refused(c, write{op: admission.Update, resource: "pods", sub: "ephemeralcontainers", object: debug, old: podNamed("p", `,"serviceAccountName":"tight"`)}, 403,
		`pods "p" is forbidden: ephemeral container e with envVar E referencing secret.secretName="other" is not allowed because service account tight does not reference that secret`)
}

func TestPriority(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "Priority")
	plain := w.pod(c, podNamed("p", ""))
	if *plain.Spec.Priority != 0 || *plain.Spec.PreemptionPolicy != corev1.PreemptLowerPriority || plain.Spec.PriorityClassName != "" {
		t.Errorf("without a class: %v", plain.Spec)
	}
	w.have("priorityclasses.scheduling.k8s.io", "", `{"metadata":{"name":"high"},"value":7,"preemptionPolicy":"Never"}`)
	w.have("priorityclasses.scheduling.k8s.io", "", `{"metadata":{"name":"usual"},"value":3,"globalDefault":true}`)
	high := w.pod(c, podNamed("p", `,"priorityClassName":"high"`))
	if *high.Spec.Priority != 7 || *high.Spec.PreemptionPolicy != corev1.PreemptNever {
		t.Errorf("of a class: %v", high.Spec)
	}
	if usual := w.pod(c, podNamed("p", "")); *usual.Spec.Priority != 3 || usual.Spec.PriorityClassName != "usual" {
		t.Errorf("of the default class: %v", usual.Spec)
	}
	w.refused(c, createPod(podNamed("p", `,"priorityClassName":"none"`)), 403, `pods "p" is forbidden: no PriorityClass with name none was found`)
	w.refused(c, createPod(podNamed("p", `,"priorityClassName":"high","priority":5`)), 403,
		`pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 7 from the given PriorityClass name`)
	w.refused(c, createPod(podNamed("p", `,"priorityClassName":"high","preemptionPolicy":"PreemptLowerPriority"`)), 403,
		`pods "p" is forbidden: the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority admission controller computed Never from the given PriorityClass name`)
	kept := w.ok(c, write{op: admission.Update, resource: "pods", object: podNamed("p", ""), old: podNamed("p", `,"priority":9,"preemptionPolicy":"Never"`)}).(*corev1.Pod)
	if *kept.Spec.Priority != 9 || *kept.Spec.PreemptionPolicy != corev1.PreemptNever {
		t.Errorf("an update forgot the priority: %v", kept.Spec)
	}
	second := `{"metadata":{"name":"second"},"value":1,"globalDefault":true}`
	w.refused(c, write{op: admission.Create, resource: "priorityclasses.scheduling.k8s.io", object: second}, 403,
		`priorityclasses.scheduling.k8s.io "second" is forbidden: PriorityClass usual is already marked as default. Only one default can exist`)
	usual := `{"metadata":{"name":"usual"},"value":3,"globalDefault":true}`
	w.ok(c, write{op: admission.Update, resource: "priorityclasses.scheduling.k8s.io", object: usual, old: usual})
}

func TestDefaultTolerationSeconds(t *testing.T) {
	w := newWorld(t)
	w.env.Options.UnreachableTolerationSeconds = 60
	c := w.only("", "DefaultTolerationSeconds")
	got := w.pod(c, podNamed("p", "")).Spec.Tolerations
	if len(got) != 2 || got[0].Key != "node.kubernetes.io/not-ready" || *got[0].TolerationSeconds != 300 || *got[1].TolerationSeconds != 60 {
		t.Errorf("tolerations %v", got)
	}
	own := w.pod(c, podNamed("p", `,"tolerations":[{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":9}]`)).Spec.Tolerations
	if len(own) != 2 || own[1].Key != "node.kubernetes.io/not-ready" {
		t.Errorf("with one of its own %v", own)
	}
	if all := w.pod(c, podNamed("p", `,"tolerations":[{"operator":"Exists"}]`)).Spec.Tolerations; len(all) != 1 {
		t.Errorf("one that tolerates all %v", all)
	}
	if other := w.pod(c, podNamed("p", `,"tolerations":[{"operator":"Exists","effect":"NoSchedule"}]`)).Spec.Tolerations; len(other) != 3 {
		t.Errorf("one of another effect %v", other)
	}
}

func TestLimitRanger(t *testing.T) {
	w := newWorld(t)
	w.have("limitranges", "ns", `{"metadata":{"name":"l"},"spec":{"limits":[
		{"type":"Container","default":{"cpu":"2"},"defaultRequest":{"cpu":"1"},"max":{"cpu":"4"},"min":{"cpu":"500m"},"maxLimitRequestRatio":{"cpu":"2"}},
		{"type":"Pod","max":{"cpu":"5"}},
		{"type":"PersistentVolumeClaim","max":{"storage":"2Gi"},"min":{"storage":"1Gi"}}]}}`)
	c := w.only("", "LimitRanger")
	pod := w.pod(c, podNamed("p", `,"initContainers":[{"name":"i","image":"i","resources":{"limits":{"cpu":"1"},"requests":{"cpu":"1"}}}]`))
	if r := pod.Spec.Containers[0].Resources; r.Limits.Cpu().String() != "2" || r.Requests.Cpu().String() != "1" {
		t.Errorf("defaults %v", r)
	}
	if got, want := pod.Annotations[limitRangerAnnotation], "LimitRanger plugin set: cpu request for container c; cpu limit for container c"; got != want {
		t.Errorf("annotation %q, want %q", got, want)
	}
	with := func(requests, limits string) write {
		return createPod(`{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"` + requests + `"},"limits":{"cpu":"` + limits + `"}}}]}}`)
	}
	w.refused(c, with("4", "8"), 403, `pods "p" is forbidden: [maximum cpu usage per Container is 4, but limit is 8, maximum cpu usage per Pod is 5, but limit is 8]`)
	w.refused(c, with("100m", "200m"), 403, `pods "p" is forbidden: minimum cpu usage per Container is 500m, but request is 100m`)
	w.refused(c, with("1", "3"), 403, `pods "p" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000`)
	claim := func(size string) write {
		return write{op: admission.Create, resource: "persistentvolumeclaims", object: `{"metadata":{"name":"v"},"spec":{"resources":{"requests":{"storage":"` + size + `"}}}}`}
	}
	w.ok(c, claim("2Gi"))
	w.refused(c, claim("3Gi"), 403, `persistentvolumeclaims "v" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi`)
	w.refused(c, claim("1Mi"), 403, `persistentvolumeclaims "v" is forbidden: minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi`)
	if c.Validates(admission.Update, w.entry("pods"), "") || !c.Validates(admission.Update, w.entry("pods"), "resize") {
		t.Error("updates of pods")
	}
}

func TestRuntimeClass(t *testing.T) {
	w := newWorld(t)
	w.have("runtimeclasses.node.k8s.io", "", `{"metadata":{"name":"vm"},"handler":"vm","overhead":{"podFixed":{"cpu":"1"}},"scheduling":{"nodeSelector":{"vm":"yes"},"tolerations":[{"key":"vm","operator":"Exists"}]}}`)
	c := w.only("", "RuntimeClass")
	pod := w.pod(c, podNamed("p", `,"runtimeClassName":"vm","nodeSelector":{"a":"b"},"tolerations":[{"key":"vm","operator":"Exists"}]`))
	if pod.Spec.Overhead.Cpu().String() != "1" || len(pod.Spec.NodeSelector) != 2 || len(pod.Spec.Tolerations) != 1 {
		t.Errorf("from the class: %v", pod.Spec)
	}
	w.ok(c, createPod(podNamed("p", "")))
	w.refused(c, createPod(podNamed("p", `,"runtimeClassName":"none"`)), 403, `pods "p" is forbidden: pod rejected: RuntimeClass "none" not found`)
	w.refused(c, createPod(podNamed("p", `,"runtimeClassName":"vm","overhead":{"cpu":"2"}`)), 403, `pods "p" is forbidden: `+wrongOverhead)
	w.refused(c, createPod(podNamed("p", `,"overhead":{"cpu":"2"}`)), 403, `pods "p" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead`)
	w.refused(c, createPod(podNamed("p", `,"runtimeClassName":"vm","nodeSelector":{"vm":"no"}`)), 403,
		`pods "p" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no`)
}

func TestMergeTolerations(t *testing.T) {
	all := corev1.Toleration{Operator: corev1.TolerationOpExists}
	key := corev1.Toleration{Key: "k", Operator: corev1.TolerationOpExists}
	value := corev1.Toleration{Key: "k", Operator: corev1.TolerationOpEqual, Value: "v"}
	short := corev1.Toleration{Key: "k", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(3))}
	long := short
	long.TolerationSeconds = new(int64(9))
	f := func(first, second, want []corev1.Toleration) {
		t.Helper()
		if got := mergeTolerations(first, second); !slices.EqualFunc(got, want, func(a, b corev1.Toleration) bool { return equality.Semantic.DeepEqual(a, b) }) {
			t.Errorf("%v and %v make %v, want %v", first, second, got, want)
		}
	}
	list := func(l ...corev1.Toleration) []corev1.Toleration { return l }
	f(list(value), list(key), list(key))
	f(list(key), list(value), list(key))
	f(list(key), list(key), list(key))
	f(list(value, key), list(all), list(all))
	f(list(short), list(long), list(long))
}

func TestTopologyLabelsOfTheNode(t *testing.T) {
	w := newWorld(t)
	w.have("nodes", "", `{"metadata":{"name":"n","labels":{"topology.kubernetes.io/zone":"z","topology.kubernetes.io/region":"r","other":"x"}}}`)
	c := w.only("", "PodTopologyLabels")
	pod := w.pod(c, `{"metadata":{"name":"p","labels":{"topology.kubernetes.io/region":"own"}},"spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}]}}`)
	if len(pod.Labels) != 2 || pod.Labels["topology.kubernetes.io/zone"] != "z" || pod.Labels["topology.kubernetes.io/region"] != "own" {
		t.Errorf("labels %v", pod.Labels)
	}
	if free := w.pod(c, podNamed("p", "")); len(free.Labels) != 0 {
		t.Errorf("labels without a node %v", free.Labels)
	}
}

func TestPodResizeValidator(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "PodResizeValidator")
	resize := func(node, cpu string) write {
		text := func(generation, cpu string) string {
			return `{"metadata":{"name":"p","generation":` + generation + `},"spec":{"nodeName":"` + node + `","containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"` + cpu + `"}}}]}}`
		}
		return write{op: admission.Update, resource: "pods", sub: "resize", object: text("2", cpu), old: text("1", "1")}
	}
	w.refused(c, resize("none", "2"), 403, `pods "p" is forbidden: node "none" not found`)
	w.ok(c, resize("", "2"))
	for name, system := range map[string]string{"tux": "linux", "win": "windows"} {
		node := w.have("nodes", "", `{"metadata":{"name":"`+name+`","labels":{"kubernetes.io/os":"`+system+`"}},"status":{"allocatable":{"cpu":"4","memory":"1Gi"}}}`)
		if node.(*corev1.Node).Status.Allocatable.Cpu().IsZero() {
			t.Fatal("the node has nothing")
		}
	}
	w.ok(c, resize("tux", "4"))
	w.refused(c, resize("tux", "5"), 403, `pods "p" is forbidden: Node didn't have enough allocatable resources: cpu, requested: 5000, allocatable: 4000`)
	w.refused(c, resize("win", "2"), 403, `pods "p" is forbidden: pod resize is only supported on linux nodes, node "win" is "windows"`)
}
