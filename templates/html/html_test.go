package html

import (
	"bytes"
	"context"
	"errors"
	stdhtml "html"
	"io"
	"testing"

	"github.com/a-h/templ"
)

func FuzzTextIsEscaped(f *testing.F) {
	for _, s := range []string{"", "web-7", `<a href="x">'&'</a>`, "\x00\xff<", "&amp;", "ä<ö"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w := &Writer{}
		w.Text("<b>", s)
		if want := "<b>" + stdhtml.EscapeString(s); string(w.buf) != want {
			t.Errorf("%q is %q, want %q", s, w.buf, want)
		}
	})
}

func TestPartsAreWrittenInOrder(t *testing.T) {
	plain := templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "2")
		return err
	})
	inner := Component(func(_ context.Context, w *Writer) { w.Raw("4") })
	outer := Component(func(ctx context.Context, w *Writer) {
		w.Part(ctx, "1", plain)
		w.Part(ctx, "3", inner)
		w.Text("5", "6")
		w.Do(inner.Render(ctx, w))
	})
	var b bytes.Buffer
	if err := outer.Render(t.Context(), &b); err != nil || b.String() != "1234564" {
		t.Errorf("%q %v", b.String(), err)
	}
}

// A page whose part failed is not sent at all.
func TestTheFirstErrorIsKept(t *testing.T) {
	first := errors.New("first")
	fails := func(err error) templ.Component {
		return templ.ComponentFunc(func(context.Context, io.Writer) error { return err })
	}
	c := Component(func(ctx context.Context, w *Writer) {
		w.Raw("<p>")
		w.Part(ctx, "", fails(first))
		w.Part(ctx, "", fails(errors.New("second")))
		w.Part(ctx, "", fails(nil))
		if _, err := w.Write([]byte("x")); err != first {
			t.Errorf("a write after an error: %v", err)
		}
	})
	var b bytes.Buffer
	if err := c.Render(t.Context(), &b); err != first || b.Len() > 0 {
		t.Errorf("%v, and %q was sent", err, b.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Render(ctx, &b); !errors.Is(err, context.Canceled) {
		t.Errorf("of a request that ended: %v", err)
	}
}

func TestClassesAndAttributes(t *testing.T) {
	if got := Classes([]any{"a", templ.KV("b", true), templ.KV("c", false), "", "d e"}); got != "a b d e" {
		t.Errorf("classes %q", got)
	}
	w := &Writer{}
	w.Attributes(templ.Attributes{"hidden": true, "open": false, "data-x": `a"b`})
	if got := string(w.buf); got != ` data-x="a&#34;b" hidden` {
		t.Errorf("attributes %s", got)
	}
}
