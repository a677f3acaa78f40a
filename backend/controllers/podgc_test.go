package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources/core"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/memory"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// podCluster is a registry with pods and a client that notes what is asked of it.
func podCluster(t *testing.T, keep int, list ...*corev1.Pod) (c *podCollector, asked *[]string) {
	t.Helper()
	engine, err := memory.NewStore().Open()
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.New(registry.Options{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range core.Resources(&registry.Env{}) {
		if res.Name == "pods" {
			err = r.Add(res)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	store := r.Store("", "pods")
	for _, p := range list {
		put(t, engine, store, p)
	}
	asked = &[]string{}
	var mu sync.Mutex // pods are removed side by side
	api := func(_ context.Context, r *request.Request) (*request.Response, error) {
		name := r.Path[strings.LastIndex(r.Path, "/")+1:]
		if strings.HasPrefix(r.Path, "/api/v1/nodes/") {
			if name == "gone" {
				return nil, apierrors.NewNotFound(nodes.GroupResource(), name)
			}
			return &request.Response{Status: 200, Body: []byte(nodesOfTests[name])}, nil
		}
		if r.Method == "PATCH" && !strings.Contains(string(r.Body), `"Failed"`) {
			return nil, fmt.Errorf("patch %s", r.Body)
		}
		mu.Lock()
		defer mu.Unlock()
		*asked = append(*asked, r.Method+" "+strings.TrimPrefix(r.Path, "/api/v1/namespaces/ns/pods/"))
		return &request.Response{Status: 200, Body: []byte(`{}`)}, nil
	}
	return &podCollector{Deps: Deps{Registry: r, Client: client.New(api, &request.User{Name: "c"}, "test"), Clock: time.Now}, keep: keep}, asked
}

// nodesOfTests are the nodes that are there.
var nodesOfTests = map[string]string{
	"here": `{}`,
	"out":  `{"spec":{"taints":[{"key":"node.kubernetes.io/out-of-service","effect":"NoExecute"}]},"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}}`,
	"back": `{"spec":{"taints":[{"key":"node.kubernetes.io/out-of-service","effect":"NoExecute"}]},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`,
}

func put(t *testing.T, engine storage.Engine, store *registry.Store, p *corev1.Pod) {
	t.Helper()
	e, err := scheme.Encode(p, store.HubKind(), 1)
	if err != nil {
		t.Fatal(err)
	}
	w := storage.Write{Key: storage.Key(storage.Prefix("", "pods"), p.Namespace, p.Name), Value: e.Raw, Hole: storage.Hole{Offset: e.HoleOffset, Len: e.HoleLen}}
	if _, err := engine.Commit(t.Context(), &w); err != nil {
		t.Fatal(err)
	}
	if store.Peek(p.Namespace, p.Name) == nil {
		t.Fatal("a pod is not in the cache")
	}
}

func gcPod(name, node string, phase corev1.PodPhase, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name), CreationTimestamp: metav1.Unix(1000, 0)},
		Spec:       corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{Phase: phase},
	}
	if change != nil {
		change(p)
	}
	return p
}

func TestPodsOfNodesThatAreGone(t *testing.T) {
	c, asked := podCluster(t, keepEndedPods,
		gcPod("a", "gone", corev1.PodRunning, nil), gcPod("b", "gone", corev1.PodSucceeded, nil),
		gcPod("c", "here", corev1.PodRunning, nil), gcPod("d", "", corev1.PodPending, nil))
	for _, node := range []string{"here", "gone"} {
		if err := c.orphaned(t.Context(), node); err != nil {
			t.Fatal(err)
		}
	}
	if slices.Index(*asked, "PATCH a/status") > slices.Index(*asked, "DELETE a") {
		t.Errorf("a pod was removed before it was said why: %v", *asked)
	}
	slices.Sort(*asked)
	if got := strings.Join(*asked, ", "); got != "DELETE a, DELETE b, PATCH a/status" {
		t.Error(got)
	}
}

// Somebody says of a node that it is shut down: what is being deleted there need
// not wait for its kubelet.
func TestPodsOfNodesOutOfService(t *testing.T) {
	marked := func(p *corev1.Pod) { now := metav1.Unix(2000, 0); p.DeletionTimestamp = &now }
	c, asked := podCluster(t, keepEndedPods,
		gcPod("a", "out", corev1.PodRunning, marked), gcPod("b", "out", corev1.PodRunning, nil),
		gcPod("c", "back", corev1.PodRunning, marked), gcPod("d", "here", corev1.PodRunning, marked))
	for _, node := range []string{"out", "back", "here"} {
		if err := c.orphaned(t.Context(), node); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(*asked, ", "); got != "PATCH a/status, DELETE a" {
		t.Error(got)
	}
}

func TestPodsThatEndedAreTooMany(t *testing.T) {
	old := func(p *corev1.Pod) { p.CreationTimestamp = metav1.Unix(10, 0) }
	c, _ := podCluster(t, 2,
		gcPod("a", "n", corev1.PodSucceeded, nil), gcPod("b", "n", corev1.PodFailed, func(p *corev1.Pod) { p.Status.Reason = "Evicted" }),
		gcPod("c", "n", corev1.PodSucceeded, old), gcPod("d", "n", corev1.PodSucceeded, nil), gcPod("e", "n", corev1.PodRunning, old))
	var got []string
	for _, p := range c.tooMany() {
		got = append(got, p.Name)
	}
	if strings.Join(got, " ") != "b c" {
		t.Error(got)
	}
	if c.keep = 4; len(c.tooMany()) != 0 {
		t.Error("pods go though they are few")
	}
}

func TestUnscheduledPodsThatAreBeingDeleted(t *testing.T) {
	marked := func(p *corev1.Pod) { now := metav1.Unix(2000, 0); p.DeletionTimestamp = &now }
	c, asked := podCluster(t, keepEndedPods,
		gcPod("a", "", corev1.PodPending, marked), gcPod("b", "n", corev1.PodPending, marked), gcPod("c", "", corev1.PodPending, nil))
	for _, name := range []string{"a", "b", "c", "none"} {
		if err := c.unscheduled(t.Context(), types.NamespacedName{Namespace: "ns", Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(*asked, ", "); got != "PATCH a/status, DELETE a" {
		t.Error(got)
	}
}
