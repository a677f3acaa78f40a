package view

import "pilothouse/web/messages"

// Explore is the index of the API.
type Explore struct {
	Query                              string
	Group, Version, Verb, Scope, Shape string
	Groups, Versions, Verbs            []string
	Sections                           []ExploreSection
	Hits                               []ExploreHit
	Operations, Kinds                  int
	Note                               string
	// Away are group versions whose server does not answer.
	Away []Unread
	// Types is the version of the table of types that this shows.
	Types         string
	Command, Curl string
}

// ExploreSection is one group version.
type ExploreSection struct {
	Name, Path string
	// Level is alpha, beta or stable, Meaning what that promises.
	Level   string
	Meaning messages.Text
	// Preferred marks the one of several versions that clients take.
	Preferred bool
	Rows      []ExploreRow
}

// ExploreRow is one resource or subresource with its operations.
type ExploreRow struct {
	Resource, Kind string
	Deprecated     string // the warning that requests get
	Sub            bool
	Href           string
	Namespaced     bool
	Operations     []ExploreOperation
}

// ExploreOperation is a link to one operation.
type ExploreOperation struct {
	_ Incomparable

	Action, Href, Title string
}

// ExploreHit is something that a search in the API's description has found.
type ExploreHit struct {
	_ Incomparable

	What                    messages.Text
	Text, Where, Note, Href string
}

// SchemaPage is the page of a kind, of a field, or of a schema.
type SchemaPage struct {
	Title, GroupVersion, Type string
	// Level is alpha, beta or stable, Meaning what that promises.
	Level         string
	Meaning       messages.Text
	Deprecated    string
	Description   string
	Trail         []Link
	Fields        []SchemaField
	Facts         []Fact
	Operations    []ExploreOperation
	ListHref      string
	WatchHref     string
	Objects       string
	Command, Curl string
	Example       []Line
}

// SchemaField is one field.
type SchemaField struct {
	Name, Type, Description string
	Required                bool
	Href                    string // of what is inside
	ID                      string
	Notes                   []string
}

// OperationPage is the page of one operation.
type OperationPage struct {
	Method, Path, ID, Description, Action, Kind, GroupVersion string
	KindHref                                                  string
	Level, Deprecated                                         string
	Meaning                                                   messages.Text
	Body                                                      string
	BodyHref                                                  string
	Parameters                                                []OperationParameter
	Responses                                                 []OperationResponse
	Try                                                       Try
}

// OperationParameter is one parameter, with what was typed for it.
type OperationParameter struct {
	Name, In, Type, Description, Value string
	Required                           bool
	// More is what Description goes on with after its first sentence.
	More    string
	Choices []string
	// Live tells that the choices are other ones when the namespace is.
	Live bool
}

// OperationResponse is one answer that an operation may give.
type OperationResponse struct {
	_ Incomparable

	Code, Description, Type, Href string
}

// Try is the form that makes a request, and what came of it.
type Try struct {
	FormToken string
	HasBody   bool
	Body      string
	Mutating  bool
	Accept    string
	Types     []string
	Type      string
	// CanWatch tells that what the operation gives can be watched; Feed is that
	// watch.
	CanWatch bool
	Feed     *Feed
	Fault    *Fault
	Result   *TryResult
}

// TryResult is what a request gave.
type TryResult struct {
	// As is who made the request.
	Request, As, Curl, Kubectl string
	Status                     string
	Tone                       string
	Took                       string
	AuditID                    string
	Headers                    []Param
	Warnings                   []string
	Lines                      []Line
	// Cut tells that Lines are the beginning only; Whole is the address of all
	// that a script can show, Download that of the same as a file.
	Cut, Whole, Download string
}
