package rows

import "testing"

func TestColumnsOfOnesOwn(t *testing.T) {
	object := map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"app": "web"}, "annotations": map[string]any{"note.io/a": "b c"}},
		"spec":     map[string]any{"n": 3.0, "list": []any{map[string]any{"name": "x"}, map[string]any{"name": "y"}}},
	}
	f := func(name, want string) {
		t.Helper()
		list, err := parseExtra(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if got := list[0].of(object); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
		if !IsExtra(name) {
			t.Errorf("%s is taken for a column of the API", name)
		}
	}
	f("label:app", "web")
	f("label:gone", "<none>")
	f("annotation:note.io/a", "b c")
	f(".spec.n", "3")
	f(".spec.list[*].name", "x y")
	f("{.spec.list[?(@.name=='y')].name}", "y")
	f(".spec.nothing.there", "<none>")
	for _, bad := range []string{".spec[", "{.a", ".a\n.b["} {
		if _, err := parseExtra(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if IsExtra("Status") {
		t.Error("Status is a column of the API")
	}
}
