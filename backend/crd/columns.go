package crd

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/util/jsonpath"
)

// tableOf is a version's table form, made on first use. A JSONPath has state
// while it searches, so one row is made at a time.
type tableOf struct {
	mu    sync.Mutex
	paths []*jsonpath.JSONPath
}

// ageColumn is what a definition without columns shows beside the name.
var ageColumn = apiextensionsv1.CustomResourceColumnDefinition{
	Name: "Age", Type: "date", Description: metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"], JSONPath: ".metadata.creationTimestamp",
}

func (v *version) columnDefinitions() []apiextensionsv1.CustomResourceColumnDefinition {
	if len(v.spec.AdditionalPrinterColumns) > 0 {
		return v.spec.AdditionalPrinterColumns
	}
	return []apiextensionsv1.CustomResourceColumnDefinition{ageColumn}
}

// columns gives the name and what the definition adds.
func (v *version) columns() []registry.Column {
	out := []registry.Column{printers.DefaultColumns[0]}
	for _, c := range v.columnDefinitions() {
		description := c.Description
		if description == "" {
			description = fmt.Sprintf("Custom resource definition column (in JSONPath format): %s", c.JSONPath)
		}
		out = append(out, registry.Column{Name: c.Name, Type: c.Type, Format: c.Format, Description: description, Priority: c.Priority})
	}
	return out
}

// cells gives an object's row.
func (v *version) cells(obj scheme.Object, now registry.Clock) []any {
	definitions := v.columnDefinitions()
	v.table.mu.Lock()
	defer v.table.mu.Unlock()
	if v.table.paths == nil {
		v.table.paths = parsePaths(definitions)
	}
	u := obj.(*unstructured.Unstructured)
	row := []any{u.GetName()}
	for i := range definitions {
		row = append(row, cell(u, v.table.paths[i], definitions[i].Type, now))
	}
	return row
}

// parsePaths reads the columns' paths. One that cannot be read, which is refused
// with the definition, shows nothing.
func parsePaths(definitions []apiextensionsv1.CustomResourceColumnDefinition) []*jsonpath.JSONPath {
	paths := make([]*jsonpath.JSONPath, len(definitions))
	for i, c := range definitions {
		p := jsonpath.New(c.Name).AllowMissingKeys(true)
		if p.Parse("{"+c.JSONPath+"}") == nil {
			paths[i] = p
		}
	}
	return paths
}

// cell gives what a path finds first, as its column's type.
func cell(u *unstructured.Unstructured, path *jsonpath.JSONPath, kind string, now registry.Clock) any {
	if path == nil {
		return nil
	}
	results, err := path.FindResults(u.Object)
	if err != nil || len(results) == 0 || len(results[0]) == 0 {
		return nil
	}
	value := results[0][0].Interface()
	if kind != "string" {
		return inType(value, kind, now)
	}
	var buf bytes.Buffer
	if path.PrintResults(&buf, []reflect.Value{reflect.ValueOf(value)}) != nil {
		return nil
	}
	return buf.String()
}

// inType gives a value in a column's type, nil when it has another one.
func inType(value any, kind string, now registry.Clock) any {
	switch kind {
	case "integer":
		switch n := value.(type) {
		case int64:
			return n
		case float64:
			return int64(n)
		}
	case "number":
		switch n := value.(type) {
		case int64:
			return float64(n)
		case float64:
			return n
		}
	case "boolean":
		if b, ok := value.(bool); ok {
			return b
		}
	case "date":
		s, ok := value.(string)
		if !ok {
			return nil
		}
		t, err := time.Parse(time.RFC3339, strings.TrimSpace(s))
		if err != nil {
			return "<invalid>"
		}
		if t.IsZero() {
			return "<unknown>"
		}
		return duration.HumanDuration(now().Sub(t))
	}
	return nil
}
