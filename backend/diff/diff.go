// Package diff owns what differs between two versions of an object, field by
// field: for the history of objects and for what admission has changed. It works
// on JSON and knows no kind.
package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a difference.
const (
	// MaxChanges is how many fields are told apart; the rest is left out.
	MaxChanges = 500
	// MaxValue is the longest value that is shown, in bytes of JSON.
	MaxValue = 2 << 10
)

// Change is one field that differs. A field that is only on one side has no
// value on the other.
type Change struct {
	// Path is written as people write it: spec.containers[name=web].image.
	Path   string          `json:"path"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Sign tells what became of the field: "+", "-" or "~".
func (c *Change) Sign() string {
	switch {
	case c.Before == nil:
		return "+"
	case c.After == nil:
		return "-"
	}
	return "~"
}

// String is the change in one line.
func (c Change) String() string {
	switch c.Sign() {
	case "+":
		return fmt.Sprintf("+ %s: %s", c.Path, c.After)
	case "-":
		return fmt.Sprintf("- %s: %s", c.Path, c.Before)
	}
	return fmt.Sprintf("~ %s: %s -> %s", c.Path, c.Before, c.After)
}

// Of gives what differs between two objects in JSON; an empty one is none. The
// server's own bookkeeping, metadata.resourceVersion and managedFields, is left
// out.
func Of(before, after []byte) ([]Change, error) {
	b, err := decode(before)
	if err != nil {
		return nil, err
	}
	a, err := decode(after)
	if err != nil {
		return nil, err
	}
	d := differ{}
	d.objects("", b, a)
	return d.changes, nil
}

func decode(raw []byte) (map[string]any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var o map[string]any
	err := d.Decode(&o)
	return o, err
}

type differ struct{ changes []Change }

func (d *differ) add(path string, before, after any) {
	if len(d.changes) >= MaxChanges {
		return
	}
	d.changes = append(d.changes, Change{path, text(before), text(after)})
}

// text is a value in JSON, cut off where it is long.
func text(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		raw, _ = json.Marshal(err.Error())
	}
	if len(raw) > MaxValue {
		raw, _ = json.Marshal(fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(string(raw[:MaxValue/2]), ""), len(raw)))
	}
	return raw
}

// bookkeeping are paths that every write changes and nobody asks about.
var bookkeeping = map[string]bool{"metadata.resourceVersion": true, "metadata.managedFields": true}

func (d *differ) objects(path string, before, after map[string]any) {
	keys := maps.Clone(before)
	if keys == nil {
		keys = map[string]any{}
	}
	maps.Copy(keys, after)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		p := join(path, k)
		if !bookkeeping[p] {
			d.values(p, before[k], after[k])
		}
	}
}

// join adds a member's name to a path; a name with dots is quoted.
func join(path, name string) string {
	if strings.ContainsAny(name, ".[]/ ") || name == "" {
		return path + "[" + strconv.Quote(name) + "]"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func (d *differ) values(path string, before, after any) {
	if reflect.DeepEqual(before, after) {
		return
	}
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			d.objects(path, b, a)
			return
		}
	case []any:
		if a, ok := after.([]any); ok {
			d.lists(path, b, a)
			return
		}
	}
	d.add(path, before, after)
}

// identities are the fields that items of Kubernetes' lists are known by.
var identities = []string{"name", "type", "uid", "key", "containerPort", "port", "ip", "devicePath", "mountPath", "topologyKey"}

func (d *differ) lists(path string, before, after []any) {
	for _, id := range identities {
		b, ok1 := keyed(before, id)
		a, ok2 := keyed(after, id)
		if ok1 && ok2 {
			d.keyedLists(path, id, b, a, order(before, after, id))
			return
		}
	}
	for i := range max(len(before), len(after)) {
		var b, a any
		if i < len(before) {
			b = before[i]
		}
		if i < len(after) {
			a = after[i]
		}
		d.values(fmt.Sprintf("%s[%d]", path, i), b, a)
	}
}

// keyed gives the items by a field; false when it does not tell them apart.
func keyed(list []any, id string) (map[string]any, bool) {
	out := make(map[string]any, len(list))
	for _, item := range list {
		o, ok := item.(map[string]any)
		if !ok {
			return nil, false
		}
		v, ok := o[id]
		if !ok {
			return nil, false
		}
		k := fmt.Sprint(v)
		if _, twice := out[k]; twice {
			return nil, false
		}
		out[k] = item
	}
	return out, true
}

// order gives the keys of both lists: those of the later one first.
func order(before, after []any, id string) []string {
	var keys []string
	for _, list := range [][]any{after, before} {
		for _, item := range list {
			if k := fmt.Sprint(item.(map[string]any)[id]); !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

func (d *differ) keyedLists(path, id string, before, after map[string]any, keys []string) {
	for _, k := range keys {
		d.values(fmt.Sprintf("%s[%s=%s]", path, id, k), before[k], after[k])
	}
}
