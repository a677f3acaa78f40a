package pages

import (
	"context"

	tmpl "pilothouse/templates/pages"
)

// windowPage is the window of a tab of the dock: scripts fill it with what the
// window that opened it has handed over.
func windowPage(context.Context, *Call) (*Answer, error) {
	return &Answer{Title: "Window", Body: tmpl.Window()}, nil
}
