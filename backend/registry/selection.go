package registry

import (
	"fmt"
	"slices"
	"strconv"

	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// selected says which objects of a resource a list or watch is about, in the
// form in which cached objects answer it fastest.
type selected struct {
	// namespace and name narrow the range of keys; empty means any.
	namespace, name string
	// field is the position of an indexed field that has to have value; -1 for
	// none.
	field int
	value string
	// match is the rest; nil means that everything in the range is selected.
	match func(*watchcache.Object) bool
	// all tells that the client gave no selector at all.
	all bool
}

// selects turns selectors into what the cache can answer. A field that the
// resource cannot be selected by gives a 400 Status.
func (s *Store) selects(ns string, ls labels.Selector, fs fields.Selector) (selected, error) {
	sel := selected{namespace: ns, field: -1, all: true}
	var tests []func(*watchcache.Object) bool
	if fs != nil && !fs.Empty() {
		sel.all = false
		for _, r := range fs.Requirements() {
			test, err := s.fieldTest(&sel, r)
			if err != nil {
				return sel, err
			}
			if test != nil {
				tests = append(tests, test)
			}
		}
	}
	if ls != nil && !ls.Empty() {
		sel.all = false
		tests = append(tests, labelTests(ls)...)
	}
	sel.match = every(tests)
	return sel, nil
}

// fieldTest makes one requirement's test; none when the range or the index does
// it.
func (s *Store) fieldTest(sel *selected, r fields.Requirement) (func(*watchcache.Object) bool, error) {
	equal := r.Operator != selection.NotEquals
	value := r.Value
	switch r.Field {
	case "metadata.name":
		if equal && sel.name == "" && value != "" {
			sel.name = value
			return nil, nil
		}
		return func(o *watchcache.Object) bool { return (o.Name == value) == equal }, nil
	case "metadata.namespace":
		if equal && sel.namespace == "" && s.resource.Namespaced && len(apivalidation.ValidateNamespaceName(value, false)) == 0 {
			sel.namespace = value
			return nil, nil
		}
		return func(o *watchcache.Object) bool { return (o.Namespace == value) == equal }, nil
	}
	i := slices.Index(s.names, r.Field)
	if i < 0 || s.fields[i].Hidden {
		return nil, apierrors.NewBadRequest(s.unknownField(r.Field))
	}
	if equal && sel.field < 0 && s.fields[i].Index {
		sel.field, sel.value = i, value
		return nil, nil
	}
	return func(o *watchcache.Object) bool { return (o.Field(i) == value) == equal }, nil
}

// unknownField says in Kubernetes' words that a field cannot be selected by.
func (s *Store) unknownField(name string) string {
	switch {
	case s.resource.UnknownField != nil:
		return s.resource.UnknownField(name)
	case len(s.names) > 0, s.resource.Dynamic:
		return "field label not supported: " + name
	}
	return fmt.Sprintf("%q is not a known field selector: only %q, %q", name, "metadata.name", "metadata.namespace")
}

// labelTests makes the tests of a label selector.
func labelTests(ls labels.Selector) []func(*watchcache.Object) bool {
	requirements, selectable := ls.Requirements()
	if !selectable {
		return []func(*watchcache.Object) bool{func(*watchcache.Object) bool { return false }}
	}
	tests := make([]func(*watchcache.Object) bool, 0, len(requirements))
	for _, r := range requirements {
		tests = append(tests, labelTest(r))
	}
	return tests
}

// labelTest is labels.Requirement.Matches on cached labels, without what that
// allocates for each object.
func labelTest(r labels.Requirement) func(*watchcache.Object) bool {
	key, values := r.Key(), r.Values().UnsortedList()
	switch r.Operator() {
	case selection.Equals, selection.DoubleEquals, selection.In:
		return func(o *watchcache.Object) bool {
			v, ok := o.Labels.Lookup(key)
			return ok && slices.Contains(values, v)
		}
	case selection.NotEquals, selection.NotIn:
		return func(o *watchcache.Object) bool {
			v, ok := o.Labels.Lookup(key)
			return !ok || !slices.Contains(values, v)
		}
	case selection.Exists:
		return func(o *watchcache.Object) bool { return o.Labels.Has(key) }
	case selection.DoesNotExist:
		return func(o *watchcache.Object) bool { return !o.Labels.Has(key) }
	case selection.GreaterThan, selection.LessThan:
		greater := r.Operator() == selection.GreaterThan
		if len(values) != 1 {
			return func(*watchcache.Object) bool { return false }
		}
		limit, err := strconv.ParseInt(values[0], 10, 64)
		return func(o *watchcache.Object) bool {
			v, ok := o.Labels.Lookup(key)
			if !ok || err != nil {
				return false
			}
			n, err := strconv.ParseInt(v, 10, 64)
			return err == nil && (greater && n > limit || !greater && n < limit)
		}
	}
	return func(o *watchcache.Object) bool { return r.Matches(o.Labels) }
}

func every(tests []func(*watchcache.Object) bool) func(*watchcache.Object) bool {
	switch len(tests) {
	case 0:
		return nil
	case 1:
		return tests[0]
	}
	return func(o *watchcache.Object) bool {
		for _, test := range tests {
			if !test(o) {
				return false
			}
		}
		return true
	}
}

// single gives the key of the one object that can be selected, when the
// selection names one.
func (s *Store) single(sel selected) (key string, ok bool) {
	if sel.name == "" || s.resource.Namespaced && sel.namespace == "" {
		return "", false
	}
	key, err := s.key(sel.namespace, sel.name)
	return key, err == nil
}

// picks tells whether an object in the range of the selection is selected.
func (sel *selected) picks(o *watchcache.Object) bool {
	return (sel.name == "" || o.Name == sel.name) &&
		(sel.field < 0 || o.Field(sel.field) == sel.value) &&
		(sel.match == nil || sel.match(o))
}
