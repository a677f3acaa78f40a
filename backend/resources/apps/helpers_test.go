package apps

import (
	"encoding/json"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

var (
	env     = &registry.Env{Clock: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }}
	hourOld = metav1.NewTime(env.Clock().Add(-time.Hour))
)

// plain is the spec of a workload with nothing wrong.
const plain = `{spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: "i:1"}]}}}}`

func read(t testing.TB, text string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}

// kind is one of the workloads with what a server does with a new or changed
// one.
type kind[T scheme.Object] struct {
	resource registry.Resource
	strategy registry.For[T]
}

// created is the plain workload with changes, as the server would store it.
func (k kind[T]) created(t testing.TB, changes ...string) T {
	t.Helper()
	obj := k.resource.Versions[0].New().(T)
	for _, text := range append([]string{plain}, changes...) {
		read(t, text, obj)
	}
	if obj.GetName() == "" {
		obj.SetName("w")
	}
	obj.SetCreationTimestamp(hourOld)
	if d := k.resource.Versions[0].Default; d != nil {
		d(obj)
	}
	if k.strategy.PrepareForCreate != nil {
		k.strategy.PrepareForCreate(t.Context(), obj)
	}
	return obj
}

// refuses expects what is wrong with a new workload.
func (k kind[T]) refuses(t testing.TB, change string, want ...string) {
	t.Helper()
	expect(t, change, lines(k.strategy.Validate(t.Context(), k.created(t, change))), want)
}

// changed gives an update of a stored workload and what is wrong with it.
func (k kind[T]) changed(t testing.TB, old T, change string) (T, []string) {
	t.Helper()
	obj := old.DeepCopyObject().(T)
	read(t, change, obj)
	k.resource.Versions[0].Default(obj)
	k.strategy.PrepareForUpdate(t.Context(), obj, old)
	return obj, lines(k.strategy.ValidateUpdate(t.Context(), obj, old))
}

// refusesStatus expects what is wrong with a status that replaces another.
func (k kind[T]) refusesStatus(t testing.TB, old, status string, want ...string) {
	t.Helper()
	was, now := k.created(t), k.created(t)
	if old != "" {
		read(t, old, was)
	}
	read(t, status, now)
	var view *registry.Strategy
	for i := range k.resource.Subresources {
		if k.resource.Subresources[i].Name == "status" {
			view = k.resource.Subresources[i].Strategy
		}
	}
	view.PrepareForUpdate(t.Context(), now, was)
	expect(t, status, lines(view.ValidateUpdate(t.Context(), now, was)), want)
}

// row expects the cells of a workload.
func (k kind[T]) row(t testing.TB, change string, want ...any) {
	t.Helper()
	obj := k.created(t, change)
	read(t, change, obj)
	got := k.resource.Cells(obj, env.Clock)
	if len(got) != len(k.resource.Columns) {
		t.Errorf("%d cells for %d columns", len(got), len(k.resource.Columns))
	}
	if g, w := asJSON(t, got), asJSON(t, want); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

func lines(errs field.ErrorList) []string {
	out := []string{}
	for _, err := range errs {
		out = append(out, err.Error())
	}
	return out
}

func expect(t testing.TB, what string, got, want []string) {
	t.Helper()
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if g, w := asJSON(t, got), asJSON(t, want); g != w {
		t.Errorf("%s\ngot  %s\nwant %s", what, g, w)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
