package fieldmanager

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	builtin "pilothouse/backend/fieldmanager/schema"
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// A create by POST or PUT makes one manager own every field that the object has.
// That needs no comparison: the fields are those that differ from an empty
// object of the type. This file writes their FieldsV1 straight from the Go
// value, in the form and order that structured-merge-diff gives; a test holds the
// two against each other for random objects of every kind.

// errNotFresh means that the value has something that only the full machinery
// does right: duplicate list keys, or content without a type.
var errNotFresh = errors.New("fieldmanager: not a plain value")

// owned is a field set on its way to JSON: a member, with members below it.
type owned struct {
	name     string // the path element as FieldsV1 writes it, without quotes
	order    []any  // what list items are ordered by; nil orders by name
	member   bool
	children []owned
}

func (o *owned) empty() bool { return !o.member && len(o.children) == 0 }

// notTracked are the fields of an object that nobody owns.
var notTracked = map[string]bool{
	"name": true, "namespace": true, "creationTimestamp": true, "selfLink": true, "uid": true, "clusterName": true,
	"generation": true, "managedFields": true, "resourceVersion": true,
}

// freshFields gives the FieldsV1 of all fields of obj, nil when there are none.
// reset are dotted paths of fields that do not count.
func freshFields(obj any, types *schema.Schema, model schema.TypeRef, reset []string) (raw []byte, err error) {
	defer func() {
		// What reflection cannot do is left to the machinery.
		if p := recover(); p != nil {
			raw, err = nil, errNotFresh
		}
	}()
	w := &freshWalker{types: types}
	atom, ok := types.Resolve(model)
	if !ok {
		return nil, errNotFresh
	}
	root, err := w.walk(reflect.ValueOf(obj).Elem(), atom, true)
	if err != nil {
		return nil, err
	}
	root.children = slices.DeleteFunc(root.children, func(c owned) bool { return c.name == "f:apiVersion" || c.name == "f:kind" })
	for i := range root.children {
		if m := &root.children[i]; m.name == "f:metadata" {
			m.member = false
			m.children = slices.DeleteFunc(m.children, func(c owned) bool { return notTracked[strings.TrimPrefix(c.name, "f:")] })
		}
	}
	for _, path := range reset {
		drop(&root, strings.Split(path, "."))
	}
	root.children = slices.DeleteFunc(root.children, func(c owned) bool { return c.empty() })
	if len(root.children) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	b.Grow(1024)
	if err := root.write(&b, false); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// drop takes a field and all below it out of a set.
func drop(o *owned, path []string) {
	for i := range o.children {
		c := &o.children[i]
		if c.name != "f:"+path[0] {
			continue
		}
		if len(path) > 1 {
			drop(c, path[1:])
			if !c.empty() {
				return
			}
		}
		o.children = slices.Delete(o.children, i, i+1)
		return
	}
}

type freshWalker struct {
	types *schema.Schema
	// scratch holds the children of the structs that are being walked.
	scratch []owned
}

// walk gives the fields of a value. there tells that an empty object has the
// value too, in its zero form: then only what differs counts.
func (w *freshWalker) walk(v reflect.Value, atom schema.Atom, there bool) (owned, error) {
	null := false
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			null = true
			break
		}
		v = v.Elem()
		// What a pointer leads to is not in an empty object.
		there = false
	}
	leaf := func() owned { return owned{member: !there || !zero(v)} }
	switch {
	case null:
		return owned{member: !there}, nil
	case untyped(atom):
		// A port by number or name, say, is a scalar once it has a value.
		_, err := plain(v)
		return leaf(), err
	case isScalar(atom):
		return leaf(), nil
	case atom.Map != nil && atom.List == nil && atom.Scalar == nil:
		if atom.Map.ElementRelationship == schema.Atomic {
			return leaf(), nil
		}
		return w.mapFields(v, atom.Map, there)
	case atom.List != nil && atom.Map == nil && atom.Scalar == nil:
		if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
			return owned{}, errNotFresh
		}
		if atom.List.ElementRelationship == schema.Atomic || v.Len() == 0 {
			return leaf(), nil
		}
		return w.listFields(v, atom.List, there)
	}
	return owned{}, errNotFresh
}

func isScalar(a schema.Atom) bool { return a.Scalar != nil && a.Map == nil && a.List == nil }

// untyped tells a type that takes anything.
func untyped(a schema.Atom) bool {
	return a.Scalar != nil && (a.Map != nil || a.List != nil)
}

// zero tells that a value is in JSON what its type's zero value is.
func zero(v reflect.Value) bool {
	if v.IsZero() || v.Kind() != reflect.Struct {
		return v.IsZero()
	}
	a, err := json.Marshal(v.Interface())
	if err != nil {
		return false
	}
	b, err := json.Marshal(reflect.Zero(v.Type()).Interface())
	return err == nil && bytes.Equal(a, b)
}

