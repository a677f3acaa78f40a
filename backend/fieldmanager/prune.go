package fieldmanager

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// An update mostly changes a little of an object. This file takes out of two
// objects what they have in common, so that comparing what is left finds the
// same differences. What is taken out must not make a list, a map or a struct
// look empty or absent that was not: JSON leaves empty ones out where a type has
// omitempty, and then their absence would itself be a difference.

// pruner takes apart objects of one type.
type pruner struct {
	types *schema.Schema
	root  schema.TypeRef
}

// objects gives copies of two objects of the same Go type without what they have
// in common; the originals stay as they are.
func (p *pruner) objects(x, y scheme.Object) (a, b scheme.Object) {
	if u, ok := x.(*unstructured.Unstructured); ok {
		l, r := differing(u.Object, y.(*unstructured.Unstructured).Object)
		return &unstructured.Unstructured{Object: l}, &unstructured.Unstructured{Object: r}
	}
	l, r := shallowCopy(reflect.ValueOf(x)), shallowCopy(reflect.ValueOf(y))
	p.structs(l.Elem(), r.Elem(), p.root, nil)
	return l.Interface().(scheme.Object), r.Interface().(scheme.Object)
}

func shallowCopy(pointer reflect.Value) reflect.Value {
	c := reflect.New(pointer.Type().Elem())
	c.Elem().Set(pointer.Elem())
	return c
}

// differing gives of two JSON objects the members that differ. A map says by
// itself whether it is there, so these may become empty.
func differing(x, y map[string]any) (a, b map[string]any) {
	a, b = map[string]any{}, map[string]any{}
	for k, l := range x {
		r, ok := y[k]
		if !ok {
			a[k] = l
			continue
		}
		if sameJSONValues(l, r) {
			continue
		}
		lm, lok := l.(map[string]any)
		rm, rok := r.(map[string]any)
		if lok && rok {
			a[k], b[k] = nested(lm, rm)
			continue
		}
		a[k], b[k] = l, r
	}
	for k, r := range y {
		if _, ok := x[k]; !ok {
			b[k] = r
		}
	}
	return a, b
}

// nested is differing as values.
func nested(x, y map[string]any) (a, b any) { return differing(x, y) }

// sameJSONValues compares what JSON decodes to, and nothing looser: 1 is not 1.0.
func sameJSONValues(x, y any) bool {
	switch x := x.(type) {
	case map[string]any:
		y, ok := y.(map[string]any)
		return ok && (x == nil) == (y == nil) && maps.EqualFunc(x, y, sameJSONValues)
	case []any:
		y, ok := y.([]any)
		return ok && (x == nil) == (y == nil) && slices.EqualFunc(x, y, sameJSONValues)
	case string, int64, float64, bool, nil:
		return x == y
	}
	return reflect.DeepEqual(x, y)
}

