package fieldmanager

import (
	"cmp"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	builtin "pilothouse/backend/fieldmanager/schema"
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// An ordinary write of an object whose fields are tracked: what the machinery of
// apimachinery does with it, without what makes it slow. Only what differs between
// the two objects is compared (prune.go), field sets that were read before are
// not read again (sets.go), and those that stay the same are not written again.
// A test holds the two against each other for random changes of every kind.
// What is not ordinary is left to the machinery: entries of another version, a
// type that has changed, a list of managers that is too long.

// errNotPlain means that only the full machinery does it right.
var errNotPlain = errors.New("fieldmanager: not an ordinary write")

// maxUpdateManagers is the number of managers that wrote without apply up to
// which all are kept (apimachinery's DefaultMaxUpdateManagers).
const maxUpdateManagers = 10

// stripped are the fields that nobody owns.
var stripped = fieldpath.NewSet(
	fieldpath.MakePathOrDie("apiVersion"),
	fieldpath.MakePathOrDie("kind"),
	fieldpath.MakePathOrDie("metadata"),
	fieldpath.MakePathOrDie("metadata", "name"),
	fieldpath.MakePathOrDie("metadata", "namespace"),
	fieldpath.MakePathOrDie("metadata", "creationTimestamp"),
	fieldpath.MakePathOrDie("metadata", "selfLink"),
	fieldpath.MakePathOrDie("metadata", "uid"),
	fieldpath.MakePathOrDie("metadata", "clusterName"),
	fieldpath.MakePathOrDie("metadata", "generation"),
	fieldpath.MakePathOrDie("metadata", "managedFields"),
	fieldpath.MakePathOrDie("metadata", "resourceVersion"),
)

// changer tracks ordinary writes of one resource version and subresource.
type changer struct {
	converter   *converter
	version     *registry.Version
	apiVersion  string
	subresource string
	filter      fieldpath.Filter // nil: every field counts
	sets        *knownSets
	pruner      pruner
}

// newChanger gives nil where every write is left to the machinery.
func newChanger(r *registry.Resource, version, subresource string, sets *knownSets) (*changer, error) {
	c := &changer{converter: newConverter(r), subresource: subresource, sets: sets, apiVersion: apiVersion(r.Group, version)}
	for i := range r.Versions {
		if v := &r.Versions[i]; v.Name == version {
			c.version = v
		}
	}
	if c.version == nil || c.converter.foreign != nil {
		return nil, nil
	}
	filters, err := resetFields(r, subresource)
	if err != nil {
		return nil, err
	}
	c.filter = filters[fieldpath.APIVersion(c.apiVersion)]
	if r.Dynamic {
		return c, nil
	}
	named, ok := any(c.version.New()).(modelNamed)
	if !ok {
		return nil, nil
	}
	t, ok := builtin.Type(named.OpenAPIModelName())
	if !ok {
		return nil, nil
	}
	c.pruner = pruner{types: t.Schema, root: t.TypeRef}
	return c, nil
}

// manager is what tells entries of managedFields apart.
type manager struct {
	name        string
	operation   metav1.ManagedFieldsOperationType
	apiVersion  string
	subresource string
}

// entry is one of managedFields.
type entry struct {
	manager
	time *metav1.Time
	was  *fieldSet      // nil for a new one
	set  *fieldpath.Set // what was, but for what has changed
}

// update gives the managedFields of obj after name has made it of live.
func (c *changer) update(live, obj scheme.Object, name string) ([]metav1.ManagedFieldsEntry, error) {
	given, err := c.given(live, obj)
	if err != nil {
		return nil, err
	}
	before, after, err := c.pruned(live, obj)
	if err != nil {
		return nil, err
	}
	was, err := c.converter.types.ObjectToTyped(before, typed.AllowDuplicates)
	if err != nil {
		return nil, err
	}
	entries, err := c.read(given, was)
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(before, after) {
		now, err := c.converter.types.ObjectToTyped(after, typed.AllowDuplicates)
		if err != nil {
			return nil, err
		}
		changes, err := was.Compare(now)
		if err != nil {
			return nil, err
		}
		entries = c.change(entries, changes.FilterFields(c.filter), name)
	}
	return encode(entries)
}

// given gives the entries that the write starts from: those in obj, or those of
// live where obj has none and for subresources, which cannot set them.
func (c *changer) given(live, obj scheme.Object) ([]metav1.ManagedFieldsEntry, error) {
	own, lives := scheme.ManagedFields(obj), scheme.ManagedFields(live)
	if c.subresource != "" || own == nil {
		own = lives
	}
	// Where live has none, it may be one that the machinery cannot track.
	if len(own) == 0 || len(lives) == 0 {
		return nil, errNotPlain
	}
	for i := range own {
		e := &own[i]
		if e.APIVersion != c.apiVersion || e.FieldsType != "FieldsV1" || e.FieldsV1 == nil || !utf8.ValidString(e.Manager) ||
			e.Operation != metav1.ManagedFieldsOperationApply && e.Operation != metav1.ManagedFieldsOperationUpdate {
			return nil, errNotPlain
		}
		for j := range i {
			if managerOf(&own[j]) == managerOf(e) {
				return nil, errNotPlain
			}
		}
	}
	return own, nil
}

func managerOf(e *metav1.ManagedFieldsEntry) manager {
	return manager{e.Manager, e.Operation, e.APIVersion, e.Subresource}
}

// pruned gives what differs between the two objects, but for managedFields.
func (c *changer) pruned(live, obj scheme.Object) (before, after scheme.Object, err error) {
	for _, o := range []scheme.Object{live, obj} {
		_, dynamic := o.(*unstructured.Unstructured)
		if v, err := c.converter.version(o); err != nil || v != c.version || dynamic != c.converter.resource.Dynamic {
			return nil, nil, errNotPlain
		}
	}
	before, after = c.pruner.objects(live, obj)
	for _, o := range []scheme.Object{before, after} {
		withoutManagedFields(o)
		o.GetObjectKind().SetGroupVersionKind(c.converter.gvk(c.version))
	}
	return before, after, nil
}

// withoutManagedFields takes the managedFields out of an object that shares
// memory with another.
func withoutManagedFields(o scheme.Object) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		o.SetManagedFields(nil)
		return
	}
	if m, ok := u.Object["metadata"].(map[string]any); ok {
		m = maps.Clone(m)
		delete(m, "managedFields")
		u.Object["metadata"] = m
	}
}

