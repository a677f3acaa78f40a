package endpoints

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// recorder is an admission plugin that writes down what it is asked, labels
// what it may change and refuses what is called "bad".
type recorder struct{ seen []string }

func (*recorder) Name() string                                              { return "Recorder" }
func (*recorder) Handles(admission.Operation, *registry.Entry, string) bool { return true }

func (p *recorder) note(what string, a *admission.Attributes) {
	resource := a.Resource.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	p.seen = append(p.seen, fmt.Sprintf("%s %s %s %s/%s old=%v dry=%v %s %T", what, a.Operation, resource, a.Namespace, a.Name, a.Old != nil, a.DryRun, a.Kind.Kind, a.Options))
}

func (p *recorder) Mutate(_ context.Context, a *admission.Attributes) error {
	p.note("mutate", a)
	if a.Object != nil && a.Subresource == "" {
		m, err := meta.Accessor(a.Object)
		if err != nil {
			return err
		}
		m.SetLabels(map[string]string{"seen": "yes"})
	}
	return nil
}

func (p *recorder) Validate(_ context.Context, a *admission.Attributes) error {
	p.note("validate", a)
	if a.Name == "bad" {
		return admission.Forbid(a, "it is bad")
	}
	return nil
}

// took gives what was asked since the last call.
func (p *recorder) took() string {
	s := strings.Join(p.seen, "\n")
	p.seen = nil
	return s
}

