package quota

import (
	"pilothouse/backend/admission"
	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/klog/v2"
)

// flying gives the writes that were let through and cannot be seen yet. Who
// looks at the objects after this sees the others.
func (l *Ledger) flying(ns string, s *space) []*charge {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*charge
	for c := range s.inFlight {
		if !l.visible(ns, c) {
			list = append(list, c)
		}
	}
	return list
}

// visible tells whether the object of a write is what readers see.
func (l *Ledger) visible(ns string, c *charge) bool {
	store := l.o.Registry.Store(c.e.group, c.e.resource)
	m, err := meta.Accessor(c.a.Object)
	if store == nil || err != nil {
		return true
	}
	current := store.Peek(ns, m.GetName())
	switch {
	case current == nil:
		return c.a.Operation == admission.Update // it has been deleted
	case c.a.Operation == admission.Update:
		return current.Revision != c.revision
	}
	return current.UID == c.uid
}

// usage counts what the quotas of a namespace limit.
func (l *Ledger) usage(ns string, accounts []*account, flying []*charge) []corev1.ResourceList {
	used := make([]corev1.ResourceList, len(accounts))
	for i := range used {
		used[i] = corev1.ResourceList{}
	}
	for _, store := range l.stores() {
		e := l.evaluatorFor(store.Resource())
		interested := make([]int, 0, len(accounts))
		for i, a := range accounts {
			names := e.counted(a.quota.Spec.Hard)
			for _, name := range names {
				if _, there := used[i][name]; !there {
					used[i][name] = resource.Quantity{Format: resource.DecimalSI}
				}
			}
			if len(names) > 0 {
				interested = append(interested, i)
			}
		}
		if len(interested) > 0 {
			l.countStore(ns, store, e, accounts, interested, used)
		}
	}
	for _, c := range flying {
		for i, a := range accounts {
			addTo(used[i], only(c.delta(a.quota), a.quota.Spec.Hard))
		}
	}
	for i, a := range accounts {
		used[i] = only(used[i], a.quota.Spec.Hard)
	}
	return used
}

// countStore adds what a namespace's objects of one resource use to the numbers
// of the accounts that count it.
func (l *Ledger) countStore(ns string, store *registry.Store, e *evaluator, accounts []*account, interested []int, used []corev1.ResourceList) {
	store.Each(ns, func(o *object) bool {
		if e.counter {
			for _, i := range interested {
				if len(selectorsOf(accounts[i].quota)) == 0 {
					addTo(used[i], e.use(nil))
				}
			}
			return true
		}
		obj, err := store.Decode(o)
		if err != nil {
			klog.ErrorS(err, "An object cannot be counted", "resource", e.resource, "key", o.Key)
			return true
		}
		use := e.use(obj)
		for _, i := range interested {
			if e.scoped(accounts[i].quota, obj) {
				addTo(used[i], only(use, accounts[i].quota.Spec.Hard))
			}
		}
		return true
	})
}

// stores gives the stores of everything that quotas can limit.
func (l *Ledger) stores() []*registry.Store {
	var list []*registry.Store
	seen := map[*registry.Store]bool{}
	for _, group := range l.o.Registry.Table().Groups() {
		for _, version := range group.Versions {
			for _, e := range version.Entries {
				if e.Store != nil && !seen[e.Store] && l.evaluatorFor(e.Resource) != nil {
					seen[e.Store] = true
					list = append(list, e.Store)
				}
			}
		}
	}
	return list
}
