package core_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/core"
	"pilothouse/backend/resources/policy"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// podServer is a server with pods and disruption budgets.
type podServer struct {
	*server
	pods *registry.Store
}

func newPodServer(t *testing.T) *podServer {
	s := newServer(t)
	if err := s.env.Registry.Add(policy.Resources(s.env)...); err != nil {
		t.Fatal(err)
	}
	return &podServer{s, s.store("", "pods")}
}

// pod makes a pod with one container and changes given in YAML.
func (s *podServer) pod(name, changes string) *corev1.Pod {
	s.t.Helper()
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name = "ns", name
	pod.Spec.Containers = []corev1.Container{{Name: "c", Image: "i:1"}}
	if err := yaml.UnmarshalStrict([]byte(changes), pod); err != nil {
		s.t.Fatal(err)
	}
	created, err := create(s.server, s.pods, pod, false)
	if err != "" {
		s.t.Fatal(err)
	}
	return created
}

// status sets a pod's status as the kubelet does.
func (s *podServer) status(name, text string) {
	s.t.Helper()
	_, err := s.view("status", name, func(pod *corev1.Pod) {
		if err := yaml.UnmarshalStrict([]byte(text), &pod.Status); err != nil {
			s.t.Fatal(err)
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *podServer) subresource(name string) *registry.Subresource {
	subs := s.pods.Resource().Subresources
	for i := range subs {
		if subs[i].Name == name {
			return &subs[i]
		}
	}
	s.t.Fatalf("no subresource %s", name)
	return nil
}

// view updates a pod through a subresource.
func (s *podServer) view(subresource, name string, change func(*corev1.Pod)) (*corev1.Pod, error) {
	s.t.Helper()
	r, err := s.pods.Update(s.ctx, "ns", name, registry.UpdateOptions{
		Strategy: s.subresource(subresource).Strategy,
		Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
			pod := current.(*corev1.Pod)
			change(pod)
			return defaulted(s.pods, pod), nil
		},
	})
	if err != nil {
		return nil, err
	}
	return r.Hub.(*corev1.Pod), nil
}

// post creates something below a pod.
func (s *podServer) post(subresource, pod string, obj runtime.Object) error {
	s.t.Helper()
	_, err := s.subresource(subresource).Create(s.ctx, registry.Call{Namespace: "ns", Name: pod, Store: s.pods, Registry: s.env.Registry}, obj)
	return err
}

// get gives a pod, nil when it is gone.
func (s *podServer) get(name string) *corev1.Pod {
	s.t.Helper()
	o, err := s.pods.Get(s.ctx, "ns", name, registry.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	obj, err := s.pods.Decode(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return obj.(*corev1.Pod)
}

func (s *podServer) delete(name string, options metav1.DeleteOptions) *registry.Result {
	s.t.Helper()
	r, err := s.pods.Delete(s.ctx, "ns", name, registry.DeleteOptions{Options: options})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func TestPodCreate(t *testing.T) {
	s := newPodServer(t)
	pod := s.pod("p", `{metadata: {generation: 7}, status: {phase: Running, podIP: 10.0.0.1}}`)
	if pod.Generation != 1 || pod.Status.Phase != corev1.PodPending || pod.Status.PodIP != "" || pod.Status.QOSClass != corev1.PodQOSBestEffort {
		t.Errorf("generation %d, status %+v", pod.Generation, pod.Status)
	}
	gated := s.pod("gated", `{spec: {schedulingGates: [{name: a.b/c}]}}`)
	if c := gated.Status.Conditions; len(c) != 1 || c[0].Type != corev1.PodScheduled || c[0].Status != corev1.ConditionFalse || c[0].Reason != "SchedulingGated" {
		t.Errorf("conditions %+v", c)
	}
}

func TestPodUpdate(t *testing.T) {
	s := newPodServer(t)
	s.pod("p", `{}`)
	s.status("p", `{phase: Running}`)
	pod, err := update(s.server, s.pods, "ns", "p", func(pod *corev1.Pod) {
		pod.Labels = map[string]string{"a": "b"}
		pod.Status.Phase = corev1.PodFailed
	})
	if err != "" || pod.Generation != 1 || pod.Status.Phase != corev1.PodRunning {
		t.Errorf("labels: %s, generation %d, phase %s", err, pod.Generation, pod.Status.Phase)
	}
	pod, err = update(s.server, s.pods, "ns", "p", func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "i:2" })
	if err != "" || pod.Generation != 2 {
		t.Errorf("image: %s, generation %d", err, pod.Generation)
	}
	_, err = update(s.server, s.pods, "ns", "p", func(pod *corev1.Pod) { pod.Spec.NodeName = "n" })
	if !strings.Contains(err, "spec: Forbidden: pod updates may not change fields other than") {
		t.Errorf("nodeName: %s", err)
	}
}

func TestPodDelete(t *testing.T) {
	s := newPodServer(t)
	f := func(name, changes, status string, options metav1.DeleteOptions, want int64) {
		t.Helper()
		s.pod(name, changes)
		if status != "" {
			s.status(name, status)
		}
		s.delete(name, options)
		pod := s.get(name)
		switch {
		case want < 0 && pod != nil:
			t.Errorf("%s is still there: %+v", name, pod.ObjectMeta)
		case want >= 0 && (pod == nil || pod.DeletionTimestamp == nil || *pod.DeletionGracePeriodSeconds != want):
			t.Errorf("%s: %+v, want a grace period of %d", name, pod, want)
		}
	}
	const gone = -1
	f("unscheduled", `{}`, ``, metav1.DeleteOptions{}, gone)
	f("scheduled", `{spec: {nodeName: node}}`, ``, metav1.DeleteOptions{}, 30)
	f("own", `{spec: {nodeName: node, terminationGracePeriodSeconds: 5}}`, ``, metav1.DeleteOptions{}, 5)
	f("asked", `{spec: {nodeName: node}}`, ``, metav1.DeleteOptions{GracePeriodSeconds: new(int64(7))}, 7)
	f("now", `{spec: {nodeName: node}}`, ``, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}, gone)
	f("negative", `{spec: {nodeName: node, terminationGracePeriodSeconds: -1}}`, ``, metav1.DeleteOptions{}, 1)
	f("failed", `{spec: {nodeName: node}}`, `{phase: Failed}`, metav1.DeleteOptions{}, gone)
	f("succeeded", `{spec: {nodeName: node}}`, `{phase: Succeeded}`, metav1.DeleteOptions{}, gone)
	if !s.pods.Resource().Strategy.DeleteReturnsObject {
		t.Error("DELETE of a pod gives a Status")
	}

	// A shorter period replaces a longer one; zero ends the pod.
	s.delete("asked", metav1.DeleteOptions{GracePeriodSeconds: new(int64(3))})
	if got := *s.get("asked").DeletionGracePeriodSeconds; got != 3 {
		t.Errorf("grace period %d", got)
	}
	s.delete("asked", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	if s.get("asked") != nil {
		t.Error("the pod stays without a grace period")
	}
}

func TestPodStatus(t *testing.T) {
	s := newPodServer(t)
	s.pod("p", `{metadata: {ownerReferences: [{apiVersion: v1, kind: X, name: x, uid: u}]}, spec: {nodeName: node}}`)
	pod, err := s.view("status", "p", func(pod *corev1.Pod) {
		pod.Spec.NodeName = "other"
		pod.OwnerReferences = nil
		pod.Labels = map[string]string{"a": "b"}
		pod.Status = corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.1", ObservedGeneration: 1,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, ObservedGeneration: 1}},
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if pod.Spec.NodeName != "node" || len(pod.OwnerReferences) != 1 || pod.Labels["a"] != "b" || pod.Status.QOSClass != corev1.PodQOSBestEffort {
		t.Errorf("got %+v", pod)
	}
	if ips := pod.Status.PodIPs; len(ips) != 1 || ips[0].IP != "10.0.0.1" {
		t.Errorf("podIPs %v", ips)
	}
	// A client that knows nothing of generations leaves them as they are.
	pod, err = s.view("status", "p", func(pod *corev1.Pod) {
		pod.Status.ObservedGeneration, pod.Status.Conditions[0].ObservedGeneration = 0, 0
	})
	if err != nil || pod.Status.ObservedGeneration != 1 || pod.Status.Conditions[0].ObservedGeneration != 1 {
		t.Errorf("%v, %+v", err, pod.Status)
	}
}

func TestPodBinding(t *testing.T) {
	s := newPodServer(t)
	bind := func(pod, node, uid string) string {
		t.Helper()
		b := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node}}
		b.Name, b.UID = pod, types.UID(uid)
		b.Annotations = map[string]string{"x": "y"}
		if err := s.post("binding", pod, b); err != nil {
			return err.Error()
		}
		return ""
	}
	s.pod("p", `{metadata: {annotations: {a: b}}}`)
	if err := bind("p", "n", ""); err != "" {
		t.Fatal(err)
	}
	pod := s.get("p")
	if pod.Spec.NodeName != "n" || pod.Annotations["x"] != "y" || pod.Annotations["a"] != "b" {
		t.Errorf("got %+v", pod)
	}
	if c := pod.Status.Conditions; len(c) != 1 || c[0].Type != corev1.PodScheduled || c[0].Status != corev1.ConditionTrue {
		t.Errorf("conditions %+v", c)
	}
	f := func(pod, node, uid, want string) {
		t.Helper()
		if got := bind(pod, node, uid); !strings.Contains(got, want) {
			t.Errorf("%s to %s: %q, want %q", pod, node, got, want)
		}
	}
	f("p", "m", "", `Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n"`)
	f("none", "n", "", `pods "none" not found`)
	f("p", "", "", `target.name: Required value`)
	s.pod("gated", `{spec: {schedulingGates: [{name: a.b/c}]}}`)
	f("gated", "n", "", `pod gated has non-empty .spec.schedulingGates`)
	s.pod("free", `{}`)
	f("free", "n", "other", `Precondition failed: UID in precondition: other, UID in object meta:`)

	if err := s.post("binding", "free", &corev1.Pod{}); !apierrors.IsBadRequest(err) {
		t.Errorf("a pod as a binding: %v", err)
	}
	b := &corev1.Binding{}
	b.Name = "p"
	if err := s.post("binding", "free", b); err == nil || err.Error() != "name in URL does not match name in Binding object" {
		t.Errorf("another name: %v", err)
	}
	// The older place takes the pod's name from the binding.
	var old *registry.Virtual
	for _, r := range core.Resources(s.env) {
		if r.Name == "bindings" {
			old = r.Virtual
		}
	}
	b.Name, b.Target.Name = "free", "n"
	if _, err := old.Create(s.ctx, registry.Call{Namespace: "ns", Registry: s.env.Registry}, b); err != nil || s.get("free").Spec.NodeName != "n" {
		t.Errorf("bindings: %v", err)
	}
}

func TestPodEphemeralContainers(t *testing.T) {
	s := newPodServer(t)
	s.pod("p", `{spec: {nodeName: node}}`)
	debug := corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: "i:1"}}
	pod, err := s.view("ephemeralcontainers", "p", func(pod *corev1.Pod) {
		pod.Spec.EphemeralContainers = append(pod.Spec.EphemeralContainers, debug)
		pod.Spec.Containers[0].Image = "other"
		pod.Labels = map[string]string{"a": "b"}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pod.Spec.EphemeralContainers) != 1 || pod.Spec.Containers[0].Image != "i:1" || pod.Generation != 2 {
		t.Errorf("got %+v", pod.Spec)
	}
	if pod.Spec.EphemeralContainers[0].ImagePullPolicy != corev1.PullIfNotPresent {
		t.Error("no defaults")
	}
	_, err = s.view("ephemeralcontainers", "p", func(pod *corev1.Pod) { pod.Spec.EphemeralContainers = nil })
	if err == nil || !strings.Contains(err.Error(), `existing ephemeral containers "debug" may not be removed`) {
		t.Errorf("removed: %v", err)
	}
	_, err2 := update(s.server, s.pods, "ns", "p", func(pod *corev1.Pod) { pod.Spec.EphemeralContainers = nil })
	if !strings.Contains(err2, "pod updates may not change fields other than") {
		t.Errorf("by an update of the pod: %v", err2)
	}
}

func TestPodResizeSubresource(t *testing.T) {
	s := newPodServer(t)
	s.pod("p", `{spec: {nodeName: node, containers: [{name: c, image: i, resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}}]}}`)
	more := func(cpu string) func(pod *corev1.Pod) {
		return func(pod *corev1.Pod) {
			if err := yaml.Unmarshal([]byte(`{requests: {cpu: `+cpu+`}}`), &pod.Spec.Containers[0].Resources); err != nil {
				t.Fatal(err)
			}
			pod.Spec.Containers[0].Image = "other"
		}
	}
	pod, err := s.view("resize", "p", more("150m"))
	if err != nil {
		t.Fatal(err)
	}
	if got := pod.Spec.Containers[0].Resources.Requests.Cpu().String(); got != "150m" || pod.Spec.Containers[0].Image != "i" || pod.Generation != 2 {
		t.Errorf("cpu %s, image %s, generation %d", got, pod.Spec.Containers[0].Image, pod.Generation)
	}
	if _, err = s.view("resize", "p", more("300m")); err == nil || !strings.Contains(err.Error(), "must be less than or equal to cpu limit of 200m") {
		t.Errorf("above the limit: %v", err)
	}
	if _, err2 := update(s.server, s.pods, "ns", "p", more("160m")); !strings.Contains(err2, "pod updates may not change fields other than") {
		t.Errorf("by an update of the pod: %v", err2)
	}
}

// budget makes a disruption budget with a status; its generation has been seen.
func (s *podServer) budget(name, selector, status string) {
	s.t.Helper()
	store := s.store("policy", "poddisruptionbudgets")
	b := &policyv1.PodDisruptionBudget{}
	b.Namespace, b.Name = "ns", name
	if err := yaml.UnmarshalStrict([]byte(selector), &b.Spec); err != nil {
		s.t.Fatal(err)
	}
	if _, err := create(s.server, store, b, false); err != "" {
		s.t.Fatal(err)
	}
	_, err := store.Update(s.ctx, "ns", name, registry.UpdateOptions{
		Strategy: &registry.Strategy{},
		Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
			b := current.(*policyv1.PodDisruptionBudget)
			b.Status.ObservedGeneration = b.Generation
			return b, yaml.UnmarshalStrict([]byte(status), &b.Status)
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *podServer) evict(pod string) error {
	s.t.Helper()
	e := &policyv1.Eviction{}
	e.Name = pod
	return s.post("eviction", pod, e)
}

// cause gives what kubectl drain shows of a refused eviction.
func cause(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return ""
	}
	return status.Status().Details.Causes[0].Message
}

func TestEviction(t *testing.T) {
	s := newPodServer(t)
	const ready = `{phase: Running, conditions: [{type: Ready, status: "True"}]}`
	running := func(name, labels, status string) {
		t.Helper()
		s.pod(name, `{metadata: {labels: {`+labels+`}}, spec: {nodeName: node}}`)
		s.status(name, status)
	}
	terminating := func(name string) bool {
		t.Helper()
		pod := s.get(name)
		if pod == nil || pod.DeletionTimestamp == nil {
			return false
		}
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.DisruptionTarget && c.Reason == "EvictionByEvictionAPI" && c.Message == "Eviction API: evicting" {
				return true
			}
		}
		t.Errorf("%s says nothing of its eviction: %+v", name, pod.Status.Conditions)
		return true
	}

	running("free", "a: none", ready)
	if err := s.evict("free"); err != nil || !terminating("free") {
		t.Errorf("no budget: %v", err)
	}

	s.budget("one", `{selector: {matchLabels: {a: one}}}`, `{disruptionsAllowed: 1, desiredHealthy: 1, currentHealthy: 2}`)
	running("one-1", "a: one", ready)
	running("one-2", "a: one", ready)
	if err := s.evict("one-1"); err != nil || !terminating("one-1") {
		t.Errorf("the first: %v", err)
	}
	o, err := s.store("policy", "poddisruptionbudgets").Get(s.ctx, "ns", "one", registry.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	obj, _ := s.store("policy", "poddisruptionbudgets").Decode(o)
	b := obj.(*policyv1.PodDisruptionBudget)
	if _, there := b.Status.DisruptedPods["one-1"]; !there || b.Status.DisruptionsAllowed != 0 {
		t.Errorf("budget %+v", b.Status)
	}
	err = s.evict("one-2")
	if !apierrors.IsTooManyRequests(err) || cause(err) != "The disruption budget one needs 1 healthy pods and has 2 currently" || terminating("one-2") {
		t.Errorf("the second: %v, %s", err, cause(err))
	}

	// A pod that is not ready costs nothing while enough others are.
	running("one-3", "a: one", `{phase: Running}`)
	if err := s.evict("one-3"); err != nil || !terminating("one-3") {
		t.Errorf("not ready: %v", err)
	}
	s.budget("few", `{selector: {matchLabels: {a: few}}}`, `{disruptionsAllowed: 0, desiredHealthy: 2, currentHealthy: 1}`)
	running("few-1", "a: few", `{phase: Running}`)
	if err := s.evict("few-1"); !apierrors.IsTooManyRequests(err) {
		t.Errorf("not ready, too few others: %v", err)
	}
	s.budget("any", `{selector: {matchLabels: {a: any}}, unhealthyPodEvictionPolicy: AlwaysAllow}`, `{disruptionsAllowed: 0, desiredHealthy: 2, currentHealthy: 1}`)
	running("any-1", "a: any", `{phase: Running}`)
	if err := s.evict("any-1"); err != nil || !terminating("any-1") {
		t.Errorf("not ready, always allowed: %v", err)
	}

	// What has ended, has not begun or goes already is not looked at.
	running("few-2", "a: few", `{phase: Succeeded}`)
	if err := s.evict("few-2"); err != nil || s.get("few-2") != nil {
		t.Errorf("ended: %v", err)
	}
	s.pod("few-3", `{metadata: {labels: {a: few}}}`)
	if err := s.evict("few-3"); err != nil || s.get("few-3") != nil {
		t.Errorf("pending: %v", err)
	}

	s.budget("two", `{selector: {matchExpressions: [{key: a, operator: In, values: [few]}]}}`, `{}`)
	err = s.evict("few-1")
	if err == nil || err.Error() != "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support." {
		t.Errorf("two budgets: %v", err)
	}
	s.budget("new", `{selector: {matchLabels: {a: new}}}`, `{observedGeneration: 0}`)
	running("new-1", "a: new", ready)
	err = s.evict("new-1")
	if cause(err) != "The disruption budget new is still being processed by the server." {
		t.Errorf("a budget that nobody has seen yet: %v, %s", err, cause(err))
	}
	if err := s.evict("none"); !apierrors.IsNotFound(err) {
		t.Errorf("no pod: %v", err)
	}
}

func TestEvictionDryRun(t *testing.T) {
	s := newPodServer(t)
	s.pod("p", `{}`)
	e := &policyv1.Eviction{DeleteOptions: &metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}}
	e.Name = "p"
	if err := s.post("eviction", "p", e); err != nil || s.get("p") == nil || len(s.get("p").Status.Conditions) > 0 {
		t.Errorf("%v, %+v", err, s.get("p"))
	}
	e.Name = "q"
	if err := s.post("eviction", "p", e); err == nil || err.Error() != "name in URL does not match name in Eviction object" {
		t.Errorf("another name: %v", err)
	}
	e.Name = "p"
	e.DeleteOptions = &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions("other")}
	if err := s.post("eviction", "p", e); !apierrors.IsConflict(err) {
		t.Errorf("another uid: %v", err)
	}
}

func TestPodFields(t *testing.T) {
	s := newPodServer(t)
	pod := s.pod("p", `{spec: {nodeName: node, hostNetwork: true, serviceAccountName: sa}}`)
	got := map[string]string{}
	for _, f := range s.pods.Resource().Fields {
		got[f.Name] = f.Get(pod)
	}
	for name, want := range map[string]string{
		"spec.nodeName": "node", "spec.host": "node", "spec.restartPolicy": "Always", "spec.schedulerName": "default-scheduler",
		"spec.serviceAccountName": "sa", "spec.hostNetwork": "true", "status.phase": "Pending", "status.podIP": "", "status.nominatedNodeName": "",
	} {
		if value, there := got[name]; !there || value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
}