func TestAdmission(t *testing.T) {
	p := &recorder{}
	a := newAPI(t, func(c *Config) { c.Admission = admission.New(p) })
	wants := func(lines ...string) {
		t.Helper()
		if got, want := p.took(), strings.Join(lines, "\n"); got != want {
			t.Errorf("asked\n%s\nwant\n%s", got, want)
		}
	}
	a.do("POST", configMaps+"?dryRun=All", `{"metadata":{"name":"one"}}`, nil).has(201, `"seen":"yes"`)
	wants("mutate CREATE configmaps default/one old=false dry=true ConfigMap *v1.CreateOptions",
		"validate CREATE configmaps default/one old=false dry=true ConfigMap *v1.CreateOptions")
	a.configMap("one", "")
	p.took()
	a.do("PUT", configMaps+"/one", `{"metadata":{"name":"one"},"data":{"a":"b"}}`, nil).has(200, `"seen":"yes"`)
	wants("mutate UPDATE configmaps default/one old=true dry=false ConfigMap *v1.UpdateOptions",
		"validate UPDATE configmaps default/one old=true dry=false ConfigMap *v1.UpdateOptions")
	a.patchOf(configMaps+"/one", mergePatch, `{"data":{"a":"c"}}`).has(200)
	wants("mutate UPDATE configmaps default/one old=true dry=false ConfigMap *v1.UpdateOptions",
		"validate UPDATE configmaps default/one old=true dry=false ConfigMap *v1.UpdateOptions")
	a.patchOf(configMaps+"/two?fieldManager=m", applyPatch, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"two"}}`).has(201)
	wants("mutate CREATE configmaps default/two old=false dry=false ConfigMap *v1.CreateOptions",
		"validate CREATE configmaps default/two old=false dry=false ConfigMap *v1.CreateOptions")
	a.do("DELETE", configMaps+"/one", "", nil).has(200)
	wants("mutate DELETE configmaps default/one old=true dry=false ConfigMap *v1.DeleteOptions",
		"validate DELETE configmaps default/one old=true dry=false ConfigMap *v1.DeleteOptions")
	a.do("POST", configMaps, `{"metadata":{"name":"bad"}}`, nil).message(403, `configmaps "bad" is forbidden: it is bad`)
	a.do("GET", configMaps+"/bad", "", nil).has(404)
	a.do("POST", "/api/v1/namespaces", `{"metadata":{"name":"space"}}`, nil).has(201)
	if got := p.took(); !strings.Contains(got, "CREATE namespaces space/space") {
		t.Errorf("a namespace's namespace: %s", got)
	}
}

// TestCreateByUpdateNeedsTheRight: who may only update must not create so.
func TestCreateByUpdateNeedsTheRight(t *testing.T) {
	asked := 0
	a := newAPI(t, func(c *Config) {
		c.AuthorizeCreate = func(_ context.Context, r *request.Request, ns, name string) error {
			asked++
			return apierrors.NewForbidden(schema.GroupResource{Resource: r.Info.Resource}, name, errors.New("no create"))
		}
	})
	a.patchOf(configMaps+"/one?fieldManager=m", applyPatch, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"}}`).has(403, "no create")
	a.do("GET", configMaps+"/one", "", nil).has(404)
	a.configMap("one", "")
	a.patchOf(configMaps+"/one?fieldManager=m", applyPatch, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"}}`).has(200)
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// gadgets is a resource with a subresource of each kind.
func gadgets(connected *request.Request) registry.Resource {
	scaleOf := func(cm *corev1.ConfigMap) *autoscalingv1.Scale {
		var n int32
		_, _ = fmt.Sscan(cm.Data["replicas"], &n)
		return &autoscalingv1.Scale{
			ObjectMeta: metav1.ObjectMeta{Name: cm.Name, Namespace: cm.Namespace, UID: cm.UID, ResourceVersion: cm.ResourceVersion, CreationTimestamp: cm.CreationTimestamp},
			Spec:       autoscalingv1.ScaleSpec{Replicas: n},
		}
	}
	get := func(ctx context.Context, c registry.Call) (*corev1.ConfigMap, error) {
		o, err := c.Store.Get(ctx, c.Namespace, c.Name, registry.GetOptions{})
		if err != nil {
			return nil, err
		}
		obj, err := c.Store.Decode(o)
		if err != nil {
			return nil, err
		}
		return obj.(*corev1.ConfigMap), nil
	}
	return registry.Resource{
		Group: "", Name: "gadgets", Singular: "gadget", Kind: "ConfigMap", Namespaced: true,
		Versions: []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.ConfigMap{} }}},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &registry.Strategy{
				PrepareForUpdate: func(_ context.Context, obj, old scheme.Object) {
					obj.(*corev1.ConfigMap).Data = old.(*corev1.ConfigMap).Data // a status has no data
				},
			}},
			{
				Name: "scale", Verbs: []string{"get", "patch", "update"}, Kind: "Scale", GroupVersion: autoscalingv1.SchemeGroupVersion,
				New: func() runtime.Object { return &autoscalingv1.Scale{} },
				Get: func(ctx context.Context, c registry.Call) (runtime.Object, error) {
					cm, err := get(ctx, c)
					if err != nil {
						return nil, err
					}
					return scaleOf(cm), nil
				},
				Update: func(ctx context.Context, c registry.Call, transform func(runtime.Object) (runtime.Object, error)) (runtime.Object, error) {
					result, err := c.Store.Update(ctx, c.Namespace, c.Name, registry.UpdateOptions{DryRun: c.DryRun,
						Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
							cm := current.(*corev1.ConfigMap)
							managers := managedfields.NewScaleHandler(cm.ManagedFields, corev1.SchemeGroupVersion, managedfields.ResourcePathMappings{
								"v1": fieldpath.MakePathOrDie("data", "replicas"),
							})
							live, err := scaleOf(cm), error(nil)
							if live.ManagedFields, err = managers.ToSubresource(); err != nil {
								return nil, err
							}
							next, err := transform(live)
							if err != nil {
								return nil, err
							}
							scale := next.(*autoscalingv1.Scale)
							cm.Data = map[string]string{"replicas": fmt.Sprint(scale.Spec.Replicas)}
							cm.ResourceVersion = scale.ResourceVersion
							cm.ManagedFields, err = managers.ToParent(scale.ManagedFields)
							return cm, err
						}})
					if err != nil {
						return nil, err
					}
					return scaleOf(result.Hub.(*corev1.ConfigMap)), nil
				},
			},
			{
				Name: "eviction", Verbs: []string{"create"}, Kind: "Eviction", GroupVersion: policyv1.SchemeGroupVersion,
				New: func() runtime.Object { return &policyv1.Eviction{} },
				Create: func(ctx context.Context, c registry.Call, obj runtime.Object) (runtime.Object, error) {
					if c.Validate != nil {
						if err := c.Validate(ctx, obj, nil); err != nil {
							return nil, err
						}
					}
					return &metav1.Status{Status: metav1.StatusSuccess}, nil
				},
			},
			{
				Name: "exec", Verbs: []string{"create", "get"}, Kind: "PodExecOptions", ConnectMethods: []string{"GET", "POST"},
				Options: func() runtime.Object { return &corev1.PodExecOptions{} },
				Connect: func(_ context.Context, c registry.Call, r *request.Request) (*request.Response, error) {
					*connected = request.Request{Path: r.Path}
					return &request.Response{Status: http.StatusOK, ContentType: "text/plain", Body: []byte("hello " + c.Name)}, nil
				},
			},
		},
	}
}

