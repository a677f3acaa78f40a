package core

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func configMapResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "configmaps",
		Singular:   "configmap",
		Kind:       "ConfigMap",
		ShortNames: []string{"cm"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.ConfigMap{} }}},
		Strategy: registry.For[*corev1.ConfigMap]{
			ValidatesMetaOnUpdate: 1,
			Validate:              func(_ context.Context, c *corev1.ConfigMap) field.ErrorList { return validateConfigMap(c) },
			ValidateUpdate:        validateConfigMapUpdate,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Data", corev1.ConfigMap{}.SwaggerDoc()["data"]),
			printers.Age,
		},
		Cells: registry.Row(func(c *corev1.ConfigMap, now registry.Clock) []any {
			return []any{c.Name, int64(len(c.Data) + len(c.BinaryData)), printers.Since(c.CreationTimestamp, now)}
		}),
	}
}

func validateConfigMap(c *corev1.ConfigMap) field.ErrorList {
	var errs field.ErrorList
	size := 0
	for _, key := range slices.Sorted(maps.Keys(c.Data)) {
		path := field.NewPath("data").Key(key)
		errs = append(errs, validateConfigKey(key, path)...)
		if _, both := c.BinaryData[key]; both {
			errs = append(errs, field.Invalid(path, key, "duplicate of key present in binaryData"))
		}
		size += len(c.Data[key])
	}
	for _, key := range slices.Sorted(maps.Keys(c.BinaryData)) {
		errs = append(errs, validateConfigKey(key, field.NewPath("binaryData").Key(key))...)
		size += len(c.BinaryData[key])
	}
	if size > corev1.MaxSecretSize {
		// The empty path means the object as a whole.
		errs = append(errs, field.TooLong(field.NewPath(""), "", corev1.MaxSecretSize))
	}
	return errs
}

func validateConfigKey(key string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, message := range validation.IsConfigMapKey(key) {
		errs = append(errs, field.Invalid(path, key, message))
	}
	return errs
}

// unlessImmutable is what changes of an immutable ConfigMap or Secret get.
const unlessImmutable = "field is immutable when `immutable` is set"

func validateConfigMapUpdate(_ context.Context, c, old *corev1.ConfigMap) field.ErrorList {
	var errs field.ErrorList
	if isTrue(old.Immutable) {
		if !isTrue(c.Immutable) {
			errs = append(errs, field.Forbidden(field.NewPath("immutable"), unlessImmutable))
		}
		if !reflect.DeepEqual(c.Data, old.Data) {
			errs = append(errs, field.Forbidden(field.NewPath("data"), unlessImmutable))
		}
		if !reflect.DeepEqual(c.BinaryData, old.BinaryData) {
			errs = append(errs, field.Forbidden(field.NewPath("binaryData"), unlessImmutable))
		}
	}
	return append(errs, validateConfigMap(c)...)
}

func isTrue(b *bool) bool { return b != nil && *b }
