package cel

import (
	"context"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// Authorizer lets expressions ask the server's authorizer. It remembers the
// answers for one write, so that policies that ask the same get the same. It is
// for one goroutine.
type Authorizer struct {
	authz authz.Authorizer
	known map[question]answer
}

// question is what is asked, but for the user's groups and extra values: those
// of one user do not change within a write.
type question struct {
	user                                                                string
	resource                                                            bool
	verb, namespace, group, version, name, resourceName, subresource, p string
	fields, labels                                                      string
}

type answer struct {
	decision authorizer.Decision
	reason   string
	err      error
}

// maxAnswers bounds what is remembered; an expression can ask in a loop.
const maxAnswers = 1024

// NewAuthorizer gives an Authorizer for one write.
func NewAuthorizer(a authz.Authorizer) *Authorizer {
	return &Authorizer{authz: a, known: map[question]answer{}}
}

// Authorize answers a question of CEL's authorizer library.
func (a *Authorizer) Authorize(ctx context.Context, k authorizer.Attributes) (authorizer.Decision, string, error) {
	u := k.GetUser()
	q := question{
		user: u.GetName(), resource: k.IsResourceRequest(), verb: k.GetVerb(), namespace: k.GetNamespace(), group: k.GetAPIGroup(),
		version: k.GetAPIVersion(), name: k.GetName(), resourceName: k.GetResource(), subresource: k.GetSubresource(), p: k.GetPath(),
	}
	var terms []request.FieldTerm
	terms, q.fields = fieldsOf(k)
	q.labels = labelsOf(k)
	if known, ok := a.known[q]; ok {
		return known.decision, known.reason, known.err
	}
	decision, reason, err := a.authz.Authorize(ctx, &authz.Attributes{
		User: userOf(u), Verb: q.verb, IsResource: q.resource, Namespace: q.namespace, Group: q.group, Version: q.version,
		Resource: q.resourceName, Subresource: q.subresource, Name: q.name, Path: q.p,
		Fields: terms, FieldSelector: q.fields, LabelSelector: q.labels,
	})
	out := answer{authorizer.DecisionNoOpinion, reason, err}
	switch decision {
	case authz.Allow:
		out.decision = authorizer.DecisionAllow
	case authz.Deny:
		out.decision = authorizer.DecisionDeny
	}
	if len(a.known) < maxAnswers {
		a.known[q] = out
	}
	return out.decision, out.reason, out.err
}

// fieldsOf gives the field selector of a question as a client would write it,
// and its terms that name one value. One that cannot be read narrows nothing.
func fieldsOf(k authorizer.Attributes) (terms []request.FieldTerm, text string) {
	requirements, _ := k.GetFieldSelector() //nolint:errcheck // what can be read is used
	var all []fields.Selector
	for _, r := range requirements {
		if r.Operator == selection.NotEquals {
			all = append(all, fields.OneTermNotEqualSelector(r.Field, r.Value))
			continue
		}
		terms = append(terms, request.FieldTerm{Field: r.Field, Value: r.Value})
		all = append(all, fields.OneTermEqualSelector(r.Field, r.Value))
	}
	return terms, fields.AndSelectors(all...).String()
}

// labelsOf is the same for the label selector.
func labelsOf(k authorizer.Attributes) string {
	requirements, _ := k.GetLabelSelector() //nolint:errcheck // what can be read is used
	return labels.NewSelector().Add(requirements...).String()
}

func userInfo(u *request.User) user.Info {
	if u == nil {
		return &user.DefaultInfo{}
	}
	return &user.DefaultInfo{Name: u.Name, UID: u.UID, Groups: u.Groups, Extra: u.Extra}
}

// userOf is the way back. A service account that an expression speaks for has
// the groups that the library gave it.
func userOf(u user.Info) *request.User {
	return &request.User{Name: u.GetName(), UID: u.GetUID(), Groups: u.GetGroups(), Extra: u.GetExtra()}
}
