package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/policy"
	"pilothouse/backend/authz"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage/badger"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// world is a registry with the built-in resources.
func world(b *testing.B) *registry.Registry {
	b.Helper()
	engine, err := badger.Open(badger.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { engine.Close() })
	r, err := registry.New(registry.Options{Engine: engine})
	if err != nil {
		b.Fatal(err)
	}
	env := &registry.Env{Clock: time.Now, Registry: r}
	if err := r.Add(resources.All(env)...); err != nil {
		b.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.Close)
	return r
}

func put(b *testing.B, r *registry.Registry, group, resource, object string) {
	b.Helper()
	e, ok := r.Table().Lookup(group, "v1", resource)
	if !ok {
		b.Fatalf("no %s", resource)
	}
	obj := e.Version.New()
	if err := json.Unmarshal([]byte(object), obj); err != nil {
		b.Fatal(err)
	}
	e.Version.Default(obj)
	if _, err := e.Store.Create(context.Background(), obj, registry.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
}

func write(b *testing.B, r *registry.Registry, resource string, obj scheme.Object) *admission.Attributes {
	e, ok := r.Table().Lookup("", "v1", resource)
	if !ok {
		b.Fatal("not served")
	}
	return &admission.Attributes{
		Operation: admission.Create, User: &request.User{Name: "alice", Groups: []string{"system:authenticated"}}, Entry: e,
		Kind: e.GVK(), Resource: e.GVR(), Namespace: "test", Name: obj.GetName(), Object: obj, Options: &metav1.CreateOptions{},
	}
}

func pod() *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "test", Labels: map[string]string{"app": "a"}}}
	for i := range 2 {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{
			Name: fmt.Sprintf("c%d", i), Image: "image:1", Ports: []corev1.ContainerPort{{ContainerPort: 80, Protocol: corev1.ProtocolTCP}},
			Env: []corev1.EnvVar{{Name: "A", Value: "b"}, {Name: "C", Value: "d"}},
		})
	}
	return p
}

// BenchmarkPolicy is what validating policies cost a create of a pod.
func BenchmarkPolicy(b *testing.B) {
	r := world(b)
	put(b, r, "", "namespaces", `{"metadata":{"name":"test"}}`)
	v := policy.NewValidating(r, authz.AlwaysAllow())
	ctx := context.Background()
	run := func(name string, a *admission.Attributes) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := v.Validate(ctx, a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	a := write(b, r, "pods", pod())
	run("none", a)
	const groupName = "admissionregistration.k8s.io"
	put(b, r, groupName, "validatingadmissionpolicies", `{"metadata":{"name":"a"},"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}]},
		"validations":[{"expression":"'app' in object.metadata.labels && object.spec.containers.all(c, c.image != '')"}]}}`)
	put(b, r, groupName, "validatingadmissionpolicybindings", `{"metadata":{"name":"a"},"spec":{"policyName":"a","validationActions":["Deny"],"matchResources":{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"test"}}}}}`)
	run("one", a)
	run("other", write(b, r, "configmaps", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "test"}}))
}
