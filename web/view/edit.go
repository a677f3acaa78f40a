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

// Conflict is a field that both sides have changed. Choice is "mine", "theirs",
// "own" for the value that Own says, or empty. Without Ownable only one of the
// two values can be chosen.
type Conflict struct {
	Field, Base, Mine, Live, Choice, Own string
	Ownable                              bool
}

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
	Owners        []OwnerChange
	Command, Curl string
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
	Failed        string
	Left          int
	Command, Curl string
}

// ApplyRow is one document.
type ApplyRow struct {
	Number                int
	Kind, Name, Namespace string
	Href                  string
	// Result is "created", "configured", "unchanged", "conflict", "denied" or "refused".
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
	Typed         string
	Problem       string
	Fault         *Fault
	Command, Curl string
	// Hold is for how many seconds it can be undone.
	Hold int
	// Propagation is what was chosen, Usual what the server does without a choice.
	Propagation, Usual string
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
	One           string
	Fault         *Fault
	Command, Curl string
	// Deletes are, for a deletion, the objects with what belongs to them, in the
	// place of Names; Hold and Propagation are as Delete has them.
	Deletes     []BulkDelete
	Hold        int
	Propagation string
}

// BulkDelete is one object of a deletion of many, as the server would take it.
type BulkDelete struct {
	Name       string
	Finalizers []string
	// Dependents is how many objects belong to it.
	Dependents int
	// Refused is why the server would not delete it, empty when it would.
	Refused string
}

// Job is the page of work that goes on on the server.
type Job struct {
	ID, Title   string
	FormToken   string
	Done, Total int
	Failed      int
	Running     bool
	Cancelled   bool
	// Items are objects of it: those that failed, and the first ones. More is how
	// many others there are.
	Items        []JobItem
	More         int
	Back, Export string
	// Undo names what takes it back, empty when that is no more possible.
	Undo string
	// Held tells that it waits, for Left milliseconds yet; Kept that it was
	// cancelled while it did.
	Held, Kept bool
	Left       int
}

// JobItem is one object that is worked on. State is "w" (waits), "r" (is worked
// on), "d" (done) or "f" (failed), Message what there is to say of it.
type JobItem struct {
	Index               int
	Text, Href, Message string
	State               string
}
