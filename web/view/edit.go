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
	// Secret has drafts sealed, and values in conflicts shown when that is asked for.
	Secret bool
	Fault  *Fault
	// Conflicts are the fields that wait for a choice, Panes the three states
	// beside each other.
	Conflicts []Conflict
	Panes     []PaneRow
	Note      string
	Review    *Review
	// Marks are the lines that the Fault is about, as JSON for the editor.
	Marks string
}

// Conflict is a field that both sides have changed. Choice is "mine", "theirs",
// "own" for the value that Own says, or empty. What is Hidden is shown when that
// is asked for.
type Conflict struct {
	_ Incomparable

	Field            string
	Base, Mine, Live ConflictValue
	Choice, Own      string
	Hidden           bool
}

// ConflictValue is what a field is on one side; Bytes and Binary are for values of
// Secrets.
type ConflictValue struct {
	_ Incomparable

	Text         string
	None, Binary bool
	Bytes        int
}

// PaneRow is one line of three texts beside each other: what both sides began
// with and what each made of it. Gap stands for lines that are left out.
type PaneRow struct {
	_ Incomparable

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
type OwnerChange struct {
	_ Incomparable

	Field, From, To string
}

// DiffLine is one line of a diff; Sign is "+", "-", " " or "…" for lines that
// are left out.
type DiffLine struct {
	_ Incomparable

	Sign, Text string
}

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
	// Rest are the numbers of the NotBegun rows of an apply that was cancelled.
	Rest     string
	NotBegun int
	// Job is the work that applies them.
	Job *Job
	// Marks are the lines that the rows that failed are about, as JSON for the editor.
	Marks         string
	Command, Curl string
}

// ApplyRow is one document.
type ApplyRow struct {
	Number                int
	Kind, Name, Namespace string
	Href                  string
	// Result is "created", "configured", "unchanged", "conflict", "denied" or "refused",
	// empty for one that has not been applied.
	Result   messages.Text
	Tone     string
	Message  string
	Diff     []DiffLine
	Warnings []string
	Owners   []OwnerChange
	// Seen stands for what the object is now: what is done next is done to that.
	Seen string
	// Item is its place in the order in which they are applied, State how far that is,
	// as of a JobItem; empty in a review.
	Item  int
	State string
	// Lines are the lines of the text that the message is about.
	Lines []int
}

// Delete is the page that asks before an object is deleted.
type Delete struct {
	Kind, Name, Namespace string
	Path, UID             string
	FormToken             string
	Finalizers            []string
	Dependents            []RelatedRow
	Unread                []Unread
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
	Unread      []Unread
	Asked       Asked
	Hold        int
	Propagation string
	// Shown stands for the objects of a dialog of all that match.
	Shown string
	// Without scripts the dialog shows the objects after From, up to To, Of all, Page
	// at a time; Page is 0 with scripts.
	From, To, Of, Page int
}

// Asked is what the server answered so far about the objects of a deletion.
type Asked struct {
	// Of Total objects it was asked about Done; it refuses Refused of them, and
	// Waiting would wait for their Finalizers.
	Done, Total, Refused, Waiting int
	Finalizers                    []Counted
	// Dependents is how many other objects belong to them, once that is Counted.
	Dependents int
	Counted    bool
	// Usual is what becomes of those when nobody chooses.
	Usual []Counted
}

// Counted is how many there are of something.
type Counted struct {
	Name  string
	Count int
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
	_ Incomparable

	Index               int
	Text, Href, Message string
	State               string
}
