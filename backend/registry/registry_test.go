package registry

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"pilothouse/backend/scheme"
	"pilothouse/backend/storage/memory"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func things(versions ...string) Resource {
	r := Resource{
		Group: "example.com", Name: "things", Singular: "thing", Kind: "Thing", Namespaced: true, Dynamic: true,
		Fields: []Field{{Name: "spec.color", Get: func(o scheme.Object) string {
			color, _, _ := unstructured.NestedString(o.(*unstructured.Unstructured).Object, "spec", "color")
			return color
		}}},
	}
	for _, name := range versions {
		v := Version{Name: name, New: func() scheme.Object { return &unstructured.Unstructured{} }}
		if len(r.Versions) > 0 {
			same := func(o scheme.Object) (scheme.Object, error) { return o, nil }
			v.ToHub, v.FromHub = same, same
		}
		r.Versions = append(r.Versions, v)
	}
	return r
}

func thing(name, color string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": name, "namespace": "ns", "labels": map[string]any{"l": name}},
		"spec":     map[string]any{"color": color},
	}}
}

func TestTable(t *testing.T) {
	e := newEnv(t, memory.New(), things("v1", "v1beta1", "v2alpha1"))
	table := e.Table()
	entry, ok := table.Lookup("example.com", "v1beta1", "things")
	if !ok || entry.Store != e.Store("example.com", "things") || entry.GVK().String() != "example.com/v1beta1, Kind=Thing" {
		t.Fatalf("got %+v", entry)
	}
	if entry.Resource.ListKind != "ThingList" || len(entry.Resource.Verbs) != 8 {
		t.Fatalf("got %+v", entry.Resource)
	}
	for _, gvr := range []schema.GroupVersionResource{{Group: "example.com", Version: "v3", Resource: "things"}, {Version: "v1", Resource: "things"}} {
		if _, ok := table.Lookup(gvr.Group, gvr.Version, gvr.Resource); ok {
			t.Errorf("%s is there", gvr)
		}
	}
	if e, ok := table.ForKind(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}); !ok || e.Resource.Name != "pods" {
		t.Fatalf("got %+v", e)
	}
	got := []string{}
	for _, g := range table.Groups() {
		for _, v := range g.Versions {
			for _, entry := range v.Entries {
				got = append(got, g.Name+"/"+v.Name+"/"+entry.Resource.Name)
			}
		}
	}
	e.equal(got, "[/v1/configmaps /v1/namespaces /v1/pods example.com/v1/things example.com/v1beta1/things example.com/v2alpha1/things]")
}

