package fieldmanager

import (
	"bytes"
	"fmt"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// ParsePatch reads an apply configuration. Integers are int64, as in every other
// decoded object. strict tells what a strict reader finds wrong with it: fields
// that are there twice.
//
// It is YAML, but what clients send is JSON and is read as such, in a fraction of
// the time; the YAML reader's opinion of it is asked only where it may differ.
func ParsePatch(patch []byte) (obj *unstructured.Unstructured, strict func() error, err error) {
	byYAML := func() error { return yaml.UnmarshalStrict(patch, &map[string]any{}) }
	obj = &unstructured.Unstructured{}
	twice, err := kjson.UnmarshalStrict(patch, &obj.Object, kjson.DisallowDuplicateFields)
	switch {
	case err != nil, obj.Object == nil:
	case len(twice) == 0 && plainJSON(patch):
		return obj, func() error { return nil }, nil
	default:
		return obj, byYAML, nil
	}
	obj.Object = map[string]any{}
	if err := yaml.Unmarshal(patch, &obj.Object); err != nil {
		return nil, nil, errors.NewBadRequest(fmt.Sprintf("error decoding YAML: %v", err))
	}
	raw, err := yaml.YAMLToJSON(patch)
	if err == nil {
		err = kjson.UnmarshalCaseSensitivePreserveInts(raw, &obj.Object)
	}
	if err != nil {
		return nil, nil, errors.NewBadRequest(fmt.Sprintf("error decoding YAML: %v", err))
	}
	return obj, byYAML, nil
}

// plainJSON tells that JSON is the same in YAML: printable ASCII, without the
// escapes that YAML reads in its own way and without what could be a merge key.
func plainJSON(patch []byte) bool {
	if len(patch) == 0 || patch[0] != '{' || bytes.Contains(patch, []byte(`"<<"`)) {
		return false
	}
	for i := 0; i < len(patch); i++ {
		switch c := patch[i]; {
		case c == '\\':
			if i++; i == len(patch) || bytes.IndexByte([]byte(`"\nt`), patch[i]) < 0 {
				return false
			}
		case c == '\n':
		case c < 0x20, c > 0x7e:
			return false
		}
	}
	return true
}
