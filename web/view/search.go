package view

import "pilothouse/web/messages"

// Search is what a search has found.
type Search struct {
	Query   string
	Results []Result
	// Note says what the query was taken for, or that nothing was found.
	Note string
	// Unread tells that not all could be looked through.
	Unread bool
}

// Result is one thing that was found.
type Result struct {
	_ Incomparable

	Href string
	Kind messages.Text
	Text string
	Note string
	// Rank is how well it fits, less being better.
	Rank int
	// Denied is why the user may not do it, nil when they may, or it is none of
	// the things that one does. Dock tells that scripts open it in the dock.
	Denied *Denied
	Dock   bool
}
