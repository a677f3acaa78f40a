package pages

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/client"
	"pilothouse/backend/request"

	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
)

// whoAmI asks the API who the user is.
func whoAmI(ctx context.Context, c *Call) (*Answer, error) {
	review := authenticationv1.SelfSubjectReview{}
	gvr := schema.GroupVersionResource{Group: "authentication.k8s.io", Version: "v1", Resource: "selfsubjectreviews"}
	if err := c.Client.Create(ctx, gvr, "", &review); err != nil {
		return nil, err
	}
	u := review.Status.UserInfo
	as, err := c.mayImpersonate(ctx)
	if err != nil {
		return nil, err
	}
	v := view.WhoAmI{Groups: u.Groups, Command: "kubectl auth whoami", Curl: c.curlReview(schema.GroupVersionResource{Group: "authentication.k8s.io", Version: "v1", Resource: "selfsubjectreviews"}, "SelfSubjectReview", nil), FormToken: c.FormToken(), AsDenied: as}
	fact := func(name messages.Text, value, moment string) {
		if value != "" {
			v.Facts = append(v.Facts, view.Fact{Name: name, Cell: view.Cell{Text: value, Time: moment}})
		}
	}
	fact("User", u.Username, "")
	fact("UID", u.UID, "")
	fact("Logged in by", c.Session.Method, "")
	fact("Logged in", age(time.Since(c.Session.Created)), c.Session.Created.UTC().Format(time.RFC3339))
	fact("From", c.Session.Remote, "")
	for _, k := range sortedKeys(u.Extra) {
		v.Extra = append(v.Extra, view.Param{Name: k, Value: strings.Join(u.Extra[k], ", ")})
	}
	return &Answer{Title: c.T("Who am I"), Body: tmpl.WhoAmI(v), Crumbs: []view.Link{{Text: c.T("Who am I")}}}, nil
}

// mayImpersonate tells what the user lacks to act as anybody, by their rules: those may
// be for some names only.
func (c *Call) mayImpersonate(ctx context.Context) (*view.Denied, error) {
	d := c.may(ctx, right{verb: "impersonate", address: address{gvr: schema.GroupVersionResource{Version: "v1", Resource: "users"}}})
	if d == nil {
		return nil, nil
	}
	review := authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: metav1.NamespaceDefault}}
	if err := c.Client.Create(ctx, authorizationGVR("selfsubjectrulesreviews"), "", &review); err != nil {
		return nil, err
	}
	for _, r := range review.Status.ResourceRules {
		if slices.ContainsFunc(r.Verbs, func(v string) bool { return v == "*" || strings.HasPrefix(v, "impersonate") }) {
			return nil, nil
		}
	}
	if review.Status.Incomplete {
		return nil, nil
	}
	return d, nil
}

// somebody is the name of whom one acts as only to be in a group.
const somebody = "somebody"

// actAs has the session's requests be made as someone else, as kubectl --as
// does, or with neither a user nor a group as oneself again. Whether that is allowed the API says.
func actAs(ctx context.Context, c *Call) (*Answer, error) {
	as := &request.User{Name: strings.TrimSpace(c.Form.Get("user"))}
	for g := range strings.SplitSeq(c.Form.Get("groups"), ",") {
		if g = strings.TrimSpace(g); g != "" {
			as.Groups = append(as.Groups, g)
		}
	}
	switch {
	case as.Name == "" && len(as.Groups) == 0:
		c.Session.ActAs(nil)
		return &Answer{Redirect: "/ui/whoami"}, nil
	case as.Name == "":
		as.Name = somebody
	}
	_, err := c.Acting(as).Bytes(ctx, client.Call{Method: http.MethodGet, Path: "/api"})
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "impersonate") {
		c.As = nil // it is oneself who lacks the right
		return nil, err
	}
	c.Session.ActAs(as)
	return &Answer{Redirect: "/ui/whoami"}, nil
}

