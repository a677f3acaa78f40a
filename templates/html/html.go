// Package html owns what the code of templates writes with. templ's own code
// looks at an error after each piece of text, which makes ten times the machine
// code; here the first error is kept, and what comes after it is not written.
// templates/compact turns the one into the other. Its functions are not inlined:
// they are called three thousand times. Of the dashboard it imports
// web/messages alone.
package html

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"pilothouse/web/messages"

	"github.com/a-h/templ"
)

// Component is what the code of a template gives: what writes its HTML.
type Component func(ctx context.Context, w *Writer)

// Render writes a component, at once when it is not part of another one.
func (c Component) Render(ctx context.Context, to io.Writer) error {
	if w, ok := to.(*Writer); ok {
		c(ctx, w)
		return w.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w := writers.Get().(*Writer)
	c(templ.InitializeContext(ctx), w)
	err := w.err
	if err == nil {
		_, err = to.Write(w.buf)
	}
	if cap(w.buf) <= mostKept {
		*w = Writer{buf: w.buf[:0]}
		writers.Put(w)
	}
	return err
}

// mostKept is the largest buffer that is kept for another component, in bytes.
const mostKept = 256 << 10

var writers = sync.Pool{New: func() any { return &Writer{buf: make([]byte, 0, 4<<10)} }}

// Writer collects the HTML of one component and of those in it.
type Writer struct {
	buf []byte
	err error
}

// Write is io.Writer's, for components that are no templates.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// WriteString is io.StringWriter's.
func (w *Writer) WriteString(s string) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	w.buf = append(w.buf, s...)
	return len(s), nil
}

// Raw writes HTML.
//
//go:noinline
func (w *Writer) Raw(html string) {
	w.buf = append(w.buf, html...)
}

// Text writes HTML and after it a text, escaped as in text and in quoted
// attributes.
//
//go:noinline
func (w *Writer) Text(html, text string) {
	w.buf = append(w.buf, html...)
	from := 0
	for i := 0; i < len(text); i++ {
		var escape string
		switch text[i] { // as html.EscapeString
		case '<':
			escape = "&lt;"
		case '>':
			escape = "&gt;"
		case '&':
			escape = "&amp;"
		case '\'':
			escape = "&#39;"
		case '"':
			escape = "&#34;"
		default:
			continue
		}
		w.buf = append(append(w.buf, text[from:i]...), escape...)
		from = i + 1
	}
	w.buf = append(w.buf, text[from:]...)
}

// Say writes HTML and after it a message without arguments.
//
//go:noinline
func (w *Writer) Say(ctx context.Context, html string, text messages.Text) {
	w.Text(html, messages.T(ctx, text))
}

// Part writes HTML and after it another component.
//
//go:noinline
func (w *Writer) Part(ctx context.Context, html string, c templ.Component) {
	w.buf = append(w.buf, html...)
	if c, ok := c.(Component); ok {
		c(ctx, w)
		return
	}
	w.Do(c.Render(ctx, w))
}

// Do keeps the error of something that wrote here.
//
//go:noinline
func (w *Writer) Do(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Classes are the words of a class attribute: strings, and templ.KV of what is one only
// when it holds.
//
//go:noinline
func Classes(list []any) string {
	var b strings.Builder
	for _, one := range list {
		var class string
		switch one := one.(type) {
		case string:
			class = one
		case templ.KeyValue[string, bool]:
			if one.Value {
				class = one.Key
			}
		default:
			panic(fmt.Sprintf("BUG: a class that is a %T", one))
		}
		if class != "" {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(class)
		}
	}
	return b.String()
}

// Attributes writes attributes in the order of their names: texts, and true for those
// without a value.
//
//go:noinline
func (w *Writer) Attributes(a templ.Attributes) {
	for _, name := range slices.Sorted(maps.Keys(a)) {
		switch value := a[name].(type) {
		case bool:
			if value {
				w.Text(" ", name)
			}
		case string:
			w.Text(" ", name)
			w.Text(`="`, value)
			w.Raw(`"`)
		default:
			panic(fmt.Sprintf("BUG: an attribute %s that is a %T", name, value))
		}
	}
}
