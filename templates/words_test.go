package templates

import (
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/a-h/templ/parser/v2"
	"github.com/a-h/templ/parser/v2/visitor"
)

// untranslated are the texts of templates that are the same in every language.
var untranslated = []string{"· Pilothouse"}

var (
	letters = regexp.MustCompile(`\pL`)
	spoken  = []string{"title", "aria-label", "aria-description", "placeholder", "alt", "data-l"}
)

// What a template shows comes from the catalogue (web/messages), unless it stands
// below translate="no" or in code.
func TestTemplatesTakeTheirTextsFromTheCatalogue(t *testing.T) {
	files, err := filepath.Glob("*.templ")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("pages/*.templ")
	if err != nil {
		t.Fatal(err)
	}
	if len(more) == 0 {
		t.Fatal("there are no pages")
	}
	for _, name := range append(files, more...) {
		file, err := parser.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Visit(wordsOf(func(line uint32, text string) {
			t.Errorf("%s:%d: %q is not from the catalogue: { messages.T(ctx, %q) }", name, line, text, text)
		})); err != nil {
			t.Fatal(err)
		}
	}
}

// The test finds what it looks for.
func TestBareTextsAreFound(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		file, err := parser.ParseString("package x\n\ntempl T() {\n" + body + "\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := file.Visit(wordsOf(func(_ uint32, text string) { got = append(got, text) })); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	f(`<p>{ messages.T(ctx, "Hello") }</p>`)
	f(`<p title="Hint">Hello</p>`, "Hint", "Hello")
	f("if true {\n<p>a <b>x</b></p>\n}", "a ", "x")
	f(`<p translate="no">Hello <b title="x">x</b></p>`)
	f(`<input translate="no" placeholder="app=web" title="Hint"/>`, "Hint")
	f(`<code>kubectl</code><kbd>Esc</kbd><pre>x</pre>`)
	f(`<title>Pods · Pilothouse</title> 12 %`, "Pods · Pilothouse")
}

// wordsOf visits templates and reports their bare texts.
func wordsOf(report func(line uint32, text string)) *visitor.Visitor {
	v := visitor.New()
	element := v.Element
	v.Element = func(e *parser.Element) error {
		same := slices.Contains([]string{"code", "kbd", "pre"}, e.Name) || constant(e, "translate") == "no"
		for _, name := range spoken {
			example := same && name == "placeholder"
			if s := constant(e, name); letters.MatchString(s) && !example {
				report(e.NameRange.From.Line+1, s)
			}
		}
		if same {
			return nil
		}
		return element(e)
	}
	v.Text = func(n *parser.Text) error {
		if letters.MatchString(n.Value) && !slices.Contains(untranslated, n.Value) {
			report(n.Range.From.Line+1, n.Value)
		}
		return nil
	}
	return v
}

// constant is the value of an attribute that is written out.
func constant(e *parser.Element, name string) string {
	for _, a := range e.Attributes {
		if c, ok := a.(*parser.ConstantAttribute); ok && c.Key.String() == name {
			return c.Value
		}
	}
	return ""
}
