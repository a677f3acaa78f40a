package templates

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// What stands inside of messages (messages.Rich): names, which are the same in
// every language, and links with a message of their own.

// Bold is a name that stands out.
func Bold(text string) templ.Component { return inline(`<b translate="no">`, text, `</b>`) }

// Strong is a name that matters.
func Strong(text string) templ.Component {
	return inline(`<strong translate="no">`, text, `</strong>`)
}

// Code is what somebody would type.
func Code(text string) templ.Component { return inline(`<code>`, text, `</code>`) }

// Name is a name as it is.
func Name(text string) templ.Component { return inline(`<span translate="no">`, text, `</span>`) }

// Link leads to an address of the dashboard.
func Link(href, text string) templ.Component {
	return inline(`<a href="`+templ.EscapeString(string(templ.URL(href)))+`">`, text, `</a>`)
}

func inline(open, text, end string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, open+templ.EscapeString(text)+end)
		return err
	})
}
