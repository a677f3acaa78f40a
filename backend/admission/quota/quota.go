// Package quota owns the accounts of ResourceQuotas: how much of what the
// objects of a namespace use (evaluators), whether a new one fits, and the
// writing of status.used. The admission plugin charges through it and the
// controller recomputes through it, one after the other per namespace, so that
// nothing is admitted twice into the same room. Read ledger.go first, then
// charge.go and evaluator.go.
package quota

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Lists of quantities by name.

func one() resource.Quantity { return *resource.NewQuantity(1, resource.DecimalSI) }

// add gives a + b.
func add(a, b corev1.ResourceList) corev1.ResourceList {
	sum := a.DeepCopy()
	if sum == nil {
		sum = corev1.ResourceList{}
	}
	addTo(sum, b)
	return sum
}

// addTo adds b to a.
func addTo(a, b corev1.ResourceList) {
	for name, q := range b {
		total, there := a[name]
		if !there {
			a[name] = q.DeepCopy()
			continue
		}
		total.Add(q)
		a[name] = total
	}
}

// grown gives by how much a exceeds b, 0 where it does not.
func grown(a, b corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for name, q := range a {
		rest := q.DeepCopy()
		if other, there := b[name]; there {
			rest.Sub(other)
		}
		if rest.Sign() > 0 {
			out[name] = rest
		}
	}
	return out
}

// only gives the entries with the names of another list.
func only(list, names corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for name, q := range list {
		if _, there := names[name]; there {
			out[name] = q.DeepCopy()
		}
	}
	return out
}

// positive gives the entries above 0.
func positive(list corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for name, q := range list {
		if !q.IsZero() {
			out[name] = q
		}
	}
	return out
}

func negative(list corev1.ResourceList) []corev1.ResourceName {
	var names []corev1.ResourceName
	for _, name := range slices.Sorted(maps.Keys(list)) {
		if q := list[name]; q.Sign() < 0 {
			names = append(names, name)
		}
	}
	return names
}

func equal(a, b corev1.ResourceList) bool {
	return maps.EqualFunc(a, b, func(x, y resource.Quantity) bool { return x.Cmp(y) == 0 })
}

// over gives what of a is more than b has of it.
func over(a, b corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for name, limit := range b {
		if q, there := a[name]; there && q.Cmp(limit) > 0 {
			out[name] = q
		}
	}
	return out
}

// text writes a list as messages show it: name=value, in the order of names.
func text(list corev1.ResourceList) string {
	parts := make([]string, 0, len(list))
	for _, name := range slices.Sorted(maps.Keys(list)) {
		q := list[name]
		parts = append(parts, string(name)+"="+q.String())
	}
	return strings.Join(parts, ",")
}

func names(list []corev1.ResourceName) string {
	parts := make([]string, len(list))
	for i, n := range list {
		parts[i] = string(n)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}
