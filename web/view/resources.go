package view

// Resources is the page of all resource types.
type Resources struct {
	// Version is that of the table of types.
	Version       string
	Groups        []ResourceGroup
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
	Resource, Kind, Version string
	Href                    string // empty for what cannot be listed
	Namespaced              bool
	ShortNames              string
	Verbs                   string
	Custom                  bool
}
