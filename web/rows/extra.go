package rows

import (
	"bytes"
	"fmt"
	"strings"

	"pilothouse/web/messages"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/client-go/util/jsonpath"
)

// maxExtra bounds the columns that a list has besides those of the API.
const maxExtra = 20

// IsExtra tells a column that is no column of the API: "label:KEY",
// "annotation:KEY" or a JSONPath, which begins with a dot or a brace.
func IsExtra(name string) bool {
	return strings.HasPrefix(name, "label:") || strings.HasPrefix(name, "annotation:") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "{")
}

// extra is a column that a Source makes from the objects.
type extra struct {
	name string
	path *jsonpath.JSONPath // nil for labels and annotations
}

// parseExtra reads the columns of a Key, one a line.
func parseExtra(s string) ([]extra, error) {
	if s == "" {
		return nil, nil
	}
	names := strings.Split(s, "\n")
	if len(names) > maxExtra {
		return nil, messages.Errorf("there are more than %d columns", maxExtra)
	}
	list := make([]extra, len(names))
	for i, name := range names {
		list[i].name = name
		if strings.HasPrefix(name, "label:") || strings.HasPrefix(name, "annotation:") {
			continue
		}
		text := name
		if !strings.HasPrefix(text, "{") {
			text = "{" + text + "}"
		}
		list[i].path = jsonpath.New("column").AllowMissingKeys(true)
		if err := list[i].path.Parse(text); err != nil {
			return nil, messages.Errorf("column %s: %s", name, err)
		}
	}
	return list, nil
}

// CheckExtra tells what is wrong with the columns of a Key.
func CheckExtra(s string) error {
	_, err := parseExtra(s)
	return err
}

// decodeWith reads a table and adds the columns of a Key.
func decodeWith(raw []byte, columns string) (*table, error) {
	t, err := decode(raw)
	if err != nil || columns == "" {
		return t, err
	}
	list, err := parseExtra(columns)
	if err != nil {
		return nil, err
	}
	return t, extend(t, raw, list)
}

// extend adds the columns of a Key to a table that has whole objects.
func extend(t *table, raw []byte, list []extra) error {
	if len(list) == 0 {
		return nil
	}
	var whole struct {
		Rows []struct {
			Object any `json:"object"`
		} `json:"rows"`
	}
	if err := json.Unmarshal(raw, &whole, jsontext.AllowDuplicateNames(true)); err != nil {
		return fmt.Errorf("read objects: %w", err)
	}
	for _, x := range list {
		t.Columns = append(t.Columns, Column{Name: x.name, Type: "string"})
	}
	for i := range t.Rows {
		if i >= len(whole.Rows) {
			break
		}
		for _, x := range list {
			value, err := json.Marshal(x.of(whole.Rows[i].Object))
			if err != nil {
				return err
			}
			t.Rows[i].Cells = append(t.Rows[i].Cells, value)
		}
	}
	return nil
}

// of is the column's value of an object.
func (x *extra) of(object any) string {
	kind, key, _ := strings.Cut(x.name, ":")
	if x.path == nil {
		m, _ := object.(map[string]any)
		metadata, _ := m["metadata"].(map[string]any)
		all, _ := metadata[kind+"s"].(map[string]any)
		s, ok := all[key].(string)
		if !ok {
			return "<none>"
		}
		return s
	}
	var b bytes.Buffer
	if err := x.path.Execute(&b, object); err != nil || b.Len() == 0 {
		return "<none>"
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
