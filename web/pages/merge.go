package pages

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"pilothouse/web/view"

	"sigs.k8s.io/yaml"
)

// merge lays what was changed from base to mine over live, as a three-way merge
// of trees: fields of objects are merged one by one, items of lists by their
// names where all have one, other lists and values as a whole. Where both sides
// have changed the same field in different ways the field is a conflict, and
// live's value stays.
func merge(base, mine, live any, field string) (any, []view.Conflict) {
	merged, conflicts, _ := mergeBy(base, mine, live, field, func(string) (string, string) { return theirs, "" })
	return merged, conflicts
}

// The choices of a conflict.
const (
	ours    = "mine"
	theirs  = "theirs"
	another = "own"
)

// maxConflict is how much of a value a conflict shows beside the panes, in bytes.
const maxConflict = 2000

// chooser gives the choice for the conflict of a field: ours, theirs, another with
// the text of another value, or none.
type chooser func(field string) (choice, text string)

// mergeBy is merge with a choice for each conflict, by its field; where there is
// none ours stays. The error is that of a text that is no value.
func mergeBy(base, mine, live any, field string, choice chooser) (any, []view.Conflict, error) {
	m := merger{choice: choice}
	tree, _ := mine.(map[string]any)
	m.secret = isSecret(tree)
	out := m.value(maybe{base, base != nil}, maybe{mine, true}, maybe{live, true}, field)
	return out.v, m.conflicts, m.err
}

// maybe is a value that may not be there.
type maybe struct {
	v  any
	ok bool
}

func (a maybe) is(b maybe) bool { return a.ok == b.ok && reflect.DeepEqual(a.v, b.v) }

type merger struct {
	choice chooser
	// secret tells that values below data are encoded.
	secret    bool
	conflicts []view.Conflict
	err       error
}

func (m *merger) value(base, mine, live maybe, field string) maybe {
	switch {
	case base.is(mine), mine.is(live):
		return live
	case base.is(live):
		return mine
	}
	if b, x, l, ok := trees(base, mine, live); ok {
		return maybe{m.tree(b, x, l, field), true}
	}
	if b, x, l, ok := lists(base, mine, live); ok {
		return maybe{m.list(b, x, l, field), true}
	}
	encoded := m.secret && strings.HasPrefix(field, "data.")
	shown := func(v maybe) view.ConflictValue { return shownValue(v, encoded) }
	choice, text := m.choice(field)
	c := view.Conflict{Field: field, Hidden: encoded, Base: shown(base), Mine: shown(mine), Live: shown(live), Choice: choice, Own: cmp.Or(text, spelled(mine, encoded))}
	m.conflicts = append(m.conflicts, c)
	switch c.Choice {
	case theirs:
		return live
	case another:
		if encoded {
			return maybe{base64.StdEncoding.EncodeToString([]byte(text)), true}
		}
		v, err := spelledOut(text, mine, live)
		if err != nil && m.err == nil {
			m.err = badRequest("The value of %s is not YAML: %s", field, strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
		}
		return v
	}
	return mine
}

// shownValue is a value as a conflict shows it: that of a Secret as it is.
func shownValue(v maybe, encoded bool) view.ConflictValue {
	if !encoded || !v.ok {
		return view.ConflictValue{Text: written(v), None: !v.ok}
	}
	raw, err := base64.StdEncoding.DecodeString(text(v.v))
	if err != nil {
		return view.ConflictValue{Text: written(v)}
	}
	return view.ConflictValue{Text: shorten(string(raw), maxConflict), Bytes: len(raw), Binary: !utf8.Valid(raw)}
}

// spelled is a value as one changes it in its conflict: a string as it is, all
// else as YAML, nothing for what is no text.
func spelled(v maybe, encoded bool) string {
	s, isText := v.v.(string)
	if encoded {
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil || !utf8.Valid(raw) {
			return ""
		}
		return string(raw)
	}
	if isText || !v.ok {
		return s
	}
	raw, err := yaml.Marshal(v.v)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(raw), "\n")
}

// spelledOut is the value that a text stands for in the place of mine and live;
// nothing but blanks stands for no value where no string is expected.
func spelledOut(text string, mine, live maybe) (maybe, error) {
	_, a := mine.v.(string)
	_, b := live.v.(string)
	if a || b {
		return maybe{text, true}, nil
	}
	var v any
	err := yaml.Unmarshal([]byte(text), &v)
	return maybe{v, v != nil}, err
}

func trees(base, mine, live maybe) (b, m, l map[string]any, ok bool) {
	m, ok1 := mine.v.(map[string]any)
	l, ok2 := live.v.(map[string]any)
	b, ok3 := base.v.(map[string]any)
	return b, m, l, ok1 && ok2 && (ok3 || !base.ok)
}

func (m *merger) tree(base, mine, live map[string]any, field string) map[string]any {
	out := map[string]any{}
	for _, k := range sortedKeys(union(base, mine, live)) {
		name := k
		if field != "" {
			name = field + "." + k
		}
		if v := m.value(at(base, k), at(mine, k), at(live, k), name); v.ok {
			out[k] = v.v
		}
	}
	return out
}

func at(m map[string]any, k string) maybe {
	v, ok := m[k]
	return maybe{v, ok}
}

// lists are three lists whose items all have names of their own.
func lists(base, mine, live maybe) (b, m, l map[string]any, ok bool) {
	m, ok1 := named(mine)
	l, ok2 := named(live)
	b, ok3 := named(base)
	return b, m, l, ok1 && ok2 && (ok3 || !base.ok)
}

// order is where named keeps the order of the names; no name is empty.
const order = ""

func named(list maybe) (map[string]any, bool) {
	items, ok := list.v.([]any)
	if !ok {
		return nil, false
	}
	out := map[string]any{}
	names := make([]string, 0, len(items))
	for _, item := range items {
		tree, _ := item.(map[string]any)
		name, _ := tree["name"].(string)
		if name == "" || out[name] != nil {
			return nil, false
		}
		out[name], names = tree, append(names, name)
	}
	out[order] = names
	return out, true
}

// list merges items of the same name; the order is live's, with what is ours
// alone at the end.
func (m *merger) list(base, mine, live map[string]any, field string) []any {
	names, _ := live[order].([]string)
	names = slices.Clone(names)
	more, _ := mine[order].([]string)
	for _, n := range more {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	out := []any{}
	for _, n := range names {
		if v := m.value(at(base, n), at(mine, n), at(live, n), field+"["+n+"]"); v.ok {
			out = append(out, v.v)
		}
	}
	return out
}

func union(maps ...map[string]any) map[string]any {
	out := map[string]any{}
	for _, m := range maps {
		for k := range m {
			out[k] = nil
		}
	}
	return out
}

func brief(v any) string {
	if v == nil {
		return "(none)"
	}
	return shorten(fmt.Sprint(v), 200)
}

// written is a value as a conflict shows it: what has parts as YAML.
func written(v maybe) string {
	switch x := v.v.(type) {
	case map[string]any, []any:
		if raw, err := yaml.Marshal(x); err == nil {
			return shorten(strings.TrimSpace(string(raw)), maxConflict)
		}
	case string:
		return shorten(x, maxConflict)
	}
	return brief(v.v)
}
