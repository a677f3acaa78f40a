package view

// Home is the page of all resource types.
type Home struct {
	Groups []HomeGroup
	Types  int
}

// HomeGroup is one API group.
type HomeGroup struct {
	Name     string // "core" for the empty one
	Versions []string
	Types    []HomeType
}

// HomeType is one resource type.
type HomeType struct {
	Resource, Kind, Version string
	Href                    string // empty for what cannot be listed
	Namespaced              bool
	ShortNames              string
	Verbs                   string
	Custom                  bool
}
