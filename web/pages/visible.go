package pages

import (
	"context"
	"slices"
	"strings"

	"pilothouse/backend/request"
	"pilothouse/web/rows"
)

// maxVisible bounds the namespaces that are listed one by one for somebody who
// may not list all of them.
const maxVisible = 50

// itself is who the dashboard is where it asks for no user: for the names of
// namespaces, of which users see those in which they may do something.
var itself = &request.User{Name: "system:pilothouse-dashboard", Groups: []string{request.GroupMasters, request.GroupAuthenticated}}

// namespacesWith gives the namespaces in which the user may do something with a
// resource, at most maxVisible.
func (c *Call) namespacesWith(ctx context.Context, verb string, a address) []string {
	if c.Authorizer == nil {
		return nil
	}
	v, err := c.Pool.Open(ctx, c.Itself(), rows.Key{GVR: namespaces}, rows.Query{})
	if err != nil {
		return nil
	}
	defer v.Close()
	var list []string
	v.Each(func(r *rows.Row) bool {
		a.namespace, a.name = r.Name, ""
		if c.may(ctx, right{verb: verb, address: a}) == nil {
			list = append(list, r.Name)
		}
		return len(list) < maxVisible
	})
	return list
}

// ask gives what answers a list's state. Whoever may not list all namespaces is
// shown those in which they may; narrowed are their names.
func (c *Call) ask(ctx context.Context, s *listState) (key rows.Key, query rows.Query, narrowed []string, err error) {
	key, query, err = s.ask()
	if err != nil || s.namespace != "" || !s.entry.Resource.Namespaced || c.may(ctx, right{verb: "list", address: address{gvr: s.gvr}}) == nil {
		return key, query, nil, err
	}
	narrowed = c.namespacesWith(ctx, "list", s.address)
	if len(s.namespaces) > 0 {
		narrowed = slices.DeleteFunc(narrowed, func(n string) bool { return slices.Contains(s.namespaces, n) == s.except })
	}
	if len(narrowed) > 0 {
		key.Namespace, query.Namespaces, query.Except = strings.Join(narrowed, ","), nil, false
	}
	return key, query, narrowed, nil
}
