package crd

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
)

// serve puts a definition's resource into the table, or replaces it when the
// definition has changed. o is the definition as it is stored.
func (m *Manager) serve(d *Definition, o *watchcache.Object) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.installed[d.Name]
	if before != nil && sameService(before.definition, d) {
		before.kind.source.set(o)
		return nil
	}
	d = withoutSchemas(d)
	r, k := m.resource(d, newSource(m.store.Decode, o))
	var err error
	if before != nil {
		err = m.o.Registry.Replace(*r)
	} else {
		err = m.o.Registry.Add(*r)
	}
	if err != nil {
		return err
	}
	if before != nil && m.o.Forget != nil {
		m.o.Forget(before.resource)
	}
	now := newInstalled(d, r, k)
	m.installed[d.Name] = now
	m.publish(d.Spec.Group, before, now)
	return nil
}

func newInstalled(d *Definition, r *registry.Resource, k *kind) *installed {
	now := &installed{definition: d, resource: r, kind: k}
	for i := range r.Versions {
		now.versions = append(now.versions, r.Versions[i].Name)
	}
	return now
}

// serveAll puts the resources of many definitions into the table at once: each
// change of the table is a new table. If one of them is in the way of that, each
// is put there by itself.
func (m *Manager) serveAll(all []*installed) {
	resources := make([]registry.Resource, len(all))
	for i, now := range all {
		resources[i] = *now.resource
	}
	if m.o.Registry.Add(resources...) != nil {
		for _, now := range all {
			if err := m.serve(now.definition, now.kind.source.get()); err != nil {
				klog.ErrorS(err, "CustomResourceDefinition left out", "name", now.definition.Name)
			}
		}
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, now := range all {
		m.installed[now.definition.Name] = now
	}
	m.publishAll(all)
}

// sameService tells that nothing changed that matters to what is served: a spec
// that changes has another generation.
func sameService(a, b *Definition) bool {
	return a.UID == b.UID && a.Generation == b.Generation &&
		reflect.DeepEqual(a.Status.AcceptedNames, b.Status.AcceptedNames) &&
		(a.DeletionTimestamp == nil) == (b.DeletionTimestamp == nil)
}

// remove takes a definition's resource out of the table and gives the
// definition, nil when it was not served.
func (m *Manager) remove(name string) *Definition {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.installed[name]
	if now == nil {
		return nil
	}
	delete(m.installed, name)
	d := now.definition
	// It can only be missing when somebody else removed it.
	_ = m.o.Registry.Remove(d.Spec.Group, d.Status.AcceptedNames.Plural)
	if m.o.Forget != nil {
		m.o.Forget(now.resource)
	}
	m.publish(d.Spec.Group, now, nil)
	return d
}

// resource makes the registry's view of a definition.
func (m *Manager) resource(d *Definition, from *source) (*registry.Resource, *kind) {
	names := &d.Status.AcceptedNames
	versions := versionsOf(d, from)
	k := &kind{definition: d, source: from, versions: versions, convert: m.converter(d)}
	r := &registry.Resource{
		Group:      d.Spec.Group,
		Name:       names.Plural,
		Singular:   names.Singular,
		Kind:       names.Kind,
		ListKind:   names.ListKind,
		ShortNames: names.ShortNames,
		Categories: names.Categories,
		Namespaced: d.Spec.Scope == apiextensionsv1.NamespaceScoped,
		Verbs:      []string{"delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"}, // as discovery shows them
		Dynamic:    true,
		Strategy:   k.strategy(),
		Fields:     k.fields(),
		Upgrade:    k.upgrade,
		FieldTypes: newFieldTypes(k),
	}
	for _, v := range byPriority(versions) {
		rv := k.version(v)
		switch {
		case v.spec.Served:
			r.Versions = append(r.Versions, rv)
		case v.spec.Storage:
			r.Stored = &rv
		}
	}
	r.Subresources = k.subresources()
	return r, k
}

// kind is one definition at work.
type kind struct {
	definition *Definition // without its schemas
	source     *source
	versions   map[string]*version
	convert    converter
}

func (k *kind) gvk(version string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.definition.Spec.Group, Version: version, Kind: k.definition.Status.AcceptedNames.Kind}
}

func (k *kind) storage() *version {
	for _, v := range k.versions {
		if v.spec.Storage {
			return v
		}
	}
	return nil
}

