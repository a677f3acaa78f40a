package pages

import (
	"encoding/json"
	"strings"

	"pilothouse/backend/audit"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// How much of the objects in audit events pages show, in bytes: of one object in
// a list, of all in a list, and of one on a page of its own.
const (
	listedBody   = 4 << 10
	listedBodies = 128 << 10
	wholeBody    = 256 << 10
)

// hidden stands where a secret would be.
const hidden = "(hidden)"

// auditBodies are the objects that an event has when its level is Request or
// RequestResponse, each cut to most bytes. The values in Secrets and the tokens
// that the API gives out are not among what is shown.
func auditBodies(e *audit.Entry, most int) []view.Body {
	var out []view.Body
	for _, b := range []struct {
		name   messages.Text
		object *runtime.Unknown
	}{{"Request object", e.RequestObject}, {"Response object", e.ResponseObject}} {
		if b.object == nil || len(b.object.Raw) == 0 {
			continue
		}
		text, ok := bodyText(e, b.object.Raw)
		if !ok {
			continue
		}
		shown := view.Body{Name: b.name}
		if len(text) > most {
			text, shown.Cut = text[:strings.LastIndexByte(text[:most], '\n')+1], true
		}
		shown.Lines = view.YAMLLines(text)
		out = append(out, shown)
	}
	return out
}

// listedAuditBodies are an event's objects in a list that has room for so many
// bytes more, and the room after it.
func listedAuditBodies(e *audit.Entry, room int) ([]view.Body, int) {
	bodies := auditBodies(e, min(listedBody, max(room, 0)))
	for _, b := range bodies {
		for _, l := range b.Lines {
			for _, p := range l.Parts {
				room -= len(p.Text)
			}
		}
	}
	return bodies, room
}

// bodyText is an object of an event as YAML.
func bodyText(e *audit.Entry, raw []byte) (string, bool) {
	var object any
	if json.Unmarshal(raw, &object) != nil {
		return "", false
	}
	if m, ok := object.(map[string]any); ok {
		if meta, ok := m["metadata"].(map[string]any); ok {
			delete(meta, "managedFields")
		}
	}
	secret := false
	if ref := e.ObjectRef; ref != nil {
		switch {
		case ref.APIGroup == "" && ref.Resource == "secrets":
			secret = true
		case ref.Subresource == "token", ref.Resource == "tokenreviews":
			hideKeys(object, map[string]bool{"token": true})
		}
	}
	hideSecrets(object, secret)
	text, err := yaml.Marshal(object)
	return string(text), err == nil
}

// secretKeys are what is hidden in Secrets, wherever it stands: in the object, in
// a patch of it, and in what kubectl apply remembers.
var secretKeys = map[string]bool{"data": true, "stringData": true, corev1.LastAppliedConfigAnnotation: true}

// hideSecrets hides the values in Secrets; all tells that everything is of one.
func hideSecrets(v any, all bool) {
	switch v := v.(type) {
	case map[string]any:
		kind, _ := v["kind"].(string)
		if all || (kind == "Secret" || kind == "SecretList") && v["apiVersion"] == "v1" {
			hideKeys(v, secretKeys)
			return
		}
		for _, value := range v {
			hideSecrets(value, false)
		}
	case []any:
		for _, value := range v {
			if op, ok := value.(map[string]any); ok && all && op["op"] != nil { // of a JSON patch
				hide(op, "value")
				continue
			}
			hideSecrets(value, all)
		}
	}
}

// hideKeys hides what stands under some keys, at any depth.
func hideKeys(v any, keys map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if keys[key] {
				hide(v, key)
			} else {
				hideKeys(value, keys)
			}
		}
	case []any:
		for _, value := range v {
			hideKeys(value, keys)
		}
	}
}

// hide hides one value; of a map it leaves the keys.
func hide(in map[string]any, key string) {
	switch value := in[key].(type) {
	case nil:
	case map[string]any:
		for k := range value {
			value[k] = hidden
		}
	default:
		in[key] = hidden
	}
}
