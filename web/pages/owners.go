package pages

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"pilothouse/web/view"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ownersOf tells by managedFields who owns which field: managers by the path of
// a field, "/spec/ports/0/port".
func ownersOf(o *unstructured.Unstructured) map[string][]string {
	owners := map[string][]string{}
	for _, m := range o.GetManagedFields() {
		if m.FieldsV1 == nil {
			continue
		}
		var fields map[string]any
		if json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		name := m.Manager
		if m.Subresource != "" {
			name += " (" + m.Subresource + ")"
		}
		own(owners, name, fields, o.Object, "")
	}
	return owners
}

// shownOwners bounds the fields whose owners a review shows.
const shownOwners = 50

// ownerChanges are the fields that belonged to others and would belong to
// somebody else after a write, or to one more.
func ownerChanges(before, after *unstructured.Unstructured) []view.OwnerChange {
	was, now := ownersOf(before), ownersOf(after)
	var list []view.OwnerChange
	for _, path := range sortedKeys(was) {
		from, to := was[path], now[path]
		slices.Sort(from)
		slices.Sort(to)
		if path == "" || len(to) == 0 || slices.Equal(from, to) {
			continue
		}
		if list = append(list, view.OwnerChange{Field: dotted(path), From: strings.Join(from, ", "), To: strings.Join(to, ", ")}); len(list) == shownOwners {
			break
		}
	}
	return list
}

// dotted writes the path of a field as people do: spec.ports[0].port.
func dotted(path string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if _, err := strconv.Atoi(part); err == nil && b.Len() > 0 {
			b.WriteString("[" + part + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(part)
	}
	return b.String()
}

// own walks the fields of a manager along the object.
func own(owners map[string][]string, manager string, fields map[string]any, at any, path string) {
	if len(fields) == 0 || fields["."] != nil {
		owners[path] = append(owners[path], manager)
	}
	for _, key := range sortedKeys(fields) {
		inner, _ := fields[key].(map[string]any)
		kind, rest, _ := strings.Cut(key, ":")
		switch kind {
		case "f":
			if m, ok := at.(map[string]any); ok {
				if v, there := m[rest]; there {
					own(owners, manager, inner, v, path+"/"+rest)
				}
			}
		case "k", "v", "i":
			if i, v, ok := itemOf(at, kind, rest); ok {
				own(owners, manager, inner, v, path+"/"+strconv.Itoa(i))
			}
		}
	}
}

// itemOf finds the item of a list that a key of managedFields names: by its
// fields, by its value or by its index.
func itemOf(at any, kind, rest string) (int, any, bool) {
	list, _ := at.([]any)
	var want any
	if json.Unmarshal([]byte(rest), &want) != nil {
		return 0, nil, false
	}
	for i, item := range list {
		switch kind {
		case "i":
			if f, ok := want.(float64); ok && int(f) == i {
				return i, item, true
			}
		case "v":
			if sameJSON(want, item) {
				return i, item, true
			}
		case "k":
			m, ok1 := item.(map[string]any)
			keys, ok2 := want.(map[string]any)
			fits := ok1 && ok2
			for k, v := range keys {
				fits = fits && sameJSON(v, m[k])
			}
			if fits {
				return i, item, true
			}
		}
	}
	return 0, nil, false
}

// sameJSON compares values whose numbers may be of other types.
func sameJSON(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

// markOwners puts the owners of each field behind its line.
func markOwners(lines []view.Line, text string, owners map[string][]string) {
	var doc yaml.Node
	if yaml.Unmarshal([]byte(text), &doc) != nil || len(doc.Content) == 0 {
		return
	}
	var walk func(n *yaml.Node, path string)
	put := func(line int, path string) {
		if line >= 1 && line <= len(lines) && lines[line-1].Owner == "" {
			lines[line-1].Owner = strings.Join(owners[path], ", ")
		}
	}
	walk = func(n *yaml.Node, path string) {
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				key := path + "/" + n.Content[i].Value
				put(n.Content[i].Line, key)
				walk(n.Content[i+1], key)
			}
		case yaml.SequenceNode:
			for i, item := range n.Content {
				key := path + "/" + strconv.Itoa(i)
				if item.Kind == yaml.ScalarNode {
					put(item.Line, key)
				}
				walk(item, key)
			}
		}
	}
	walk(doc.Content[0], "")
}
