package quota

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage/memory"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const testSpace = "ns"

// bank is a registry with the built-in resources and a ledger over it.
type bank struct {
	t     testing.TB
	r     *registry.Registry
	l     *Ledger
	now   time.Time
	stale atomic.Int32
}

func newBank(t testing.TB) *bank {
	t.Helper()
	engine := memory.New()
	r, err := registry.New(registry.Options{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Add(resources.All(&registry.Env{Clock: time.Now, Registry: r, Tokens: &registry.Tokens{}})...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = engine.Close()
		r.Close()
	})
	b := &bank{t: t, r: r, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	b.l = New(Options{Registry: r, Clock: func() time.Time { return b.now }})
	b.l.OnStale(func(string) { b.stale.Add(1) })
	return b
}

func (b *bank) entry(name string) *registry.Entry {
	resource, group, _ := strings.Cut(name, ".")
	for _, g := range b.r.Table().Groups() {
		for _, v := range g.Versions {
			for _, e := range v.Entries {
				if e.Resource.Name == resource && e.Resource.Group == group && e.Version.ToHub == nil {
					return e
				}
			}
		}
	}
	panic("no resource " + name)
}

func (b *bank) read(e *registry.Entry, text string) scheme.Object {
	obj := e.Version.New()
	if err := yaml.UnmarshalStrict([]byte(text), obj); err != nil {
		panic(err)
	}
	obj.SetNamespace(testSpace)
	if e.Version.Default != nil {
		e.Version.Default(obj)
	}
	return obj
}

// charging is admission of a create, as endpoints calls it.
func (b *bank) charging(e *registry.Entry, ends *admission.Ends, dry bool) registry.ValidateFunc {
	return func(ctx context.Context, obj, _ scheme.Object) error {
		ends.Call(false)
		a := &admission.Attributes{
			Operation: admission.Create, User: &request.User{}, Entry: e, Kind: e.GVK(), Resource: e.GVR(),
			Namespace: testSpace, Name: obj.GetName(), Object: obj, Ends: ends, DryRun: dry,
		}
		finish, err := b.l.Charge(ctx, a, nil)
		if err == nil {
			a.OnEnd(finish)
		}
		return err
	}
}

// create creates an object with its charge.
func (b *bank) create(resource, text string) error {
	e := b.entry(resource)
	ends := &admission.Ends{}
	_, err := e.Store.Create(context.Background(), b.read(e, text), registry.CreateOptions{Validate: b.charging(e, ends, false)})
	ends.Call(err == nil)
	return err
}

// update changes an object with its charge.
func (b *bank) update(resource, sub, text string) error {
	e := b.entry(resource)
	next := b.read(e, text)
	ends := &admission.Ends{}
	validate := func(ctx context.Context, obj, old scheme.Object) error {
		ends.Call(false)
		a := &admission.Attributes{
			Operation: admission.Update, User: &request.User{}, Entry: e, Kind: e.GVK(), Resource: e.GVR(), Subresource: sub,
			Namespace: testSpace, Name: obj.GetName(), Object: obj, Old: old, Ends: ends,
		}
		finish, err := b.l.Charge(ctx, a, nil)
		if err == nil {
			a.OnEnd(finish)
		}
		return err
	}
	_, err := e.Store.Update(context.Background(), testSpace, next.GetName(), registry.UpdateOptions{Validate: validate,
		Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
			obj := next.DeepCopyObject().(scheme.Object)
			if s, ok := obj.(*corev1.Service); ok {
				s.Spec.ClusterIP, s.Spec.ClusterIPs = current.(*corev1.Service).Spec.ClusterIP, current.(*corev1.Service).Spec.ClusterIPs
			}
			return obj, nil
		}})
	ends.Call(err == nil)
	return err
}

// have stores an object behind the ledger's back.
func (b *bank) have(resource, text string) {
	b.t.Helper()
	e := b.entry(resource)
	if _, err := e.Store.Create(context.Background(), b.read(e, text), registry.CreateOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bank) remove(resource, name string) {
	b.t.Helper()
	if _, err := b.entry(resource).Store.Delete(context.Background(), testSpace, name, registry.DeleteOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bank) quota(name, spec string) {
	b.t.Helper()
	b.have("resourcequotas", `{"metadata":{"name":"`+name+`"},"spec":{`+spec+`}}`)
}

// used gives status.used of a quota as text.
func (b *bank) used(name string) string {
	b.t.Helper()
	store := b.l.store()
	obj, err := store.Decode(store.Peek(testSpace, name))
	if err != nil {
		b.t.Fatal(err)
	}
	return text(obj.(*corev1.ResourceQuota).Status.Used)
}

func (b *bank) recount() {
	b.t.Helper()
	if err := b.l.Recount(context.Background(), testSpace); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bank) wants(name, want string) {
	b.t.Helper()
	if got := b.used(name); got != want {
		b.t.Errorf("used of %s is %s, want %s", name, got, want)
	}
}

func (b *bank) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bank) refused(err error, message string) {
	b.t.Helper()
	if err == nil || err.Error() != message || !apierrors.IsForbidden(err) {
		b.t.Errorf("got %v, want %s", err, message)
	}
}

func secret(name string) string { return `{"metadata":{"name":"` + name + `"}}` }

func pod(name, resources, more string) string {
	return `{"metadata":{"name":"` + name + `"},"spec":{"containers":[{"name":"c","image":"i","resources":` + resources + `}]` + more + `}}`
}

func TestCounts(t *testing.T) {
	b := newBank(t)
	b.have("secrets", secret("before"))
	b.quota("q", `"hard":{"secrets":"2","count/secrets":"3","count/deployments.apps":"0","count/widgets.example.com":"1"}`)
	b.must(b.create("secrets", secret("a")))
	b.wants("q", "count/deployments.apps=0,count/secrets=2,secrets=2")
	b.refused(b.create("secrets", secret("b")), `secrets "b" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=2, limited: secrets=2`)
	b.must(b.create("configmaps", secret("b")))
	b.remove("secrets", "a")
	b.recount()
	b.wants("q", "count/deployments.apps=0,count/secrets=1,secrets=1")
	b.must(b.create("secrets", secret("c")))
}

// TestNoOverAdmission has 64 writers create at the same time what a few can
// have, while recounts go on.
func TestNoOverAdmission(t *testing.T) {
	b := newBank(t)
	b.quota("q", `"hard":{"count/secrets":"40","secrets":"100"}`)
	b.quota("r", `"hard":{"count/secrets":"50"}`)
	done := make(chan struct{})
	var counting sync.WaitGroup
	counting.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if err := b.l.Recount(context.Background(), testSpace); err != nil {
					t.Error(err)
				}
			}
		}
	})
	var admitted atomic.Int32
	var writers sync.WaitGroup
	for w := range 64 {
		writers.Go(func() {
			for i := range 4 {
				err := b.create("secrets", secret(fmt.Sprintf("s-%d-%d", w, i)))
				switch {
				case err == nil:
					admitted.Add(1)
				case !apierrors.IsForbidden(err):
					t.Errorf("create: %v", err)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	counting.Wait()
	n := 0
	b.entry("secrets").Store.Each(testSpace, func(*object) bool {
		n++
		return true
	})
	// A recount may take a secret that is being committed for two, so a few
	// less may get in at first, never more.
	if n > 40 || int32(n) != admitted.Load() {
		t.Errorf("%d secrets in a quota of 40, %d were admitted", n, admitted.Load())
	}
	b.recount()
	for i := n; i < 40; i++ {
		b.must(b.create("secrets", secret(fmt.Sprintf("late-%d", i))))
	}
	b.recount()
	b.wants("q", "count/secrets=40,secrets=40")
	b.wants("r", "count/secrets=40")
	if err := b.create("secrets", secret("more")); !apierrors.IsForbidden(err) {
		t.Errorf("one too many: %v", err)
	}
	if len(b.l.spaces) != 0 {
		t.Errorf("%d namespaces are left open", len(b.l.spaces))
	}
}

// TestAQuotaCountsWhatIsInFlight: a write that was let through before there was
// a quota takes room as soon as there is one.
func TestAQuotaCountsWhatIsInFlight(t *testing.T) {
	b := newBank(t)
	e := b.entry("secrets")
	one := b.read(e, secret("one"))
	one.SetUID("u1")
	ends := &admission.Ends{}
	b.must(b.charging(e, ends, false)(context.Background(), one, nil))
	b.quota("q", `"hard":{"secrets":"1"}`)
	b.refused(b.create("secrets", secret("two")), `secrets "two" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1`)
	ends.Call(false) // one comes to nothing
	if b.stale.Load() == 0 {
		t.Error("nobody is told to count again")
	}
	b.recount()
	b.wants("q", "secrets=0")
	b.must(b.create("secrets", secret("two")))
}

func TestAFailedWriteGivesItsChargeBack(t *testing.T) {
	b := newBank(t)
	b.quota("q", `"hard":{"secrets":"5"}`)
	b.must(b.create("secrets", secret("a")))
	// The name is taken, which shows after admission.
	if err := b.create("secrets", secret("a")); !apierrors.IsAlreadyExists(err) {
		t.Fatalf("created twice: %v", err)
	}
	if b.stale.Load() == 0 {
		t.Error("nobody is told to count again")
	}
	b.recount()
	b.wants("q", "secrets=1")
}

func TestDryRunChargesNothing(t *testing.T) {
	b := newBank(t)
	b.quota("q", `"hard":{"secrets":"1"}`)
	e := b.entry("secrets")
	dry := func(name string) error {
		return b.charging(e, &admission.Ends{}, true)(context.Background(), b.read(e, secret(name)), nil)
	}
	b.must(dry("a"))
	b.must(dry("b"))
	b.must(b.create("secrets", secret("a")))
	b.refused(dry("b"), `secrets "b" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1`)
}

func TestPods(t *testing.T) {
	b := newBank(t)
	b.quota("q", `"hard":{"pods":"2","requests.cpu":"3","limits.memory":"1Gi","requests.e.com/gpu":"1"}`)
	b.refused(b.create("pods", pod("p", `{"requests":{"cpu":"1"}}`, "")), `pods "p" is forbidden: failed quota: q: must specify limits.memory for: c`)
	full := `{"requests":{"cpu":"2","e.com/gpu":"1"},"limits":{"memory":"512Mi","e.com/gpu":"1"}}`
	b.must(b.create("pods", pod("p", full, "")))
	b.wants("q", "limits.memory=512Mi,pods=1,requests.cpu=2,requests.e.com/gpu=1")
	b.refused(b.create("pods", pod("r", full, "")), `pods "r" is forbidden: exceeded quota: q, requested: requests.cpu=2,requests.e.com/gpu=1, used: requests.cpu=2,requests.e.com/gpu=1, limited: requests.cpu=3,requests.e.com/gpu=1`)
}

func TestEndedPodsUseNothing(t *testing.T) {
	b := newBank(t)
	p := &corev1.Pod{}
	p.Spec.Containers = []corev1.Container{{}}
	use := func(want string) {
		t.Helper()
		if got := text(b.l.pods.use(p)); got != want {
			t.Errorf("use %s, want %s", got, want)
		}
	}
	use("count/pods=1,pods=1")
	p.Status.Phase = corev1.PodSucceeded
	use("count/pods=1")
	p.Status.Phase = corev1.PodRunning
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = ptrTime(b.now), new(int64(30))
	use("count/pods=1,pods=1")
	b.now = b.now.Add(31 * time.Second)
	use("count/pods=1")
}

func TestScopes(t *testing.T) {
	b := newBank(t)
	const sized = `{"requests":{"cpu":"1"}}`
	f := func(spec, text string, counts bool) {
		t.Helper()
		b.quota("q", spec+`,"hard":{"pods":"0"}`)
		err := b.create("pods", text)
		if refused := err != nil; refused != counts {
			t.Errorf("%s on %s: %v", spec, text, err)
		}
		if err == nil {
			b.remove("pods", "p")
		}
		b.remove("resourcequotas", "q")
	}
	f(`"scopes":["BestEffort"]`, pod("p", "{}", ""), true)
	f(`"scopes":["BestEffort"]`, pod("p", sized, ""), false)
	f(`"scopes":["NotBestEffort"]`, pod("p", sized, ""), true)
	f(`"scopes":["Terminating"]`, pod("p", "{}", ""), false)
	f(`"scopes":["Terminating"]`, pod("p", "{}", `,"activeDeadlineSeconds":5`), true)
	f(`"scopes":["NotTerminating"]`, pod("p", "{}", `,"activeDeadlineSeconds":5`), false)
	f(`"scopes":["NotTerminating","BestEffort"]`, pod("p", sized, ""), false)
	class := func(operator, values string) string {
		return `"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"` + operator + `"` + values + `}]}`
	}
	f(class("In", `,"values":["high"]`), pod("p", "{}", `,"priorityClassName":"high"`), true)
	f(class("In", `,"values":["high"]`), pod("p", "{}", `,"priorityClassName":"low"`), false)
	f(class("NotIn", `,"values":["high"]`), pod("p", "{}", ""), true)
	f(class("Exists", ""), pod("p", "{}", ""), false)
	f(class("DoesNotExist", ""), pod("p", "{}", ""), true)
	across := `,"affinity":{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"podAffinityTerm":{"topologyKey":"k","namespaces":["a"]}}]}}`
	f(`"scopes":["CrossNamespacePodAffinity"]`, pod("p", "{}", across), true)
	f(`"scopes":["CrossNamespacePodAffinity"]`, pod("p", "{}", ""), false)
}

func TestClaims(t *testing.T) {
	b := newBank(t)
	claim := func(name, class, size string) string {
		return `{"metadata":{"name":"` + name + `"},"spec":{"storageClassName":"` + class + `","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"` + size + `"}}}}`
	}
	b.quota("q", `"hard":{"requests.storage":"10Gi","gold.storageclass.storage.k8s.io/requests.storage":"4Gi","gold.storageclass.storage.k8s.io/persistentvolumeclaims":"2","persistentvolumeclaims":"9"}`)
	b.must(b.create("persistentvolumeclaims", claim("a", "gold", "3Gi")))
	b.must(b.create("persistentvolumeclaims", claim("b", "iron", "3Gi")))
	b.wants("q", "gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/requests.storage=3Gi,persistentvolumeclaims=2,requests.storage=6Gi")
	b.refused(b.create("persistentvolumeclaims", claim("c", "gold", "2Gi")),
		`persistentvolumeclaims "c" is forbidden: exceeded quota: q, requested: gold.storageclass.storage.k8s.io/requests.storage=2Gi, used: gold.storageclass.storage.k8s.io/requests.storage=3Gi, limited: gold.storageclass.storage.k8s.io/requests.storage=4Gi`)
}

func TestServicesByUpdate(t *testing.T) {
	b := newBank(t)
	service := func(kind string) string {
		return `{"metadata":{"name":"s"},"spec":{"type":"` + kind + `","ports":[{"port":80},{"port":81,"name":"b"}]}}`
	}
	use := func(kind, want string) {
		t.Helper()
		if got := text(servicesEvaluator.use(b.read(b.entry("services"), service(kind)))); got != want {
			t.Errorf("%s uses %s, want %s", kind, got, want)
		}
	}
	use("ClusterIP", "count/services=1,services=1")
	use("NodePort", "count/services=1,services=1,services.nodeports=2")
	use("LoadBalancer", "count/services=1,services=1,services.loadbalancers=1,services.nodeports=2")
	b.quota("q", `"hard":{"services.nodeports":"1"}`)
	c := &charge{e: servicesEvaluator, a: &admission.Attributes{
		Operation: admission.Update, Entry: b.entry("services"), Resource: b.entry("services").GVR(), Name: "s",
		Object: b.read(b.entry("services"), service("NodePort")), Old: b.stored(b.entry("services"), service("ClusterIP")),
	}}
	accounts, err := b.l.accounts(testSpace)
	b.must(err)
	b.l.count(testSpace, b.l.enter(testSpace), accounts, false)
	b.refused(c.to(accounts, nil), `services "s" is forbidden: exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1`)
}

func (b *bank) stored(e *registry.Entry, text string) scheme.Object {
	obj := b.read(e, text)
	obj.SetResourceVersion("1")
	return obj
}

func TestDevices(t *testing.T) {
	b := newBank(t)
	obj := b.read(b.entry("resourceclaims.resource.k8s.io"), `{"metadata":{"name":"c"},"spec":{"devices":{"requests":[
		{"name":"a","exactly":{"deviceClassName":"gpu","allocationMode":"ExactCount","count":2}},
		{"name":"b","firstAvailable":[{"name":"x","deviceClassName":"gpu","allocationMode":"ExactCount","count":3},{"name":"y","deviceClassName":"gpu","allocationMode":"ExactCount","count":1},{"name":"z","deviceClassName":"nic","allocationMode":"All"}]}]}}}`)
	if got, want := text(resourceClaimsEvaluator.use(obj)), "count/resourceclaims.resource.k8s.io=1,gpu.deviceclass.resource.k8s.io/devices=5,nic.deviceclass.resource.k8s.io/devices=32"; got != want {
		t.Errorf("use %s, want %s", got, want)
	}
}

func TestLimitedResources(t *testing.T) {
	b := newBank(t)
	limited := []LimitedResource{{Resource: "persistentvolumeclaims", MatchContains: []string{"gold.storageclass.storage.k8s.io"}}, {
		Resource: "pods", MatchScopes: []corev1.ScopedResourceSelectorRequirement{{ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: corev1.ScopeSelectorOpIn, Values: []string{"high"}}},
	}}
	f := func(resource, object string) error {
		e := b.entry(resource)
		a := &admission.Attributes{Operation: admission.Create, Entry: e, Resource: e.GVR(), Namespace: testSpace, Object: b.read(e, object), DryRun: true}
		m, _ := meta.Accessor(a.Object)
		a.Name = m.GetName()
		_, err := b.l.Charge(context.Background(), a, limited)
		return err
	}
	claim := `{"metadata":{"name":"c"},"spec":{"storageClassName":"gold","resources":{"requests":{"storage":"1Gi"}}}}`
	b.refused(f("persistentvolumeclaims", claim), `persistentvolumeclaims "c" is forbidden: insufficient quota to consume: gold.storageclass.storage.k8s.io/persistentvolumeclaims,gold.storageclass.storage.k8s.io/requests.storage`)
	high := pod("p", "{}", `,"priorityClassName":"high"`)
	if err := f("pods", high); err == nil || !strings.HasPrefix(err.Error(), "insufficient quota to match these scopes: [{PriorityClass In [high]}]") {
		t.Errorf("a scope without a quota: %v", err)
	}
	b.quota("q", `"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In","values":["high"]}]}`)
	b.must(f("pods", high))
	b.must(f("pods", pod("p", "{}", "")))
}

// TestSomebodyElseWritesTheStatus: a number that another writer has put there is
// neither lost nor overwritten with an older one.
func TestSomebodyElseWritesTheStatus(t *testing.T) {
	b := newBank(t)
	b.quota("q", `"hard":{"secrets":"100"}`)
	b.must(b.create("secrets", secret("a")))
	store := b.l.store()
	set := func() error {
		_, err := store.Update(context.Background(), testSpace, "q", registry.UpdateOptions{
			Strategy: statusStrategy(store.Resource()),
			Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
				q := current.(*corev1.ResourceQuota)
				n := q.Status.Used[corev1.ResourceSecrets]
				n.Add(one())
				q.Status.Used[corev1.ResourceSecrets] = n
				return q, nil
			},
		})
		return err
	}
	var both sync.WaitGroup
	both.Go(func() {
		for range 20 {
			if err := set(); err != nil {
				t.Error(err)
			}
		}
	})
	both.Go(func() {
		for i := range 20 {
			if err := b.create("secrets", secret(fmt.Sprintf("b%d", i))); err != nil {
				t.Error(err)
			}
		}
	})
	both.Wait()
	b.wants("q", "secrets=41")
}

func TestAPanicDoesNotStopANamespace(t *testing.T) {
	b := newBank(t)
	b.quota("q", `"hard":{"secrets":"5"}`)
	e := b.entry("secrets")
	broken := &charge{e: &evaluator{handles: created, counts: func(corev1.ResourceName) bool { panic("broken") }, use: nil}, a: &admission.Attributes{Entry: e, Operation: admission.Create}}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		s := b.l.enter(testSpace)
		s.mu.Lock()
		_ = b.l.queue(context.Background(), testSpace, s, &work{charge: broken})
	}()
	b.must(b.create("secrets", secret("a")))
}

func TestACallerThatGoesDoesNotEndOthers(t *testing.T) {
	b := newBank(t)
	b.quota("q", `"hard":{"secrets":"5"}`)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e := b.entry("secrets")
	ends := &admission.Ends{}
	if err := b.charging(e, ends, false)(ctx, b.read(e, secret("a")), nil); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("charge: %v", err)
	}
	ends.Call(false)
	b.must(b.create("secrets", secret("b")))
}

// BenchmarkWithoutQuotas is what quota costs a namespace that has none.
func BenchmarkWithoutQuotas(b *testing.B) {
	k := newBank(b)
	e := k.entry("secrets")
	obj := k.read(e, secret("a"))
	a := &admission.Attributes{Operation: admission.Create, Entry: e, Namespace: testSpace, Object: obj}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		finish, err := k.l.Charge(ctx, a, nil)
		if err != nil {
			b.Fatal(err)
		}
		finish(true)
	}
}

func ptrTime(t time.Time) *metav1.Time { return &metav1.Time{Time: t} }