func (w *freshWalker) mapFields(v reflect.Value, t *schema.Map, there bool) (owned, error) {
	switch v.Kind() {
	case reflect.Struct:
		return w.structFields(v, t, there)
	case reflect.Map:
	default:
		return owned{}, errNotFresh
	}
	if v.Len() == 0 {
		return owned{member: !there || !v.IsNil()}, nil
	}
	if v.Type().Key().Kind() != reflect.String || len(t.Fields) > 0 {
		return owned{}, errNotFresh
	}
	atom, ok := w.types.Resolve(t.ElementType)
	if !ok {
		return owned{}, errNotFresh
	}
	out := owned{member: !there, children: make([]owned, 0, v.Len())}
	if m, ok := v.Interface().(map[string]string); ok && isScalar(atom) {
		for key := range m {
			out.children = append(out.children, owned{name: "f:" + key, member: true})
		}
	} else {
		for it := v.MapRange(); it.Next(); {
			child, err := w.walk(it.Value(), atom, false)
			if err != nil {
				return out, err
			}
			child.name = "f:" + it.Key().String()
			out.children = append(out.children, child)
		}
	}
	slices.SortFunc(out.children, func(a, b owned) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

func (w *freshWalker) structFields(v reflect.Value, t *schema.Map, there bool) (owned, error) {
	plan := w.planOf(v.Type(), t)
	if plan.marshals {
		return owned{}, errNotFresh // it is something else in JSON
	}
	out := owned{member: !there}
	some, start := plan.hasZero, len(w.scratch)
	for i := range plan.fields {
		f := &plan.fields[i]
		fv := f.of(v)
		if f.omits(fv) {
			continue
		}
		some = true
		if !f.known {
			return out, errNotFresh
		}
		child, err := w.walk(fv, f.atom, there && f.inEmpty)
		if err != nil {
			w.scratch = w.scratch[:start]
			return out, err
		}
		if !child.empty() {
			child.name = f.name
			w.scratch = append(w.scratch, child)
		}
	}
	if len(w.scratch) > start {
		out.children = slices.Clone(w.scratch[start:])
		w.scratch = w.scratch[:start]
	}
	if !some {
		return owned{member: !there}, nil // nothing on either side is a leaf
	}
	return out, nil
}

func (w *freshWalker) listFields(v reflect.Value, t *schema.List, there bool) (owned, error) {
	atom, ok := w.types.Resolve(t.ElementType)
	if !ok {
		return owned{}, errNotFresh
	}
	out := owned{member: !there, children: make([]owned, 0, v.Len())}
	for i := range v.Len() {
		item := v.Index(i)
		name, order, err := itemName(item, t, atom)
		if err != nil {
			return out, err
		}
		child, err := w.walk(item, atom, false)
		if err != nil {
			return out, err
		}
		child.name, child.order, child.member = name, order, true
		out.children = append(out.children, child)
	}
	if len(out.children) > 1 {
		slices.SortFunc(out.children, func(a, b owned) int { return compareOrders(a.order, b.order) })
	}
	for i := 1; i < len(out.children); i++ {
		if compareOrders(out.children[i-1].order, out.children[i].order) == 0 {
			return out, errNotFresh // duplicates have rules of their own
		}
	}
	return out, nil
}

// itemName gives the path element of a list's item, whose type is resolved: its
// keys, or its value.
func itemName(item reflect.Value, t *schema.List, atom schema.Atom) (name string, order []any, err error) {
	for item.Kind() == reflect.Pointer {
		if item.IsNil() {
			return "", nil, errNotFresh
		}
		item = item.Elem()
	}
	if len(t.Keys) == 0 {
		x, err := plain(item)
		if err != nil {
			return "", nil, err
		}
		raw, err := appendScalar([]byte("v:"), x)
		return string(raw), []any{x}, err
	}
	if item.Kind() != reflect.Struct || atom.Map == nil {
		return "", nil, errNotFresh
	}
	keys := t.Keys
	if !slices.IsSorted(keys) {
		keys = slices.Clone(keys)
		slices.Sort(keys)
	}
	fields := value.TypeReflectEntryOf(item.Type()).Fields()
	b := append(make([]byte, 0, 64), "k:{"...)
	order = make([]any, 0, 2*len(keys))
	for _, k := range keys {
		f := fields[k]
		if f == nil {
			return "", nil, errNotFresh
		}
		x, err := keyValue(f, item, atom.Map, k)
		if err != nil {
			return "", nil, err
		}
		if x == nil {
			continue // a key that is absent is no part of the element
		}
		if len(order) > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), k...), `":`...)
		if b, err = appendScalar(b, x); err != nil {
			return "", nil, err
		}
		order = append(order, k, x)
	}
	if len(order) == 0 {
		return "", nil, errNotFresh
	}
	return string(append(b, '}')), order, nil
}

