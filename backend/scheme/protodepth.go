package scheme

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxDepth is how deep the messages of a protobuf body may be nested, as deep as
// JSON may be. The generated decoders know no limit: three megabytes of nested
// JSON schemas would overflow the stack, which ends the process.
const maxDepth = 10000

var errTooDeep = errors.New("proto: exceeded max depth")

// message is what has to be known of a protobuf message to walk over it: which
// of its fields are messages themselves.
type message struct {
	fields map[uint64]*message
	// recursive tells that the message can be inside of itself: only then can
	// a body be deep.
	recursive bool
	examined  bool
}

var messages struct {
	sync.Mutex
	byType map[reflect.Type]*message
}

// checkDepth refuses a protobuf body that is nested too deep; gvk is its kind
// where it names none. What is wrong with a body otherwise is left to the
// decoder.
func checkDepth(body []byte, gvk schema.GroupVersionKind) error {
	body, ok := bytes.CutPrefix(body, []byte("k8s\x00"))
	if !ok {
		return nil
	}
	var u runtime.Unknown
	if u.Unmarshal(body) != nil {
		return nil
	}
	actual := u.GroupVersionKind()
	if actual.Kind == "" {
		actual.Kind = gvk.Kind
	}
	if actual.Version == "" {
		actual.Group, actual.Version = gvk.Group, gvk.Version
	}
	obj, err := Scheme.New(actual)
	if err != nil {
		return nil
	}
	m := messageOf(reflect.TypeOf(obj).Elem())
	if m.recursive && !m.within(u.Raw, maxDepth) {
		return errTooDeep
	}
	return nil
}

func messageOf(t reflect.Type) *message {
	messages.Lock()
	defer messages.Unlock()
	if messages.byType == nil {
		messages.byType = map[reflect.Type]*message{}
	}
	m, known := messages.byType[t]
	if !known {
		m = build(t)
	}
	if !m.examined {
		m.recursive, m.examined = m.reaches(nil, map[*message]bool{}), true
	}
	return m
}

// build makes the message of a type and of all that are in it.
func build(t reflect.Type) *message {
	if m, ok := messages.byType[t]; ok {
		return m
	}
	m := &message{fields: map[uint64]*message{}}
	messages.byType[t] = m
	for i := range t.NumField() {
		f := t.Field(i)
		tag := strings.Split(f.Tag.Get("protobuf"), ",")
		if len(tag) < 2 {
			continue
		}
		number, err := strconv.ParseUint(tag[1], 10, 32)
		if err != nil {
			continue
		}
		if inner, ok := structIn(f.Type); ok {
			m.fields[number] = build(inner)
		} else if f.Type.Kind() == reflect.Map {
			if inner, ok := structIn(f.Type.Elem()); ok {
				m.fields[number] = &message{fields: map[uint64]*message{2: build(inner)}}
			}
		}
	}
	return m
}

// structIn gives the struct that a field holds, points to or has many of.
func structIn(t reflect.Type) (reflect.Type, bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t, t.Kind() == reflect.Struct
}

// reaches tells whether a message can be inside of itself, or leads to one that
// can. path are the messages on the way to it, clean those that lead to none.
func (m *message) reaches(path []*message, clean map[*message]bool) bool {
	if slices.Contains(path, m) {
		return true
	}
	path = append(path, m)
	for _, f := range m.fields {
		if !clean[f] && f.reaches(path, clean) {
			return true
		}
	}
	clean[m] = true
	return false
}

// within tells whether an encoded message is nested at most left levels deep.
func (m *message) within(b []byte, left int) bool {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return true
		}
		b = b[n:]
		switch tag & 7 {
		case 0:
			_, n = binary.Uvarint(b)
		case 1:
			n = 8
		case 2:
			size, prefix := binary.Uvarint(b)
			if prefix <= 0 || size > uint64(len(b)-prefix) {
				return true
			}
			n = prefix + int(size)
			if inner := m.fields[tag>>3]; inner != nil {
				if left == 0 || !inner.within(b[prefix:n], left-1) {
					return false
				}
			}
		case 5:
			n = 4
		case 3, 4: // groups: the decoders skip them without nesting
			continue
		default:
			return true
		}
		if n <= 0 || n > len(b) {
			return true
		}
		b = b[n:]
	}
	return true
}
