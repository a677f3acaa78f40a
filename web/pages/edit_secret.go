package pages

import (
	"encoding/base64"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// editable is an object's YAML as people change it: without managedFields, and
// a Secret's values as they are.
func editable(o *unstructured.Unstructured) (string, error) {
	if isSecret(o.Object) {
		o = o.DeepCopy()
		decode(o)
	}
	return yamlOf(o, false)
}

func isSecret(o map[string]any) bool { return o["kind"] == "Secret" && o["apiVersion"] == "v1" }

// decode moves the values of a Secret that are text from data to stringData,
// where they stand as they are. What is no text stays.
func decode(o *unstructured.Unstructured) {
	if !isSecret(o.Object) {
		return
	}
	data, _ := o.Object["data"].(map[string]any)
	plain := map[string]any{}
	for k, v := range data {
		raw, err := base64.StdEncoding.DecodeString(text(v))
		if err != nil || !utf8.Valid(raw) {
			continue
		}
		plain[k] = string(raw)
		delete(data, k)
	}
	if len(data) == 0 {
		delete(o.Object, "data")
	}
	if len(plain) > 0 {
		o.Object["stringData"] = plain
	}
}

// encode is the other way around, as the API does it: stringData over data.
func encode(o map[string]any) {
	if !isSecret(o) {
		return
	}
	plain, _ := o["stringData"].(map[string]any)
	if plain == nil {
		return
	}
	data, _ := o["data"].(map[string]any)
	if data == nil {
		data = map[string]any{}
		o["data"] = data
	}
	for k, v := range plain {
		s, ok := v.(string)
		if !ok {
			return // the API says what is wrong with it
		}
		data[k] = base64.StdEncoding.EncodeToString([]byte(s))
	}
	delete(o, "stringData")
}
