package pages

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"pilothouse/web/view"

	"go.yaml.in/yaml/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// maxFaultLines bounds the lines that a page marks for one error.
const maxFaultLines = 100

// faultLine is a line of a text that an error is about, as the editor marks it: Was is
// what stands there, so that the mark is gone when that is another text.
type faultLine struct {
	mark
	Was string `json:"was"`
}

// Where the API tells of a field in the words of a message alone: by a strict reading,
// by Go, and by a server-side apply.
var fieldsInMessages = []*regexp.Regexp{
	regexp.MustCompile(`unknown field "([^"]+)"`),
	regexp.MustCompile(`Go struct field [A-Za-z]+\.(\S+) of type`),
	regexp.MustCompile(`(?:^|[\s:])\.([^\s:]+): (?:expected|field not)`),
}

// faultLines finds the lines of one YAML document that an error is about; after is how
// many lines stand before the document.
func faultLines(err error, text string, after int) (list []faultLine) {
	lines := strings.Split(text, "\n")
	add := func(line, column int, message string) {
		if line < 1 || line > len(lines) || len(list) >= maxFaultLines {
			return
		}
		list = append(list, faultLine{mark{Line: line + after, Column: column, Text: message, Severity: "error"}, lines[line-1]})
	}
	var api apierrors.APIStatus
	if !errors.As(err, &api) {
		return nil
	}
	s := api.Status()
	var root yaml.Node
	if yaml.Unmarshal([]byte(text), &root) != nil || len(root.Content) == 0 {
		if m := yamlLine.FindStringSubmatch(s.Message); m != nil {
			n, _ := strconv.Atoi(m[1])
			add(n-after, 1, s.Message)
		}
		return list
	}
	at := func(path, message string) {
		if n := nodeAt(root.Content[0], path); n != nil {
			add(n.Line, n.Column, message)
		}
	}
	if s.Details != nil && len(s.Details.Causes) > 0 {
		for _, cause := range s.Details.Causes {
			if cause.Field != "" && cause.Field != "patch" {
				at(cause.Field, cause.Field+": "+cause.Message)
			}
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, pattern := range fieldsInMessages {
		for _, m := range pattern.FindAllStringSubmatch(s.Message, -1) {
			at(m[1], strings.TrimSpace(m[0]))
		}
	}
	return list
}

// nodeAt finds the key, or the item, at the path of a field; where it is not there, what
// it would stand in. Keys may have dots, items a number or a key: a[0].b, a[name="x"].b.
func nodeAt(n *yaml.Node, path string) *yaml.Node {
	var found *yaml.Node
	for path = strings.TrimPrefix(path, "."); path != "" && n != nil; path = strings.TrimPrefix(path, ".") {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		next, at, rest := step(n, path)
		if next == nil {
			break
		}
		n, found, path = next, at, rest
	}
	return found
}

// step goes one step along a path: to the value, where it stands, and what is left.
func step(n *yaml.Node, path string) (value, at *yaml.Node, rest string) {
	inside, after, bracketed := "", "", false
	if s, ok := strings.CutPrefix(path, "["); ok {
		inside, after, bracketed = strings.Cut(s, "]")
	}
	switch {
	case n.Kind == yaml.SequenceNode && bracketed:
		i, err := strconv.Atoi(inside)
		if err != nil {
			i = itemWith(n, inside)
		}
		if i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i], after
		}
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			left, ok := strings.CutPrefix(path, key.Value)
			if bracketed {
				left, ok = after, strings.Trim(inside, `"`) == key.Value
			}
			if ok && key.Value != "" && (left == "" || left[0] == '.' || left[0] == '[') && (at == nil || len(left) < len(rest)) {
				value, at, rest = n.Content[i+1], key, left
			}
		}
	}
	return value, at, rest
}

// itemWith is the item of a list with the fields of a key, as name="x",protocol="TCP"; -1
// where there is none.
func itemWith(n *yaml.Node, key string) int {
	for i, item := range n.Content {
		all := item.Kind == yaml.MappingNode
		for part := range strings.SplitSeq(key, ",") {
			name, value, _ := strings.Cut(part, "=")
			v := valueOf(item, name)
			all = all && v != nil && v.Value == strings.Trim(value, `"`)
		}
		if all {
			return i
		}
	}
	return -1
}

// marksJSON are lines for the editor, empty for none.
func marksJSON(list []faultLine) string {
	if len(list) == 0 {
		return ""
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return ""
	}
	return string(raw)
}

// numbersOf are the numbers of lines, each once.
func numbersOf(list []faultLine) (lines []int) {
	for i, l := range list {
		if i == 0 || l.Line != list[i-1].Line {
			lines = append(lines, l.Line)
		}
	}
	return lines
}

// markFault tells a page of a text where an error is about it.
func markFault(v *view.Edit, err error) {
	list := faultLines(err, v.Text, 0)
	v.Marks, v.Fault.Lines = marksJSON(list), numbersOf(list)
}