// The groups come in the order in which kube-apiserver's discovery has them.
func TestGroupOrder(t *testing.T) {
	raw, err := os.ReadFile("testdata/groups.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	r, err := New(Options{Engine: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range append([]string{"b.example.com", "a.example.com"}, want...) {
		res := configMaps()
		res.Group = group
		if err := r.Add(res); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, g := range r.Table().Groups() {
		got = append(got, g.Name)
	}
	want = append(want, "a.example.com", "b.example.com")
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
}

func TestAddRemoveReplace(t *testing.T) {
	onEachEngine(t, func(e *env) {
		old, changed := e.Table(), e.Changed()
		e.must(e.Add(things("v1")))
		<-changed
		if _, ok := old.Lookup("example.com", "v1", "things"); ok {
			t.Fatal("a table changed")
		}
		if e.Add(things("v1")) == nil {
			t.Fatal("added twice")
		}
		s := e.Store("example.com", "things")
		made, err := s.Create(e.ctx, thing("one", "red"), CreateOptions{})
		e.must(err)
		w := e.watch(s, WatchOptions{})
		e.equal(e.events(w, 1), "[ADDED one]")

		e.must(e.Remove("example.com", "things"))
		if e.Store("example.com", "things") != nil || e.Remove("example.com", "things") == nil {
			t.Fatal("still there")
		}
		if _, err := w.Next(e.ctx, 0); err == nil {
			t.Fatal("the watch goes on")
		}

		// It comes back with another definition and its objects.
		back := things("v2")
		back.Upgrade = func(o scheme.Object) (scheme.Object, error) {
			u := o.(*unstructured.Unstructured)
			e.equal(u.GetAPIVersion(), "example.com/v1")
			u.Object["extra"] = "default of v1"
			return u, nil
		}
		back.Versions[0].Default = func(o scheme.Object) {
			u := o.(*unstructured.Unstructured)
			if _, ok := u.Object["extra"]; !ok {
				u.Object["extra"] = "default of v2"
			}
		}
		e.must(e.Add(back))
		s = e.Store("example.com", "things")
		one, err := s.Get(e.ctx, "ns", "one", GetOptions{})
		e.must(err)
		text := string(one.Raw)
		if !strings.Contains(text, `"apiVersion":"example.com/v2"`) || !strings.Contains(text, `"extra":"default of v1"`) {
			t.Fatalf("got %s", text)
		}
		e.equal([]any{one.Revision, one.UID, one.Labels, one.Fields, text[one.HoleOffset : one.HoleOffset+one.HoleLen]},
			[]any{made.Object.Revision, made.Object.UID, "[{l one}]", "[red]", made.Object.Revision})
		e.equal(names(e.list(s, ListOptions{Fields: fieldSelector(t, "spec.color=red")}).Items), "[one]")

		back = things("v2")
		back.Fields[0].Name = "spec.colour"
		e.must(e.Replace(back))
		s = e.Store("example.com", "things")
		e.equal(names(e.list(s, ListOptions{Fields: fieldSelector(t, "spec.colour=red")}).Items), "[one]")
		_, err = s.List(e.ctx, ListOptions{Fields: fieldSelector(t, "spec.color=red")})
		e.refused(err, 400, "field label not supported: spec.color")
	})
}

func TestReplaceKeepsWatchesOfBuiltIns(t *testing.T) {
	e := newEnv(t, memory.New())
	w := e.watch(e.cms(), WatchOptions{})
	res := configMaps()
	res.Strategy.AllowCreateOnUpdate = true
	e.must(e.Replace(res))
	_, err := e.cms().Update(e.ctx, "ns", "one", replace(configMap("one")))
	e.must(err)
	e.equal(e.events(w, 1), "[ADDED one]")
}

func TestAddRefusals(t *testing.T) {
	e := newEnv(t, memory.New())
	f := func(change func(r *Resource)) {
		t.Helper()
		good, bad := configMaps(), configMaps()
		good.Group, bad.Group = "good.example.com", "bad.example.com"
		change(&bad)
		if e.Add(good, bad) == nil {
			t.Fatal("it was taken")
		}
		if e.Store("good.example.com", "configmaps") != nil {
			t.Fatal("half of it was taken")
		}
	}
	f(func(r *Resource) { r.Kind = "" })
	f(func(r *Resource) { r.Versions = nil })
	f(func(r *Resource) { r.Versions[0].New = nil })
	f(func(r *Resource) { r.Versions = append(r.Versions, Version{Name: "v2", New: r.Versions[0].New}) })
	f(func(r *Resource) {
		r.Versions[0].ToHub = func(o scheme.Object) (scheme.Object, error) { return o, nil }
	})
	f(func(r *Resource) { r.StoredAs = &schema.GroupResource{Resource: "nothing"} })
	if _, err := New(Options{}); err == nil {
		t.Fatal("a registry without an engine")
	}
}

func TestVirtualResource(t *testing.T) {
	e := newEnv(t, memory.New(), Resource{
		Group: "authorization.k8s.io", Name: "reviews", Kind: "Review", Verbs: []string{"create"},
		Versions: []Version{{Name: "v1"}},
		Virtual:  &Virtual{New: func() runtime.Object { return &corev1.ConfigMap{} }},
	})
	entry, ok := e.Table().Lookup("authorization.k8s.io", "v1", "reviews")
	if !ok || entry.Store != nil || e.Store("authorization.k8s.io", "reviews") != nil {
		t.Fatalf("got %+v", entry)
	}
}

// Events are in two groups: the same objects, kept once.
func TestTwoResourcesOverOneStore(t *testing.T) {
	core := Resource{
		Name: "events", Singular: "event", Kind: "Event", Namespaced: true,
		Versions: []Version{{Name: "v1", New: func() scheme.Object { return &corev1.Event{} }}},
		Fields: []Field{{
			Name: "source", Reads: []string{"source", "reportingComponent"},
			Get: func(o scheme.Object) string { return o.(*corev1.Event).ReportingController },
		}},
	}
	newer := Resource{
		Group: "events.k8s.io", Name: "events", Singular: "event", Kind: "Event", Namespaced: true,
		StoredAs: &schema.GroupResource{Resource: "events"},
		Fields:   []Field{{Name: "deprecatedSource"}},
		Stored:   &core.Versions[0],
		Versions: []Version{{
			Name: "v1", New: func() scheme.Object { return &eventsv1.Event{} },
			ToHub:   func(scheme.Object) (scheme.Object, error) { return nil, errors.New("not here") },
			FromHub: func(scheme.Object) (scheme.Object, error) { return nil, errors.New("not here") },
		}},
	}
	dir := t.TempDir()
	engine := openBadger(t, dir)
	e := newEnv(t, engine, newer, core)
	events := e.Store("events.k8s.io", "events")
	w := e.watch(e.store("events"), WatchOptions{})
	made, err := events.Create(e.ctx, &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "one"}, ReportingController: "me"}, CreateOptions{})
	e.must(err)
	e.equal(e.events(w, 1), "[ADDED one]")
	if !strings.Contains(string(made.Object.Raw), `"kind":"Event","apiVersion":"v1"`) {
		t.Fatalf("got %s", made.Object.Raw)
	}
	_, err = events.Create(e.ctx, &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "one"}}, CreateOptions{})
	e.refused(err, 409, `events.events.k8s.io "one" already exists`)
	e.must(engine.Close())

	e = newEnv(t, openBadger(t, dir), core, newer)
	e.equal(names(e.list(e.store("events"), ListOptions{Fields: fieldSelector(t, "source=me")}).Items), "[one]")
	e.equal(names(e.list(e.Store("events.k8s.io", "events"), ListOptions{Fields: fieldSelector(t, "deprecatedSource=me")}).Items), "[one]")
	_, err = e.Store("events.k8s.io", "events").List(e.ctx, ListOptions{Fields: fieldSelector(t, "source=me")})
	e.refused(err, 400, "field label not supported: source")
}
