package templates

import (
	"context"
	"io"
	"strings"

	"pilothouse/static"

	"github.com/a-h/templ"
)

// Ahead has the browser load what a script needs beside the script, not after it.
// It shows nothing.
func Ahead(script string) templ.Component {
	var links strings.Builder
	for _, name := range static.Needs[script] {
		links.WriteString(`<link rel="modulepreload" href="/ui/static/` + templ.EscapeString(name) + `">`)
	}
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, links.String())
		return err
	})
}
