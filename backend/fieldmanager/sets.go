package fieldmanager

import (
	"bytes"
	"sync"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// knownBytes is how many bytes of FieldsV1 each of the two generations of known
// sets holds; as sets they take about ten times as much.
const knownBytes = 128 << 10

// managedFieldsPath is what nobody can own. An object has no managedFields while
// it is compared, so the machinery takes them from one who says that it does.
var managedFieldsPath = fieldpath.MakePathOrDie("metadata", "managedFields")

// fieldSet is a FieldsV1 that has been read. Both are shared: nobody may change
// them.
type fieldSet struct {
	set *fieldpath.Set
	// raw is the set as FieldsV1 writes it.
	raw []byte
}

// setKey names what was read, and for which type: a set that was written when
// the type was another may not be as it is today.
type setKey struct {
	types *schema.Schema
	model string
	raw   string
}

// knownSets keeps sets that were read lately: objects that one controller made,
// and one object that is written again and again, have the same. What is not
// asked for while a generation fills up is forgotten.
type knownSets struct {
	mu       sync.Mutex
	now, was map[setKey]*fieldSet
	size     int
}

// read gives the set of a FieldsV1; errNotPlain when the type has changed since it
// was written, or when it cannot be read.
func (k *knownSets) read(raw []byte, t typed.TypedValue) (*fieldSet, error) {
	model := ""
	if name := t.TypeRef().NamedType; name != nil {
		model = *name
	}
	key := setKey{t.Schema(), model, string(raw)}
	if s := k.get(key); s != nil {
		return s, nil
	}
	s := &fieldSet{set: &fieldpath.Set{}}
	if err := s.set.FromJSON(bytes.NewReader(raw)); err != nil {
		return nil, err
	}
	changed, err := typed.ReconcileFieldSetWithSchema(s.set, &t)
	if err != nil {
		return nil, err
	}
	if changed != nil || s.set.Has(managedFieldsPath) {
		return nil, errNotPlain
	}
	if s.raw, err = s.set.ToJSON(); err != nil {
		return nil, err
	}
	k.put(key, s)
	return s, nil
}

func (k *knownSets) get(key setKey) *fieldSet {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.now[key]; s != nil {
		return s
	}
	s := k.was[key]
	if s != nil {
		k.add(key, s)
	}
	return s
}

func (k *knownSets) put(key setKey, s *fieldSet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.add(key, s)
}

func (k *knownSets) add(key setKey, s *fieldSet) {
	if len(key.raw) > knownBytes {
		return
	}
	if k.now == nil || k.size+len(key.raw) > knownBytes {
		k.was, k.now, k.size = k.now, map[setKey]*fieldSet{}, 0
	}
	if _, there := k.now[key]; !there {
		k.size += len(key.raw)
	}
	k.now[key] = s
}
