package node

import (
	"context"
	"strings"
	"testing"

	"pilothouse/backend/authz"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources"
	"pilothouse/backend/storage/memory"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func started(t *testing.T) (*registry.Registry, *Authorizer) {
	t.Helper()
	r, err := registry.New(registry.Options{Engine: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Add(resources.All(&registry.Env{Registry: r})...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	a, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	return r, a
}

func kubelet(name string) *request.User {
	return &request.User{Name: userPrefix + name, Groups: []string{group, request.GroupAuthenticated}}
}

func TestNodesReadWhatTheirPodsReferTo(t *testing.T) {
	r, a := started(t)
	f := func(node, verb, resource, namespace, name, want string) {
		t.Helper()
		at := &authz.Attributes{User: kubelet(node), IsResource: true, Verb: verb, Resource: resource, Namespace: namespace, Name: name}
		d, reason, err := a.Authorize(context.Background(), at)
		if err != nil || (d == authz.Allow) != (want == "") || !strings.Contains(reason, want) {
			t.Errorf("%s %s %s %s/%s: %v %q %v, want %q", node, verb, resource, namespace, name, d, reason, err, want)
		}
	}
	const unrelated = "no relationship found"
	f("n1", "get", "secrets", "ns", "mounted", unrelated)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns"}, Spec: corev1.PodSpec{
		NodeName: "n1", ServiceAccountName: "bot", RestartPolicy: "Always", DNSPolicy: "ClusterFirst", TerminationGracePeriodSeconds: new(int64),
		Volumes: []corev1.Volume{{Name: "s", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "mounted", DefaultMode: new(int32)}}}},
		Containers: []corev1.Container{{Name: "c", Image: "i", ImagePullPolicy: "Always", TerminationMessagePolicy: "File", TerminationMessagePath: "/x",
			EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "env"}}}}}},
	}}
	pods := r.Store("", "pods")
	made, err := pods.Create(context.Background(), pod, registry.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f("n1", "get", "secrets", "ns", "mounted", "")
	f("n1", "get", "configmaps", "ns", "env", "")
	f("n1", "get", "secrets", "ns", "other", unrelated)
	f("n1", "get", "secrets", "other", "mounted", unrelated)
	f("n2", "get", "secrets", "ns", "mounted", unrelated)
	f("n1", "list", "secrets", "ns", "", "No Object name found")
	f("n1", "delete", "secrets", "ns", "mounted", "can only read")
	f("n1", "get", "pods", "ns", "p", "")
	f("n2", "get", "pods", "ns", "p", unrelated)
	f("n1", "get", "nodes", "", "n1", "")
	f("n1", "get", "nodes", "", "n2", "cannot read 'n2'")
	f("n1", "list", "services", "", "", "")
	if _, err := pods.Delete(context.Background(), "ns", "p", registry.DeleteOptions{Options: metav1.DeleteOptions{GracePeriodSeconds: new(int64), Preconditions: &metav1.Preconditions{UID: &pod.UID}}}); err != nil {
		t.Fatal(err, made.Object.Key)
	}
	f("n1", "get", "secrets", "ns", "mounted", unrelated)
}

func TestOthersAreNoNodes(t *testing.T) {
	_, a := started(t)
	f := func(u *request.User) {
		t.Helper()
		if d, _, _ := a.Authorize(context.Background(), &authz.Attributes{User: u, IsResource: true, Verb: "list", Resource: "services"}); d != authz.NoOpinion {
			t.Errorf("%+v is taken for a node", u)
		}
	}
	f(&request.User{Name: "system:node:n1"})
	f(&request.User{Name: "n1", Groups: []string{group}})
	f(&request.User{Name: "system:node:", Groups: []string{group}})
	f(nil)
}