// version gives the registry's view of one version.
func (k *kind) version(v *version) registry.Version {
	gvk := k.gvk(v.spec.Name)
	rv := registry.Version{
		Name: v.spec.Name,
		New: func() scheme.Object {
			u := &unstructured.Unstructured{Object: map[string]any{}}
			u.SetGroupVersionKind(gvk)
			return u
		},
		Default: func(obj scheme.Object) { v.applyDefaults(obj.(*unstructured.Unstructured)) },
		Coerce: func(obj scheme.Object, report bool) ([]string, error) {
			return v.coerce(obj.(*unstructured.Unstructured), report)
		},
		Columns: v.columns(),
	}
	rv.Cells = v.cells
	if v.spec.Deprecated {
		rv.Deprecated = k.deprecation(v)
		if w := v.spec.DeprecationWarning; w != nil {
			rv.Deprecated = *w
		}
	}
	if !v.spec.Storage {
		storage := k.storage()
		rv.ToHub = func(obj scheme.Object) (scheme.Object, error) {
			return k.convertOne(obj.(*unstructured.Unstructured), storage.spec.Name)
		}
		rv.FromHub = func(obj scheme.Object) (scheme.Object, error) {
			u, err := k.convertOne(obj.(*unstructured.Unstructured), v.spec.Name)
			if err != nil {
				return nil, err
			}
			_, err = v.coerce(u, false)
			return u, err
		}
	}
	return rv
}

// deprecation is the warning of a deprecated version that has none of its own:
// it names the newest version that is not deprecated, if that is newer.
func (k *kind) deprecation(v *version) string {
	text := fmt.Sprintf("%s %s is deprecated", v.gvk.GroupVersion(), v.gvk.Kind)
	for _, other := range byPriority(k.versions) {
		if other.spec.Served && !other.spec.Deprecated && compareVersions(v.spec.Name, other.spec.Name) < 0 {
			return text + fmt.Sprintf("; use %s %s", other.gvk.GroupVersion(), v.gvk.Kind)
		}
	}
	return text
}

// upgrade brings an object that was stored in another version into today's
// storage version.
func (k *kind) upgrade(obj scheme.Object) (scheme.Object, error) {
	u := obj.(*unstructured.Unstructured)
	if from := k.versions[u.GroupVersionKind().Version]; from != nil {
		from.applyDefaults(u)
	}
	return k.convertOne(u, k.storage().spec.Name)
}

// byPriority gives versions in the order in which discovery shows them.
func byPriority(versions map[string]*version) []*version {
	out := make([]*version, 0, len(versions))
	for _, v := range versions {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *version) int { return compareVersions(b.spec.Name, a.spec.Name) })
	return out
}

// fields are the selectable fields of all versions, read from the storage
// version.
func (k *kind) fields() []registry.Field {
	var out []registry.Field
	seen := map[string]bool{}
	for _, v := range byPriority(k.versions) {
		for _, f := range v.spec.SelectableFields {
			name := strings.TrimPrefix(f.JSONPath, ".")
			if seen[name] {
				continue
			}
			seen[name] = true
			path := strings.Split(name, ".")
			out = append(out, registry.Field{Name: name, Index: true, Get: func(obj scheme.Object) string {
				value, found, err := unstructured.NestedFieldNoCopy(obj.(*unstructured.Unstructured).Object, path...)
				if err != nil || !found || value == nil {
					return ""
				}
				return fmt.Sprint(value)
			}})
		}
	}
	return out
}

// subresources are status and scale where the definition has them.
func (k *kind) subresources() []registry.Subresource {
	var status, scale bool
	for _, v := range k.versions {
		if s := v.spec.Subresources; s != nil && v.spec.Served {
			status, scale = status || s.Status != nil, scale || s.Scale != nil
		}
	}
	var out []registry.Subresource
	if status {
		strategy := k.statusStrategy()
		out = append(out, registry.Subresource{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &strategy, In: k.has(func(s *apiextensionsv1.CustomResourceSubresources) bool { return s.Status != nil })})
	}
	if scale {
		s := k.scale()
		s.In = k.has(func(s *apiextensionsv1.CustomResourceSubresources) bool { return s.Scale != nil })
		s.Kind, s.GroupVersion = "Scale", autoscalingv1.SchemeGroupVersion
		out = append(out, s)
	}
	return out
}

// has gives the versions with a subresource.
func (k *kind) has(f func(*apiextensionsv1.CustomResourceSubresources) bool) []string {
	var out []string
	for name, v := range k.versions {
		if v.spec.Subresources != nil && f(v.spec.Subresources) {
			out = append(out, name)
		}
	}
	return out
}
