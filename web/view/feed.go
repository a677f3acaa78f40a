package view

import "pilothouse/web/messages"

// Feed is a raw watch: of a list on a page of its own, or of one object in a tab.
type Feed struct {
	Kind, GroupVersion  string
	Path, URL, ListHref string
	// Keep are the parameters of the address that the form does not have.
	Keep []Param
	// Selectors tells that the feed can be of a part of the list; Filter is which.
	Selectors bool
	Filter    string
	// From is the version that the watch begins after; empty for what there is now.
	From          string
	Command, Curl string
	Problem       string
	// Refused is what the user lacks to watch it, and Yours are the same in the
	// namespaces in which they may.
	Refused *Fault
	Yours   []Link
}

// FeedEvent is one event of a watch.
type FeedEvent struct {
	Time, Type, Tone, Name, Href, Version string
	// Note says what an event without changes is about.
	Note    messages.Text
	Changes []Change
	// More is how many more fields have changed.
	More int
}

// Change is a field that is not what it was; an empty end is none.
type Change struct {
	_ Incomparable

	Field, Was, Now string
}

// String gives a change as one line of text.
func (c Change) String() string { return c.Field + ": " + c.Was + " → " + c.Now }
