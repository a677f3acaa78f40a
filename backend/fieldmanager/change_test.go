package fieldmanager

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/randfill"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// changes makes random edits, few in a large object.
type changes struct {
	rng  *rand.Rand
	fill *randfill.Filler
}

// edit changes some of what v holds.
func (c *changes) edit(v reflect.Value, depth int) {
	if depth > 9 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		switch {
		case v.IsNil() && c.rng.IntN(8) == 0:
			v.Set(reflect.New(v.Type().Elem()))
			c.fill.Fill(v.Interface())
		case v.IsNil():
		case c.rng.IntN(12) == 0:
			v.SetZero()
		default:
			c.edit(v.Elem(), depth+1)
		}
	case reflect.Struct:
		if !isPlainStruct(v.Type()) {
			c.refill(v, 5)
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && c.rng.IntN(3) == 0 {
				c.edit(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		c.list(v, depth)
	case reflect.Map:
		c.entries(v)
	default:
		c.refill(v, 2)
	}
}

func (c *changes) refill(v reflect.Value, oneIn int) {
	if v.CanAddr() && c.rng.IntN(oneIn) == 0 {
		c.fill.Fill(v.Addr().Interface())
	}
}

// list removes, adds, doubles, exchanges or edits items.
func (c *changes) list(v reflect.Value, depth int) {
	n := v.Len()
	switch op := c.rng.IntN(8); {
	case n == 0 && op < 2:
		c.fill.Fill(v.Addr().Interface())
	case n == 0:
	case op == 0:
		i := c.rng.IntN(n)
		v.Set(reflect.AppendSlice(v.Slice3(0, i, i), v.Slice(i+1, n)))
	case op == 1:
		item := reflect.New(v.Type().Elem())
		c.fill.Fill(item.Interface())
		v.Set(reflect.Append(v, item.Elem()))
	case op == 2 && c.rng.IntN(4) == 0:
		v.Set(reflect.Append(v, v.Index(c.rng.IntN(n))))
	case op == 3:
		reflect.Swapper(v.Interface())(0, n-1)
	case op == 4:
		v.SetZero()
	default:
		c.edit(v.Index(c.rng.IntN(n)), depth+1)
	}
}

// entries removes, adds or replaces entries of a map.
func (c *changes) entries(v reflect.Value) {
	for _, k := range v.MapKeys() {
		if c.rng.IntN(5) == 0 {
			v.SetMapIndex(k, reflect.Value{})
		}
	}
	if c.rng.IntN(2) == 0 {
		more := reflect.New(v.Type())
		c.fill.Fill(more.Interface())
		for it := more.Elem().MapRange(); it.Next(); {
			if v.IsNil() {
				v.Set(reflect.MakeMap(v.Type()))
			}
			v.SetMapIndex(it.Key(), it.Value())
		}
	}
}

// For random changes of objects of every kind, an ordinary write records what the
// whole machinery of apimachinery records.
func TestChangesAreThoseOfTheMachinery(t *testing.T) {
	all := resources.All(&registry.Env{})
	var compared, left, kinds int
	for i := range all {
		r := &all[i]
		if r.Virtual != nil || r.StoredAs != nil {
			continue
		}
		m := New()
		before := compared
		for seed := range uint64(3) {
			for _, sub := range []string{"", "status"} {
				same, plain := compareWrites(t, m, r, sub, seed+1)
				compared += same
				left += plain
			}
		}
		if compared > before {
			kinds++
		}
	}
	t.Logf("%d writes of %d kinds were compared, %d left to the machinery", compared, kinds, left)
	if compared < 900 || kinds < 50 || left > compared/4 {
		t.Errorf("too little was compared")
	}
}

// compareWrites makes an object of a kind and changes it a few times.
func compareWrites(t *testing.T, m *Manager, r *registry.Resource, subresource string, seed uint64) (compared, left int) {
	t.Helper()
	v := r.Hub()
	if v == nil {
		return 0, 0
	}
	c := &changes{rng: rand.New(rand.NewPCG(seed, 7)), fill: filler(int64(seed))}
	obj := v.New()
	c.fill.Fill(obj)
	obj.SetManagedFields(nil)
	obj.SetUID("u")
	f, err := m.of(r, v.Name, "")
	if err != nil {
		t.Fatal(err)
	}
	empty := v.New()
	live, ok := machinery(f, empty, obj.DeepCopyObject())
	if !ok || len(live.GetManagedFields()) == 0 {
		return 0, 0
	}
	agePast(live, 1)
	for step := range 5 {
		next := live.DeepCopyObject().(scheme.Object)
		c.edit(reflect.ValueOf(next).Elem(), 0)
		next.SetUID("u")
		c.managed(next, live)
		got, want, err := bothWays(t, m, r, v.Name, subresource, live, next, fmt.Sprint("manager-", c.rng.IntN(4)))
		if want == nil {
			return compared, left
		}
		if err != nil {
			left++
		} else {
			compared++
			if !sameEntries(got, want.GetManagedFields()) {
				a, _ := json.Marshal(live)
				b, _ := json.Marshal(next)
				x, _ := json.Marshal(got)
				y, _ := json.Marshal(want.GetManagedFields())
				t.Fatalf("%s, seed %d, step %d:\n got %s\nwant %s\nlive %s\n obj %s", r.Name, seed, step, x, y, a, b)
			}
		}
		if live = want; len(live.GetManagedFields()) == 0 {
			return compared, left
		}
		agePast(live, step+2)
	}
	return compared, left
}

// managed gives an object what clients send as managedFields: those that it had,
// none, or something of their own.
func (c *changes) managed(obj, live scheme.Object) {
	entries := live.DeepCopyObject().(scheme.Object).GetManagedFields()
	switch c.rng.IntN(6) {
	case 0:
		entries = nil
	case 1:
		entries = entries[:1]
	case 2:
		entries[0].Operation = metav1.ManagedFieldsOperationApply
	}
	obj.SetManagedFields(entries)
}

// bothWays gives what the short way and the machinery record. want is nil where
// the machinery gives up, err tells that the short way leaves it to it.
func bothWays(t *testing.T, m *Manager, r *registry.Resource, version, subresource string, live, obj scheme.Object, manager string) (got []metav1.ManagedFieldsEntry, want scheme.Object, err error) {
	t.Helper()
	f, err := m.of(r, version, subresource)
	if err != nil {
		t.Fatal(err)
	}
	want = machineryOrNil(f, live.DeepCopyObject(), obj.DeepCopyObject(), manager)
	if want == nil {
		return nil, nil, nil
	}
	c := m.changer(r, version, subresource)
	if c == nil {
		return nil, want, errNotPlain
	}
	liveBefore, objBefore := live.DeepCopyObject(), obj.DeepCopyObject()
	got, err = c.update(live, obj, manager)
	if !reflect.DeepEqual(live, liveBefore) || !reflect.DeepEqual(obj, objBefore) {
		t.Fatalf("%s: the objects were changed", r.Name)
	}
	return got, want, err
}

func machineryOrNil(f *managedfields.FieldManager, live, obj runtime.Object, manager string) (out scheme.Object) {
	defer func() {
		if recover() != nil {
			out = nil // it panics on some values that no client can send
		}
	}()
	o, err := f.Update(live, obj, manager)
	if err != nil {
		return nil
	}
	return o.(scheme.Object)
}

// agePast gives entries that were just made the time of long ago, so that the
// order of entries doesn't depend on the moment of the test.
func agePast(obj scheme.Object, hours int) {
	entries := obj.GetManagedFields()
	for i := range entries {
		if entries[i].Time != nil && time.Since(entries[i].Time.Time) < time.Hour {
			entries[i].Time = &metav1.Time{Time: time.Unix(1_600_000_000, 0).Add(time.Duration(hours) * time.Hour)}
		}
	}
	obj.SetManagedFields(entries)
}

// sameEntries compares managedFields, in which times that are new may differ a
// little.
func sameEntries(a, b []metav1.ManagedFieldsEntry) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if (x.Time == nil) != (y.Time == nil) || x.Time != nil && x.Time.Sub(y.Time.Time).Abs() > time.Minute {
			return false
		}
		if !sameJSON(x.FieldsV1.Raw, y.FieldsV1.Raw) {
			return false
		}
		x.Time, y.Time, x.FieldsV1, y.FieldsV1 = nil, nil, nil, nil
		if x != y {
			return false
		}
	}
	return true
}

