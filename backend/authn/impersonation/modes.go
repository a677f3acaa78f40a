package impersonation

import (
	"context"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/authn/serviceaccount"
	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	"k8s.io/apimachinery/pkg/api/validation"
)

// newModes gives the modes in the order of Kubernetes: the narrow ones first,
// that of old last.
func newModes(a authz.Authorizer, now func() time.Time) *modes {
	constrained := func(name string, fits func(q *question) bool) *mode {
		return &mode{
			name: name, fits: fits, checks: checks{authorizer: a, verb: "impersonate:" + name, constrained: true, kept: newCache(now)},
			kept: newCache(now),
		}
	}
	associated := constrained("associated-node", isOwnNode)
	associated.associated = true
	return &modes{list: []*mode{
		associated,
		constrained("arbitrary-node", func(q *question) bool { return onlyName(q.wanted) && isNode(q.wanted.Name) }),
		constrained("serviceaccount", func(q *question) bool { return onlyName(q.wanted) && isServiceAccount(q.wanted.Name) }),
		constrained("user-info", func(q *question) bool { return !isNode(q.wanted.Name) && !isServiceAccount(q.wanted.Name) }),
		{name: "", checks: checks{authorizer: a, verb: "impersonate"}},
	}}
}

// mode is one way of impersonating. A constrained one needs two rights: to be
// the user in this way, and to do this request in this way.
type mode struct {
	name string // empty for the mode of old
	// fits tells whether the mode is for such a user at all.
	fits   func(q *question) bool
	checks checks
	// kept remembers what was allowed, request and all.
	kept *cache
	// associated marks the mode for a service account to be the node that its
	// pod runs on. Its checks ask about all nodes at once, and not about the
	// caller's pod, so that what is remembered serves the pods of all nodes.
	associated bool
}

// check gives whom the caller may be, nil when the mode is for other users.
func (m *mode) check(ctx context.Context, q *question) (*outcome, error) {
	if m.name == "" {
		return m.checks.run(ctx, q)
	}
	if !m.fits(q) {
		return nil, nil
	}
	wantedName := q.wanted.Name
	if m.associated {
		q = associate(q)
	}
	key := q.key(true)
	got := m.kept.get(key)
	if got == nil {
		do := q.request
		do.User, do.Verb = q.caller, "impersonate-on:"+m.name+":"+do.Verb
		if err := authorize(ctx, m.checks.authorizer, &do); err != nil {
			return nil, err
		}
		var err error
		if got, err = m.checks.run(ctx, q); err != nil {
			return nil, err
		}
		m.kept.set(key, got)
	}
	if m.associated {
		node := *got.user
		node.Name = wantedName
		got = &outcome{&node, got.constraint}
	}
	return got, nil
}

// anyNode is the node that the checks of the associated mode are about.
const anyNode = nodePrefix + "*"

// associate makes a question of one about any node, by a caller without what
// tells its pod and node.
func associate(q *question) *question {
	caller := *q.caller
	keys := make([]string, 0, len(q.caller.Extra))
	for k := range q.caller.Extra {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	caller.Extra = map[string][]string{"authentication.kubernetes.io/associated-node-keys": keys}
	return &question{caller: &caller, wanted: &request.User{Name: anyNode}, request: q.request, query: q.query}
}

func onlyName(u *request.User) bool { return u.UID == "" && len(u.Groups) == 0 && len(u.Extra) == 0 }

const nodePrefix = "system:node:"

func isNode(user string) bool {
	name, ok := strings.CutPrefix(user, nodePrefix)
	return ok && len(validation.NameIsDNSSubdomain(name, false)) == 0
}

func isServiceAccount(user string) bool {
	_, _, ok := serviceaccount.SplitUsername(user)
	return ok
}

// isOwnNode tells a service account that wants to be the node of its own pod.
func isOwnNode(q *question) bool {
	if !onlyName(q.wanted) || !isNode(q.wanted.Name) || !isServiceAccount(q.caller.Name) {
		return false
	}
	nodes := q.caller.Extra[serviceaccount.ExtraNodeName]
	return len(nodes) == 1 && nodePrefix+nodes[0] == q.wanted.Name
}