// Acting gives a client that acts as someone else, or with nil as the user.
func (c *Call) Acting(as *request.User) *client.Client {
	if as == nil {
		return c.Own
	}
	return c.Own.With(http.Header{"Impersonate-User": {as.Name}, "Impersonate-Group": as.Groups})
}

// sessionsPath is the nonResourceURL whose get lets somebody see others' sessions,
// and whose delete lets them end those.
const sessionsPath = "/ui/sessions"

// sessions lists the user's sessions and, for whoever may see them, others'.
func sessions(ctx context.Context, c *Call) (*Answer, error) {
	v := view.Sessions{FormToken: c.FormToken(), Ends: c.mayPath(ctx, "delete", sessionsPath)}
	list := c.Sessions.Of(c.Session.User.Name)
	if v.All = c.mayPath(ctx, "get", sessionsPath); v.All {
		for _, s := range c.Sessions.All() {
			if s.User.Name != c.Session.User.Name {
				list = append(list, s)
			}
		}
	}
	for _, s := range list {
		row := view.SessionRow{
			ID: s.ID, User: s.User.Name, Method: s.Method, Remote: s.Remote, Agent: s.Agent, Current: s == c.Session,
			Created: s.Created.UTC().Format(time.RFC3339), LastSeen: s.LastSeen().UTC().Format(time.RFC3339),
		}
		row.Ends = !row.Current && (v.Ends || row.User == c.Session.User.Name)
		v.Rows = append(v.Rows, row)
	}
	return &Answer{Title: c.T("Sessions"), Body: tmpl.Sessions(v), Crumbs: []view.Link{{Text: c.T("Sessions")}}}, nil
}

// endSession ends one of the user's own sessions, or of another's for whoever may
// do that.
func endSession(ctx context.Context, c *Call) (*Answer, error) {
	id, all := c.Form.Get("end"), c.mayPath(ctx, "delete", sessionsPath)
	for _, s := range c.Sessions.All() {
		own := s.User.Name == c.Session.User.Name
		switch {
		case s.ID != id:
			continue
		case !own && !all:
			return nil, authz.Forbidden(&authz.Attributes{User: c.User(), Verb: "delete", Path: sessionsPath}, "")
		}
		c.Sessions.End(id)
		klog.InfoS("A session of the dashboard was ended", "user", s.User.Name, "by", c.User().Name, "from", c.R.RemoteAddr)
	}
	return &Answer{Redirect: sessionsPath}, nil
}

// help lists the keys; the dialog behind ? has those that work at the moment.
func help(_ context.Context, c *Call) (*Answer, error) {
	v := view.Help{Keys: []view.Key{
		{Keys: "j k ↓ ↑", Text: "next row, row before"},
		{Keys: "Home End", Text: "first row, last row"},
		{Keys: "Enter o", Text: "open the object beside the list, as a page"},
		{Keys: "x X", Text: "select the row, all rows up to it"},
		{Keys: "d y v r a", Text: "overview, YAML, events, related objects, access"},
		{Keys: "l s w h", Text: "logs, shell, watch, history"},
		{Keys: "e Delete +", Text: "edit, delete, create"},
		{Keys: "c u L", Text: "copy the name or what the pointer is on, undo, logs of what is selected"},
		{Keys: "/ n", Text: "filter, namespaces"},
		{Keys: "g p", Text: "go to pods; also d deployments, s services, n nodes, c config maps, e events, j jobs, i ingresses, o overview, h all resources"},
		{Keys: "Ctrl-K :", Text: "search, jump, command"},
		{Keys: "p", Text: "pause live updates, go on"},
		{Keys: "Ctrl-`", Text: "Dock: small or not"},
		{Keys: "? Esc", Text: "keys that work at the moment; back"},
	}}
	return &Answer{Title: c.T("Keyboard"), Body: tmpl.Help(v), Crumbs: []view.Link{{Text: c.T("Keyboard")}}}, nil
}
