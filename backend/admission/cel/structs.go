package cel

import (
	"encoding/base64"
	"fmt"
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Expressions mostly look at a few fields of an object. structValue shows a Go
// struct as the map that its JSON is, field by field as they are asked for;
// whatever needs the whole makes the whole. Both give the same values
// (TestStructsAreTheirJSON).

// structValue is a struct as a CEL map. It is for one goroutine.
type structValue struct {
	v      reflect.Value
	fields map[string]*value.FieldCacheEntry
	known  []knownField
	all    traits.Mapper
}

// knownField is a field that was asked for; few are.
type knownField struct {
	name  string
	value ref.Val
}

// lazyObject gives an object as a CEL value; false for one that is no struct.
func lazyObject(obj runtime.Object) (ref.Val, bool) {
	if _, ok := obj.(runtime.Unstructured); ok {
		return nil, false // it is plain already
	}
	v := reflect.ValueOf(obj)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, false
	}
	return newStruct(v.Elem()), true
}

func newStruct(v reflect.Value) *structValue {
	return &structValue{v: v, fields: value.TypeReflectEntryOf(v.Type()).Fields()}
}

// get gives a field's value, nil when it is left out.
func (s *structValue) get(name string) ref.Val {
	for i := range s.known {
		if s.known[i].name == name {
			return s.known[i].value
		}
	}
	f := s.fields[name]
	if f == nil {
		return nil
	}
	v := f.GetFrom(s.v)
	if f.CanOmit(v) {
		return nil
	}
	out := toCEL(v)
	s.known = append(s.known, knownField{name, out})
	return out
}

// toCEL gives the value that a Go value's JSON is.
func toCEL(v reflect.Value) ref.Val {
	if t := value.TypeReflectEntryOf(v.Type()); t.CanConvertToUnstructured() { // it makes its JSON itself: Time, Quantity
		plain, err := t.ToUnstructured(v)
		if err != nil {
			return types.WrapErr(err)
		}
		return types.DefaultTypeAdapter.NativeToValue(plain)
	}
	switch v.Kind() {
	case reflect.String:
		return types.String(v.String())
	case reflect.Bool:
		return types.Bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return types.Int(v.Int())
	case reflect.Pointer:
		if v.IsNil() {
			return types.NullValue
		}
		return toCEL(v.Elem())
	case reflect.Struct:
		return newStruct(v)
	case reflect.Slice:
		if v.IsNil() {
			return types.NullValue
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return types.String(base64.StdEncoding.EncodeToString(v.Bytes()))
		}
		return &listValue{v: v}
	}
	if labels, ok := v.Interface().(map[string]string); ok && labels != nil {
		plain := make(map[string]any, len(labels))
		for k, value := range labels {
			plain[k] = value
		}
		return types.DefaultTypeAdapter.NativeToValue(plain)
	}
	return native(v)
}

// native gives the value by way of plain JSON values.
func native(v reflect.Value) ref.Val {
	plain, err := plainValue(v)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.DefaultTypeAdapter.NativeToValue(plain)
}

// plainValue gives any part of an object as plain JSON values.
func plainValue(v reflect.Value) (any, error) {
	if v.Kind() == reflect.Struct && v.CanAddr() {
		return runtime.DefaultUnstructuredConverter.ToUnstructured(v.Addr().Interface())
	}
	// The converter takes structs alone.
	wrapped := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "V", Type: v.Type(), Tag: `json:"v"`}}))
	wrapped.Elem().Field(0).Set(v)
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wrapped.Interface())
	if err != nil {
		return nil, err
	}
	return m["v"], nil
}

// whole is the struct as an ordinary map.
func (s *structValue) whole() traits.Mapper {
	if s.all == nil {
		m, ok := native(s.v).(traits.Mapper)
		if !ok {
			m = types.DefaultTypeAdapter.NativeToValue(map[string]any{}).(traits.Mapper)
		}
		s.all = m
	}
	return s.all
}

func (s *structValue) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return s.whole().Find(key)
	}
	v := s.get(string(name))
	return v, v != nil
}

