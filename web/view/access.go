package view

import "pilothouse/web/messages"

// ObjectAccess is the tab about who may do what with an object.
type ObjectAccess struct {
	Verbs []string
	// Mine is what the user may do, in the order of the verbs.
	Me   string
	Mine []bool
	// Denied is why nobody else is shown.
	Denied *Denied
	Rows   []SubjectAccess
	// Note says what the rows do not tell.
	Note          messages.Text
	Command, Curl string
	// Audit is the page of who did what with the object.
	Audit string
}

// SubjectAccess is one subject of RBAC with what it may do and by which
// bindings.
type SubjectAccess struct {
	Kind, Name string
	Href       string
	Allowed    []bool
	Via        []Link
}

// WhoCan is the page that tells who may do something.
type WhoCan struct {
	Verb, Resource, Namespace, Name string
	Resources                       []string
	// Asked tells that there is a question.
	Asked         bool
	Problem       string
	Denied        *Denied
	Rows          []GrantRow
	Note          messages.Text
	Command, Curl string
}

// GrantRow is one way in which a subject may do something.
type GrantRow struct {
	_ Incomparable

	Kind          string
	Subject       Link
	Binding, Role Link
	Rule          string
}

// Subject is the page of all that a user, a group or a service account may do.
type Subject struct {
	Kind, Name, Namespace string
	Problem               string
	Denied                *Denied
	Bindings              []SubjectBinding
	FormToken             string
	// As are the fields of the form that views as the subject; AsDenied is what the user
	// lacks for that.
	AsDenied         *Denied
	AsUser, AsGroups string
	Command, Curl    string
}

// SubjectBinding is one binding of a subject, with the rules of its role.
type SubjectBinding struct {
	Binding, Role Link
	// Through is the group that the subject has it by, empty for itself.
	Through   string
	Namespace string // empty for the whole cluster
	Rules     []RuleRow
	Missing   bool
}

// RuleRow is one rule of a role.
type RuleRow struct {
	_ Incomparable

	Verbs, Resources, Groups, Names, Paths string
}
