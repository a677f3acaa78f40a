package pages

import (
	"context"

	tmpl "pilothouse/templates/pages"
)

// windowPage is the window of a tab of the dock: scripts fill it with what the
// window that opened it has handed over.
func windowPage(_ context.Context, c *Call) (*Answer, error) {
	return &Answer{Title: c.T("Window"), Body: tmpl.Window()}, nil
}
