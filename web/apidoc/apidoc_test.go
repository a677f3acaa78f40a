package apidoc

import (
	"fmt"
	"strings"
	"testing"
)

func TestPlacesInYAML(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		at := strings.Index(text, "@")
		p := Find(strings.Replace(text, "@", "", 1), at)
		got := fmt.Sprintf("%s %s %s value=%t indent=%d there=%s", p.APIVersion, p.Kind, strings.Join(p.Path, "."), p.Value, p.Indent, strings.Join(p.There, ","))
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	head := "apiVersion: apps/v1\nkind: Deployment\n"
	f(head+"@", "apps/v1 Deployment  value=false indent=0 there=apiVersion,kind")
	f(head+"spec:\n  @", "apps/v1 Deployment spec value=false indent=2 there=")
	f(head+"spec:\n  replicas: 1\n  @", "apps/v1 Deployment spec value=false indent=2 there=replicas")
	f(head+"spec:\n  template:\n    spec:\n      containers:\n      - name: a\n        image: b\n        @", "apps/v1 Deployment spec.template.spec.containers value=false indent=8 there=name,image")
	f(head+"spec:\n  template:\n    spec:\n      containers:\n      - name: a\n      - @", "apps/v1 Deployment spec.template.spec.containers value=false indent=8 there=")
	f(head+"spec:\n  template:\n    spec:\n      containers:\n        - name: a\n          imagePullPolicy: @", "apps/v1 Deployment spec.template.spec.containers.imagePullPolicy value=true indent=10 there=name")
	f(head+"spec:\n  a:\n    b: 1\n  @", "apps/v1 Deployment spec value=false indent=2 there=a")
	f("kind: A\napiVersion: v1\n---\nkind: B\napiVersion: v2\nspec:\n  @\n---\nkind: C", "v2 B spec value=false indent=2 there=")
	f("kind: \"Pod\"\napiVersion: 'v1'\n@", "v1 Pod  value=false indent=0 there=kind,apiVersion")
}

func FuzzFind(f *testing.F) {
	f.Add("a:\n- b: c\n  d:\n    - e", 7)
	f.Add("---\n- - a: b", 3)
	f.Fuzz(func(_ *testing.T, text string, at int) { Find(text, at) })
}

const sample = `{"paths":{"/apis/g/v1/things":{"parameters":[{"name":"pretty","in":"query","schema":{"type":"string"}}],
 "get":{"operationId":"listThings","x-kubernetes-action":"list","x-kubernetes-group-version-kind":{"group":"g","version":"v1","kind":"Thing"},
 "responses":{"200":{"description":"OK","content":{"application/json":{"schema":{"$ref":"#/components/schemas/g.Thing"}}}}}}}},
 "components":{"schemas":{
 "g.Thing":{"type":"object","description":"A thing.","properties":{"spec":{"allOf":[{"$ref":"#/components/schemas/g.Spec"}],"default":{},"description":"What is wanted."}},
   "x-kubernetes-group-version-kind":[{"group":"g","version":"v1","kind":"Thing"}]},
 "g.Spec":{"type":"object","required":["name"],"properties":{"name":{"type":"string","enum":["a","b"]},"again":{"$ref":"#/components/schemas/g.Spec"},
   "list":{"type":"array","items":{"$ref":"#/components/schemas/g.Spec"}},"map":{"type":"object","additionalProperties":{"type":"string"}},"free":{"type":"object","additionalProperties":true}}}}}}`

func TestSchemasAreFollowedStepByStep(t *testing.T) {
	d, err := parse("apis/g/v1", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	o := d.Operation("GET", "/apis/g/v1/things")
	if o == nil || o.Action != "list" || len(o.Parameters) != 1 || o.Responses[0].Schema == nil {
		t.Fatalf("operation %+v", o)
	}
	root := d.Kind("Thing")
	if root == nil || d.TypeOf(root) != "Thing" {
		t.Fatalf("kind %+v", root)
	}
	f := func(path, typ string, fields bool) {
		t.Helper()
		s := d.At(root, strings.Split(path, "."))
		if s == nil {
			t.Errorf("%s is not there", path)
			return
		}
		if got := d.TypeOf(s); got != typ || d.HasFields(s) != fields {
			t.Errorf("%s is %s, %t", path, got, d.HasFields(s))
		}
	}
	f("spec", "Spec", true)
	f("spec.name", "string", false)
	f("spec.again.again.again", "Spec", true)
	f("spec.list", "[]Spec", true)
	f("spec.list.name", "string", false)
	f("spec.map", "map[string]string", false)
	f("spec.map.anything", "string", false)
	if d.At(root, []string{"spec", "nothing"}) != nil {
		t.Error("found a field that is not there")
	}
	if got := d.Resolve(root.Properties["spec"]).Description; got != "What is wanted." {
		t.Errorf("description %q", got)
	}
}
