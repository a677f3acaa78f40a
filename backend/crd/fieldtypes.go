package crd

import (
	"fmt"
	"slices"
	"sync"

	builtin "pilothouse/backend/fieldmanager/schema"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kube-openapi/pkg/schemaconv"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// fieldTypes tell the field manager how objects of a definition are merged. The
// type of a version is made on first use.
type fieldTypes struct {
	k *kind

	mu    sync.Mutex
	types map[string]typed.ParseableType
}

func newFieldTypes(k *kind) *fieldTypes {
	return &fieldTypes{k: k, types: map[string]typed.ParseableType{}}
}

// ObjectToTyped gives an object with the type of its version.
func (f *fieldTypes) ObjectToTyped(obj runtime.Object, opts ...typed.ValidationOptions) (*typed.TypedValue, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("%T is no custom resource", obj)
	}
	t, err := f.typeOf(u.GroupVersionKind().Version)
	if err != nil {
		return nil, err
	}
	return t.FromUnstructured(u.Object, opts...)
}

// TypedToObject gives the object of a merged value.
func (f *fieldTypes) TypedToObject(v *typed.TypedValue) (runtime.Object, error) {
	m, ok := v.AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a merged %s is no object", f.k.gvk("").Kind)
	}
	return &unstructured.Unstructured{Object: m}, nil
}

func (f *fieldTypes) typeOf(name string) (typed.ParseableType, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t, ok := f.types[name]; ok {
		return t, nil
	}
	v := f.k.versions[name]
	if v == nil {
		return typed.ParseableType{}, runtime.NewNotRegisteredErrForKind("pilothouse", f.k.gvk(name))
	}
	t, err := v.mergeType(f.k.modelName(name))
	if err != nil {
		// Without a type of its own an object's type is deduced from what is in it.
		t = typed.DeducedParseableType
	}
	f.types[name] = t
	return t, nil
}

// mergeType turns a schema into a type of structured-merge-diff.
func (v *version) mergeType(name string) (typed.ParseableType, error) {
	model := kubeSchema(v.structural(), builtin.ObjectMeta, "")
	converted, err := schemaconv.ToSchemaFromOpenAPI(map[string]*spec.Schema{name: model}, v.preserve)
	if err != nil {
		return typed.ParseableType{}, fmt.Errorf("merge type of %s: %w", name, err)
	}
	t := builtin.WithMetadata(converted.Types).Type(name)
	if !t.IsValid() {
		return t, fmt.Errorf("merge type of %s: not valid", name)
	}
	return t, nil
}

// kubeSchema is a structural schema as an OpenAPI model of a Kubernetes object:
// with apiVersion, kind and metadata. prefix is what references begin with.
func kubeSchema(s *structuralschema.Structural, objectMeta, prefix string) *spec.Schema {
	if s == nil {
		return &spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}}}
	}
	model := s.ToKubeOpenAPI()
	addTypeMeta(model)
	model.SetProperty("metadata", metadataRef(prefix+objectMeta))
	addEmbedded(model, prefix+objectMeta)
	return model
}

const (
	apiVersionWords = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources"
	kindWords       = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"
	metadataWords   = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)

func addTypeMeta(model *spec.Schema) {
	model.SetProperty("apiVersion", *spec.StringProperty().WithDescription(apiVersionWords))
	model.SetProperty("kind", *spec.StringProperty().WithDescription(kindWords))
}

func metadataRef(ref string) spec.Schema {
	return *spec.RefSchema(ref).WithDescription(metadataWords)
}

// addEmbedded gives embedded resources the fields of every object.
func addEmbedded(s *spec.Schema, objectMeta string) {
	if s == nil {
		return
	}
	for name, p := range s.Properties {
		addEmbedded(&p, objectMeta)
		s.Properties[name] = p
	}
	if s.Items != nil {
		addEmbedded(s.Items.Schema, objectMeta)
	}
	if s.AdditionalProperties != nil {
		addEmbedded(s.AdditionalProperties.Schema, objectMeta)
	}
	if embedded, ok := s.Extensions.GetBool("x-kubernetes-embedded-resource"); !ok || !embedded {
		return
	}
	s.SetProperty("apiVersion", *spec.StringProperty().WithDescription("apiVersion defines the versioned schema of this representation of an object. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources"))
	s.SetProperty("kind", *spec.StringProperty().WithDescription("kind is a string value representing the type of this object. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"))
	s.SetProperty("metadata", metadataRef(objectMeta))
	for _, required := range []string{"kind", "apiVersion"} {
		if !slices.Contains(s.Required, required) {
			s.Required = append(s.Required, required)
		}
	}
}
