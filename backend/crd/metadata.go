package crd

import (
	"time"

	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// plainMetadata tells that an object's metadata is as it would be after it was
// made an ObjectMeta and back: fields that there are, of their types, none of
// them empty. That is how nearly all clients write it.
func plainMetadata(u *unstructured.Unstructured) bool {
	metadata, ok := u.Object["metadata"].(map[string]any)
	if !ok {
		return false
	}
	for key, value := range metadata {
		switch key {
		case "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion":
			if s, ok := value.(string); !ok || s == "" {
				return false
			}
		case "labels", "annotations":
			if !plainStrings(value) {
				return false
			}
		case "finalizers":
			list, ok := value.([]any)
			if !ok || len(list) == 0 {
				return false
			}
			for _, f := range list {
				if _, ok := f.(string); !ok {
					return false
				}
			}
		case "generation":
			if n, ok := value.(int64); !ok || n == 0 {
				return false
			}
		case "creationTimestamp":
			if !plainTime(value) {
				return false
			}
		case "managedFields":
			if !plainEntries(value) {
				return false
			}
		default: // owners, deletion, and what nobody knows
			return false
		}
	}
	return true
}

func plainStrings(value any) bool {
	m, ok := value.(map[string]any)
	for _, v := range m {
		if _, isString := v.(string); !isString {
			return false
		}
	}
	return ok && len(m) > 0
}

// plainTime tells a time that is written as the API writes it.
func plainTime(value any) bool {
	s, ok := value.(string)
	if !ok {
		return false
	}
	t, err := time.Parse(time.RFC3339, s)
	return err == nil && !t.IsZero() && t.UTC().Format(time.RFC3339) == s
}

func plainEntries(value any) bool {
	list, ok := value.([]any)
	for _, item := range list {
		m, isMap := item.(map[string]any)
		if !isMap {
			return false
		}
		for key, value := range m {
			switch key {
			case "manager", "operation", "apiVersion", "fieldsType", "subresource":
				if s, ok := value.(string); !ok || s == "" {
					return false
				}
			case "time":
				if !plainTime(value) {
					return false
				}
			case "fieldsV1":
				if m, ok := value.(map[string]any); !ok || m == nil {
					return false
				}
			default:
				return false
			}
		}
	}
	return ok && len(list) > 0
}

// sameContent tells that two objects differ in their metadata at most.
func sameContent(a, b map[string]any) bool {
	return scheme.EqualJSON(withoutMetadata(a), withoutMetadata(b))
}
