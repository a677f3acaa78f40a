package view

import "pilothouse/web/messages"

// WhoAmI is the page of the user's identity.
type WhoAmI struct {
	// AsDenied is why the user may act as nobody else, nil when they may.
	AsDenied *Denied
	Facts    []Fact
	Groups   []string
	Extra    []Param
	// Command is the same question for kubectl.
	Command, Curl string
	FormToken     string
}

// Sessions is the page of the user's sessions.
type Sessions struct {
	FormToken string
	Rows      []SessionRow
	// All tells that everybody's are shown, Ends that they may be ended.
	All, Ends bool
}

// SessionRow is one session.
type SessionRow struct {
	_ Incomparable

	ID, User, Method, Remote, Agent, Created, LastSeen string
	Current                                            bool
	Ends                                               bool // by who looks at it
}

// Access is the page of what the user may do.
type Access struct {
	Namespace string
	Verbs     []string
	Rows      []AccessRow
	Paths     []Param
	// Incomplete says that some rules are not known.
	Incomplete    string
	Command, Curl string
	// Check is the question that was asked, with its answer.
	Check *Check
}

// AccessRow is what the user may do with a resource; Allowed goes with the
// page's verbs.
type AccessRow struct {
	Resource, Group string
	Href            string
	Allowed         []bool
	Names           string
}

// Check is one question about access, answered.
type Check struct {
	_ Incomparable

	Verb, Resource, Name string
	Allowed              bool
	Reason               string
	// Denied is what is missing when it is not allowed.
	Denied *Denied
}

// Help is the page about the keyboard.
type Help struct{ Keys []Key }

// Key is what some keys do; their names stand with blanks between.
type Key struct {
	_ Incomparable

	Keys string
	Text messages.Text
}