func (s *structValue) Get(key ref.Val) ref.Val {
	if v, found := s.Find(key); found {
		return v
	}
	return types.ValOrErr(key, "no such key: %v", key)
}

func (s *structValue) Contains(key ref.Val) ref.Val {
	v, found := s.Find(key)
	if v != nil && types.IsUnknownOrError(v) {
		return v
	}
	return types.Bool(found)
}

func (s *structValue) Size() ref.Val                    { return s.whole().Size() }
func (s *structValue) Iterator() traits.Iterator        { return s.whole().Iterator() }
func (s *structValue) Equal(other ref.Val) ref.Val      { return s.whole().Equal(plainOf(other)) }
func (s *structValue) ConvertToType(t ref.Type) ref.Val { return s.whole().ConvertToType(t) }
func (s *structValue) Type() ref.Type                   { return types.MapType }
func (s *structValue) Value() any                       { return s.whole().Value() }
func (s *structValue) ConvertToNative(t reflect.Type) (any, error) {
	return s.whole().ConvertToNative(t)
}

// plainOf gives the ordinary value for one of this file's.
func plainOf(v ref.Val) ref.Val {
	switch x := v.(type) {
	case *structValue:
		return x.whole()
	case *listValue:
		return x.whole()
	}
	return v
}

// listValue is a slice as a CEL list. It is for one goroutine.
type listValue struct {
	v     reflect.Value
	items []ref.Val
	all   traits.Lister
}

func (l *listValue) whole() traits.Lister {
	if l.all == nil {
		m, ok := native(l.v).(traits.Lister)
		if !ok {
			m = types.DefaultTypeAdapter.NativeToValue([]any{}).(traits.Lister)
		}
		l.all = m
	}
	return l.all
}

func (l *listValue) at(i int) ref.Val {
	if l.items == nil {
		l.items = make([]ref.Val, l.v.Len())
	}
	if l.items[i] == nil {
		l.items[i] = toCEL(l.v.Index(i))
	}
	return l.items[i]
}

func (l *listValue) Get(index ref.Val) ref.Val {
	i, ok := index.(types.Int)
	if !ok || i < 0 || int(i) >= l.v.Len() {
		return l.whole().Get(index)
	}
	return l.at(int(i))
}

func (l *listValue) Size() ref.Val                    { return types.Int(l.v.Len()) }
func (l *listValue) Iterator() traits.Iterator        { return &listIterator{list: l} }
func (l *listValue) Contains(v ref.Val) ref.Val       { return l.whole().Contains(plainOf(v)) }
func (l *listValue) Add(other ref.Val) ref.Val        { return l.whole().Add(plainOf(other)) }
func (l *listValue) Equal(other ref.Val) ref.Val      { return l.whole().Equal(plainOf(other)) }
func (l *listValue) ConvertToType(t ref.Type) ref.Val { return l.whole().ConvertToType(t) }
func (l *listValue) Type() ref.Type                   { return types.ListType }
func (l *listValue) Value() any                       { return l.whole().Value() }
func (l *listValue) ConvertToNative(t reflect.Type) (any, error) {
	return l.whole().ConvertToNative(t)
}

// listIterator walks over a list.
type listIterator struct {
	list *listValue
	next int
}

func (i *listIterator) HasNext() ref.Val { return types.Bool(i.next < i.list.v.Len()) }

func (i *listIterator) Next() ref.Val {
	if i.next >= i.list.v.Len() {
		return nil
	}
	i.next++
	return i.list.at(i.next - 1)
}

func (i *listIterator) Equal(ref.Val) ref.Val { return types.False }
func (i *listIterator) Type() ref.Type        { return types.IteratorType }
func (i *listIterator) Value() any            { return nil }
func (i *listIterator) ConvertToType(ref.Type) ref.Val {
	return types.NewErr("no such overload")
}
func (i *listIterator) ConvertToNative(reflect.Type) (any, error) {
	return nil, fmt.Errorf("an iterator has no native form")
}
