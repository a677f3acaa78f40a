// Package watchcache owns the current objects and the recent events of each
// resource: snapshots that readers take without a lock, one ring of events that
// all watchers share, and the dispatcher that wakes them. It is fed by the
// storage engine's events only and knows no Kubernetes type. Read object.go,
// then cache.go, ring.go and watcher.go.
package watchcache

import (
	"sync"
)

// Object is one version of one stored object. It is shared by everyone and
// never changed after it was published, apart from its variants, which guard
// themselves.
type Object struct {
	// Key is NAMESPACE/NAME, or NAME for what is cluster-scoped: the storage
	// key without its resource's prefix.
	Key       string
	Namespace string
	Name      string
	UID       string
	Revision  int64
	// Raw is the object's JSON in its storage version, resourceVersion filled
	// in.
	Raw []byte
	// Hole is where Raw holds the digits of its resourceVersion.
	HoleOffset, HoleLen int
	Labels              Labels
	// Fields are the values of the resource's selectable fields, in the order
	// of Config.Fields. metadata.name and metadata.namespace are not among them.
	Fields []string

	mu       sync.Mutex
	variants []variant
}

// Labels are an object's labels, sorted by key. They implement
// k8s.io/apimachinery's labels.Labels.
type Labels []Label

// Label is one label.
type Label struct{ Key, Value string }

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

type variant struct {
	key   string
	bytes []byte
}

// Variant gives another encoding of the object under a name ("table", "v1",
// "protobuf"), made by make at most once while it is kept. The bytes are shared
// and must not be changed.
func (o *Object) Variant(key string, make func() ([]byte, error)) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, v := range o.variants {
		if v.key == key {
			return v.bytes, nil
		}
	}
	b, err := make()
	if err != nil {
		return nil, err
	}
	o.variants = append(o.variants, variant{key, b})
	return b, nil
}
