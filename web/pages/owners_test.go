package pages

import (
	"strings"
	"testing"

	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestEachLineShowsWhoOwnsItsField(t *testing.T) {
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(`
metadata:
  labels: {a: b}
  finalizers: [x, z]
  managedFields:
  - manager: kubectl
    operation: Apply
    fieldsV1:
      f:metadata: {f:labels: {f:a: {}}, f:finalizers: {'v:"z"': {}}}
      f:spec: {f:ports: {'k:{"port":80,"protocol":"TCP"}': {.: {}, f:port: {}}}}
  - manager: controller
    operation: Update
    subresource: status
    fieldsV1:
      f:spec: {f:ports: {'k:{"port":80,"protocol":"TCP"}': {f:port: {}}}, f:gone: {}}
spec:
  ports: [{port: 443, protocol: TCP}, {port: 80, protocol: TCP}]
`), &tree); err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{Object: tree}
	text, err := yamlOf(o, false)
	if err != nil {
		t.Fatal(err)
	}
	lines := view.YAMLLines(text)
	markOwners(lines, text, ownersOf(o))
	var got []string
	for i, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if lines[i].Owner != "" {
			got = append(got, strings.TrimSpace(l)+" < "+lines[i].Owner)
		}
	}
	want := []string{"- z < kubectl", "a: b < kubectl", "- port: 80 < kubectl, controller (status)"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s\nof\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), text)
	}
}

func TestASecretIsEditedAsItIs(t *testing.T) {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "data": map[string]any{"text": "aGVsbG8=", "binary": "/w=="},
	}}
	out, err := editable(o)
	if err != nil {
		t.Fatal(err)
	}
	if want := "apiVersion: v1\ndata:\n  binary: /w==\nkind: Secret\nstringData:\n  text: hello\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	var back map[string]any
	if err := yaml.Unmarshal([]byte(out), &back); err != nil {
		t.Fatal(err)
	}
	encode(back)
	if !sameJSON(back, o.Object) {
		t.Errorf("it came back as %v", back)
	}
}