// widgets is a resource like one that a CRD defines: with a list by keys, a set,
// an atomic list and map, a granular map, and a part without a schema.
func widgets() *registry.Resource {
	parser, err := typed.NewParser(`types:
- name: widget
  map:
    fields:
    - {name: apiVersion, type: {scalar: string}}
    - {name: kind, type: {scalar: string}}
    - name: metadata
      type: {map: {fields: [{name: labels, type: {map: {elementType: {scalar: string}}}}], elementType: {scalar: untyped, list: {elementType: {namedType: __untyped}, elementRelationship: atomic}, map: {elementType: {namedType: __untyped}, elementRelationship: separable}}}}
    - name: spec
      type:
        map:
          fields:
          - {name: size, type: {scalar: numeric}}
          - name: ports
            type: {list: {elementRelationship: associative, keys: [port, protocol], elementType: {namedType: port}}}
          - name: tags
            type: {list: {elementRelationship: associative, elementType: {scalar: string}}}
          - name: args
            type: {list: {elementRelationship: atomic, elementType: {scalar: string}}}
          - name: choice
            type: {map: {elementType: {scalar: string}, elementRelationship: atomic}}
          - name: weights
            type: {map: {elementType: {scalar: numeric}}}
          - name: free
            type: {namedType: __untyped}
- name: port
  map:
    fields:
    - {name: port, type: {scalar: numeric}}
    - {name: protocol, type: {scalar: string}, default: TCP}
    - {name: note, type: {scalar: string}}
- name: __untyped
  scalar: untyped
  list: {elementType: {namedType: __untyped}, elementRelationship: atomic}
  map: {elementType: {namedType: __untyped}, elementRelationship: separable}
`)
	if err != nil {
		panic(err)
	}
	gvk := schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}
	return &registry.Resource{
		Group: gvk.Group, Kind: gvk.Kind, Name: "widgets", Dynamic: true, FieldTypes: widgetTypes{parser.Type("widget")},
		Versions: []registry.Version{{Name: "v1", New: func() scheme.Object {
			u := &unstructured.Unstructured{Object: map[string]any{}}
			u.SetGroupVersionKind(gvk)
			return u
		}}},
	}
}

