package resources

import (
	"math/rand"
	"slices"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/memory"

	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// At a start the selectable fields are read from parts of an object. Each must
// have the value that it has on the whole object: what a Get looks at besides
// its name's path belongs into Reads.
func TestFieldsOfPartsOfAnObject(t *testing.T) {
	fill := fuzzer.FuzzerFor(metafuzzer.Funcs, rand.NewSource(1), serializer.NewCodecFactory(scheme.Scheme))
	store := memory.NewStore()
	engine, err := store.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(func([]storage.Event) {}); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	all := All(&registry.Env{})
	for i := range all {
		res := &all[i]
		if res.Virtual != nil || res.StoredAs != nil || len(res.Fields) == 0 {
			continue
		}
		obj := res.Hub().New()
		fill.Fill(obj)
		obj.SetName("one")
		obj.SetNamespace("ns")
		e, err := scheme.Encode(obj, res.HubKind(), 1)
		if err != nil {
			t.Fatal(err)
		}
		whole := res.Hub().New()
		if err := scheme.DecodeStored(e.Raw, whole); err != nil {
			t.Fatal(err)
		}
		var values []string
		for _, f := range res.Fields {
			values = append(values, f.Get(whole))
		}
		want[res.GroupResource().String()] = values
		ns := map[bool]string{true: "ns"}[res.Namespaced]
		write := storage.Write{
			Key:   storage.Key(storage.Prefix(res.Group, res.Name), ns, "one"),
			Value: e.Raw, Hole: storage.Hole{Offset: e.HoleOffset, Len: e.HoleLen},
		}
		if _, err := engine.Commit(t.Context(), &write); err != nil {
			t.Fatal(err)
		}
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}

	if engine, err = store.Open(); err != nil {
		t.Fatal(err)
	}
	r, err := registry.New(registry.Options{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Add(all...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	checked := 0
	for i := range all {
		res := &all[i]
		values, ok := want[res.GroupResource().String()]
		if !ok {
			continue
		}
		l, err := r.Store(res.Group, res.Name).List(t.Context(), registry.ListOptions{})
		if err != nil || len(l.Items) != 1 {
			t.Fatal(res.Name, l, err)
		}
		if !slices.Equal(l.Items[0].Fields, values) {
			t.Errorf("%s: got  %q\nwant %q", res.Name, l.Items[0].Fields, values)
		}
		checked++
	}
	if checked == 0 {
		t.Fatal("no resource has fields")
	}
	t.Logf("%d resources", checked)
}
