// Package schema holds the structured-merge-diff schema of the built-in types:
// which lists are sets or maps and by which keys, what is atomic. It is
// generated as static data from the OpenAPI models.
package schema

import (
	"strings"
	"sync"

	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

var parser = sync.OnceValue(func() *typed.Parser {
	return &typed.Parser{Schema: schema.Schema{Types: types}}
})

// Type gives the parseable type of an OpenAPI model, such as
// io.k8s.api.apps.v1.Deployment; ok is false when there is none.
func Type(model string) (t typed.ParseableType, ok bool) {
	p := parser()
	t = p.Type(model)
	return t, t.IsValid()
}

// metaTypes are what an object's metadata is made of.
var metaTypes = map[string]bool{
	"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta":         true,
	"io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference":     true,
	"io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry": true,
	"io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1":           true,
	"io.k8s.apimachinery.pkg.apis.meta.v1.Time":               true,
}

// ObjectMeta is the name of the type of an object's metadata.
const ObjectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

// WithMetadata gives a parser of some types and of those that an object's
// metadata is made of. A type that is there already stays.
func WithMetadata(own []schema.TypeDef) *typed.Parser {
	have := map[string]bool{}
	for i := range own {
		have[own[i].Name] = true
	}
	all := own
	for i := range types {
		name := types[i].Name
		if (metaTypes[name] || strings.HasPrefix(name, "__untyped")) && !have[name] {
			all = append(all, types[i])
		}
	}
	return &typed.Parser{Schema: schema.Schema{Types: all}}
}
