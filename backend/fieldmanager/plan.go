package fieldmanager

import (
	"reflect"
	"sync"

	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// structPlan is what walking the fields of a struct type needs to know, looked
// up once.
type structPlan struct {
	// marshals tells a struct that makes its JSON itself.
	marshals bool
	// hasZero tells that JSON shows some fields of the zero value.
	hasZero bool
	fields  []planField
}

// planField is one field as JSON has it.
type planField struct {
	entry *value.FieldCacheEntry
	// index leads to it; nil where that goes through a pointer.
	index []int
	// name is its path element.
	name string
	// atom is its merge type, where the schema knows it.
	atom  schema.Atom
	known bool
	// inEmpty tells that JSON shows it in the zero value too.
	inEmpty bool
}

type planKey struct {
	goType reflect.Type
	fields *schema.Map
}

var plans sync.Map // planKey -> *structPlan

// planOf gives the plan for a struct type with a merge type. The built-in types
// are few, and no others come here.
func (w *freshWalker) planOf(goType reflect.Type, t *schema.Map) *structPlan {
	k := planKey{goType, t}
	if p, ok := plans.Load(k); ok {
		return p.(*structPlan)
	}
	entry := value.TypeReflectEntryOf(goType)
	p := &structPlan{marshals: entry.CanConvertToUnstructured()}
	indexes := map[string][]int{}
	for _, f := range fieldsOf(goType) {
		indexes[f.name] = f.index
	}
	zero := reflect.New(goType).Elem()
	for _, e := range entry.OrderedFields() {
		ref := t.ElementType
		if sf, ok := t.FindField(e.JsonName); ok {
			ref = sf.Type
		}
		f := planField{entry: e, index: indexes[e.JsonName], name: "f:" + e.JsonName, inEmpty: !e.CanOmit(e.GetFrom(zero))}
		f.atom, f.known = w.types.Resolve(ref)
		p.hasZero = p.hasZero || f.inEmpty
		p.fields = append(p.fields, f)
	}
	plans.Store(k, p)
	return p
}

func (f *planField) of(v reflect.Value) reflect.Value {
	switch len(f.index) {
	case 0:
		return f.entry.GetFrom(v)
	case 1:
		return v.Field(f.index[0])
	}
	return v.FieldByIndex(f.index)
}

// omits tells that JSON does not show the field's value. Most fields are empty.
func (f *planField) omits(v reflect.Value) bool {
	if f.inEmpty {
		return f.entry.CanOmit(v)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		if v.IsNil() {
			return true
		}
	case reflect.String:
		return v.Len() == 0
	}
	return f.entry.CanOmit(v)
}
