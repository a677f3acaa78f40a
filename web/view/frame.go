// Package view owns the shapes that templates print: plain values, made by
// pages from what the API gave, with nothing left that could fail. Read frame.go
// first (what every page has), then the file of a page.
package view

import "pilothouse/web/messages"

// Frame is what stands around every page.
type Frame struct {
	Title string
	// User is who is logged in; empty on the pages before.
	User string
	// As is whom the user acts as, when it is someone else, AsGroups the groups that
	// were given with the name, separated by commas.
	As, AsGroups string
	Theme        string // "", "dark", "light" or "contrast"
	// Language is the page's, as a tag; Languages are what can be chosen.
	Language  string
	Languages []Language
	// Dense rows are 22 pixels high instead of 28.
	Dense     bool
	FormToken string
	Path      string // of this page, with its query
	Crumbs    []Link
	// Places are the pages that are of no resource; Nav are the resources.
	Places, UserPlaces []NavLink
	Nav                []NavGroup
	// NotYours is how many types are not there because the user may list none of
	// their objects.
	NotYours int
	// Away are group versions whose server does not answer.
	Away []string
	// Views are the user's own, by their names.
	Views []NavLink
	// Namespaces is the picker; nil where it has nothing to say.
	Namespaces *Namespaces
	Assets     Assets
	Version    string
	// Toasts are what was done last, for a moment, and what waits to be done, the
	// newest first.
	Toasts []Toast
}

// Toast is something that was done, or that waits to be done.
type Toast struct {
	_ Incomparable

	ID, Text string
	// Job is the work that does it.
	Job string
	// State is that of the work: "held", "running", "kept", "done" or "failed";
	// empty for what is told only once.
	State string
	// Subject is what is held.
	Subject string
	// Undo tells whether it can be taken back, Left for how many milliseconds it
	// is shown yet, 0 for as long as it is there; what is held is for as long as
	// that held.
	Undo bool
	Left int
	// Past is where what was deleted can be restored, empty for nowhere.
	Past string
}

// Incomparable keeps values of a type from being compared: the compiler would
// write code for it, and more for each length of a list of them.
type Incomparable [0]func()

// Assets are the addresses of the files that a page loads.
// Messages is empty in English.
type Assets struct {
	_ Incomparable

	Script, Style, Icon, Messages string
}

// Language is one that can be chosen, by the name that it has for itself.
type Language struct {
	_ Incomparable

	Tag, Name string
	Chosen    bool
}

// Link is a name with an address, which may be empty.
type Link struct {
	Text, Href string
	// Data tells that the text is a name, the same in every language.
	Data bool
}

// NavGroup is one heading of the navigation.
type NavGroup struct {
	Name  messages.Text
	Open  bool
	Links []NavLink
}

// NavLink is one resource of the navigation.
type NavLink struct {
	_ Incomparable

	Text, Title messages.Text
	Href        string
	Current     bool
}

// Namespaces is the namespace picker.
type Namespaces struct {
	Label string
	// Action is where the form goes; Hidden are the parameters that it keeps.
	Action string
	Hidden []Param
	Except bool
	All    []NamespaceChoice
	// Error is why the names are not known.
	Error string
}

// NamespaceChoice is one namespace in the picker.
type NamespaceChoice struct {
	_ Incomparable

	Name    string
	Checked bool
	Href    string // the page with this namespace alone
}

// Param is a parameter that a form carries.
type Param struct {
	_ Incomparable

	Name, Value string
}

// Fault is an error as a page or a part of it shows it.
type Fault struct {
	Title   string
	Message string
	Reason  string
	Code    int
	// Denied explains a refusal.
	Denied  *Denied
	AuditID string
	Causes  []Cause
	// Lines are the lines that it is about, of the text beside it.
	Lines []int
	Back  *Link
	// Again is where to ask once more, for what may be answered a moment later; the
	// server asked to wait After seconds with that, when it is not 0.
	Again string
	After int
}

// Denied is a right that somebody lacks: who, which verb on which resource and
// in which namespace, and the commands that would grant it.
type Denied struct {
	Who, Verb, Resource, Namespace string
	Grant                          string
}

// Cause is one field that an error is about.
type Cause struct {
	_ Incomparable

	Field, Message string
}
