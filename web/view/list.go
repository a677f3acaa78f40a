package view

// List is a page that shows the objects of a resource.
type List struct {
	// Refused tells that the user may not list it: there is nothing to filter,
	// to watch or to act on.
	Refused bool
	// Version is that of the table of types, which such a page follows.
	Version string
	// Resource is the plural name, Kind that of one, GroupVersion "apps/v1".
	Resource, Kind, GroupVersion string
	Namespaced                   bool
	// Without are the keys of tabs that the objects of this kind do not have.
	Without string
	// Path is the list's own address without a query, Base the same in the API.
	Path, APIPath string
	// URL is the state of the list: its address with the query.
	URL     string
	Filter  string
	Problem string // what is wrong with the filter
	Fault   *Fault // why there are no rows
	Columns []Column
	// Choices are all columns, those that are shown first, in their order; Chosen
	// are those that the address names.
	Choices  []ColumnChoice
	Chosen   string
	Columned bool
	// OtherColumns are those that were typed and cannot be read.
	OtherColumns string
	Saved        []Link // named views of this list
	// Lines are how many a row has as a card on a phone.
	Lines int
	// Narrow is the styles of the list where it has too little room.
	Narrow string
	// Shape tells which columns there are.
	Shape string
	// Sort and Desc are hidden fields of the filter form; so are Wide and NS.
	Keep  []Param
	Rows  []Row
	From  int
	Total int
	All   int
	// More is the next page for browsers without scripts, Back the one before.
	More, Back  string
	Wide        bool
	WideHref    string
	CreateHref  string
	WatchHref   string
	ExploreHref string
	// Command is the same question for kubectl.
	Command, Curl string
	FormToken     string
	CanDelete     bool
	// Acts are what else can be done with the selected objects.
	Acts                       []Act
	DeleteDenied, CreateDenied *Denied
	// Narrowed are the namespaces that are shown to somebody who may not see all.
	Narrowed string
	Labels   []string
}

// ColumnChoice is a column that can be shown.
type ColumnChoice struct {
	_ Incomparable

	Name, Label string
	Shown       bool
	// Fixed is the name, which always is shown.
	Fixed bool
	// Width is how many letters wide it is, 0 where the list decides.
	Width int
	Key   string
}

// Column is one column of a list.
type Column struct {
	_ Incomparable

	Name string
	// Key is what its width is kept by.
	Key         string
	Description string
	// Width is a class for the width in characters: "w8".
	Width string
	Num   bool
	// Noted tells that its numbers leave room for a note.
	Noted bool
	// Href sorts by the column, the other way around when it is sorted already.
	Href string
	Sort string // "", "ascending" or "descending"
}

// Row is one object in a list. Index is its place, counted from 1.
type Row struct {
	Index           int
	UID, Version    string
	Namespace, Name string
	Href            string
	Deleting        bool
	// Held tells that its deletion is confirmed and can be undone yet.
	Held  bool
	Cells []Cell
}

// Cell is one value in a list.
type Cell struct {
	_ Incomparable

	// Label is the column's name, for small screens.
	Label string
	Text  string
	Tone  string
	// Note is what a number says besides: when the last restart was, whose time it
	// is then, if the cell has one. Where some
	// numbers of a column have one, all leave room for it: they are Noted.
	Note string
	Href string
	// Time is the moment whose age the cell shows, in RFC 3339; About tells that it is
	// known from its age alone, which stands between Lead and Tail.
	Time       string
	About      bool
	Lead, Tail string
	// Gauge is shown outside of lists in the place of the text.
	Gauge *Gauge

	Num, Noted bool
	// Name marks the cell that links to the object.
	Name bool
	// Held tells, outside of lists, that the object is to be deleted.
	Held bool
}
