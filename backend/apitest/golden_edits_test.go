package apitest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"sigs.k8s.io/yaml"
)

// goldenEdit changes a golden file, in which every field has some value, so far
// that validation takes it. The edits are in testdata/golden-edits.yaml.
type goldenEdit struct {
	// Of are the kinds that it is for, KIND or VERSION.KIND; none means all.
	Of []string `json:"of"`
	// At are the places: fields joined by dots, [] for every item of a list; **
	// in front stands for any way down.
	At []string `json:"at"`
	// One of these says what happens there. Set gives a value, Drop takes the
	// field away. OneOf keeps one of fields that exclude each other (a+b: two
	// that go together), another one in every variant of the object. Split makes
	// an item of a list for each of such fields.
	Set   json.RawMessage `json:"set"`
	Drop  bool            `json:"drop"`
	OneOf []string        `json:"oneOf"`
	Split []string        `json:"split"`
	// Why says why the golden value is not accepted.
	Why string `json:"why"`

	used bool
}

func goldenEdits(t *testing.T) []*goldenEdit {
	t.Helper()
	raw, err := os.ReadFile("testdata/golden-edits.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var edits []*goldenEdit
	if err := yaml.UnmarshalStrict(raw, &edits); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		if e.Why == "" || len(e.At) == 0 {
			t.Errorf("an edit without a reason or a place: %+v", e)
		}
	}
	return edits
}

// goldenVariants gives the objects that a golden object becomes.
func goldenVariants(edits []*goldenEdit, version, kind string, raw []byte) (out []map[string]any, err error) {
	count := 1
	for n := 0; n < count; n++ {
		var obj map[string]any
		if err := json.Unmarshal(raw, &obj); err != nil {
			return nil, err
		}
		kebab(obj)
		for _, e := range edits {
			if len(e.Of) > 0 && !slices.Contains(e.Of, kind) && !slices.Contains(e.Of, version+"."+kind) {
				continue
			}
			for _, at := range e.At {
				visit(obj, strings.Split(at, "."), func(parent map[string]any, field string) {
					e.used = true
					count = max(count, len(e.OneOf))
					e.apply(parent, field, n)
				})
			}
		}
		out = append(out, obj)
	}
	return out, nil
}

// apply makes the edit in variant n of an object.
func (e *goldenEdit) apply(parent map[string]any, field string, n int) {
	switch {
	case e.Drop:
		delete(parent, field)
	case e.OneOf != nil:
		items, ok := parent[field].([]any)
		if !ok {
			items = []any{parent[field]}
		}
		for _, item := range items {
			if inner, ok := item.(map[string]any); ok {
				keepOne(inner, e.OneOf, n)
			}
		}
	case e.Split != nil:
		items, _ := parent[field].([]any)
		var out []any
		for _, item := range items {
			for i := range e.Split {
				one := copyOf(item).(map[string]any)
				keepOne(one, e.Split, i)
				if name, ok := one["name"].(string); ok {
					one["name"] = name + "-" + strconv.Itoa(i)
				}
				out = append(out, one)
			}
		}
		parent[field] = out
	default:
		var v any
		if json.Unmarshal(e.Set, &v) == nil {
			parent[field] = v
		}
	}
}

func keepOne(obj map[string]any, fields []string, n int) {
	kept := strings.Split(fields[n%len(fields)], "+")
	for _, group := range fields {
		for _, f := range strings.Split(group, "+") {
			if !slices.Contains(kept, f) {
				delete(obj, f)
			}
		}
	}
}

// visit calls f for every field that a path leads to.
func visit(node any, path []string, f func(parent map[string]any, field string)) {
	if path[0] == "**" {
		visit(node, path[1:], f)
		switch n := node.(type) {
		case map[string]any:
			for _, v := range n {
				visit(v, path, f)
			}
		case []any:
			for _, v := range n {
				visit(v, path, f)
			}
		}
		return
	}
	m, ok := node.(map[string]any)
	if !ok {
		return
	}
	field, list := strings.CutSuffix(path[0], "[]")
	v, has := m[field]
	switch {
	case !has:
	case len(path) == 1:
		f(m, field)
	case list:
		items, _ := v.([]any)
		for _, item := range items {
			visit(item, path[1:], f)
		}
	default:
		visit(v, path[1:], f)
	}
}

// kebab turns the values of a golden file, such as serviceNameValue, into
// service-name-value: names are DNS labels.
func kebab(node any) {
	one := func(v any) any {
		s, ok := v.(string)
		if !ok {
			kebab(v)
			return v
		}
		if !strings.HasSuffix(s, "Value") {
			return s
		}
		return kebabCase(s)
	}
	switch n := node.(type) {
	case map[string]any:
		for k, v := range n {
			n[k] = one(v)
		}
	case []any:
		for i, v := range n {
			n[i] = one(v)
		}
	}
}

func kebabCase(s string) string {
	var b strings.Builder
	lower := false
	for _, r := range s {
		if unicode.IsUpper(r) && lower {
			b.WriteByte('-')
		}
		lower = unicode.IsLower(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func copyOf(v any) any {
	switch n := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(n))
		for k, v := range n {
			out[k] = copyOf(v)
		}
		return out
	case []any:
		out := make([]any, len(n))
		for i, v := range n {
			out[i] = copyOf(v)
		}
		return out
	}
	return v
}

// missing names the fields of want that got lacks or has with another value;
// what got has besides is the server's. A list must have the same items.
func missing(at string, want, got any) []string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: %v", at, got)}
		}
		var out []string
		for k, v := range w {
			if value, has := g[k]; has {
				out = append(out, missing(at+"."+k, v, value)...)
			} else {
				out = append(out, at+"."+k+" is not there")
			}
		}
		return out
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return []string{fmt.Sprintf("%s: %v, want %v", at, got, want)}
		}
		var out []string
		for i := range w {
			out = append(out, missing(at+"["+strconv.Itoa(i)+"]", w[i], g[i])...)
		}
		return out
	}
	if want != got {
		return []string{fmt.Sprintf("%s: %v, want %v", at, got, want)}
	}
	return nil
}