type widgetTypes struct{ t typed.ParseableType }

func (w widgetTypes) ObjectToTyped(o runtime.Object, opts ...typed.ValidationOptions) (*typed.TypedValue, error) {
	return w.t.FromUnstructured(o.(*unstructured.Unstructured).Object, opts...)
}

func (w widgetTypes) TypedToObject(v *typed.TypedValue) (runtime.Object, error) {
	return &unstructured.Unstructured{Object: v.AsValue().Unstructured().(map[string]any)}, nil
}

// spec makes a random widget's.
func (c *changes) spec() map[string]any {
	some := func(n int) []string {
		return []string{"a", "b", "c", "d"}[c.rng.IntN(2) : 2+c.rng.IntN(n-1)]
	}
	s := map[string]any{}
	put := func(name string, v any) {
		if c.rng.IntN(3) > 0 {
			s[name] = v
		}
	}
	put("size", int64(c.rng.IntN(3)))
	ports, tags, args, choice, weights := []any{}, []any{}, []any{}, map[string]any{}, map[string]any{}
	for i, x := range some(3) {
		port := map[string]any{"port": int64(c.rng.IntN(2) + i*2), "note": some(2)[0]}
		if c.rng.IntN(2) > 0 {
			port["protocol"] = "UDP"
		}
		ports, tags, args = append(ports, port), append(tags, x), append(args, x)
		choice[x], weights[x] = some(2)[0], int64(c.rng.IntN(2))
	}
	put("ports", ports)
	put("tags", tags)
	put("args", args)
	put("choice", choice)
	put("weights", weights)
	put("free", map[string]any{"deep": map[string]any{"x": int64(c.rng.IntN(2)), "l": []any{some(2)[0]}}})
	put("free", []any{int64(c.rng.IntN(2)), nil, map[string]any{}}[c.rng.IntN(3)])
	return s
}

