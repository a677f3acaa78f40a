package cel

import (
	"math/rand"
	"reflect"
	"testing"

	"pilothouse/backend/scheme"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// walk takes a value apart as expressions do, and puts together what is in it.
func walk(t *testing.T, v ref.Val, like any) any {
	switch x := v.(type) {
	case traits.Mapper:
		m, ok := like.(map[string]any)
		if !ok {
			t.Fatalf("got a map, want %T", like)
		}
		out := map[string]any{}
		for key, part := range m {
			got, found := x.Find(types.String(key))
			if !found {
				t.Fatalf("field %s is missing", key)
			}
			out[key] = walk(t, got, part)
		}
		if n := x.Size(); n != types.Int(len(m)) {
			t.Errorf("%v fields, want %d", n, len(m))
		}
		return out
	case traits.Lister:
		list, ok := like.([]any)
		if !ok {
			t.Fatalf("got a list, want %T", like)
		}
		out := make([]any, 0, len(list))
		for it, i := x.Iterator(), 0; it.HasNext() == types.True; i++ {
			out = append(out, walk(t, it.Next(), list[i]))
		}
		return out
	case types.Null:
		return nil
	}
	return v.Value()
}

// TestStructsAreTheirJSON compares what expressions see of random objects with
// their JSON.
func TestStructsAreTheirJSON(t *testing.T) {
	fill := fuzzer.FuzzerFor(metafuzzer.Funcs, rand.NewSource(1), serializer.NewCodecFactory(scheme.Scheme)).NilChance(0.3).NumElements(1, 2)
	for _, obj := range []runtime.Object{
		&corev1.Pod{}, &corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Node{}, &appsv1.Deployment{}, &autoscalingv2.HorizontalPodAutoscaler{},
		&networkingv1.Ingress{}, &rbacv1.Role{}, &corev1.Service{},
	} {
		for range 10 {
			fill.Fill(obj)
			want, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
			if err != nil {
				t.Fatal(err)
			}
			v, ok := lazyObject(obj)
			if !ok {
				t.Fatalf("%T is not shown field by field", obj)
			}
			if got := walk(t, v, want); !reflect.DeepEqual(got, any(want)) {
				t.Fatalf("%T: got %v, want %v", obj, got, want)
			}
			// Nothing is there that the JSON leaves out.
			for name := range v.(*structValue).fields {
				if _, there := want[name]; there != (v.(*structValue).get(name) != nil) {
					t.Errorf("%T: field %s is there: %v", obj, name, !there)
				}
			}
			if v.Equal(types.DefaultTypeAdapter.NativeToValue(want)) != types.True {
				t.Errorf("%T is not equal to its JSON", obj)
			}
		}
	}
}
