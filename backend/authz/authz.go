// Package authz owns whether a user may do something: the Authorizer seam, the
// union that asks several in order, and the words of a refusal. It knows no
// storage and no HTTP. Read authz.go first.
package authz

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Decision is an authorizer's answer.
type Decision int

// The answers. With NoOpinion the next authorizer is asked; when all have none
// the request is refused.
const (
	NoOpinion Decision = iota
	Deny
	Allow
)

// Attributes are what a decision is made from.
type Attributes struct {
	User *request.User
	Verb string
	// IsResource tells whether the fields from Namespace to Name or Path say
	// what the request is about.
	IsResource  bool
	Namespace   string
	Group       string
	Version     string
	Resource    string
	Subresource string
	Name        string
	Path        string
	// Fields are the terms of a field selector that name one value.
	Fields []request.FieldTerm
	// FieldSelector and LabelSelector are as the client wrote them: not checked.
	FieldSelector, LabelSelector string
}

// FromRequest gives the attributes of a request.
func FromRequest(r *request.Request) Attributes { return FromInfo(r.User, &r.Info) }

// FromInfo gives the attributes of what a user would do.
func FromInfo(u *request.User, i *request.Info) Attributes {
	return Attributes{
		User: u, Verb: i.Verb, IsResource: i.IsResource, Namespace: i.Namespace, Group: i.Group, Version: i.Version,
		Resource: i.Resource, Subresource: i.Subresource, Name: i.Name, Path: i.Path, Fields: i.Fields,
		FieldSelector: i.FieldSelector, LabelSelector: i.LabelSelector,
	}
}

// Authorizer decides. reason is for the audit log and, with a refusal, for the
// client. An error goes with a decision that is not Allow and says that it
// could not be made properly.
type Authorizer interface {
	Authorize(ctx context.Context, a *Attributes) (decision Decision, reason string, err error)
}

// Func is an Authorizer.
type Func func(ctx context.Context, a *Attributes) (Decision, string, error)

// Authorize calls f.
func (f Func) Authorize(ctx context.Context, a *Attributes) (Decision, string, error) {
	return f(ctx, a)
}

// Union asks authorizers in order until one allows or denies. The reasons and
// errors of those without an opinion are gathered.
func Union(list ...Authorizer) Authorizer {
	return Func(func(ctx context.Context, a *Attributes) (Decision, string, error) {
		var reasons []string
		var errs []error
		for _, one := range list {
			decision, reason, err := one.Authorize(ctx, a)
			if decision == Allow {
				return Allow, reason, nil
			}
			if err != nil {
				errs = append(errs, err)
			}
			if reason != "" {
				reasons = append(reasons, reason)
			}
			if decision == Deny {
				return Deny, reason, err
			}
		}
		return NoOpinion, strings.Join(reasons, "\n"), errors.Join(errs...)
	})
}

// sanitizer keeps a name in a message from being taken for HTML.
var sanitizer = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// Forbidden is the 403 of a refusal, in Kubernetes' words.
func Forbidden(a *Attributes, reason string) error {
	message := sanitizer.Replace(refusal(a))
	if reason != "" {
		message += ": " + reason
	}
	return apierrors.NewForbidden(schema.GroupResource{Group: a.Group, Resource: a.Resource}, a.Name, errors.New(message))
}

func refusal(a *Attributes) string {
	user := ""
	if a.User != nil {
		user = a.User.Name
	}
	if !a.IsResource {
		return fmt.Sprintf("User %q cannot %s path %q", user, a.Verb, a.Path)
	}
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	where := "at the cluster scope"
	if a.Namespace != "" {
		where = fmt.Sprintf("in the namespace %q", a.Namespace)
	}
	return fmt.Sprintf("User %q cannot %s resource %q in API group %q %s", user, a.Verb, resource, a.Group, where)
}
