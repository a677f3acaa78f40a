package pages

import (
	"fmt"
	"reflect"

	"pilothouse/web/view"
)

// merge lays what was changed from base to mine over live, as a three-way merge
// of trees: fields of objects are merged one by one, lists and values as a
// whole. Where both sides have changed the same field in different ways live's
// value stays and the field is a conflict.
func merge(base, mine, live any, field string) (any, []view.Conflict) {
	switch {
	case reflect.DeepEqual(base, mine), reflect.DeepEqual(mine, live):
		return live, nil
	case reflect.DeepEqual(base, live):
		return mine, nil
	}
	b, ok1 := base.(map[string]any)
	m, ok2 := mine.(map[string]any)
	l, ok3 := live.(map[string]any)
	if base == nil {
		b, ok1 = map[string]any{}, true
	}
	if !ok1 || !ok2 || !ok3 {
		return live, []view.Conflict{{Field: field, Base: brief(base), Mine: brief(mine), Live: brief(live)}}
	}
	out := map[string]any{}
	var conflicts []view.Conflict
	for _, k := range sortedKeys(union(b, m, l)) {
		bv, inB := b[k]
		mv, inM := m[k]
		lv, inL := l[k]
		name := k
		if field != "" {
			name = field + "." + k
		}
		switch {
		case inM && inL:
			v, more := merge(bv, mv, lv, name)
			out[k], conflicts = v, append(conflicts, more...)
		case inM && !inL && inB && reflect.DeepEqual(bv, mv): // live removed it, mine left it
		case inL && !inM && inB && reflect.DeepEqual(bv, lv): // mine removed it
		case inM && !inB:
			out[k] = mv
		case inL && !inB:
			out[k] = lv
		case inM || inL: // one side removed what the other one changed
			if inL {
				out[k] = lv
			}
			conflicts = append(conflicts, view.Conflict{Field: name, Base: brief(bv), Mine: brief(mv), Live: brief(lv)})
		}
	}
	return out, conflicts
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
