package view

import "pilothouse/web/messages"

// Logs is what shows a log.
type Logs struct {
	// Title names what the lines are from.
	Title string
	// URL is the address whose log is followed: the page's own.
	URL string
	// Path and Keep are where the form leads, and what it keeps.
	Path string
	Keep []Param
	// Many tells that lines of several containers stand together.
	Many       bool
	Containers []Option
	Since      []Option
	// Ranged tells that lines of a range of times are shown, From and To in the
	// form of RFC 3339, each empty for an open end.
	Ranged   bool
	From, To string
	Previous bool
	// CanPrevious tells that there may be a log of before a restart.
	CanPrevious bool
	// First are lines for browsers without scripts, and for the first moment.
	First         []string
	Problem       string
	Command, Curl string
	Download      string
}

// Option is one choice of a select.
type Option struct {
	_ Incomparable

	Value  string
	Text   messages.Text
	Chosen bool
}

// Shell is the page about the shells of a pod, or of the pods of something else.
type Shell struct {
	Namespace  string
	Pod        string // empty for many
	Containers []ShellContainer
	// Note is what is not shown.
	Note      string
	FormToken string
	// CanDebug tells that another container can be added to the pod, DebugDenied why
	// the user may not do that.
	CanDebug    bool
	DebugDenied *Denied
}

// ShellContainer is one container that a shell can be opened in. Pod is the page of
// its pod.
type ShellContainer struct {
	_ Incomparable

	Pod                     Link
	Name, Kind, State, Tone string
	Running                 bool
	Command, AttachCommand  string
	// Denied is why no shell can be opened in it, AttachDenied why it cannot be
	// attached to; nil when they can.
	Denied, AttachDenied *Denied
}
