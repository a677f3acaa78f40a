package scheme

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// Encoded is an object's JSON as storage takes it. HoleOffset and HoleLen say
// where its resourceVersion's digits are; HoleLen is 0 when it has none.
type Encoded struct {
	Raw                 []byte
	HoleOffset, HoleLen int
}

var resourceVersionKey = []byte(`"resourceVersion":"`)

// Encode gives an object's JSON with its kind, apiVersion and resourceVersion,
// which it also sets in obj. revision is a guess of the revision that the
// object will be written at: with the right number of digits they can be
// overwritten in place. Revision 0 leaves the resourceVersion out.
func Encode(obj Object, gvk schema.GroupVersionKind, revision int64) (Encoded, error) {
	obj.GetObjectKind().SetGroupVersionKind(gvk)
	digits := ""
	if revision > 0 {
		digits = strconv.FormatInt(revision, 10)
	}
	obj.SetResourceVersion(digits)
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return encodeUnstructured(u, digits)
	}
	if !jsonGroups[gvk.Group] {
		nilEmpty(obj)
	}
	raw, err := json.Marshal(obj)
	if err != nil {
		return Encoded{}, fmt.Errorf("encode %s: %w", gvk.Kind, err)
	}
	e := Encoded{Raw: raw}
	if digits == "" {
		return e, nil
	}
	// Metadata is the first field after kind and apiVersion in every type of
	// the API, and before its resourceVersion there are only strings, in which
	// a quote is escaped: the first match is the right one.
	i := bytes.Index(raw, resourceVersionKey)
	if i < 0 {
		return Encoded{}, fmt.Errorf("encode %s: no resourceVersion", gvk.Kind)
	}
	e.HoleOffset, e.HoleLen = i+len(resourceVersionKey), len(digits)
	return e, nil
}

// encodeUnstructured writes apiVersion, kind and metadata first, and in
// metadata the resourceVersion, so that its place is known; everything else
// follows in the order of the keys.
func encodeUnstructured(u *unstructured.Unstructured, digits string) (Encoded, error) {
	b := make([]byte, 0, 4096)
	var e Encoded
	field := func(key string, v any) (err error) {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		if b, err = appendString(b, key); err == nil {
			b, err = AppendJSON(append(b, ':'), v)
		}
		if err != nil {
			return fmt.Errorf("encode %s: %w", u.GetKind(), err)
		}
		return nil
	}
	rest := func(m map[string]any, without ...string) error {
		keys := make([]string, 0, len(m))
	next:
		for k := range m {
			for _, w := range without {
				if k == w {
					continue next
				}
			}
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if err := field(k, m[k]); err != nil {
				return err
			}
		}
		return nil
	}
	b = append(b, '{')
	for _, key := range []string{"apiVersion", "kind"} {
		if err := field(key, u.Object[key]); err != nil {
			return e, err
		}
	}
	if metadata, ok := u.Object["metadata"].(map[string]any); ok {
		b = append(b, `,"metadata":{`...)
		if digits != "" {
			b = append(b, resourceVersionKey...)
			e.HoleOffset, e.HoleLen = len(b), len(digits)
			b = append(append(b, digits...), '"')
		}
		if err := rest(metadata, "resourceVersion"); err != nil {
			return e, err
		}
		b = append(b, '}')
	}
	if err := rest(u.Object, "apiVersion", "kind", "metadata"); err != nil {
		return e, err
	}
	e.Raw = bytes.Clone(append(b, '}')) // it is kept, without room to grow
	return e, nil
}

// EncodeAs gives an object in a media type that Negotiate chose. Its kind and
// apiVersion have to be set. JSON and YAML end with a newline. An object
// without a protobuf form gives a 406 for protobuf.
func EncodeAs(obj runtime.Object, mediaType string, pretty bool) ([]byte, error) {
	switch mediaType {
	case MediaYAML:
		b, err := json.Marshal(obj)
		if err != nil {
			return nil, fmt.Errorf("encode yaml: %w", err)
		}
		return yaml.JSONToYAML(b)
	case MediaProtobuf:
		var b bytes.Buffer
		if err := protobufSerializer.Encode(obj, &b); err != nil {
			if !hasProtobuf(obj) {
				return nil, notAcceptable([]string{MediaJSON, MediaYAML})
			}
			return nil, apierrors.NewInternalError(fmt.Errorf("encode protobuf: %w", err))
		}
		return b.Bytes(), nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if pretty {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(obj); err != nil {
		return nil, fmt.Errorf("encode json: %w", err)
	}
	return b.Bytes(), nil
}

func hasProtobuf(obj runtime.Object) bool {
	_, ok := obj.(interface{ Marshal() ([]byte, error) })
	return ok
}

// FindHole finds the digits of the resourceVersion in an object's JSON that
// Encode made; the length is 0 when it has none.
func FindHole(raw []byte, resourceVersion string) (offset, length int) {
	if resourceVersion == "" {
		return 0, 0
	}
	i := bytes.Index(raw, resourceVersionKey)
	if i < 0 {
		return 0, 0
	}
	return i + len(resourceVersionKey), len(resourceVersion)
}
