// Package fieldmanager owns metadata.managedFields: who set which field. It
// tracks ordinary writes and carries out server-side apply (KEP-555) with
// apimachinery's managedfields over generated schemas. It knows neither HTTP
// nor storage. Read fieldmanager.go first, then change.go (what is done here) and
// convert.go (what the machinery needs).
package fieldmanager

import (
	"fmt"
	"sync"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Manager tracks fields for every resource; what one resource version and
// subresource needs is made on first use.
type Manager struct {
	managers sync.Map // key -> *managedfields.FieldManager
	fresh    sync.Map // *registry.Resource -> *freshType
	changers sync.Map // key -> *changer
	sets     knownSets
}

// New gives a Manager.
func New() *Manager { return &Manager{} }

// key names what a FieldManager is for. The resource's address is part of it,
// so a CRD that changed gets a new one.
type key struct {
	resource    *registry.Resource
	version     string
	subresource string
}

// Update records in obj's managedFields what manager changed between live and
// obj by a create, update or patch. live is an empty object of the same type
// for a create; both may be in any version of the resource. It gives obj, and
// never fails: where tracking is impossible managedFields end up empty, as
// Kubernetes has it.
func (m *Manager) Update(r *registry.Resource, version, subresource string, live, obj scheme.Object, manager string) (scheme.Object, error) {
	if t, ok := m.freshType(r, version, subresource, live, obj); ok {
		raw, err := freshFields(obj, t.types, t.model, t.reset)
		if err == nil {
			scheme.SetManagedFields(obj, entryOf(r.Group, version, manager, raw))
			return obj, nil
		}
	}
	if c := m.changer(r, version, subresource); c != nil {
		if entries, err := c.update(live, obj, manager); err == nil {
			scheme.SetManagedFields(obj, entries)
			return obj, nil
		}
	}
	f, err := m.of(r, version, subresource)
	if err != nil {
		return nil, err
	}
	out, ok := f.UpdateNoErrors(live, obj, manager).(scheme.Object)
	if !ok {
		return nil, errors.NewInternalError(fmt.Errorf("tracked object of %s has no metadata", r.Name))
	}
	return out, nil
}

// Apply merges an apply configuration into live and gives the result in the
// storage version. patch is YAML or JSON; live is an empty object when there is
// none. Conflicts are a 409 with a cause per field.
func (m *Manager) Apply(r *registry.Resource, version, subresource string, live scheme.Object, patch *unstructured.Unstructured, manager string, force bool) (scheme.Object, error) {
	f, err := m.of(r, version, subresource)
	if err != nil {
		return nil, err
	}
	out, err := f.Apply(live, patch, manager, force)
	if err != nil {
		return nil, err
	}
	obj, ok := out.(scheme.Object)
	if !ok {
		return nil, errors.NewInternalError(fmt.Errorf("applied object of %s has no metadata", r.Name))
	}
	if v, err := newConverter(r).version(obj); err == nil && v.ToHub != nil {
		return v.ToHub(obj)
	}
	return obj, nil
}

func (m *Manager) of(r *registry.Resource, version, subresource string) (*managedfields.FieldManager, error) {
	k := key{r, version, subresource}
	if f, ok := m.managers.Load(k); ok {
		return f.(*managedfields.FieldManager), nil
	}
	f, err := build(r, version, subresource)
	if err != nil {
		return nil, err
	}
	m.managers.Store(k, f)
	return f, nil
}

// changer gives what tracks ordinary writes, nil when there is no such thing.
func (m *Manager) changer(r *registry.Resource, version, subresource string) *changer {
	k := key{r, version, subresource}
	if c, ok := m.changers.Load(k); ok {
		return c.(*changer)
	}
	c, err := newChanger(r, version, subresource, &m.sets)
	if err != nil {
		return nil // the machinery says what is wrong
	}
	m.changers.Store(k, c)
	return c
}

// Forget drops what is kept for a resource that is served no more.
func (m *Manager) Forget(r *registry.Resource) {
	for _, kept := range []*sync.Map{&m.managers, &m.changers} {
		kept.Range(func(k, _ any) bool {
			if k.(key).resource == r {
				kept.Delete(k)
			}
			return true
		})
	}
}

func build(r *registry.Resource, version, subresource string) (*managedfields.FieldManager, error) {
	c := newConverter(r)
	gvk := schema.GroupVersionKind{Group: r.Group, Version: version, Kind: r.Kind}
	reset, err := resetFields(r, subresource)
	if err != nil {
		return nil, err
	}
	if r.Dynamic {
		return managedfields.NewDefaultCRDFieldManager(c.types, c, c, c, gvk, c.hub, subresource, reset)
	}
	return managedfields.NewDefaultFieldManager(c.types, c, c, c, gvk, c.hub, subresource, reset)
}

// resetFields are the fields that a write through this path cannot own.
func resetFields(r *registry.Resource, subresource string) (map[fieldpath.APIVersion]fieldpath.Filter, error) {
	strategy := &r.Strategy
	for i := range r.Subresources {
		if s := &r.Subresources[i]; s.Name == subresource && s.Strategy != nil {
			strategy = s.Strategy
		}
	}
	out := map[fieldpath.APIVersion]fieldpath.Filter{}
	for version, paths := range strategy.ResetFields {
		set := fieldpath.NewSet()
		for _, p := range paths {
			path, err := splitPath(p)
			if err != nil {
				return nil, fmt.Errorf("reset field %q of %s: %w", p, r.Name, err)
			}
			set.Insert(path)
		}
		out[fieldpath.APIVersion(version)] = fieldpath.NewExcludeSetFilter(set)
	}
	return out, nil
}