// read makes entries of what an object has.
func (c *changer) read(given []metav1.ManagedFieldsEntry, t *typed.TypedValue) ([]entry, error) {
	entries := make([]entry, 0, len(given)+1)
	updaters := 0
	for i := range given {
		s, err := c.sets.read(given[i].FieldsV1.Raw, *t)
		if err != nil {
			return nil, err
		}
		if given[i].Operation == metav1.ManagedFieldsOperationUpdate {
			updaters++
		}
		if !s.set.Empty() {
			entries = append(entries, entry{manager: managerOf(&given[i]), time: given[i].Time, was: s, set: s.set})
		}
	}
	if updaters >= maxUpdateManagers {
		return nil, errNotPlain
	}
	return entries, nil
}

// change takes what has changed from everybody and gives it to the one who
// changed it.
func (c *changer) change(entries []entry, changes *typed.Comparison, name string) []entry {
	set := changes.Modified.Union(changes.Added)
	for i := range entries {
		e := &entries[i]
		e.set = e.set.Difference(e.set.Intersection(set)).Difference(changes.Removed)
	}
	entries = slices.DeleteFunc(entries, func(e entry) bool { return e.set.Empty() })
	if c.filter != nil {
		set = c.filter.Filter(set)
	}
	if set = set.Difference(stripped); set.Empty() {
		return entries
	}
	now := &metav1.Time{Time: time.Now().UTC()}
	self := manager{name, metav1.ManagedFieldsOperationUpdate, c.apiVersion, c.subresource}
	if self.name == "" {
		self.name = "unknown"
	}
	for i := range entries {
		if e := &entries[i]; e.manager == self {
			e.set, e.time = set.Union(e.set), now
			return entries
		}
	}
	return append(entries, entry{manager: self, time: now, set: set})
}

// encode gives entries in their order in an object: first those of apply, then
// by age.
func encode(entries []entry) ([]metav1.ManagedFieldsEntry, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(
			strings.Compare(string(a.operation), string(b.operation)),
			cmp.Compare(seconds(a.time), seconds(b.time)),
			strings.Compare(a.name, b.name),
			strings.Compare(a.apiVersion, b.apiVersion),
			strings.Compare(a.subresource, b.subresource),
		)
	})
	out := make([]metav1.ManagedFieldsEntry, len(entries))
	for i := range entries {
		e := &entries[i]
		raw, err := e.raw()
		if err != nil {
			return nil, err
		}
		out[i] = metav1.ManagedFieldsEntry{
			Manager: e.name, Operation: e.operation, APIVersion: e.apiVersion, Subresource: e.subresource,
			Time: e.time, FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: raw},
		}
	}
	return out, nil
}

func (e *entry) raw() ([]byte, error) {
	if e.was != nil && (e.set == e.was.set || e.set.Equals(e.was.set)) {
		return e.was.raw, nil
	}
	return e.set.ToJSON()
}

func seconds(t *metav1.Time) int64 {
	if t == nil {
		return 0
	}
	return t.Unix()
}
