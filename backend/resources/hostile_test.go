package resources

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"runtime/debug"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage/memory"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/klog/v2"
)

// words are values of the strings of an object: right ones of one field are
// wrong ones of another.
var words = []string{
	"", "", "a", "b", "a-b", "A b", "http", "80", "-1", ".", "/", "/a", "..", "a/b", "a=b", "x.example", "kubernetes.io/x", "*", "*.a.b",
	"TCP", "UDP", "Always", "Never", "OnFailure", "IfNotPresent", "ClusterFirst", "None", "NoExecute", "Exists", "Equal", "In", "Gt",
	"RollingUpdate", "Recreate", "Indexed", "NonIndexed", "FailJob", "Windows", "windows", "linux", "Unconfined", "Localhost",
	"metadata.name", "metadata.labels['a']", "spec.nodeName", "status.podIP", "limits.cpu", "requests.memory", "limits.hugepages-",
	"hugepages-", "hugepages-0", "hugepages-2Mi", "cpu", "memory", "ephemeral-storage", "pods", "10.0.0.1", "010.0.0.1", "::1", "10.0.0.0/24", "fd00::/64",
	"* * * * *", "TZ=x * * * * *", "@every", "@every 1h", "*/0 * * * *", "Europe/Berlin", "1,3-5", "5-", "-", ",", "LoadBalancer", "ExternalName", "ClusterIP",
	"localhost/x", "runtime/default", "example.com/a:b@sha256:0", "topology.kubernetes.io/zone", "100%", "-5%", "1x%", "True", "ReadWriteOnce", "{}", "{", "\xff", "ä",
}

// filler fills any Go value at random.
type filler struct {
	*rand.Rand
}

func (f filler) fill(v reflect.Value, depth int) {
	switch p := v.Addr().Interface().(type) {
	case *resource.Quantity:
		*p = *resource.NewMilliQuantity(f.number(), resource.DecimalSI)
		return
	case *metav1.Time:
		*p = metav1.NewTime(time.Unix(f.number(), 0))
		return
	case *metav1.MicroTime:
		*p = metav1.NewMicroTime(time.Unix(f.number(), 0))
		return
	case *intstr.IntOrString:
		*p = intstr.FromInt32(int32(f.number()))
		if f.one(2) {
			*p = intstr.FromString(f.word())
		}
		return
	case *metav1.FieldsV1, *runtime.RawExtension:
		return
	case *metav1.TypeMeta:
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.word())
	case reflect.Bool:
		v.SetBool(f.one(2))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(f.number())
	case reflect.Uint8:
		v.SetUint(uint64(f.IntN(256)))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(f.number()) / 3)
	case reflect.Pointer:
		if f.empty(depth) {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), depth+1)
	case reflect.Slice:
		if f.empty(depth) {
			return
		}
		n := f.IntN(3)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		if f.empty(depth) {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range f.IntN(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key, depth+1)
			f.fill(value, depth+1)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				f.fill(v.Field(i), depth)
			}
		}
	}
}

func (f filler) one(of int) bool { return f.IntN(of) == 0 }
func (f filler) word() string    { return words[f.IntN(len(words))] }

// empty tells to leave something out: the deeper, the likelier.
func (f filler) empty(depth int) bool { return f.IntN(12) < 4+depth }

func (f filler) number() int64 {
	numbers := []int64{0, 0, 1, 1, 2, 3, -1, 10, 100, 443, 65535, 65536, 1000000, 1 << 31, -1 << 31, 1<<31 - 1, 1<<63 - 1, -1 << 63}
	return numbers[f.IntN(len(numbers))]
}

