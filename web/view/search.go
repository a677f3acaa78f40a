package view

import "pilothouse/web/messages"

// Search is what a search has found.
type Search struct {
	Query   string
	Results []Result
	// Note says what the query was taken for, or that nothing was found.
	Note string
}

// Result is one thing that was found.
type Result struct {
	Href string
	Kind messages.Text
	Text string
	Note string
	// Rank is how well it fits, less being better.
	Rank int
}
