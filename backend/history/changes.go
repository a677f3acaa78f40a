package history

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"pilothouse/backend/authz"
	"pilothouse/backend/endpoints"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// ChangesPath answers what changed: ?namespace=&since=&until=&resource=&limit=.
// Everybody who is known may ask; the answer is about the resources that they
// may list there. Without a namespace it is about the whole cluster.
const ChangesPath = "/debug/changes"

const (
	usualChanges = 200
	maxChanges   = 2000
)

// AllowQuestion lets everybody who is known ask what changed.
func AllowQuestion() authz.Authorizer {
	return authz.Func(func(_ context.Context, a *authz.Attributes) (authz.Decision, string, error) {
		if !a.IsResource && a.Verb == "get" && a.Path == ChangesPath && a.User.InGroup(request.GroupAuthenticated) {
			return authz.Allow, "everybody may ask what changed among what they may list", nil
		}
		return authz.NoOpinion, "", nil
	})
}

// found is a change with the resource that it is of.
type found struct {
	registry.Change
	entry *registry.Entry
}

// ServeChanges gives the handler of ChangesPath.
func ServeChanges(r *registry.Registry, a authz.Authorizer, past endpoints.Past) request.Handler {
	return func(ctx context.Context, req *request.Request) (*request.Response, error) {
		q, err := parseChanges(req, past)
		if err != nil {
			return nil, err
		}
		var all []found
		out := &endpoints.History{}
		for _, e := range q.entries(ctx, r, a, req.User) {
			p, err := e.Store.Past(ctx, registry.PastOptions{Namespace: q.namespace, Since: q.since, Until: q.until, Limit: q.limit})
			if err != nil {
				return nil, err
			}
			for _, c := range p.Changes {
				all = append(all, found{c, e})
			}
			out.More = out.More || p.More
			out.Oldest, out.Since = strconv.FormatInt(p.Since, 10), past.TimeOf(p.Since)
		}
		slices.SortFunc(all, func(x, y found) int { return int(y.Revision - x.Revision) })
		if len(all) > q.limit {
			all, out.More = all[:q.limit], true
		}
		return tell(ctx, past, all, out)
	}
}

func tell(ctx context.Context, past endpoints.Past, all []found, out *endpoints.History) (*request.Response, error) {
	changes := make([]registry.Change, len(all))
	of := make(map[int64]*registry.Entry, len(all))
	for i := range all {
		changes[i] = all[i].Change
		of[all[i].Revision] = all[i].entry
	}
	h, err := endpoints.Tell(ctx, past, changes, func(c *registry.Change) (*endpoints.Version, error) {
		e := of[c.Revision]
		return endpoints.VersionOf(e.Resource, e.Resource.Hub().Name, c, func(o *watchcache.Object) ([]byte, error) { return o.Raw, nil }, false)
	})
	if err != nil {
		return nil, err
	}
	h.More, h.Oldest, h.Since = out.More, out.Oldest, out.Since
	body, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return &request.Response{ContentType: "application/json", Body: append(body, '\n')}, nil
}

// changesQuestion is what is asked for.
type changesQuestion struct {
	namespace, resource string
	since, until        int64
	limit               int
}

func parseChanges(r *request.Request, past endpoints.Past) (*changesQuestion, error) {
	v := r.Query()
	q := &changesQuestion{namespace: v.Get("namespace"), resource: v.Get("resource"), limit: usualChanges}
	for name, into := range map[string]*int64{"since": &q.since, "until": &q.until} {
		t, err := at(v.Get(name))
		if err != nil {
			return nil, apierrors.NewBadRequest(name + " must be a time as in RFC 3339")
		}
		if t.IsZero() {
			continue
		}
		if *into = past.RevisionAt(t); *into == 0 && name == "until" {
			*into = 1
		}
	}
	if text := v.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxChanges {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("limit must be between 1 and %d", maxChanges))
		}
		q.limit = n
	}
	return q, nil
}

// entries are the resources that the question is about and that the user may
// list, each in one version.
func (q *changesQuestion) entries(ctx context.Context, r *registry.Registry, a authz.Authorizer, u *request.User) []*registry.Entry {
	var out []*registry.Entry
	seen := map[string]bool{}
	for _, g := range r.Table().Groups() {
		for _, v := range g.Versions {
			for _, e := range v.Entries {
				res := e.Resource
				name := res.GroupResource()
				full := name.String()
				switch {
				case seen[full], res.Virtual != nil, res.StoredAs != nil, e.Store == nil, q.namespace != "" && !res.Namespaced,
					q.resource == "" && registry.Noise(res.GroupResource()), q.resource != "" && q.resource != full && q.resource != res.Name:
					continue
				}
				seen[full] = true
				at := authz.Attributes{User: u, Verb: "list", IsResource: true, Namespace: q.namespace, Group: res.Group, Version: v.Name, Resource: res.Name}
				if decision, _, err := a.Authorize(ctx, &at); err == nil && decision == authz.Allow {
					out = append(out, e)
				}
			}
		}
	}
	return out
}
