package templates

import (
	"context"
	"io"
	"strconv"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/view"

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

// jobLink is what a deletion is about, with the page of the work.
func jobLink(t view.Toast) templ.Component {
	return inline(`<a translate="no" href="/ui/jobs/`+templ.EscapeString(t.Job)+`">`, t.Subject, `</a>`)
}

// Countdown is the seconds that are left of some milliseconds; scripts count
// them down. Screen readers are told once.
func Countdown(left int) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		text := messages.T(ctx, "%d s", (left+999)/1000)
		_, err := io.WriteString(w, `<span class="countdown" aria-hidden="true" data-countdown="`+strconv.Itoa(left)+`">`+templ.EscapeString(text)+`</span><span class="vh">`+templ.EscapeString(text)+`</span>`)
		return err
	})
}

// Breaking is a name that may go on in the next line after each of its signs: an
// image, a path, a pair.
func Breaking(text string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		s := templ.EscapeString(text)
		if len(text) > breakFrom {
			s = breaks.Replace(s)
		}
		_, err := io.WriteString(w, s)
		return err
	})
}

// breakFrom is the length from which a name may be broken.
const breakFrom = 20

var breaks = strings.NewReplacer("/", "/<wbr>", ":", ":<wbr>", "=", "=<wbr>", ",", ",<wbr>", "@", "@<wbr>", ".", ".<wbr>")

func inline(open, text, end string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, open+templ.EscapeString(text)+end)
		return err
	})
}
