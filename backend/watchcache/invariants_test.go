//go:build invariants

package watchcache

import "testing"

func TestAChangedObjectIsFound(t *testing.T) {
	s, c := newPods(t)
	s.apply(s.put(podPrefix+"ns/p", "", ""))
	o := c.Snapshot().Get("ns/p")
	o.Raw[2]++
	defer func() {
		if recover() == nil {
			t.Fatal("nobody noticed")
		}
	}()
	c.Snapshot().Get("ns/p")
}