// sameValues is reflect.DeepEqual, faster for what most fields are.
func sameValues(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.String:
		return a.String() == b.String()
	case reflect.Bool:
		return a.Bool() == b.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return a.Int() == b.Int()
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() && b.IsNil()
		}
	}
	if a.CanAddr() && b.CanAddr() {
		return reflect.DeepEqual(a.Addr().Interface(), b.Addr().Interface())
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// structs clears the fields of two structs, which are copies, that are equal,
// but for those that are to stay, and goes on inside the others.
func (p *pruner) structs(a, b reflect.Value, ref schema.TypeRef, stay []string) {
	fields := fieldsOf(a.Type())
	for i := range fields {
		f := &fields[i]
		if slices.Contains(stay, f.name) {
			continue
		}
		x, y := a.FieldByIndex(f.index), b.FieldByIndex(f.index)
		if sameValues(x, y) {
			x.SetZero()
			y.SetZero()
			continue
		}
		p.inside(x, y, ref, f)
	}
}

// inside takes out of a field that differs what it has in common.
func (p *pruner) inside(x, y reflect.Value, parent schema.TypeRef, f *prunedField) {
	switch f.inside {
	case reflect.Struct:
		// One that is left out when it is zero must not become it.
		if !f.omitZero {
			p.structs(x, y, p.fieldType(parent, f.name), nil)
		}
	case reflect.Pointer:
		if !x.IsNil() && !y.IsNil() {
			x.Set(shallowCopy(x))
			y.Set(shallowCopy(y))
			p.structs(x.Elem(), y.Elem(), p.fieldType(parent, f.name), nil)
		}
	case reflect.Map:
		if x.Len() > 0 && y.Len() > 0 {
			pruneMaps(x, y)
		}
	case reflect.Slice:
		if x.Len() > 0 && y.Len() > 0 {
			p.lists(x, y, p.fieldType(parent, f.name))
		}
	}
}

// pruneMaps takes the entries that are equal out of two maps, except one.
func pruneMaps(x, y reflect.Value) {
	a, b := reflect.MakeMapWithSize(x.Type(), 2), reflect.MakeMapWithSize(y.Type(), 2)
	kept := false
	for it := x.MapRange(); it.Next(); {
		other := y.MapIndex(it.Key())
		if other.IsValid() && sameValues(it.Value(), other) {
			if kept {
				continue
			}
			kept = true
		}
		a.SetMapIndex(it.Key(), it.Value())
		if other.IsValid() {
			b.SetMapIndex(it.Key(), other)
		}
	}
	for it := y.MapRange(); it.Next(); {
		if !x.MapIndex(it.Key()).IsValid() {
			b.SetMapIndex(it.Key(), it.Value())
		}
	}
	x.Set(a)
	y.Set(b)
}

// lists takes the items that are equal out of two sets or maps in list form,
// except one, and what items of the same name have in common. It leaves alone
// lists without names, and with one twice, which has rules of its own.
func (p *pruner) lists(x, y reflect.Value, ref schema.TypeRef) {
	atom, ok := p.types.Resolve(ref)
	if !ok || untyped(atom) || atom.List == nil || atom.List.ElementRelationship != schema.Associative {
		return
	}
	t := atom.List
	left, ok := p.itemsByName(x, t)
	if !ok {
		return
	}
	right, ok := p.itemsByName(y, t)
	if !ok {
		return
	}
	a, b := reflect.MakeSlice(x.Type(), 0, 2), reflect.MakeSlice(y.Type(), 0, 2)
	kept := false
	for name, i := range left {
		j, both := right[name]
		if !both {
			a = reflect.Append(a, x.Index(i))
			continue
		}
		same := sameValues(x.Index(i), y.Index(j))
		if same && kept {
			continue
		}
		kept = kept || same
		a, b = reflect.Append(a, x.Index(i)), reflect.Append(b, y.Index(j))
		if item := a.Index(a.Len() - 1); !same && item.Kind() == reflect.Struct && isPlainStruct(item.Type()) {
			p.structs(item, b.Index(b.Len()-1), t.ElementType, t.Keys)
		}
	}
	for name, j := range right {
		if _, both := left[name]; !both {
			b = reflect.Append(b, y.Index(j))
		}
	}
	x.Set(a)
	y.Set(b)
}

// itemsByName gives the places of a list's items; ok is false when one has no
// name or the name of another.
func (p *pruner) itemsByName(list reflect.Value, t *schema.List) (places map[string]int, ok bool) {
	atom, ok := p.types.Resolve(t.ElementType)
	if !ok {
		return nil, false
	}
	places = make(map[string]int, list.Len())
	for i := range list.Len() {
		name, _, err := itemName(list.Index(i), t, atom)
		if err != nil {
			return nil, false
		}
		if _, twice := places[name]; twice {
			return nil, false
		}
		places[name] = i
	}
	return places, true
}

// fieldType gives the merge type of a struct's field; one that names nothing
// where the schema doesn't know it.
func (p *pruner) fieldType(ref schema.TypeRef, name string) schema.TypeRef {
	atom, ok := p.types.Resolve(ref)
	if !ok || atom.Map == nil {
		return schema.TypeRef{}
	}
	if f, ok := atom.Map.FindField(name); ok {
		return f.Type
	}
	return atom.Map.ElementType
}

// prunedField is a field of a struct, or of one that is inlined in it.
type prunedField struct {
	name     string // in JSON
	index    []int
	omitZero bool
	// inside is what the field holds that can be taken apart: Struct, Pointer (to
	// a struct), Map, Slice, or Invalid for anything else.
	inside reflect.Kind
}

var prunedFields sync.Map // reflect.Type -> []prunedField

// fieldsOf lists what of a struct's fields JSON shows. What stands behind an
// inlined pointer is not in it: nothing of that is taken out.
func fieldsOf(t reflect.Type) []prunedField {
	if known, ok := prunedFields.Load(t); ok {
		return known.([]prunedField)
	}
	fields := appendFields(nil, t, nil)
	prunedFields.Store(t, fields)
	return fields
}

func appendFields(to []prunedField, t reflect.Type, at []int) []prunedField {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		index := append(slices.Clone(at), i)
		inlined := strings.Contains(options, "inline") || f.Anonymous && name == ""
		switch {
		case !f.IsExported(), name == "-":
		case inlined && f.Type.Kind() == reflect.Struct:
			to = appendFields(to, f.Type, index)
		case inlined:
		default:
			to = append(to, prunedField{name, index, strings.Contains(options, "omitzero"), insideOf(f.Type)})
		}
	}
	return to
}

func insideOf(t reflect.Type) reflect.Kind {
	switch k := t.Kind(); k {
	case reflect.Struct:
		if isPlainStruct(t) {
			return k
		}
	case reflect.Pointer:
		if isPlainStruct(t.Elem()) {
			return k
		}
	case reflect.Map, reflect.Slice:
		if !value.TypeReflectEntryOf(t).CanConvertToUnstructured() {
			return k
		}
	}
	return reflect.Invalid
}

// isPlainStruct tells a struct that is in JSON what its fields are.
func isPlainStruct(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !value.TypeReflectEntryOf(t).CanConvertToUnstructured()
}
