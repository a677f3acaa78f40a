// Package watchcache owns the current objects and the recent events of each
// resource: snapshots that readers take without a lock, one ring of events that
// all watchers share, and the dispatcher that wakes them. It is fed by the
// storage engine's events only and knows no Kubernetes type. Read object.go,
// then hub.go, cache.go, ring.go and watcher.go; DESIGN.md has the reasons.
package watchcache

import (
	"bytes"
	"slices"
	"strconv"
	"sync/atomic"
)

// Object is one version of one stored object. It is shared by everyone and
// never changed after it was published, apart from its variants, which guard
// themselves.
type Object struct {
	sealed seal

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

	variants atomic.Pointer[encodings]
	budget   *budget
}

// Variant gives another encoding of the object under a name ("table", "v1",
// "protobuf"), made by make at most once while it is kept: as long as the hub's
// memory for variants has room and it is asked for now and then. The bytes are
// shared and must not be changed.
func (o *Object) Variant(key string, make func() ([]byte, error)) ([]byte, error) {
	if o.budget == nil {
		return make()
	}
	return encoded(&o.variants, o.budget, 0, key, make)
}

// Field gives the value of the selectable field at a position of Config.Fields.
func (o *Object) Field(position int) string {
	if position < 0 || position >= len(o.Fields) {
		return ""
	}
	return o.Fields[position]
}

// withRevision gives a copy of the object whose JSON names another
// resourceVersion. It is what a watch sends for an object that left its
// selector: the last state inside, at the revision of the event.
func (o *Object) withRevision(revision int64) *Object {
	c := &Object{
		Key: o.Key, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Revision: revision,
		Raw:      o.Raw, HoleOffset: o.HoleOffset, HoleLen: o.HoleLen,
		Labels: o.Labels, Fields: o.Fields,
		budget: o.budget,
	}
	offset, size, ok := o.hole()
	if !ok {
		return c.seal()
	}
	digits := strconv.AppendInt(nil, revision, 10)
	c.Raw = slices.Concat(o.Raw[:offset], digits, o.Raw[offset+size:])
	c.HoleOffset, c.HoleLen = offset, len(digits)
	return c.seal()
}

// hole finds the digits of the resourceVersion in Raw: where the object says,
// or where the text is when an engine or a restart gave no place.
func (o *Object) hole() (offset, size int, ok bool) {
	digits := strconv.AppendInt(nil, o.Revision, 10)
	if o.HoleOffset > 0 && o.HoleOffset < len(o.Raw) && bytes.HasPrefix(o.Raw[o.HoleOffset:], digits) {
		return o.HoleOffset, len(digits), true
	}
	text := append([]byte(`"resourceVersion":"`), digits...)
	i := bytes.Index(o.Raw, append(text, '"'))
	if i < 0 {
		return 0, 0, false
	}
	return i + len(text) - len(digits), len(digits), true
}
