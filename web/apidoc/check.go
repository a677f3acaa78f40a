package apidoc

import (
	"slices"
	"strings"

	"pilothouse/web/messages"

	"go.yaml.in/yaml/v3"
)

// Problem is something in a text that the API's description does not know.
// Lines and columns count from 1; End is the column after the last one.
type Problem struct {
	Line, Column, End int
	// Text is what is wrong, an error of messages.Errorf.
	Text error
	// Weak tells what may only not be there yet.
	Weak bool
}

// maxProblems bounds the problems of one document.
const maxProblems = 100

// checker walks a document along its schema.
type checker struct {
	doc  *Document
	list []Problem
}

// Check compares a YAML document with the schema of its kind, with the strict
// reading that the API has: unknown and doubled fields, values of another type,
// values that are none of an enum, required fields that are missing.
func (d *Document) Check(root *Schema, n *yaml.Node) []Problem {
	c := &checker{doc: d}
	c.value(root, n, n, "")
	return c.list
}

func (c *checker) add(n *yaml.Node, weak bool, text messages.Text, args ...any) {
	if len(c.list) >= maxProblems {
		return
	}
	first, _, _ := strings.Cut(n.Value, "\n")
	width := len(first)
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		width += 2
	}
	c.list = append(c.list, Problem{Line: n.Line, Column: n.Column, End: n.Column + max(1, width), Text: messages.Errorf(text, args...), Weak: weak})
}

// value checks a value; at is what a problem of it as a whole is shown at.
func (c *checker) value(s *Schema, n, at *yaml.Node, name string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Tag == "!!null" {
		return
	}
	s = c.doc.Resolve(s)
	switch {
	case s.IntOrString || s.Format == "int-or-string":
	case s.Items != nil:
		c.items(s, n, at, name)
	case len(s.Properties) > 0 || s.Map.Schema != nil:
		c.object(s, n, at, name)
	case s.Type == "object":
		if n.Kind != yaml.MappingNode {
			c.add(at, false, "%s takes an object", name)
		}
	case s.Type != "":
		c.scalar(s, n, at, name)
	}
}

func (c *checker) items(s *Schema, n, at *yaml.Node, name string) {
	if n.Kind != yaml.SequenceNode {
		c.add(at, false, "%s takes a list of %s", name, c.doc.TypeOf(s.Items))
		return
	}
	for _, item := range n.Content {
		c.value(s.Items, item, item, name)
	}
}

func (c *checker) object(s *Schema, n, at *yaml.Node, name string) {
	if n.Kind != yaml.MappingNode {
		c.add(at, false, "%s takes an object: %s", name, c.doc.TypeOf(s))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if seen[key.Value] {
			c.add(key, false, "%s is there twice", key.Value)
		}
		seen[key.Value] = true
		switch field := s.Properties[key.Value]; {
		case field != nil:
			c.value(field, value, key, key.Value)
		case s.Map.Schema != nil:
			c.value(s.Map.Schema, value, key, key.Value)
		case s.Preserve || key.Value == "<<":
		default:
			if meant := near(key.Value, s); meant != "" {
				c.add(key, false, "unknown field %q; %s?", key.Value, meant)
			} else {
				c.add(key, false, "unknown field %q", key.Value)
			}
		}
	}
	for _, r := range s.Required {
		if !seen[r] {
			c.add(at, true, "%s is required", r)
		}
	}
}

// near offers the field that was meant.
func near(name string, s *Schema) string {
	for _, other := range s.Names() {
		if strings.EqualFold(other, name) || strings.HasPrefix(strings.ToLower(other), strings.ToLower(name)) || len(name) > 3 && distance(other, name) <= 2 {
			return other
		}
	}
	return ""
}

// distance is the number of letters to change, add or leave out.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		last := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := last
			if a[i-1] != b[j-1] {
				cost++
			}
			last, row[j] = row[j], min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// typeTexts say which type a field takes.
var typeTexts = map[string]messages.Text{
	"string": "%s takes a string", "integer": "%s takes an integer", "number": "%s takes a number", "boolean": "%s takes true or false",
}

// oldBooleans are words that the API's YAML reads as true and false.
var oldBooleans = []string{"yes", "no", "on", "off", "y", "n"}

func (c *checker) scalar(s *Schema, n, at *yaml.Node, name string) {
	if n.Kind != yaml.ScalarNode {
		c.add(at, false, typeTexts[s.Type], name)
		return
	}
	tag := n.Tag
	if n.Style == 0 && slices.Contains(oldBooleans, strings.ToLower(n.Value)) {
		tag = "!!bool"
	}
	fits := true
	switch s.Type {
	case "string":
		fits = tag == "!!str" || tag == "!!timestamp" || tag == "!!binary"
	case "integer":
		fits = tag == "!!int"
	case "number":
		fits = tag == "!!int" || tag == "!!float"
	case "boolean":
		fits = tag == "!!bool"
	}
	if !fits {
		text := typeTexts[s.Type]
		if s.Type == "string" {
			text = "%s takes a string; put it into quotes"
		}
		c.add(n, false, text, name)
		return
	}
	if len(s.Enum) == 0 {
		return
	}
	var known []string
	for _, e := range s.Enum {
		known = append(known, strings.Trim(string(e), `"`))
	}
	if !slices.Contains(known, n.Value) {
		c.add(n, false, "%s takes one of %s", name, strings.Join(known, ", "))
	}
}
