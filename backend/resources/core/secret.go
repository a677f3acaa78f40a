package core

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func secretResource(env *registry.Env) registry.Resource {
	doc := corev1.Secret{}.SwaggerDoc()
	return registry.Resource{
		Name:       "secrets",
		Singular:   "secret",
		Kind:       "Secret",
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &corev1.Secret{} },
			Default: registry.Typed(defaultSecret),
		}},
		Strategy: registry.For[*corev1.Secret]{
			ValidatesMetaOnUpdate: 1,
			Validate:              func(_ context.Context, s *corev1.Secret) field.ErrorList { return validateSecret(s) },
			ValidateUpdate:        validateSecretUpdate,
			WarningsOnCreate:      func(_ context.Context, s *corev1.Secret) []string { return secretWarnings(s) },
			WarningsOnUpdate:      func(_ context.Context, s, _ *corev1.Secret) []string { return secretWarnings(s) },
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Type", doc["type"]),
			printers.Column("Data", doc["data"]),
			printers.Age,
		},
		Cells: registry.Row(func(s *corev1.Secret, now registry.Clock) []any {
			return []any{s.Name, string(s.Type), int64(len(s.Data)), printers.Since(s.CreationTimestamp, now)}
		}),
		Fields: []registry.Field{
			registry.FieldOf("type", func(s *corev1.Secret) string { return string(s.Type) }),
		},
	}
}

// defaultSecret moves stringData, which is write-only, into data.
func defaultSecret(s *corev1.Secret) {
	setDefault(&s.Type, corev1.SecretTypeOpaque)
	if len(s.StringData) > 0 && s.Data == nil {
		s.Data = make(map[string][]byte, len(s.StringData))
	}
	for k, v := range s.StringData {
		s.Data[k] = []byte(v)
	}
	s.StringData = nil
}

// secretWarnings tells when the certificate of a Secret for TLS is none, or not
// its key's.
func secretWarnings(s *corev1.Secret) []string {
	if s.Type != corev1.SecretTypeTLS {
		return nil
	}
	if _, err := tls.X509KeyPair(s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey]); err != nil {
		return []string{err.Error()}
	}
	return nil
}

func validateSecret(s *corev1.Secret) field.ErrorList {
	data := field.NewPath("data")
	var errs field.ErrorList
	size := 0
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		errs = append(errs, validateConfigKey(key, data.Key(key))...)
		size += len(s.Data[key])
	}
	if size > corev1.MaxSecretSize {
		errs = append(errs, field.TooLong(data, "", corev1.MaxSecretSize))
	}
	has := func(key string) bool { _, ok := s.Data[key]; return ok }
	require := func(key string) { errs = append(errs, field.Required(data.Key(key), "")) }
	switch s.Type {
	case corev1.SecretTypeServiceAccountToken:
		if s.Annotations[corev1.ServiceAccountNameKey] == "" {
			errs = append(errs, field.Required(field.NewPath("metadata", "annotations").Key(corev1.ServiceAccountNameKey), ""))
		}
	case corev1.SecretTypeDockercfg:
		errs = append(errs, validateDockerConfig(s.Data, corev1.DockerConfigKey)...)
	case corev1.SecretTypeDockerConfigJson:
		errs = append(errs, validateDockerConfig(s.Data, corev1.DockerConfigJsonKey)...)
	case corev1.SecretTypeBasicAuth:
		// Either may be left out, but not both.
		if !has(corev1.BasicAuthUsernameKey) && !has(corev1.BasicAuthPasswordKey) {
			require(corev1.BasicAuthUsernameKey)
			require(corev1.BasicAuthPasswordKey)
		}
	case corev1.SecretTypeSSHAuth:
		if len(s.Data[corev1.SSHAuthPrivateKey]) == 0 {
			require(corev1.SSHAuthPrivateKey)
		}
	case corev1.SecretTypeTLS:
		for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
			if !has(key) {
				require(key)
			}
		}
	}
	return errs
}

// validateDockerConfig wants a JSON object under key. The error never shows the
// value.
func validateDockerConfig(data map[string][]byte, key string) field.ErrorList {
	path := field.NewPath("data").Key(key)
	value, ok := data[key]
	if !ok {
		return field.ErrorList{field.Required(path, "")}
	}
	if err := json.Unmarshal(value, &map[string]any{}); err != nil {
		return field.ErrorList{field.Invalid(path, "<secret contents redacted>", err.Error())}
	}
	return nil
}

func validateSecretUpdate(_ context.Context, s, old *corev1.Secret) field.ErrorList {
	errs := apivalidation.ValidateImmutableField(s.Type, old.Type, field.NewPath("type"))
	if isTrue(old.Immutable) {
		if !isTrue(s.Immutable) {
			errs = append(errs, field.Forbidden(field.NewPath("immutable"), unlessImmutable))
		}
		if !reflect.DeepEqual(s.Data, old.Data) {
			errs = append(errs, field.Forbidden(field.NewPath("data"), unlessImmutable))
		}
	}
	return append(errs, validateSecret(s)...)
}
