package messages

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/a-h/templ"
)

// Rich is a message with markup: its arguments may be components, which stand
// where the message has them.
//
//	@messages.Rich("You see and do everything as %s.", templates.Strong(name))
//
// In the pseudo language the marks are around the pieces between components.
func Rich(text Text, args ...any) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		l := From(ctx)
		parts := make([]templ.Component, 0, len(args))
		plain := make([]any, len(args))
		for i, a := range args {
			plain[i] = a
			if c, ok := a.(templ.Component); ok {
				// A mark that no text has stands in the component's place.
				plain[i] = fmt.Sprintf("\x01%c", rune(0xE000+len(parts)))
				parts = append(parts, c)
			}
		}
		s := l.format(l.pattern(string(text)), plain)
		for i, piece := range strings.Split(s, "\x01") {
			if i > 0 {
				r := []rune(piece)[0]
				if err := parts[r-0xE000].Render(ctx, w); err != nil {
					return err
				}
				piece = piece[len(string(r)):]
			}
			if strings.TrimSpace(piece) != "" {
				piece = l.mark(piece)
			}
			if _, err := io.WriteString(w, templ.EscapeString(piece)); err != nil {
				return err
			}
		}
		return nil
	})
}
