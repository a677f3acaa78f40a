package view

import "pilothouse/web/messages"

// Object is the page of one object.
type Object struct {
	Kind, Name, Namespace string
	GroupVersion          string
	UID                   string
	Version               string
	Path                  string // the page without its tab
	APIPath               string
	ListHref              string
	Tab                   string
	Tabs                  []Tab
	Status                Cell
	Deleting              string // when it was deleted, empty when it was not
	// Held tells that its deletion is confirmed and can be undone yet.
	Held bool
	// Panel tells that the object stands beside its list.
	Panel         bool
	Command, Curl string
	FormToken     string
	Acts          []Act
	// Own tells that the tab keeps itself up to date.
	Own bool
	// Fresh is in how many seconds the page is not right any more by the time alone, 0
	// for never.
	Fresh int
	// Whole tells that the tab has the whole area, with a foot of its own.
	Whole bool
}

// Act is a button of an object's page.
type Act struct {
	_ Incomparable

	Name, Href, Key string
	Text            messages.Text
	// Full is the text with the object's name: Delete Pod web-7.
	Full   string
	Danger bool
	// Denied is why the user may not use it, nil when they may.
	Denied *Denied
}

// Tab is one tab of an object's page.
type Tab struct {
	_ Incomparable

	Name    messages.Text
	Href    string
	Current bool
	Key     string
	// Dock tells that scripts open it in the dock.
	Dock bool
}

// Overview is what is to be known of an object at a glance.
type Overview struct {
	Facts       []Fact
	Labels      []Link
	Annotations []Param
	Owners      []Link
	Finalizers  []string
	Conditions  []Condition
	Containers  []Container
	Data        []Datum
	// More are how many labels, annotations and data there are besides; MoreHref has all.
	MoreLabels, MoreAnnotations, MoreData int
	MoreHref                              string
	// Reveal shows the values of a Secret.
	Reveal string
	// Lead, Gauged and Blocks are what is particular to the kind: facts, blocks
	// with gauges, and the others. Closed then hides the sections behind their
	// titles.
	Lead     []Fact
	Gauged   []Block
	Blocks   []Block
	Closed   bool
	Sections []Section
}

// Fact is a name with a value.
type Fact struct {
	Name messages.Text
	Cell
}

// Condition is one of an object's status.conditions.
type Condition struct {
	_ Incomparable

	Type, Status, Tone, Reason, Message, Time string
}

// Container is one container of a pod or of a pod template.
type Container struct {
	_ Incomparable

	Name, Image, State, Tone string
	Kind                     string // "", "init" or "ephemeral"
	Ready                    string
	Running                  bool
	Restarts                 string
	// Why is the message of its state, Last how it ended before.
	Why              string
	Last             Cell
	Ports            string
	Requests, Limits string
	// Logs and Before lead to its log, and to that of before its last restart,
	// empty where there is none.
	Logs, Before string
}

// Datum is one entry of a ConfigMap or a Secret.
type Datum struct {
	_ Incomparable

	Key, Value string
	Secret     bool
	Hidden     bool
	Size       int
	Binary     bool
}

// Section is a part of an object that is shown as it is.
type Section struct {
	Name  string
	Lines []Line
}

// YAML is an object's text.
type YAML struct {
	Lines   []Line
	Managed bool // whether managedFields are shown
	Toggle  string
	// Owners tells that the lines say who owns their fields.
	Owners     bool
	OwnersHref string
	Download   string
	EditHref   string
	// Explore describes the kind.
	Explore string
}

// Line is one line of YAML.
type Line struct {
	Number int
	Parts  []Part
	Owner  string // who owns the field, where that is shown
	Href   string // of the key: its description
}

// Part is a piece of a line; Class is "k" for a key, "s" for text, "n" for a
// number, "b" for true, false and null, "c" for a comment, "" for the rest.
type Part struct {
	_ Incomparable

	Class, Text string
}

// Events are the events about an object.
type Events struct {
	Rows []EventRow
}

// EventRow is one event.
type EventRow struct {
	_ Incomparable

	Type, Tone, Reason, Message, From string
	Count                             string
	Time                              string
}

// Related are the objects that an object belongs to or that belong to it.
type Related struct {
	Groups []RelatedGroup
	Unread []Unread
}

// Unread is a type of which is not known what belongs to an object: the user may not
// list it, or Why says what went wrong.
type Unread struct {
	_ Incomparable

	Resource string
	Denied   *Denied
	Why      string
}

// RelatedGroup are related objects of one kind.
type RelatedGroup struct {
	Title messages.Text
	Rows  []RelatedRow
}

// RelatedRow is one related object.
type RelatedRow struct {
	_ Incomparable

	Link
	Kind, Namespace string
	// How says by which field it is named; Missing that it is not there.
	How     string
	Missing messages.Text
	Note    string
	Time    string
	Depth   int
	// Held tells that its deletion is confirmed and can be undone yet.
	Held bool
}
