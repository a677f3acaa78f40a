package pages

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"
	"pilothouse/web/view"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// right is something that a user may do or not.
type right struct {
	_ view.Incomparable

	verb string
	address
	sub string
}

// User is whom the session's requests are made as.
func (c *Call) User() *request.User {
	as := c.As
	if as == nil {
		return c.Session.User
	}
	u := &request.User{Name: as.Name, Groups: append([]string{}, as.Groups...)}
	if rest, ok := strings.CutPrefix(as.Name, "system:serviceaccount:"); ok && len(u.Groups) == 0 {
		namespace, _, _ := strings.Cut(rest, ":")
		u.Groups = append(u.Groups, "system:serviceaccounts", "system:serviceaccounts:"+namespace)
	}
	if u.Name != request.UserAnonymous {
		u.Groups = append(u.Groups, request.GroupAuthenticated)
	}
	return u
}

// may asks the authorizer, without a request that would stand in the audit log,
// whether the user may do something. nil is yes; what the authorizer does not
// know is left to the request itself.
func (c *Call) may(ctx context.Context, r right) *view.Denied {
	if c.Authorizer == nil {
		return nil
	}
	u := c.User()
	decision, _, err := c.Authorizer.Authorize(ctx, &authz.Attributes{
		User: u, Verb: r.verb, IsResource: true, Namespace: r.namespace, Group: r.gvr.Group, Version: r.gvr.Version,
		Resource: r.gvr.Resource, Subresource: r.sub, Name: r.name,
	})
	if err != nil {
		klog.V(2).InfoS("Whether an action is allowed is not known", "user", u.Name, "verb", r.verb, "resource", r.gvr, "err", err)
		return nil
	}
	if decision == authz.Allow {
		return nil
	}
	resource := r.gvr.Resource
	if r.sub != "" {
		resource += "/" + r.sub
	}
	return denied(u.Name, r.verb, resource, r.gvr.Group, r.namespace)
}

// mayPath tells whether the user may do something with a nonResourceURL. What the
// authorizer does not know is not allowed.
func (c *Call) mayPath(ctx context.Context, verb, path string) bool {
	if c.Authorizer == nil {
		return false
	}
	decision, _, err := c.Authorizer.Authorize(ctx, &authz.Attributes{User: c.User(), Verb: verb, Path: path})
	return err == nil && decision == authz.Allow
}

// denied says what somebody lacks and which rule would grant it.
func denied(who, verb, resource, group, namespace string) *view.Denied {
	d := &view.Denied{Who: who, Verb: verb, Resource: resource}
	role, binding := "clusterrole", "clusterrolebinding"
	if namespace != "" {
		d.Namespace = namespace
		role, binding = "role -n "+shellQuote(namespace), "rolebinding -n "+shellQuote(namespace)
	}
	base, sub, _ := strings.Cut(resource, "/")
	if group != "" {
		base += "." + group
	}
	if sub != "" {
		base += "/" + sub
	}
	d.Grant = fmt.Sprintf("kubectl create %s NAME --verb=%s --resource=%s; kubectl create %s NAME --%s=NAME %s",
		role, shellQuote(verb), shellQuote(base), binding, strings.Fields(role)[0], subjectFlag(who))
	return d
}

// refusedBy is what a page says ahead of something that would be refused, nil when it
// would not.
func (c *Call) refusedBy(d *view.Denied) *view.Fault {
	if d == nil {
		return nil
	}
	return &view.Fault{Title: c.T("You may not do this"), Code: http.StatusForbidden, Reason: string(metav1.StatusReasonForbidden), Denied: d}
}

// deniedPath is the same for a path that is no resource's.
func deniedPath(who, verb, path string) *view.Denied {
	return &view.Denied{Who: who, Verb: verb, Resource: path, Grant: fmt.Sprintf(
		"kubectl create clusterrole NAME --verb=%s --non-resource-url=%s; kubectl create clusterrolebinding NAME --clusterrole=NAME %s", shellQuote(verb), shellQuote(path), subjectFlag(who))}
}

// subjectFlag is how kubectl is told who a binding is for.
func subjectFlag(who string) string {
	if account, ok := strings.CutPrefix(who, "system:serviceaccount:"); ok {
		return "--serviceaccount=" + shellQuote(account)
	}
	return "--user=" + shellQuote(who)
}
