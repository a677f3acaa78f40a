package templates

import (
	"context"
	"io"
	"strconv"
	"strings"

	"pilothouse/web/view"

	"github.com/a-h/templ"
)

// Lines is YAML with its lines numbered; label names it for screen readers. It is written by hand: every blank
// counts, and templates are free with those.
func Lines(lines []view.Line, label string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		b.WriteString(`<pre class="code" translate="no" tabindex="0" role="region" aria-label="` + templ.EscapeString(label) + `"><code>`)
		for _, l := range lines {
			b.WriteString(`<span class="ln" data-n="` + strconv.Itoa(l.Number) + `">`)
			for _, p := range l.Parts {
				if p.Class == "k" && l.Href != "" {
					b.WriteString(`<a class="yk" tabindex="-1" href="` + templ.EscapeString(l.Href) + `">` + templ.EscapeString(p.Text) + `</a>`)
				} else if p.Class == "" {
					b.WriteString(templ.EscapeString(p.Text))
				} else {
					b.WriteString(`<span class="y` + p.Class + `">` + templ.EscapeString(p.Text) + `</span>`)
				}
			}
			if l.Owner != "" {
				b.WriteString(`<span class="own">` + templ.EscapeString(l.Owner) + `</span>`)
			}
			b.WriteString("\n</span>")
		}
		b.WriteString(`</code></pre>`)
		_, err := io.WriteString(w, b.String())
		return err
	})
}
