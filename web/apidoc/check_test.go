package apidoc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

func TestCheckFindsWhatAStrictReadingRefuses(t *testing.T) {
	text := &Schema{Type: "string"}
	spec := &Schema{Properties: map[string]*Schema{
		"replicas": {Type: "integer"}, "name": text, "on": {Type: "boolean"}, "policy": {Type: "string", Enum: []jsontext.Value{jsontext.Value(`"Always"`), jsontext.Value(`"Never"`)}},
		"ports":  {Type: "array", Items: &Schema{Required: []string{"port"}, Properties: map[string]*Schema{"port": {IntOrString: true}}}},
		"labels": {Type: "object", Map: additional{text}}, "any": {Type: "object", Preserve: true},
	}}
	root := &Schema{Properties: map[string]*Schema{"spec": spec}}
	f := func(in string, want ...string) {
		t.Helper()
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(in), &n); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range (&Document{}).Check(root, n.Content[0]) {
			got = append(got, fmt.Sprintf("%d:%d %s", p.Line, p.Column, p.Text))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s\ngot  %q\nwant %q", in, got, want)
		}
	}
	f("spec:\n  replicas: 3\n  name: a\n  on: yes\n  policy: Never\n  ports: [{port: http}, {port: 1}]\n  labels: {a: b}\n  any: {x: 1}\n  ")
	f("spec:\n  replics: 3", `2:3 unknown field "replics"; replicas?`)
	f("spec:\n  replicas: three", "2:13 replicas takes an integer")
	f("spec:\n  name: 3", "2:9 name takes a string; put it into quotes")
	f("spec:\n  name: yes", "2:9 name takes a string; put it into quotes")
	f("spec:\n  name: 'yes'\n  replicas: null")
	f("spec:\n  policy: Sometimes", "2:11 policy takes one of Always, Never")
	f("spec:\n  ports:\n  - {}", "3:5 port is required")
	f("spec:\n  ports: 3", "2:3 ports takes a list of any")
	f("spec:\n  labels: [a]", "2:3 labels takes an object: map[string]string")
	f("spec:\n  labels:\n    a: 1", "3:8 a takes a string; put it into quotes")
	f("spec: 1", "1:1 spec takes an object: any")
}
