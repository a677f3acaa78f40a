// Package scheme owns the types of the API and how they become bytes and back:
// the runtime scheme of built-in kinds, strict decoding of JSON, YAML and
// protobuf, encoding with a hole for the resourceVersion, content negotiation.
// It knows nothing of storage or HTTP. Read object.go first.
package scheme

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Object is any API object with metadata: a pointer to a struct of k8s.io/api
// or *unstructured.Unstructured.
type Object interface {
	runtime.Object
	metav1.Object
}
