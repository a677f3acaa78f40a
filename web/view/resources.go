package view

// Resources is the page of all resource types.
type Resources struct {
	// Version is that of the table of types.
	Version string
	Groups  []ResourceGroup
	// Away are group versions whose server does not answer.
	Away          []Unread
	Types         int
	Command, Curl string
}

// ResourceGroup is one API group.
type ResourceGroup struct {
	Name     string // "core" for the empty one
	Versions []string
	Types    []ResourceType
}

// ResourceType is one resource type.
type ResourceType struct {
	_ Incomparable

	Resource, Kind, Version string
	Href                    string // empty for what cannot be listed
	// NotYours tells that the user may list no object of the type.
	NotYours   bool
	Namespaced bool
	ShortNames string
	Verbs      string
	Custom     bool
}
