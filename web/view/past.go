package view

import "pilothouse/web/messages"

// Requests is the page of the requests that the server remembers.
type Requests struct {
	Rows []RequestRow
	// NoAudit tells that the user may not read the audit journal.
	NoAudit bool
	// What, Query and User are the filter.
	What, Query, User string
	Choices           []Choice
	// Mine tells that only one's own are shown, since others' may not be seen.
	Mine          bool
	Command, Curl string
}

// Choice is one of several links of which one is taken.
type Choice struct {
	_ Incomparable

	Text    messages.Text
	Href    string
	Current bool
}

// RequestRow is one request in a list.
type RequestRow struct {
	ID, Href               string
	Time                   string // RFC 3339
	User, As               string
	Verb, Object, ObjectTo string
	URI                    string
	Code, Tone             string
	Took                   string
	Note                   messages.Text
	Open                   bool
	// Bodies are the objects that the audit policy has recorded of it.
	Bodies []Body
}

// Body is an object that a request or its answer carried.
type Body struct {
	Name  messages.Text
	Lines []Line
	Cut   bool // there is more
}

// Life is the page of one request.
type Life struct {
	ID, Title string
	Facts     []Fact
	// Answer is what came of it, Tone how that is.
	Answer, Tone, Message string
	Causes                []Cause
	// Bar are the stages in parts of 1000; Stages all steps with their parts.
	Bar    []StagePart
	Stages []StageRow
	// Undetailed tells that what plugins changed was not recorded.
	Undetailed bool
	Took       string
	Access     *AccessStory
	// Written are links to the histories of what it wrote.
	Written  []Link
	Warnings []string
	Notes    []Param // audit annotations
	Trace    string
	// Level is what the audit policy records of it, Bodies the objects.
	Level  string
	Bodies []Body
	// Recorded tells that only the audit journal knows the request.
	Recorded      bool
	Command, Curl string
}

// StagePart is one stage in the bar.
type StagePart struct {
	_ Incomparable

	Name     string
	At, Wide int // parts of 1000
	Class    int
	Took     string
}

// StageRow is one step.
type StageRow struct {
	Name, Detail, Took, Began string
	Depth, Class              int
	Error                     string
	Changes                   []FieldChange
}

// FieldChange is one field that differs.
type FieldChange struct {
	_ Incomparable

	Sign, Path    string
	Before, After string
}

// AccessStory is why a request was allowed, or what it lacked.
type AccessStory struct {
	Allowed bool
	Reason  string
	Facts   []Fact
	Rule    string // YAML
	Note    messages.Text
	Roles   []Link
	WhoCan  string
}

// AuditPage is the page of the audit journal.
type AuditPage struct {
	Fields        []Field
	Refused       bool
	Rows          []RequestRow
	Problem       string
	More          bool
	Command, Curl string
}

// Field is a field of a filter.
type Field struct {
	_ Incomparable

	Name, Value, Hint string
	Label             messages.Text
}

// HistoryTab is the past of one object.
type HistoryTab struct {
	Versions  []VersionRow
	Since     string
	More      bool
	Gone      bool // the object is deleted
	FormToken string
	Path      string // of the object
	// RestoreDenied is what the user lacks to restore a version.
	RestoreDenied *Denied
	Audit         string // the page of what the journal has about the object
	Problem       string
}

// VersionRow is one write of the past.
type VersionRow struct {
	Version      string
	Action       messages.Text
	Tone         string
	Time         string
	Object, Href string
	User, As     string
	Verb         string
	RequestHref  string
	Server       string // the other server that took the request
	Changes      []FieldChange
	Left         int // changes that are not shown
	// Restorable tells that this version can be written back; Newest that it is
	// what the object is.
	Restorable, Newest bool
	Exact              string // the page of the version's YAML
}

// Changes is the page of what changed in a namespace.
type Changes struct {
	// NoAudit tells that the user may not read the audit journal.
	NoAudit                           bool
	Namespace, Since, Until, Resource string
	Rows                              []VersionRow
	More                              bool
	Problem                           string
	From, To                          string // the span that was asked for, RFC 3339
	Known                             string // how far back anything is known
	Command, Curl                     string
}

// Deleted is the page of an object that was deleted.
type Deleted struct {
	Kind, Name, Namespace string
	ListHref              string
	History               HistoryTab
	Panel                 bool
}
