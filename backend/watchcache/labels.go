package watchcache

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
)

// Labels are an object's labels, sorted by key. They implement
// k8s.io/apimachinery's labels.Labels.
type Labels []Label

// Label is one label.
type Label struct{ Key, Value string }

// NewLabels sorts a map's labels.
func NewLabels(m map[string]string) Labels {
	if len(m) == 0 {
		return nil
	}
	l := make(Labels, 0, len(m))
	for k, v := range m {
		l = append(l, Label{k, v})
	}
	slices.SortFunc(l, func(a, b Label) int { return strings.Compare(a.Key, b.Key) })
	return l
}

// Has tells whether a label is there.
func (l Labels) Has(key string) bool { _, ok := l.Lookup(key); return ok }

// Get gives a label's value, empty when it is absent.
func (l Labels) Get(key string) string { v, _ := l.Lookup(key); return v }

// Lookup gives a label's value and whether it is there.
func (l Labels) Lookup(key string) (string, bool) {
	for i := range l {
		if l[i].Key == key {
			return l[i].Value, true
		}
	}
	return "", false
}

// interner lets objects with the same labels or field values share one copy.
// Both of its tables are emptied when they are full: what is common comes back
// at once, and what was never seen again does not stay.
type interner struct {
	mu      sync.Mutex
	seed    maphash.Seed
	labels  map[uint64]Labels
	strings map[string]string
}

// internTable bounds each of an interner's tables.
const internTable = 8192

func newInterner() *interner {
	return &interner{seed: maphash.MakeSeed(), labels: map[uint64]Labels{}, strings: map[string]string{}}
}

// set gives the shared copy of some labels.
func (t *interner) set(l Labels) Labels {
	if len(l) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var h maphash.Hash
	h.SetSeed(t.seed)
	for i := range l {
		h.WriteString(l[i].Key)
		h.WriteByte(0)
		h.WriteString(l[i].Value)
		h.WriteByte(0)
	}
	sum := h.Sum64()
	if known, ok := t.labels[sum]; ok && slices.Equal(known, l) {
		return known
	}
	shared := make(Labels, len(l))
	for i := range l {
		shared[i] = Label{t.string(l[i].Key), t.string(l[i].Value)}
	}
	if len(t.labels) >= internTable {
		clear(t.labels)
	}
	t.labels[sum] = shared
	return shared
}

// values gives the shared copies of some strings.
func (t *interner) values(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	shared := make([]string, len(s))
	for i := range s {
		shared[i] = t.string(s[i])
	}
	return shared
}

// string needs mu. A new string is cloned: it may be a piece of the object's
// JSON, which it would keep in memory.
func (t *interner) string(s string) string {
	if s == "" {
		return ""
	}
	if known, ok := t.strings[s]; ok {
		return known
	}
	if len(t.strings) >= internTable {
		clear(t.strings)
	}
	s = strings.Clone(s)
	t.strings[s] = s
	return s
}
