//go:build invariants

package watchcache

import (
	"fmt"
	"hash/maphash"
)

// seal is the checksum of a published object in an invariants build. Objects of
// the cache are shared: one that somebody changed is found when it is read the
// next time.
type seal struct{ sum uint64 }

var sealSeed = maphash.MakeSeed()

func (o *Object) checksum() uint64 {
	var h maphash.Hash
	h.SetSeed(sealSeed)
	fmt.Fprintf(&h, "%q %q %q %q %d %d %d %q %q ", o.Key, o.Namespace, o.Name, o.UID, o.Revision, o.HoleOffset, o.HoleLen, o.Labels, o.Fields)
	h.Write(o.Raw)
	return h.Sum64() | 1
}

// seal marks the object as published.
func (o *Object) seal() *Object {
	o.sealed.sum = o.checksum()
	return o
}

// intact panics when a published object was changed.
func (o *Object) intact() *Object {
	if o != nil && o.sealed.sum != 0 && o.sealed.sum != o.checksum() {
		panic(fmt.Sprintf("BUG: the cached object %s at revision %d was changed: it is shared, copy it first", o.Key, o.Revision))
	}
	return o
}
