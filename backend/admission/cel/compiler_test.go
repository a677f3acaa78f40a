package cel

import (
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/cel/environment"
)

func TestCompile(t *testing.T) {
	f := func(e Expression, declared Declared, want string) {
		t.Helper()
		got := ""
		if c := Plain().Compile(e, declared, environment.NewExpressions); c.Err != nil {
			got = c.Err.Detail
		} else if c.Program == nil {
			t.Errorf("%q compiled to nothing", e.Text)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", e.Text, got, want)
		}
	}
	all := Declared{Params: true, Authorizer: true}
	f(Condition("object.metadata.name == 'a' && request.userInfo.username != ''"), Declared{}, "")
	f(Condition("authorizer.requestResource.check('get').allowed() && params.a == 1"), all, "")
	f(Condition("1 + 1"), all, "must evaluate to bool but got int")
	f(Condition("object.x"), all, "must evaluate to bool but got dyn")
	f(Message("1"), all, "must evaluate to string but got int")
	f(AuditAnnotation("1"), all, "must evaluate to one of [string null_type] but got int")
	f(AuditAnnotation("null"), all, "")
	f(Condition("object.spec.("), all, "compilation failed: ERROR: <input>:1:13: Syntax error: no viable alternative at input '.('\n | object.spec.(\n | ............^")
	f(Condition("params.data.a == 'b'"), Declared{Authorizer: true},
		"compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.data.a == 'b'\n | ^")
	patches := Declared{Authorizer: true, Patches: true}
	f(ApplyConfiguration("Object{metadata: Object.metadata{labels: {'by': 'me'}}}"), patches, "")
	f(ApplyConfiguration("{'a': 'b'}"), patches, "must evaluate to Object but got map(string, string)")
	f(JSONPatch("[JSONPatch{op: 'add', path: '/data/' + jsonpatch.escapeKey('a/b'), value: {}}]"), patches, "")
	f(JSONPatch("1"), patches, "must evaluate to list(JSONPatch) but got int")
}

func TestVariablesMayUseThoseBefore(t *testing.T) {
	c, err := NewComposed()
	if err != nil {
		t.Fatal(err)
	}
	declared := Declared{Authorizer: true}
	add := func(name, text, want string) {
		t.Helper()
		got := ""
		if v := c.AddVariable(name, text, declared, environment.NewExpressions); v.Err != nil {
			got = v.Err.Detail
		}
		if !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	add("late", "variables.count", "undefined field 'count'")
	add("count", "size(object.items)", "")
	add("names", "['a', 'b']", "")
	add("twice", "variables.count * 2", "")
	if got := c.Compile(Condition("variables.twice == 4 && variables.names[0] == 'a'"), declared, environment.NewExpressions); got.Err != nil {
		t.Error(got.Err)
	}
	if got := c.Compile(Condition("variables.twice"), declared, environment.NewExpressions); got.Err == nil || got.Err.Detail != "must evaluate to bool but got int" {
		t.Errorf("got %v", got.Err)
	}
	if got := Plain().Compile(Condition("variables.twice == 4"), declared, environment.NewExpressions); got.Err == nil {
		t.Error("the shared compiler knows variables")
	}
}
