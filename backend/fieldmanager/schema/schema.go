// Package schema holds the structured-merge-diff schema of the built-in types:
// which lists are sets or maps and by which keys, what is atomic. It is
// generated as static data from the OpenAPI models.
package schema

import (
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
