package policy

import (
	"fmt"
	"strings"

	"pilothouse/backend/admission/match"
	builtin "pilothouse/backend/fieldmanager/schema"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	smd "sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// merge puts a patch over an object as server-side apply does, without owners:
// lists and maps are merged by the types of the schema.
func merge(obj runtime.Object, patch *unstructured.Unstructured, t *match.Target) (map[string]any, error) {
	toTyped, err := typesOf(obj, t)
	if err != nil {
		return nil, err
	}
	change, err := toTyped(patch)
	if err != nil {
		return nil, fmt.Errorf("failed to convert patch object to typed object: %w", err)
	}
	if atomics := findAtomics(nil, change.Schema(), change.TypeRef(), change.AsValue()); len(atomics) > 0 {
		return nil, fmt.Errorf("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: %v", strings.Join(atomics, ", "))
	}
	live, err := toTyped(obj, smd.AllowDuplicates)
	if err != nil {
		return nil, fmt.Errorf("failed to convert original object to typed object: %w", err)
	}
	merged, err := live.Merge(change)
	if err != nil {
		return nil, fmt.Errorf("failed to merge patch: %w", err)
	}
	m, ok := merged.AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("failed to convert typed object to object: a merged %s is no object", t.Kind.Kind)
	}
	return m, nil
}

// typesOf gives what brings an object like obj, or a patch for it, into its merge
// type.
func typesOf(obj runtime.Object, t *match.Target) (func(runtime.Object, ...smd.ValidationOptions) (*smd.TypedValue, error), error) {
	if t.FieldTypes() != nil {
		return t.FieldTypes().ObjectToTyped, nil
	}
	unknown := apierrors.NewServiceUnavailable(fmt.Sprintf("Resource kind %s not found. There can be a delay between when CustomResourceDefinitions are created and when they are available.", t.Kind))
	named, ok := obj.(interface{ OpenAPIModelName() string })
	if !ok {
		return nil, unknown
	}
	parseable, ok := builtin.Type(named.OpenAPIModelName())
	if !ok {
		return nil, unknown
	}
	return func(o runtime.Object, opts ...smd.ValidationOptions) (*smd.TypedValue, error) {
		if u, ok := o.(*unstructured.Unstructured); ok {
			return parseable.FromUnstructured(u.Object, opts...)
		}
		return parseable.FromStructured(o, opts...)
	}, nil
}

// findAtomics gives the paths in a patch of what can only be replaced as a whole.
func findAtomics(path []fieldpath.PathElement, s *schema.Schema, tr schema.TypeRef, v value.Value) (found []string) {
	atom, ok := s.Resolve(tr)
	if !ok {
		return nil
	}
	if v.IsMap() && atom.Map != nil {
		if atom.Map.ElementRelationship == schema.Atomic {
			found = append(found, pathText(path))
		}
		v.AsMap().Iterate(func(key string, val value.Value) bool {
			if f, ok := atom.Map.FindField(key); ok {
				found = append(found, findAtomics(append(path, fieldpath.PathElement{FieldName: &key}), s, f.Type, val)...)
			}
			return true
		})
	}
	if v.IsList() && atom.List != nil {
		if atom.List.ElementRelationship == schema.Atomic {
			found = append(found, pathText(path))
		}
		list := v.AsList()
		for i := range list.Length() {
			found = append(found, findAtomics(append(path, fieldpath.PathElement{Index: &i}), s, atom.List.ElementType, list.At(i))...)
		}
	}
	return found
}

func pathText(path []fieldpath.PathElement) string {
	var b strings.Builder
	for _, p := range path {
		b.WriteString(p.String())
	}
	return b.String()
}
