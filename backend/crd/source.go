package crd

import (
	"slices"
	"sync/atomic"

	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/klog/v2"
)

// source is where a definition's schemas are read from: the bytes that the watch
// cache has anyway. Decoded they take ten times as much, and most definitions of
// a server have no objects that come and go.
type source struct {
	decode func(o *watchcache.Object) (scheme.Object, error)
	object atomic.Pointer[watchcache.Object]
}

func newSource(decode func(o *watchcache.Object) (scheme.Object, error), o *watchcache.Object) *source {
	s := &source{decode: decode}
	s.set(o)
	return s
}

func (s *source) get() *watchcache.Object { return s.object.Load() }

// set takes a newer object with the same spec, so that the old one can go.
func (s *source) set(o *watchcache.Object) { s.object.Store(o) }

// schemaOf gives the schema of a version, nil without one.
func (s *source) schemaOf(version string) *apiextensionsv1.JSONSchemaProps {
	obj, err := s.decode(s.get())
	if err != nil { // it was decoded before
		klog.ErrorS(err, "Schema of a CustomResourceDefinition is left out")
		return nil
	}
	d := obj.(*Definition)
	for i := range d.Spec.Versions {
		if v := &d.Spec.Versions[i]; v.Name == version && v.Schema != nil {
			return v.Schema.OpenAPIV3Schema
		}
	}
	return nil
}

// withoutSchemas gives a copy of a definition without what is large in it.
func withoutSchemas(d *Definition) *Definition {
	bare := *d
	bare.Annotations, bare.ManagedFields = nil, nil
	bare.Spec.Versions = slices.Clone(d.Spec.Versions)
	for i := range bare.Spec.Versions {
		bare.Spec.Versions[i].Schema = nil
	}
	return bare.DeepCopy()
}