// Whatever a client sends, every kind answers: no object makes its defaults,
// its strategy, its warnings, its rows or its fields panic.
func TestStrategiesTakeAnyObject(t *testing.T) {
	klog.SetLogger(logr.Discard()) // libraries log what they take for a fault of the caller
	t.Cleanup(klog.ClearLogger)
	r, err := registry.New(registry.Options{Engine: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	env := &registry.Env{
		Registry: r, Clock: time.Now,
		ServiceIPRange: netip.MustParsePrefix("10.0.0.0/24"), NodePortMin: 30000, NodePortMax: 32767,
	}
	all := All(env)
	if err := r.Add(all...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	ctx := request.With(t.Context(), &request.Request{})
	for i := range all {
		res := &all[i]
		if res.Virtual != nil {
			continue
		}
		for seed := range uint64(100) {
			fill := filler{rand.New(rand.NewPCG(seed, 7))}
			for v := range res.Versions {
				if !survives(ctx, t, res, &res.Versions[v], fill, seed) {
					return // one is enough to look at
				}
			}
		}
	}
}

// survives runs all that a kind does with two objects; a panic fails the test.
func survives(ctx context.Context, t *testing.T, res *registry.Resource, version *registry.Version, fill filler, seed uint64) (ok bool) {
	step := ""
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%s.%s %s, seed %d, %s: %v\n%s", res.Name, res.Group, version.Name, seed, step, r, debug.Stack())
			ok = false
		}
	}()
	object := func() scheme.Object {
		obj := version.New()
		fill.fill(reflect.ValueOf(obj).Elem(), 0)
		step = "default"
		if version.Default != nil {
			version.Default(obj)
		}
		if version.ToHub == nil {
			return obj
		}
		step = "convert"
		hub, err := version.ToHub(obj)
		if err != nil {
			return nil
		}
		return hub
	}
	obj, old := object(), object()
	if obj == nil || old == nil {
		return true
	}
	step = "create"
	write(ctx, &res.Strategy, clone(obj), nil)
	step = "update"
	write(ctx, &res.Strategy, clone(obj), clone(old))
	write(ctx, &res.Strategy, clone(obj), clone(obj))
	step = "delete"
	if res.Strategy.Grace != nil {
		res.Strategy.Grace(ctx, clone(obj), &metav1.DeleteOptions{})
	}
	for s := range res.Subresources {
		sub := &res.Subresources[s]
		step = fmt.Sprintf("update of %s", sub.Name)
		if sub.Strategy != nil {
			write(ctx, sub.Strategy, clone(obj), clone(old))
			write(ctx, sub.Strategy, clone(obj), clone(obj))
		}
	}
	step = "fields"
	for _, f := range res.Fields {
		f.Get(obj)
	}
	step = "row"
	shown, cells, columns := obj, res.Cells, len(res.Columns)
	if version.FromHub != nil {
		back, err := version.FromHub(clone(obj))
		if err != nil {
			return true
		}
		shown = back
	}
	if version.Cells != nil {
		cells, columns = version.Cells, len(version.Columns)
	} else {
		shown = obj
	}
	if cells != nil {
		if got := cells(shown, time.Now); len(got) != columns {
			t.Errorf("%s: %d cells for %d columns", res.Name, len(got), columns)
		}
	}
	if res.RowConditions != nil {
		res.RowConditions(obj)
	}
	return true
}

// write takes the steps of a create, or of an update when old is there.
func write(ctx context.Context, s *registry.Strategy, obj, old scheme.Object) {
	if old == nil {
		create(ctx, s, obj)
	} else {
		update(ctx, s, obj, old)
	}
}

func create(ctx context.Context, s *registry.Strategy, obj scheme.Object) {
	if s.PrepareForCreate != nil {
		s.PrepareForCreate(ctx, obj)
	}
	if s.Validate != nil && len(s.Validate(ctx, obj)) > 0 {
		return
	}
	if s.WarningsOnCreate != nil {
		s.WarningsOnCreate(ctx, obj)
	}
	if s.Canonicalize != nil {
		s.Canonicalize(obj)
	}
}

func update(ctx context.Context, s *registry.Strategy, obj, old scheme.Object) {
	if s.PrepareForUpdate != nil {
		s.PrepareForUpdate(ctx, obj, old)
	}
	if s.ValidateUpdate != nil && len(s.ValidateUpdate(ctx, obj, old)) > 0 {
		return
	}
	if s.WarningsOnUpdate != nil {
		s.WarningsOnUpdate(ctx, obj, old)
	}
	if s.Canonicalize != nil {
		s.Canonicalize(obj)
	}
}

func clone(obj scheme.Object) scheme.Object { return obj.DeepCopyObject().(scheme.Object) }