func TestSubresources(t *testing.T) {
	p := &recorder{}
	var connected request.Request
	a := newAPI(t, func(c *Config) { c.Admission = admission.New(p) })
	if err := a.Registry.Add(gadgets(&connected)); err != nil {
		t.Fatal(err)
	}
	const gadget = "/api/v1/namespaces/default/gadgets/g"
	a.do("POST", strings.TrimSuffix(gadget, "/g"), `{"metadata":{"name":"g"},"data":{"replicas":"2"}}`, nil).has(201)
	p.took()

	a.do("GET", gadget+"/status", "", nil).has(200, `"kind":"ConfigMap"`)
	a.do("PUT", gadget+"/status", `{"metadata":{"name":"g","labels":{"x":"y"}},"data":{"replicas":"9"}}`, nil).has(200, `"replicas":"2"`)
	a.patchOf(gadget+"/status", mergePatch, `{"data":{"replicas":"9"}}`).has(200, `"replicas":"2"`)
	a.do("DELETE", gadget+"/status", "", nil).has(405)
	a.do("POST", gadget+"/status", "{}", nil).has(405)

	p.took()
	a.do("GET", gadget+"/scale", "", nil).has(200, `"kind":"Scale"`, `"apiVersion":"autoscaling/v1"`, `"replicas":2`)
	a.do("GET", gadget+"/scale", "", header{"Accept": tableForm1}).has(200, `"cells":["g",2,0,"0s"]`, `"name":"Desired"`)
	a.do("PUT", gadget+"/scale", `{"metadata":{"name":"g"},"spec":{"replicas":4}}`, nil).has(200, `"replicas":4`)
	a.do("PUT", gadget+"/scale", `{"spec":{"replicas":4}}`, nil).has(400, "name must be provided")
	a.do("PUT", gadget+"/scale", `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"g"}}`, nil).
		message(400, "Deployment in version \"v1\" cannot be handled as a Scale: converting (v1.Deployment) to (autoscaling.Scale): unknown conversion")
	a.patchOf(gadget+"/scale", strategicPatch, `{"spec":{"replicas":5}}`).has(200, `"replicas":5`)
	a.patchOf(gadget+"/scale", jsonPatch, `[{"op":"test","path":"/spec/replicas","value":5},{"op":"replace","path":"/spec/replicas","value":6}]`).has(200, `"replicas":6`)
	a.patchOf(gadget+"/scale?dryRun=All", mergePatch, `{"spec":{"replicas":7}}`).has(200, `"replicas":7`)
	if got := p.took(); !strings.Contains(got, "mutate UPDATE gadgets/scale default/g old=true dry=true Scale *v1.UpdateOptions") {
		t.Errorf("admission of scale: %s", got)
	}
	a.do("GET", gadget, "", nil).has(200, `"replicas":"6"`, `"subresource":"scale"`)

	a.do("POST", gadget+"/eviction", `{"metadata":{"name":"g"}}`, nil).has(201, `"kind":"Status"`, `"code":201`)
	if got := p.took(); !strings.Contains(got, "validate CREATE gadgets/eviction default/g old=false dry=false Eviction *v1.CreateOptions") {
		t.Errorf("admission of eviction: %s", got)
	}
	a.do("GET", gadget+"/eviction", "", nil).has(405)

	a.do("GET", gadget+"/exec?command=ls&command=-l&tty=true", "", header{"Accept": "nonsense"}).has(200, "hello g")
	if got := p.took(); !strings.Contains(got, "validate CONNECT gadgets/exec default/g") || !strings.HasSuffix(connected.Path, "/exec") {
		t.Errorf("admission of exec: %s", got)
	}
	a.do("POST", gadget+"/exec?dryRun=All", "", nil).message(400, "dryRun is not supported")
	a.do("PUT", gadget+"/exec", "", nil).has(405)
	a.do("GET", gadget+"/exec/more", "", nil).has(404)
}

