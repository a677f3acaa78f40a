package plugins

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/quota"
	"pilothouse/backend/authz"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage/memory"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// world is a registry with the built-in resources, and plugins over it.
type world struct {
	t   testing.TB
	r   *registry.Registry
	env Env
	// allow are the questions "USER VERB RESOURCE NAME" that are answered with
	// yes.
	allow map[string]bool
	now   time.Time
	req   *request.Request
}

func newWorld(t testing.TB) *world {
	t.Helper()
	engine := memory.New()
	r, err := registry.New(registry.Options{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	env := &registry.Env{Clock: time.Now, Registry: r, Tokens: &registry.Tokens{}}
	if err := r.Add(resources.All(env)...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = engine.Close()
		r.Close()
	})
	w := &world{t: t, r: r, allow: map[string]bool{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), req: &request.Request{}}
	clock := func() time.Time { return w.now }
	w.env = Env{
		Registry: r, Clock: clock, Quota: quota.New(quota.Options{Registry: r, Clock: clock}),
		Authorizer: authz.Func(func(_ context.Context, a *authz.Attributes) (authz.Decision, string, error) {
			resource := a.Resource
			if a.Subresource != "" {
				resource += "/" + a.Subresource
			}
			if w.allow[strings.Join([]string{a.User.Name, a.Verb, resource, a.Name}, " ")] {
				return authz.Allow, "", nil
			}
			return authz.NoOpinion, "no rule", nil
		}),
		Options: Options{NotReadyTolerationSeconds: 300, UnreachableTolerationSeconds: 300},
	}
	w.have("namespaces", "", `{"metadata":{"name":"ns"}}`)
	w.have("serviceaccounts", "ns", `{"metadata":{"name":"default"}}`)
	return w
}

// have stores an object.
func (w *world) have(resource, ns, text string) scheme.Object {
	w.t.Helper()
	e := w.entry(resource)
	obj := w.read(e, ns, text)
	if e.Version.Default != nil {
		e.Version.Default(obj)
	}
	result, err := e.Store.Create(context.Background(), obj, registry.CreateOptions{})
	if err != nil {
		w.t.Fatalf("have %s: %v", resource, err)
	}
	return result.Hub
}

// entry finds a resource by "resource" or "resource.group".
func (w *world) entry(name string) *registry.Entry {
	w.t.Helper()
	resource, group, _ := strings.Cut(name, ".")
	for _, g := range w.r.Table().Groups() {
		for _, v := range g.Versions {
			for _, e := range v.Entries {
				if e.Resource.Name == resource && e.Resource.Group == group && e.Version.ToHub == nil {
					return e
				}
			}
		}
	}
	w.t.Fatalf("no resource %s", name)
	return nil
}

func (w *world) read(e *registry.Entry, ns, text string) scheme.Object {
	w.t.Helper()
	obj := e.Version.New()
	if err := yaml.UnmarshalStrict([]byte(text), obj); err != nil {
		w.t.Fatalf("%v in %s", err, text)
	}
	if e.Resource.Namespaced {
		obj.SetNamespace(ns)
	}
	return obj
}

// write is a write of an object to be admitted.
type write struct {
	op       admission.Operation
	resource string // "pods", "deployments.apps"
	sub      string
	object   string
	old      string
	user     string
	dryRun   bool
}

// attributes describes a write in the namespace ns.
func (w *world) attributes(in write) *admission.Attributes {
	w.t.Helper()
	e := w.entry(in.resource)
	a := &admission.Attributes{
		Operation: in.op, User: &request.User{Name: in.user}, Entry: e, Kind: e.GVK(), Resource: e.GVR(), Subresource: in.sub, DryRun: in.dryRun,
	}
	if e.Resource.Namespaced {
		a.Namespace = "ns"
	}
	if in.object != "" {
		obj := w.read(e, "ns", in.object)
		if e.Version.Default != nil {
			e.Version.Default(obj)
		}
		a.Object, a.Name = obj, obj.GetName()
	}
	if in.old != "" {
		obj := w.read(e, "ns", in.old)
		if e.Version.Default != nil {
			e.Version.Default(obj)
		}
		obj.SetResourceVersion("1")
		a.Old, a.Name = obj, obj.GetName()
	}
	if isNamespaces(e) {
		a.Namespace = a.Name
	}
	return a
}

// only gives a chain of some plugins; settings is an AdmissionConfiguration's
// part for the only one, or empty.
func (w *world) only(settings string, names ...string) *admission.Chain {
	w.t.Helper()
	e := w.env
	for _, p := range order {
		e.Options.Disable = append(e.Options.Disable, p.name)
	}
	for _, name := range names {
		e.Options.Enable = append(e.Options.Enable, name)
		for i, d := range e.Options.Disable {
			if d == name {
				e.Options.Disable = append(e.Options.Disable[:i], e.Options.Disable[i+1:]...)
				break
			}
		}
	}
	if settings != "" {
		e.Options.ConfigFile = writeSettings(w.t, names[0], settings)
	}
	c, err := New(e)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// admit lets a chain have its say and gives the object as it left it.
func (w *world) admit(c *admission.Chain, a *admission.Attributes) (runtime.Object, error) {
	ctx := request.With(context.Background(), w.req)
	if err := c.Mutate(ctx, a); err != nil {
		return nil, err
	}
	return a.Object, c.Validate(ctx, a)
}

// ok admits a write that must pass.
func (w *world) ok(c *admission.Chain, in write) runtime.Object {
	w.t.Helper()
	obj, err := w.admit(c, w.attributes(in))
	if err != nil {
		w.t.Fatalf("%s %s refused: %v", in.op, in.resource, err)
	}
	return obj
}

// refused admits a write that must not pass, with a code and a message.
func (w *world) refused(c *admission.Chain, in write, code int32, message string) *apierrors.StatusError {
	w.t.Helper()
	_, err := w.admit(c, w.attributes(in))
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		w.t.Fatalf("%s %s: %v, want %d %s", in.op, in.resource, err, code, message)
	}
	if status.ErrStatus.Code != code || status.ErrStatus.Message != message {
		w.t.Fatalf("%s %s:\n got %d %s\nwant %d %s", in.op, in.resource, status.ErrStatus.Code, status.ErrStatus.Message, code, message)
	}
	return status
}

func createPod(object string) write {
	return write{op: admission.Create, resource: "pods", object: object}
}

func podNamed(name, spec string) string {
	return `{"metadata":{"name":"` + name + `"},"spec":{"containers":[{"name":"c","image":"i"}]` + spec + `}}`
}

func (w *world) pod(c *admission.Chain, object string) *corev1.Pod {
	w.t.Helper()
	return w.ok(c, createPod(object)).(*corev1.Pod)
}

// warned gives the warnings since the last call.
func (w *world) warned() []string {
	list := w.req.Warnings()
	w.req = &request.Request{}
	return list
}
