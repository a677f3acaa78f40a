package diff

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	f := func(before, after string, want ...string) {
		t.Helper()
		changes, err := Of([]byte(before), []byte(after))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]string, len(changes))
		for i, c := range changes {
			got[i] = c.String()
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s\n%s\ngot\n%s\nwant\n%s", before, after, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	f(`{"a":1}`, `{"a":1}`)
	f(`{"spec":{"replicas":3}}`, `{"spec":{"replicas":100}}`, `~ spec.replicas: 3 -> 100`)
	f(``, `{"a":{"b":1}}`, `+ a: {"b":1}`)
	f(`{"a":{"b":1}}`, ``, `- a: {"b":1}`)
	f(`{"a":{"b":1}}`, `{"a":{"b":1,"c":"x"}}`, `+ a.c: "x"`)
	f(`{"metadata":{"resourceVersion":"1","managedFields":[1],"labels":{"a.b/c":"1"}}}`,
		`{"metadata":{"resourceVersion":"2","managedFields":[2],"labels":{"a.b/c":"2"}}}`, `~ metadata.labels["a.b/c"]: "1" -> "2"`)
	// Lists whose items have names are compared by them, whatever their order.
	f(`{"c":[{"name":"a","image":"1"},{"name":"b"}]}`, `{"c":[{"name":"new"},{"name":"b"},{"name":"a","image":"2"}]}`,
		`+ c[name=new]: {"name":"new"}`, `~ c[name=a].image: "1" -> "2"`)
	f(`{"c":[1,2]}`, `{"c":[1,3,4]}`, `~ c[1]: 2 -> 3`, `+ c[2]: 4`)
	f(`{"c":[{"name":"a"},{"name":"a","x":1}]}`, `{"c":[{"name":"a"}]}`, `- c[1]: {"name":"a","x":1}`)
	f(`{"n":9007199254740993}`, `{"n":9007199254740992}`, `~ n: 9007199254740993 -> 9007199254740992`)
}

func TestOfIsBounded(t *testing.T) {
	long, err := json.Marshal(map[string]any{"a": strings.Repeat("ü", MaxValue)})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := Of(nil, long)
	if err != nil || len(changes) != 1 || len(changes[0].After) > MaxValue || !json.Valid(changes[0].After) {
		t.Error(err, changes)
	}
	many := map[string]any{}
	for i := range 2 * MaxChanges {
		many[strings.Repeat("k", i+1)] = i
	}
	raw, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	if changes, err = Of([]byte("{}"), raw); err != nil || len(changes) != MaxChanges {
		t.Error(err, len(changes))
	}
}

func FuzzOf(f *testing.F) {
	f.Add([]byte(`{"a":[{"name":"x"}]}`), []byte(`{"a":[1]}`))
	f.Add([]byte(`{}`), []byte(``))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		there, err := Of(a, b)
		if err != nil {
			return
		}
		back, err := Of(b, a)
		if err != nil || len(there) != len(back) {
			t.Errorf("%v: %d changes there, %d back", err, len(there), len(back))
		}
		if same, err := Of(a, a); err != nil || len(same) != 0 {
			t.Errorf("%v: an object differs from itself: %v", err, same)
		}
	})
}
