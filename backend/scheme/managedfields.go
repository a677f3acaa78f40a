package scheme

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	sigsjson "sigs.k8s.io/json"
)

// ManagedFields gives an object's managedFields. For a custom resource it does
// what its own method does, which converts every entry by reflection, in a
// fraction of the time; what is out of the ordinary is left to that.
func ManagedFields(obj metav1.Object) []metav1.ManagedFieldsEntry {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return obj.GetManagedFields()
	}
	metadata, _ := u.Object["metadata"].(map[string]any)
	list, ok := metadata["managedFields"].([]any)
	if !ok {
		return obj.GetManagedFields()
	}
	out := make([]metav1.ManagedFieldsEntry, len(list))
	for i, item := range list {
		if m, ok := item.(map[string]any); !ok || !readEntry(m, &out[i]) {
			return obj.GetManagedFields()
		}
	}
	return out
}

// readEntry tells whether it could read an entry.
func readEntry(m map[string]any, e *metav1.ManagedFieldsEntry) bool {
	for key, value := range m {
		s, isString := value.(string)
		switch key {
		case "manager":
			e.Manager = s
		case "operation":
			e.Operation = metav1.ManagedFieldsOperationType(s)
		case "apiVersion":
			e.APIVersion = s
		case "fieldsType":
			e.FieldsType = s
		case "subresource":
			e.Subresource = s
		case "time":
			t, err := time.Parse(time.RFC3339, s)
			if err != nil {
				return false
			}
			e.Time = &metav1.Time{Time: t.Local()}
		case "fieldsV1":
			fields, ok := value.(map[string]any)
			if !ok || fields == nil {
				return false
			}
			raw, err := AppendJSON(nil, fields)
			if err != nil {
				return false
			}
			e.FieldsV1, isString = &metav1.FieldsV1{Raw: raw}, true
		default:
			return false
		}
		if !isString {
			return false
		}
	}
	return true
}

// SetManagedFields sets an object's managedFields, as ManagedFields gives them.
func SetManagedFields(obj metav1.Object, entries []metav1.ManagedFieldsEntry) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		obj.SetManagedFields(entries)
		return
	}
	metadata, ok := u.Object["metadata"].(map[string]any)
	if !ok || metadata == nil || entries == nil {
		obj.SetManagedFields(entries)
		return
	}
	list := make([]any, len(entries))
	for i := range entries {
		m, ok := entryOf(&entries[i])
		if !ok {
			obj.SetManagedFields(entries)
			return
		}
		list[i] = m
	}
	metadata["managedFields"] = list
}

func entryOf(e *metav1.ManagedFieldsEntry) (map[string]any, bool) {
	m := make(map[string]any, 7)
	set := func(key, value string) {
		if value != "" {
			m[key] = value
		}
	}
	set("manager", e.Manager)
	set("operation", string(e.Operation))
	set("apiVersion", e.APIVersion)
	set("fieldsType", e.FieldsType)
	set("subresource", e.Subresource)
	if e.Time != nil {
		if e.Time.IsZero() {
			return nil, false
		}
		m["time"] = e.Time.UTC().Format(time.RFC3339)
	}
	if e.FieldsV1 != nil {
		fields := map[string]any{}
		if len(e.FieldsV1.Raw) == 0 || e.FieldsV1.Raw[0] != '{' || sigsjson.UnmarshalCaseSensitivePreserveInts(e.FieldsV1.Raw, &fields) != nil {
			return nil, false
		}
		m["fieldsV1"] = fields
	}
	return m, true
}