// appendScalar writes a scalar's JSON.
func appendScalar(b []byte, x any) ([]byte, error) {
	switch x := x.(type) {
	case int64:
		return strconv.AppendInt(b, x, 10), nil
	case string:
		if quote, plain := quoting(x); plain && !quote {
			return append(append(append(b, '"'), x...), '"'), nil
		}
	}
	raw, err := json.Marshal(x)
	return append(b, raw...), err
}

// keyValue gives a key's value, or the default of its type when it is absent.
func keyValue(f *value.FieldCacheEntry, item reflect.Value, t *schema.Map, key string) (any, error) {
	fv := f.GetFrom(item)
	if f.CanOmit(fv) {
		if sf, ok := t.FindField(key); ok && sf.Default != nil {
			if n, ok := sf.Default.(float64); ok {
				return int64(n), nil
			}
			return sf.Default, nil
		}
		return nil, nil
	}
	for fv.Kind() == reflect.Pointer {
		if fv.IsNil() {
			return nil, errNotFresh
		}
		fv = fv.Elem()
	}
	return plain(fv)
}

// plain gives a scalar as JSON would read it.
func plain(v reflect.Value) (any, error) {
	if value.TypeReflectEntryOf(v.Type()).CanConvertToUnstructured() {
		x, err := value.TypeReflectEntryOf(v.Type()).ToUnstructured(v)
		if err != nil {
			return nil, err
		}
		switch x.(type) {
		case string, int64, bool:
			return x, nil
		}
		return nil, errNotFresh
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Bool:
		return v.Bool(), nil
	}
	return nil, errNotFresh
}

// compareOrders orders list items as fieldpath does: by the keys' names, then
// their values; numbers before strings before booleans.
func compareOrders(a, b []any) int {
	for i := range min(len(a), len(b)) {
		if c := compareScalars(a[i], b[i]); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

func compareScalars(a, b any) int {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y)
		}
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	}
	return value.Compare(value.NewValueInterface(a), value.NewValueInterface(b))
}

// write gives the set's JSON; self adds that the set itself is a member.
func (o *owned) write(b *bytes.Buffer, self bool) error {
	b.WriteByte('{')
	first := true
	if self {
		b.WriteString(`".":{}`)
		first = false
	}
	for i := range o.children {
		c := &o.children[i]
		if c.empty() {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		if err := writeName(b, c.name); err != nil {
			return err
		}
		b.WriteByte(':')
		if len(c.children) == 0 {
			b.WriteString("{}")
		} else if err := c.write(b, c.member); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func writeName(b *bytes.Buffer, name string) error {
	quote, plain := quoting(name)
	if !plain {
		raw, err := json.Marshal(name)
		b.Write(raw)
		return err
	}
	b.WriteByte('"')
	for quote {
		i := strings.IndexAny(name, `"\\`)
		if i < 0 {
			break
		}
		b.WriteString(name[:i])
		b.WriteByte('\\')
		b.WriteByte(name[i])
		name = name[i+1:]
	}
	b.WriteString(name)
	b.WriteByte('"')
	return nil
}

// quoting tells whether a string has quotes and backslashes, and whether nothing
// else in it needs escapes in JSON.
func quoting(s string) (quote, plain bool) {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20, c >= 0x7f, c == '<', c == '>', c == '&':
			return false, false
		case c == '"', c == '\\':
			quote = true
		}
	}
	return quote, true
}

// freshType is what freshFields needs to know of a resource.
type freshType struct {
	types *schema.Schema
	model schema.TypeRef
	reset []string
}

// freshType tells whether a write creates an object that freshFields can do: a
// built-in one of a resource with one version. Others have more to think of.
func (m *Manager) freshType(r *registry.Resource, version, subresource string, live, obj scheme.Object) (*freshType, bool) {
	if r.Dynamic || r.StoredAs != nil || len(r.Versions) != 1 || subresource != "" ||
		live.GetUID() != "" || live.GetResourceVersion() != "" || obj.GetManagedFields() != nil {
		return nil, false
	}
	if known, ok := m.fresh.Load(r); ok {
		t, _ := known.(*freshType)
		return t, t != nil
	}
	var made *freshType
	if named, ok := any(r.Versions[0].New()).(modelNamed); ok {
		if t, ok := builtin.Type(named.OpenAPIModelName()); ok {
			made = &freshType{types: t.Schema, model: t.TypeRef, reset: r.Strategy.ResetFields[apiVersion(r.Group, version)]}
		}
	}
	m.fresh.Store(r, made)
	return made, made != nil
}

func apiVersion(group, version string) string {
	if group == "" {
		return version
	}
	return group + "/" + version
}

// entryOf is the managedFields of an object whose fields all have one manager.
func entryOf(group, version, manager string, fields []byte) []metav1.ManagedFieldsEntry {
	if fields == nil {
		return nil
	}
	now := metav1.NewTime(time.Now().UTC())
	return []metav1.ManagedFieldsEntry{{
		Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: apiVersion(group, version), Time: &now,
		FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: fields},
	}}
}
