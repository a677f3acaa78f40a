package validate

import (
	"bytes"
	"encoding/json"
	"reflect"
	"sort"
	"strings"
)

// Internal makes a value of k8s.io/api print in an error as Kubernetes prints
// it there. Kubernetes validates internal types, which have no JSON tags, so
// its messages show Go's field names and every empty field:
// {"APIGroup":"x","Kind":"Role","Name":"y"}.
func Internal(value any) any { return internalValue{value} }

type internalValue struct{ value any }

// MarshalJSON writes the value with Go's field names.
func (v internalValue) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := writeInternal(&b, reflect.ValueOf(v.value)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

var marshalerType = reflect.TypeFor[json.Marshaler]()

func writeInternal(b *bytes.Buffer, v reflect.Value) error {
	if !v.IsValid() {
		b.WriteString("null")
		return nil
	}
	t := v.Type()
	switch {
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface:
		if v.IsNil() {
			b.WriteString("null")
			return nil
		}
		return writeInternal(b, v.Elem())
	case t.Implements(marshalerType), reflect.PointerTo(t).Implements(marshalerType), tagged(t):
		return writePlain(b, v)
	case t.Kind() == reflect.Struct:
		b.WriteByte('{')
		first := true
		err := writeFields(b, v, &first)
		b.WriteByte('}')
		return err
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		return writeSlice(b, v)
	case t.Kind() == reflect.Map:
		return writeMap(b, v)
	}
	return writePlain(b, v)
}

// tagged tells the types that Kubernetes' internal types use as they are: those
// of apimachinery.
func tagged(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && strings.HasPrefix(t.PkgPath(), "k8s.io/apimachinery/")
}

func writePlain(b *bytes.Buffer, v reflect.Value) error {
	// Marshalers with pointer receivers need an address.
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	data, err := json.Marshal(p.Interface())
	b.Write(data)
	return err
}

func writeFields(b *bytes.Buffer, v reflect.Value, first *bool) error {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			if err := writeEmbedded(b, v.Field(i), first); err != nil {
				return err
			}
			continue
		}
		if !*first {
			b.WriteByte(',')
		}
		*first = false
		b.WriteString(`"` + f.Name + `":`)
		if err := writeInternal(b, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func writeEmbedded(b *bytes.Buffer, v reflect.Value, first *bool) error {
	if !tagged(v.Type()) {
		return writeFields(b, v, first)
	}
	data, err := json.Marshal(v.Interface())
	if err != nil || len(data) <= 2 {
		return err
	}
	if !*first {
		b.WriteByte(',')
	}
	*first = false
	b.Write(data[1 : len(data)-1])
	return nil
}

func writeSlice(b *bytes.Buffer, v reflect.Value) error {
	if v.IsNil() {
		b.WriteString("null")
		return nil
	}
	b.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := writeInternal(b, v.Index(i)); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

func writeMap(b *bytes.Buffer, v reflect.Value) error {
	if v.IsNil() {
		b.WriteString("null")
		return nil
	}
	keys := v.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := writePlain(b, reflect.ValueOf(k.String())); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := writeInternal(b, v.MapIndex(k)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}
