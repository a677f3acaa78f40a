package validate

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// Internal gives v in the form that Kubernetes prints it in field errors: its
// internal types have no JSON tags, so keys are the Go names and nothing is
// left out. Types of apimachinery keep their own form.
func Internal(v any) any {
	return internalForm{v}
}

type internalForm struct{ value any }

func (f internalForm) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := writeInternal(&b, reflect.ValueOf(f.value)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeInternal(b *bytes.Buffer, v reflect.Value) error {
	if !v.IsValid() {
		b.WriteString("null")
		return nil
	}
	if shape := shapes[v.Type()]; shape != nil {
		return writeInternal(b, reflect.ValueOf(shape(v.Interface())))
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			b.WriteString("null")
			return nil
		}
		return writeInternal(b, v.Elem())
	case reflect.Struct:
		if !strings.HasPrefix(v.Type().PkgPath(), "k8s.io/apimachinery/") {
			return writeInternalStruct(b, v)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			return writeInternalSlice(b, v)
		}
	case reflect.Map:
		return writeInternalMap(b, v)
	}
	return writeJSON(b, v.Interface())
}

func writeInternalStruct(b *bytes.Buffer, v reflect.Value) error {
	b.WriteByte('{')
	first := true
	if err := writeInternalFields(b, v, &first); err != nil {
		return err
	}
	b.WriteByte('}')
	return nil
}

// writeInternalFields writes the fields of a struct; those of an embedded
// struct are its own, as encoding/json has it.
func writeInternalFields(b *bytes.Buffer, v reflect.Value, first *bool) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			if err := writeInternalEmbedded(b, v.Field(i), first); err != nil {
				return err
			}
			continue
		}
		if !*first {
			b.WriteByte(',')
		}
		*first = false
		if err := writeJSON(b, f.Name); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := writeInternal(b, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// writeInternalEmbedded writes an embedded struct's fields; metadata keeps the
// names that it has in JSON.
func writeInternalEmbedded(b *bytes.Buffer, v reflect.Value, first *bool) error {
	if shape := shapes[v.Type()]; shape != nil {
		v = reflect.ValueOf(shape(v.Interface()))
	}
	if !strings.HasPrefix(v.Type().PkgPath(), "k8s.io/apimachinery/") {
		return writeInternalFields(b, v, first)
	}
	text, err := json.Marshal(v.Interface())
	if err != nil || len(text) <= len("{}") {
		return err
	}
	if !*first {
		b.WriteByte(',')
	}
	*first = false
	b.Write(text[1 : len(text)-1])
	return nil
}

func writeEmbedded(b *bytes.Buffer, v reflect.Value, first *bool) error {
	if !strings.HasPrefix(v.Type().PkgPath(), "k8s.io/apimachinery/") {
		return writeInternalFields(b, v, first)
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return err
	}
	if fields := bytes.TrimSuffix(bytes.TrimPrefix(text, []byte("{")), []byte("}")); len(fields) > 0 {
		if !*first {
			b.WriteByte(',')
		}
		*first = false
		b.Write(fields)
	}
	return nil
}

func writeInternalSlice(b *bytes.Buffer, v reflect.Value) error {
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

func writeInternalMap(b *bytes.Buffer, v reflect.Value) error {
	if v.IsNil() {
		b.WriteString("null")
		return nil
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	b.WriteByte('{')
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := writeJSON(b, key.String()); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := writeInternal(b, v.MapIndex(key)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func writeJSON(b *bytes.Buffer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b.Write(text)
	return nil
}
