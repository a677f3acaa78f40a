package pages

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/registry"
	"pilothouse/web/rows"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// listableFor is how long it is believed what somebody may list.
	listableFor = 5 * time.Second
	// firstTime bounds finding it out, and listableTime finding it out again: an
	// authorizer may be far away, and namespaces many. What is not known then counts
	// as it did before, and as allowed when it was never known.
	firstTime    = 2 * time.Second
	listableTime = 250 * time.Millisecond
	// maxListable bounds the users that are remembered.
	maxListable = 1000
)

// Listable remembers for a moment which types users may list, so that each page
// can leave out of the navigation what would only say no.
type Listable struct {
	clock func() time.Time
	mu    sync.Mutex
	users map[string]listable
	// mute are types that did not answer, with what they said.
	mute map[schema.GroupResource]muted
}

// muted is what is said of a type that is not asked for a moment.
type muted struct {
	until time.Time
	why   string
}

// mutedFor is how long a type that did not answer is left out where many are asked.
const mutedFor = 10 * time.Second

// silence leaves a type out for a moment.
func (l *Listable) silence(gr schema.GroupResource, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mute[gr] = muted{l.clock().Add(mutedFor), why}
}

// silent gives what a type said that is left out, empty for others.
func (l *Listable) silent(gr schema.GroupResource) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, ok := l.mute[gr]
	if ok && l.clock().After(m.until) {
		delete(l.mute, gr)
		return ""
	}
	return m.why
}

// listable are the types of which somebody may list no object.
type listable struct {
	until  time.Time
	table  *registry.Table
	denied map[schema.GroupResource]bool
}

// NewListable makes an empty one.
func NewListable(clock func() time.Time) *Listable {
	return &Listable{clock: clock, users: map[string]listable{}, mute: map[schema.GroupResource]muted{}}
}

// MayList tells whether the user may list objects of a type: all, or those of some
// namespace.
func (c *Call) MayList(ctx context.Context, e *registry.Entry) bool {
	return !c.unlistable(ctx)[e.Resource.GroupResource()]
}

// unlistable are the types of which the user may list no object.
func (c *Call) unlistable(ctx context.Context) map[schema.GroupResource]bool {
	if c.Authorizer == nil || c.Listable == nil || c.Session == nil {
		return nil
	}
	u := c.User()
	key := u.Name + "\x00" + strings.Join(u.Groups, "\x00")
	l, t, now := c.Listable, c.Types(), c.Listable.clock()
	l.mu.Lock()
	was, ok := l.users[key]
	l.mu.Unlock()
	if ok && now.Before(was.until) && was.table == t {
		return was.denied
	}
	if was.table != t {
		was = listable{}
	}
	denied := c.findUnlistable(ctx, t, was)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.users) >= maxListable {
		clear(l.users)
	}
	l.users[key] = listable{now.Add(listableFor), t, denied}
	return denied
}

// findUnlistable asks for each type, and for those that are not the user's as a whole
// in each namespace; was is the last answer of the same table, if there is one.
func (c *Call) findUnlistable(ctx context.Context, t *registry.Table, was listable) map[schema.GroupResource]bool {
	bound := firstTime
	if was.table != nil {
		bound = listableTime
	}
	end := time.Now().Add(bound)
	denied := map[schema.GroupResource]bool{}
	var scoped []address // of which not all may be listed, but perhaps some
	eachType(t, func(e *registry.Entry) {
		a, gr := address{entry: e, gvr: e.GVR()}, e.Resource.GroupResource()
		switch {
		case time.Now().After(end):
			if was.denied[gr] {
				denied[gr] = true
			}
		case c.may(ctx, right{verb: "list", address: a}) != nil:
			denied[gr] = true
			if e.Resource.Namespaced {
				scoped = append(scoped, a)
			}
		}
	})
	if len(scoped) == 0 {
		return denied
	}
	v, err := c.Pool.Open(ctx, client.New(c.API, itself, "pilothouse-dashboard"), rows.Key{GVR: namespaces}, rows.Query{})
	if err != nil {
		return nil
	}
	defer v.Close()
	v.Each(func(r *rows.Row) bool {
		scoped = slices.DeleteFunc(scoped, func(a address) bool {
			a.namespace = r.Name
			gr := a.gvr.GroupResource()
			if time.Now().After(end) {
				if !was.denied[gr] {
					delete(denied, gr)
				}
				return true
			}
			may := c.may(ctx, right{verb: "list", address: a}) == nil
			if may {
				delete(denied, gr)
			}
			return may
		})
		return len(scoped) > 0
	})
	return denied
}
