package view

import "pilothouse/web/messages"

// Edit is the page on which an object's YAML is changed and reviewed.
type Edit struct {
	Kind, Name, Namespace string
	Path                  string // of the object
	FormToken             string
	// Base is the YAML that the text began with, BaseVersion its version.
	Base, BaseVersion string
	Text              string
	// Secret keeps drafts out of the browser's storage.
	Secret bool
	Fault  *Fault
	// Conflicts are the fields that wait for a choice, Panes the three states
	// beside each other.
	Conflicts []Conflict
	Panes     []PaneRow
	Note      string
	Review    *Review
}

// Conflict is a field that both sides have changed. Choice is "mine", "theirs"
// or empty.
type Conflict struct{ Field, Base, Mine, Live, Choice string }

// PaneRow is one line of three texts beside each other: what both sides began
// with and what each made of it. Gap stands for lines that are left out.
type PaneRow struct {
	Base, Mine, Live                        string
	MineChanged, LiveChanged, Conflict, Gap bool
}

// Review is what a save would do.
type Review struct {
	Diff     []DiffLine
	Same     bool
	Warnings []string
	// Owners are the fields that change hands.
	Owners  []OwnerChange
	Command string
}

// OwnerChange is a field whose owners would not be the same after a write.
type OwnerChange struct{ Field, From, To string }

// DiffLine is one line of a diff; Sign is "+", "-", " " or "…" for lines that
// are left out.
type DiffLine struct{ Sign, Text string }

// Apply is the page on which documents are applied.
type Apply struct {
	FormToken string
	Text      string
	Namespace string
	Force     bool
	Fault     *Fault
	Rows      []ApplyRow
	// Done tells that the rows are what has been done, not what would be.
	Done     bool
	Failures int
	// Failed are the numbers of the rows that failed, Left how many documents
	// were left out this time.
	Failed string
	Left   int
}

// ApplyRow is one document.
type ApplyRow struct {
	Number                int
	Kind, Name, Namespace string
	Href                  string
	// Result is "created", "configured", "unchanged", "conflict" or "refused".
	Result   messages.Text
	Tone     string
	Message  string
	Diff     []DiffLine
	Warnings []string
	Owners   []OwnerChange
}

// Delete is the page that asks before an object is deleted.
type Delete struct {
	Kind, Name, Namespace string
	Path, UID             string
	FormToken             string
	Finalizers            []string
	Dependents            []RelatedRow
	// Typed is what is to be typed, empty when a button is enough.
	Typed   string
	Problem string
	Fault   *Fault
	Command string
}

// Bulk is the page that asks before many objects are changed.
type Bulk struct {
	FormToken string
	Act       string
	Verb      messages.Text // "Delete 3 pods"
	List      string
	All       bool
	Selected  []string
	Names     []string
	More      int
	Typed     string
	Problem   string
	// Change is what was written where Asks asks for it.
	Change string
	Asks   messages.Text
	// One is the page of the object that it is about, where it is one.
	One     string
	Fault   *Fault
	Command string
}

// Job is the page of work that goes on on the server.
type Job struct {
	ID, Title    string
	FormToken    string
	Done, Total  int
	Failed       int
	Running      bool
	Cancelled    bool
	Failures     []JobFailure
	Back, Export string
	// Undo names what takes it back, empty when that is no more possible.
	Undo string
}

// JobFailure is one object that could not be changed.
type JobFailure struct{ Text, Href, Message string }
