package pages

import (
	"bytes"
	"reflect"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// rewrite changes a YAML text so that it says what tree says, and leaves
// everything else of it as it is: comments, the order of keys, quotes. It is
// false when that is not possible.
func rewrite(text string, tree map[string]any) (string, bool) {
	var doc yamlv3.Node
	var was map[string]any
	if yamlv3.Unmarshal([]byte(text), &doc) != nil || len(doc.Content) != 1 || yaml.Unmarshal([]byte(text), &was) != nil {
		return "", false
	}
	want, ok := roundTrip(tree).(map[string]any)
	if !ok || !setMap(doc.Content[0], was, want) {
		return "", false
	}
	var out bytes.Buffer
	e := yamlv3.NewEncoder(&out)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if e.Encode(&doc) != nil || e.Close() != nil {
		return "", false
	}
	var got map[string]any
	if yaml.Unmarshal(out.Bytes(), &got) != nil || !reflect.DeepEqual(got, want) {
		return "", false // aliases and other things that a text can do
	}
	return out.String(), true
}

// setMap makes a mapping say what want says.
func setMap(n *yamlv3.Node, was, want map[string]any) bool {
	if n.Kind != yamlv3.MappingNode {
		return false
	}
	kept := n.Content[:0:0]
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		now, there := want[key.Value]
		seen[key.Value] = true
		if !there {
			continue
		}
		if !reflect.DeepEqual(was[key.Value], now) {
			before, ok1 := was[key.Value].(map[string]any)
			after, ok2 := now.(map[string]any)
			if !ok1 || !ok2 || !setMap(value, before, after) {
				fresh, ok := nodeOf(now)
				if !ok {
					return false
				}
				fresh.HeadComment, fresh.LineComment, fresh.FootComment = value.HeadComment, value.LineComment, value.FootComment
				value = fresh
			}
		}
		kept = append(kept, key, value)
	}
	for _, k := range sortedKeys(want) {
		if seen[k] {
			continue
		}
		key, ok1 := nodeOf(k)
		value, ok2 := nodeOf(want[k])
		if !ok1 || !ok2 {
			return false
		}
		kept = append(kept, key, value)
	}
	n.Content = kept
	if len(kept) == 0 {
		n.Style = yamlv3.FlowStyle
	}
	return true
}

// nodeOf is a value as the API's YAML writes it.
func nodeOf(v any) (*yamlv3.Node, bool) {
	raw, err := yaml.Marshal(v)
	if err != nil {
		return nil, false
	}
	var doc yamlv3.Node
	if yamlv3.Unmarshal(raw, &doc) != nil || len(doc.Content) != 1 {
		return nil, false
	}
	return doc.Content[0], true
}
