package pages

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pilothouse/web/apidoc"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"pilothouse/web/view"
)

// mark is a problem as the editor shows it.
type mark struct {
	_ view.Incomparable

	Line     int    `json:"line"`
	Column   int    `json:"column"`
	End      int    `json:"end"`
	Text     string `json:"text"`
	Severity string `json:"severity"`
}

// lint tells what is wrong with YAML as far as the API's description tells it.
// Nothing is sent to the API but the question for the description.
func lint(ctx context.Context, c *Call) (*Answer, error) {
	marks := c.marks(ctx, unix(c.Form.Get("text")))
	raw, err := json.Marshal(marks)
	if err != nil {
		return nil, err
	}
	return &Answer{Raw: raw, Type: "application/json"}, nil
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

func (c *Call) marks(ctx context.Context, text string) []mark {
	list := []mark{}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			line := 1
			if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
				line, _ = strconv.Atoi(m[1])
			}
			return append(list, mark{Line: line, Column: 1, Text: strings.TrimPrefix(err.Error(), "yaml: "), Severity: "error"})
		}
		if len(doc.Content) == 1 && doc.Content[0].Kind == yaml.MappingNode {
			list = append(list, c.marksOf(ctx, doc.Content[0])...)
		}
	}
}

// marksOf checks one document, or each object of a List.
func (c *Call) marksOf(ctx context.Context, n *yaml.Node) []mark {
	apiVersion, kind := valueOf(n, "apiVersion"), valueOf(n, "kind")
	if apiVersion == nil || kind == nil {
		return []mark{{Line: n.Line, Column: n.Column, End: n.Column + 1, Text: c.T("apiVersion and kind say what it is; one of them is missing"), Severity: "warning"}}
	}
	if items := valueOf(n, "items"); kind.Value == "List" && items != nil {
		var list []mark
		for _, item := range items.Content {
			if item.Kind == yaml.MappingNode {
				list = append(list, c.marksOf(ctx, item)...)
			}
		}
		return list
	}
	gv, err := schema.ParseGroupVersion(apiVersion.Value)
	if err != nil {
		return []mark{nodeMark(apiVersion, c.T("this is no group and version"))}
	}
	if _, ok := c.Types().ForKind(gv.WithKind(kind.Value)); !ok {
		return []mark{nodeMark(kind, c.T("the server has no kind %s in %s", kind.Value, apiVersion.Value))}
	}
	d, err := c.Docs.Document(ctx, c.Client, apidoc.PathOf(gv))
	if err != nil || d == nil {
		return nil
	}
	root := d.Kind(kind.Value)
	if root == nil {
		return nil
	}
	var list []mark
	for _, p := range d.Check(root, n) {
		severity := "error"
		if p.Weak {
			severity = "warning"
		}
		list = append(list, mark{Line: p.Line, Column: p.Column, End: p.End, Text: c.Language.Error(p.Text), Severity: severity})
	}
	return list
}

func nodeMark(n *yaml.Node, text string) mark {
	return mark{Line: n.Line, Column: n.Column, End: n.Column + len(n.Value), Text: text, Severity: "error"}
}

// valueOf is the value of a key of a mapping, nil when it has none.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// hovered is what is to be known of a field.
type hovered struct {
	Path        string   `json:"path"`
	Type        string   `json:"type"`
	Description string   `json:"description"`
	Notes       []string `json:"notes"`
	Href        string   `json:"href"`
}

// hover describes the field whose key ends at a position.
func hover(ctx context.Context, c *Call) (*Answer, error) {
	text := unix(c.Form.Get("text"))
	position, err := strconv.Atoi(c.Form.Get("position"))
	if err != nil {
		return nil, badRequest("position is no number")
	}
	at := utf16Offset(text, position)
	// A key with nothing behind it stands for itself, so a value is put there.
	place := apidoc.Find(text[:at]+": "+text[at:], at+2)
	h, err := c.hovered(ctx, place)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return &Answer{Raw: raw, Type: "application/json"}, nil
}

func (c *Call) hovered(ctx context.Context, p apidoc.Place) (*hovered, error) {
	gv, err := schema.ParseGroupVersion(p.APIVersion)
	if err != nil || p.APIVersion == "" || p.Kind == "" || len(p.Path) == 0 {
		return nil, nil //nolint:nilerr // nothing is known of what has no version yet
	}
	d, err := c.Docs.Document(ctx, c.Client, apidoc.PathOf(gv))
	if err != nil || d == nil {
		return nil, err
	}
	root := d.Kind(p.Kind)
	if root == nil {
		return nil, nil
	}
	s := d.At(root, p.Path)
	if s == nil {
		return nil, nil
	}
	r := d.Resolve(s)
	h := &hovered{Path: strings.Join(p.Path, "."), Type: d.TypeOf(s), Description: r.Description, Href: kindPage(apidoc.PathOf(gv), p.Kind, strings.Join(p.Path, "."))}
	if len(r.Default) > 0 {
		h.Notes = append(h.Notes, c.T("default %s", string(r.Default)))
	}
	var enum []string
	for _, e := range r.Enum {
		enum = append(enum, strings.Trim(string(e), `"`))
	}
	if len(enum) > 0 {
		h.Notes = append(h.Notes, c.T("one of %s", strings.Join(enum, ", ")))
	}
	if parent := d.At(root, p.Path[:len(p.Path)-1]); parent != nil && slices.Contains(d.Inner(parent).Required, p.Path[len(p.Path)-1]) {
		h.Notes = append(h.Notes, c.T("required"))
	}
	return h, nil
}
