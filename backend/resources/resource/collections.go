package resource

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// slice checks each item, unless there are too many of them: then it says that
// only, to bound the work. A negative most is no bound.
func slice[T any](items []T, most int, at *field.Path, check func(item T, at *field.Path) field.ErrorList) field.ErrorList {
	if most >= 0 && len(items) > most {
		return field.ErrorList{field.TooMany(at, len(items), most)}
	}
	var errs field.ErrorList
	for i, item := range items {
		errs = append(errs, check(item, at.Index(i))...)
	}
	return errs
}

// set is slice for items that must differ in their key.
func set[T any, K comparable](items []T, most int, key func(T) K, at *field.Path, check func(item T, at *field.Path) field.ErrorList) field.ErrorList {
	errs := slice(items, most, at, check)
	if most >= 0 && len(items) > most {
		return errs
	}
	seen := make(map[K]bool, len(items))
	for i, item := range items {
		if k := key(item); seen[k] {
			errs = append(errs, field.Duplicate(at.Index(i), k))
		} else {
			seen[k] = true
		}
	}
	return errs
}

func itself(s string) string { return s }

// mapping checks keys and values, in the order of keys. A key in a path is cut
// short in the middle if it is longer than keys may be.
func mapping[K ~string, T any](m map[K]T, most, keyLength int, at *field.Path, checkKey func(K, *field.Path) field.ErrorList, check func(T, *field.Path) field.ErrorList) field.ErrorList {
	if most >= 0 && len(m) > most {
		return field.ErrorList{field.TooMany(at, len(m), most)}
	}
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(m)) {
		errs = append(errs, checkKey(key, at)...)
		errs = append(errs, check(m[key], at.Key(shorten(string(key), keyLength)))...)
	}
	return errs
}

func shorten(s string, most int) string {
	most = max(most, 16)
	if len(s) <= most {
		return s
	}
	rest := most - len("...")
	return s[:(rest+1)/2] + "..." + s[len(s)-rest/2:]
}
