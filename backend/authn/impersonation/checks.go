package impersonation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pilothouse/backend/authn/serviceaccount"
	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// checks ask whether the caller may be each part of the wanted user: the name,
// the uid, every group and every extra value.
type checks struct {
	authorizer  authz.Authorizer
	verb        string
	constrained bool
	// kept remembers what was allowed; nil for the mode of old, which asks each
	// time.
	kept *cache
}

// run gives the user as the server takes it: with the groups that go with the
// name, and system:authenticated.
func (c *checks) run(ctx context.Context, q *question) (*outcome, error) {
	key := q.key(false)
	if c.kept != nil {
		if got := c.kept.get(key); got != nil {
			return got, nil
		}
	}
	user := *q.wanted
	for _, check := range []func(context.Context, *question, *request.User) error{c.name, c.uid, c.groups, c.extra} {
		if err := check(ctx, q, &user); err != nil {
			return nil, err
		}
	}
	switch {
	case user.Name == request.UserAnonymous:
		addGroup(&user, request.GroupUnauthenticated)
	case !user.InGroup(request.GroupUnauthenticated):
		addGroup(&user, request.GroupAuthenticated)
	}
	got := &outcome{user: &user}
	if c.constrained {
		got.constraint = c.verb
		c.kept.set(key, got)
	}
	return got, nil
}

func addGroup(u *request.User, group string) {
	if !u.InGroup(group) {
		u.Groups = append(slices.Clip(slices.Clone(u.Groups)), group)
	}
}

// attributes are those of the right to be something. Users and groups are in the
// core group for the mode of old.
func (c *checks) attributes(q *question, resource, name string) *authz.Attributes {
	a := &authz.Attributes{
		User: q.caller, Verb: c.verb, IsResource: true, Group: "authentication.k8s.io", Version: "v1", Resource: resource, Name: name,
	}
	if !c.constrained && (resource == "users" || resource == "groups" || resource == "serviceaccounts") {
		a.Group = ""
	}
	return a
}

func (c *checks) name(ctx context.Context, q *question, user *request.User) error {
	a := c.attributes(q, "users", q.wanted.Name)
	if node, ok := strings.CutPrefix(q.wanted.Name, nodePrefix); ok && c.constrained && (q.wanted.Name == anyNode || isNode(q.wanted.Name)) {
		a.Resource, a.Name = "nodes", node
		user.Groups = []string{"system:nodes"}
	}
	if namespace, name, ok := serviceaccount.SplitUsername(q.wanted.Name); ok {
		a.Resource, a.Namespace, a.Name = "serviceaccounts", namespace, name
		if len(q.wanted.Groups) == 0 {
			user.Groups = serviceaccount.Groups(namespace)
		}
	}
	return authorize(ctx, c.authorizer, a)
}

func (c *checks) uid(ctx context.Context, q *question, _ *request.User) error {
	if q.wanted.UID == "" {
		return nil
	}
	return authorize(ctx, c.authorizer, c.attributes(q, "uids", q.wanted.UID))
}

// many is the number of values from which on a constrained mode first asks
// whether all are allowed.
const many = 4

func (c *checks) groups(ctx context.Context, q *question, _ *request.User) error {
	groups := q.wanted.Groups
	a := c.attributes(q, "groups", "")
	if c.constrained && len(groups) > 0 {
		if slices.Contains(groups, "") {
			return authz.Forbidden(a, "impersonating the empty string group is not allowed")
		}
		if slices.Contains(groups, request.GroupMasters) {
			a.Name = request.GroupMasters
			return authz.Forbidden(a, "impersonating the system:masters group is not allowed")
		}
		if len(groups) >= many {
			a.Name = "*"
			if authorize(ctx, c.authorizer, a) == nil {
				return nil
			}
		}
	}
	for _, group := range groups {
		a.Name = group
		if err := authorize(ctx, c.authorizer, a); err != nil {
			return err
		}
	}
	return nil
}

func (c *checks) extra(ctx context.Context, q *question, _ *request.User) error {
	extra := q.wanted.Extra
	if len(extra) == 0 {
		return nil
	}
	a := c.attributes(q, "userextras", "")
	if c.constrained {
		if err := validateExtra(extra); err != nil {
			return authz.Forbidden(a, err.Error())
		}
		if isLarge(extra) {
			a.Subresource, a.Name = "*", "*"
			if authorize(ctx, c.authorizer, a) == nil {
				return nil
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		a.Subresource = key
		for _, value := range extra[key] {
			a.Name = value
			if err := authorize(ctx, c.authorizer, a); err != nil {
				return err
			}
		}
	}
	return nil
}

func validateExtra(extra map[string][]string) error {
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		values := extra[key]
		if key == "" {
			return errors.New("impersonating the empty string key in extra is not allowed")
		}
		if err := validation.IsDomainPrefixedPath(field.NewPath("extra", "key"), key).ToAggregate(); err != nil {
			return fmt.Errorf("impersonating an invalid key in extra is not allowed: %w", err)
		}
		if key != strings.ToLower(key) {
			return fmt.Errorf("impersonating a non-lowercase key in extra is not allowed: %q", key)
		}
		if slices.Contains(values, "") {
			return errors.New("impersonating the empty string value in extra is not allowed")
		}
	}
	return nil
}

func isLarge(extra map[string][]string) bool {
	values := 0
	for _, v := range extra {
		values += len(v)
	}
	return len(extra) >= many || values >= many
}

// authorize gives the 403 of what is not allowed.
func authorize(ctx context.Context, authorizer authz.Authorizer, a *authz.Attributes) error {
	decision, reason, err := authorizer.Authorize(ctx, a)
	switch {
	case decision == authz.Allow:
		return nil
	case apierrors.IsForbidden(err):
		return err
	case err != nil && reason != "":
		reason = fmt.Sprintf("%v: %s", err, reason)
	case err != nil:
		reason = err.Error()
	}
	return authz.Forbidden(a, reason)
}
