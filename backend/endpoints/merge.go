package endpoints

import (
	"bytes"
	"encoding/json"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// mergeDocument applies a merge patch (RFC 7386) to an object's JSON. It copies
// what the patch doesn't name as it is and reads only what is on the way to what
// it names. It does what the library does that Kubernetes uses, which FuzzMerge
// checks; whatever is not an object in plain form is left to that library.
func mergeDocument(doc, patch []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(patch, &fields) == nil && fields != nil {
		out := make([]byte, 0, len(doc)+len(patch))
		if out, ok := mergeObject(out, doc, fields); ok {
			return out, nil
		}
	}
	return jsonpatch.MergePatch(doc, patch)
}

// mergeObject adds an object with a patch's fields merged in to out. It gives up
// on an object that has names with escapes, or that is none.
func mergeObject(out, doc []byte, patch map[string]json.RawMessage) ([]byte, bool) {
	out = append(out, '{')
	first := true
	name := func(quoted []byte) {
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(out, quoted...), ':')
	}
	done := 0
	ok := eachField(doc, func(quoted, value []byte) bool {
		if bytes.IndexByte(quoted, '\\') >= 0 {
			return false
		}
		change, named := patch[string(quoted[1:len(quoted)-1])]
		if !named {
			name(quoted)
			out = append(out, value...)
			return true
		}
		done++
		if isNull(change) {
			return true
		}
		name(quoted)
		merged, ok := mergeValue(out, value, change)
		out = merged
		return ok
	})
	if !ok {
		return nil, false
	}
	if done == len(patch) {
		return append(out, '}'), true
	}
	for key, change := range patch {
		if isNull(change) || hasField(doc, key) {
			continue
		}
		quoted, err := json.Marshal(key)
		if err != nil {
			return nil, false
		}
		name(quoted)
		if out, ok = appendPruned(out, change); !ok {
			return nil, false
		}
	}
	return append(out, '}'), true
}

// mergeValue adds what becomes of a value that the patch names.
func mergeValue(out, value []byte, change json.RawMessage) ([]byte, bool) {
	switch {
	case value[0] != '{': // nothing to merge with
		return appendPruned(out, change)
	case change[0] != '{':
		return append(out, change...), true
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(change, &fields) != nil {
		return nil, false
	}
	return mergeObject(out, value, fields)
}

// appendPruned adds a new value without the fields that are null.
func appendPruned(out []byte, value json.RawMessage) ([]byte, bool) {
	if !bytes.Contains(value, []byte("null")) {
		return append(out, value...), true
	}
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	pruned, err := json.Marshal(prune(v))
	if err != nil {
		return nil, false
	}
	return append(out, pruned...), true
}

// prune drops the fields that are null from all objects in a value; nulls in
// lists stay.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
				continue
			}
			v[k] = prune(e)
		}
	case []any:
		for i, e := range v {
			v[i] = prune(e)
		}
	}
	return v
}

func isNull(raw []byte) bool { return string(raw) == "null" }

// hasField tells whether an object has a field; its names have no escapes.
func hasField(doc []byte, key string) bool {
	_, _, ok := topLevel(doc, key)
	return ok
}