func TestChangesOfCustomObjectsAreThoseOfTheMachinery(t *testing.T) {
	compared := 0
	for seed := range uint64(150) {
		r, m := widgets(), New()
		c := &changes{rng: rand.New(rand.NewPCG(seed, 3))}
		obj := r.Versions[0].New().(*unstructured.Unstructured)
		obj.SetName("one")
		obj.SetUID("u")
		obj.Object["spec"] = c.spec()
		f, err := m.of(r, "v1", "")
		if err != nil {
			t.Fatal(err)
		}
		live := machineryOrNil(f, r.Versions[0].New(), obj.DeepCopy(), "first")
		agePast(live, 1)
		for step := range 6 {
			next := live.DeepCopyObject().(*unstructured.Unstructured)
			next.SetLabels(map[string]string{"n": fmt.Sprint(c.rng.IntN(3))})
			spec := c.spec()
			for k, v := range live.(*unstructured.Unstructured).Object["spec"].(map[string]any) {
				if c.rng.IntN(2) > 0 {
					spec[k] = runtime.DeepCopyJSONValue(v)
				}
			}
			next.Object["spec"] = spec
			c.managed(next, live)
			got, want, err := bothWays(t, m, r, "v1", "", live, next, fmt.Sprint("manager-", c.rng.IntN(3)))
			if want == nil {
				break
			}
			if err == nil {
				compared++
				if !sameEntries(got, want.GetManagedFields()) {
					x, _ := json.Marshal(got)
					y, _ := json.Marshal(want.GetManagedFields())
					t.Fatalf("seed %d, step %d:\n got %s\nwant %s\nlive %v\n obj %v", seed, step, x, y, live, next)
				}
			}
			if live = want; len(live.GetManagedFields()) == 0 {
				break
			}
			agePast(live, step+2)
		}
	}
	if t.Logf("%d writes", compared); compared < 400 {
		t.Error("too little was compared")
	}
}

func BenchmarkUpdatePod(b *testing.B) {
	r, m := find(b, "", "pods"), New()
	live := benchPod()
	live.UID = "u"
	if _, err := m.Update(r, "v1", "", &corev1.Pod{}, live, "creator"); err != nil {
		b.Fatal(err)
	}
	f, err := m.of(r, "v1", "")
	if err != nil {
		b.Fatal(err)
	}
	for _, edit := range []struct {
		name string
		do   func(p *corev1.Pod, n int)
	}{
		{"annotation", func(p *corev1.Pod, n int) { p.Annotations["n"] = fmt.Sprint(n) }},
		{"image", func(p *corev1.Pod, n int) { p.Spec.Containers[0].Image = fmt.Sprint(n) }},
		{"nothing", func(*corev1.Pod, int) {}},
	} {
		prepare := func(n int) *corev1.Pod {
			next := live.DeepCopy()
			edit.do(next, n)
			return next
		}
		b.Run(edit.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if _, err := m.Update(r, "v1", "", live, prepare(n), "editor"); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(edit.name+"/machinery", func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				f.UpdateNoErrors(live, prepare(n), "editor")
			}
		})
	}
}
