package scheme

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// goldenFolder has an object of every kind of k8s.io/api with every field set, in
// JSON, YAML and protobuf, as Kubernetes itself encodes it.
func goldenFolder(t *testing.T) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	if err != nil {
		t.Fatalf("where is k8s.io/api: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "testdata", "HEAD")
}

// goldenKind reads GROUP.VERSION.KIND, where the group may have dots.
func goldenKind(t *testing.T, file string) schema.GroupVersionKind {
	t.Helper()
	parts := strings.Split(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), ".")
	if len(parts) < 3 {
		t.Fatalf("%s names no kind", file)
	}
	n := len(parts)
	gvk := schema.GroupVersionKind{Group: strings.Join(parts[:n-2], "."), Version: parts[n-2], Kind: parts[n-1]}
	if gvk.Group == "core" {
		gvk.Group = ""
	}
	return gvk
}

// Every kind in every version that is served reads Kubernetes' own objects in
// each format, and writes them as Kubernetes does.
func TestGoldenFiles(t *testing.T) {
	dir := goldenFolder(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	seen := map[schema.GroupVersionKind]bool{}
	for _, file := range files {
		gvk := goldenKind(t, file)
		old := gvk.Group == "policy" && gvk.Version == "v1beta1" // evictions alone are left of it
		if !Scheme.IsVersionRegistered(gvk.GroupVersion()) || old && gvk.Kind != "Eviction" {
			continue
		}
		seen[gvk] = true
		t.Run(gvk.GroupVersion().String()+" "+gvk.Kind, func(t *testing.T) { golden(t, strings.TrimSuffix(file, "json"), gvk) })
	}
	for gvk, typ := range Scheme.AllKnownTypes() {
		own := strings.HasPrefix(typ.PkgPath(), "k8s.io/api/") && gvk.Version != runtime.APIVersionInternal
		if own && !strings.HasSuffix(gvk.Kind, "List") && !seen[gvk] && !withoutGolden[gvk.Kind] {
			t.Errorf("%s has no golden file", gvk)
		}
	}
	if len(seen) < 70 {
		t.Errorf("only %d kinds", len(seen))
	}
}

// withoutGolden are kinds that Kubernetes keeps no files of.
var withoutGolden = map[string]bool{}

// golden checks the three files of a kind; base is their path without the ending.
func golden(t *testing.T, base string, gvk schema.GroupVersionKind) {
	var reference any
	for _, f := range []struct{ ending, mediaType string }{{"json", MediaJSON}, {"yaml", MediaYAML}, {"pb", MediaProtobuf}} {
		body, err := os.ReadFile(base + f.ending) //nolint:gosec // a file of a module
		if err != nil {
			t.Fatal(err)
		}
		obj, err := NewObject(gvk)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(body, f.mediaType, obj, gvk, Strict); err != nil {
			t.Fatalf("%s: %v", f.ending, err)
		}
		obj.GetObjectKind().SetGroupVersionKind(gvk)
		if f.ending == "pb" {
			back, err := EncodeAs(obj, MediaProtobuf, false)
			if err != nil || !bytes.Equal(back, body) {
				t.Errorf("protobuf comes back other than it was, %d bytes of %d: %v", len(back), len(body), err)
			}
		}
		fields := readFields(t, obj, f.mediaType)
		if f.ending == "json" {
			if err := json.Unmarshal(body, &reference); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(fields, reference) {
			t.Errorf("%s: fields are not what they were:\n%v\n%v", f.ending, fields, reference)
		}
	}
}

// readFields encodes an object, as YAML where it came as YAML, and gives its
// fields.
func readFields(t *testing.T, obj runtime.Object, mediaType string) (fields any) {
	t.Helper()
	if mediaType != MediaYAML {
		mediaType = MediaJSON
	}
	raw, err := EncodeAs(obj, mediaType, false)
	if err == nil && mediaType == MediaYAML {
		raw, err = yaml.YAMLToJSON(raw)
	}
	if err == nil {
		err = json.Unmarshal(raw, &fields)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fields
}