func TestApplyScale(t *testing.T) {
	a := newAPI(t)
	if err := a.Registry.Add(gadgets(nil)); err != nil {
		t.Fatal(err)
	}
	const gadget = "/api/v1/namespaces/default/gadgets/g"
	a.do("POST", strings.TrimSuffix(gadget, "/g"), `{"metadata":{"name":"g"},"data":{"replicas":"2"}}`, nil).has(201)
	a.patchOf(gadget+"/scale?fieldManager=m", applyPatch, `{"apiVersion":"apps/v1","kind":"Scale","metadata":{"name":"g"}}`).
		message(400, "invalid object type: apps/v1, Kind=Scale")
	a.patchOf(gadget+"/scale?fieldManager=m", applyPatch, `{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"other"}}`).has(400, "does not match the name on the URL")
	const five = `{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"g"},"spec":{"replicas":5}}`
	a.patchOf(gadget+"/scale?fieldManager=m", applyPatch, five).has(409, `conflict with \"test\"`)
	a.patchOf(gadget+"/scale?fieldManager=m&force=true", applyPatch, five).has(200, `"replicas":5`)
	a.do("GET", gadget, "", nil).has(200, `"replicas":"5"`, `"manager":"m","operation":"Apply"`, `"fieldsV1":{"f:data":{"f:replicas":{}}},"subresource":"scale"`)
}

func TestQueryInto(t *testing.T) {
	var exec corev1.PodExecOptions
	if err := queryInto(map[string][]string{"command": {"ls", "-l"}, "tty": {"true"}, "stdin": {"0"}, "stdout": {""}, "container": {"main"}, "other": {"x"}}, &exec); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(exec.Command, []string{"ls", "-l"}) || !exec.TTY || exec.Stdin || !exec.Stdout || exec.Container != "main" {
		t.Errorf("%+v", exec)
	}
	var ports corev1.PodPortForwardOptions
	if err := queryInto(map[string][]string{"ports": {"80", "81"}}, &ports); err != nil || !slices.Equal(ports.Ports, []int32{80, 81}) {
		t.Errorf("%v %+v", err, ports)
	}
	if err := queryInto(map[string][]string{"ports": {"eighty"}}, &ports); err == nil {
		t.Error("eighty is a port")
	}
	if err := queryInto(map[string][]string{"ports": {"99999999999"}}, &ports); err == nil {
		t.Error("99999999999 is a port")
	}
}

func TestReviews(t *testing.T) {
	a := newAPI(t)
	if err := a.Registry.Add(registry.Resource{
		Name: "echoes", Singular: "echo", Kind: "Binding", Verbs: []string{"create", "get", "list"},
		Versions: []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.Binding{} }}},
		Virtual: &registry.Virtual{
			New:    func() runtime.Object { return &corev1.Binding{} },
			Create: func(_ context.Context, _ registry.Call, obj runtime.Object) (runtime.Object, error) { return obj, nil },
		},
	}); err != nil {
		t.Fatal(err)
	}
	a.do("POST", "/api/v1/echoes", `{"metadata":{"name":"x","uid":"u"},"target":{"name":"n"}}`, nil).
		has(201, `"kind":"Binding"`, `"name":"n"`, `"managedFields":[{"manager":"test","operation":"Update"`).lacks(`"uid"`)
	a.do("GET", "/api/v1/echoes", "", nil).has(405)
}

func TestAggregated(t *testing.T) {
	a := newAPI(t, func(c *Config) {
		c.Aggregated = func(group, version string) request.Handler {
			if group != "metrics.k8s.io" || version != "v1" {
				return nil
			}
			return func(_ context.Context, r *request.Request) (*request.Response, error) {
				return &request.Response{Status: 200, Body: []byte("proxied " + r.Path)}, nil
			}
		}
	})
	a.do("GET", "/apis/metrics.k8s.io/v1/pods", "", nil).has(200, "proxied /apis/metrics.k8s.io/v1/pods")
	a.do("GET", "/apis/metrics.k8s.io/v1", "", nil).has(200, "proxied /apis/metrics.k8s.io/v1")
	a.do("GET", "/apis/metrics.k8s.io/v2", "", nil).has(404, "404 page not found")
	a.do("GET", "/apis/metrics.k8s.io", "", nil).has(404, "404 page not found")
	a.do("GET", "/healthz", "", nil).has(404, "404 page not found")
}
