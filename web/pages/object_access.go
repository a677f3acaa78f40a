package pages

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"

	"pilothouse/backend/authz"
	"pilothouse/backend/authz/rbac"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// objectVerbs are the columns of an object's access.
var objectVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete"}

// rbacNote says what grants do not tell.
const rbacNote = "By RBAC. Members of system:masters may do everything; nodes and webhooks, where they are configured, may allow more."

// accessTab shows what the user may do with an object, and who else may what.
func accessTab(ctx context.Context, c *Call, o *loaded, page *view.Object) (templ.Component, error) {
	v := view.ObjectAccess{Verbs: objectVerbs, Me: c.User().Name, Note: rbacNote, Audit: c.auditOf(ctx, o.address)}
	v.Command = "kubectl auth can-i VERB " + kubectlName(c.Types(), o.gvr) + "/" + shellQuote(o.name)
	if o.namespace != "" {
		v.Command += " -n " + shellQuote(o.namespace)
	}
	v.Curl = c.curlCan("VERB", o.gvr.GroupResource(), o.namespace, o.name)
	for _, verb := range objectVerbs {
		v.Mine = append(v.Mine, c.may(ctx, right{verb: verb, address: o.address}) == nil)
	}
	if v.Denied = c.mayReadPolicy(ctx); v.Denied == nil && c.WhoCan != nil {
		v.Rows = c.subjectsOf(o.address)
	}
	page.Command, page.Curl = v.Command, v.Curl
	return tmpl.ObjectAccess(v), nil
}

// mayReadPolicy tells what the user lacks to see who may do what: the roles and
// the bindings of all namespaces.
func (c *Call) mayReadPolicy(ctx context.Context) *view.Denied {
	for _, resource := range []string{"clusterroles", "clusterrolebindings", "roles", "rolebindings"} {
		if d := c.may(ctx, right{verb: "list", address: address{gvr: rbacGVR(resource)}}); d != nil {
			return d
		}
	}
	return nil
}

func rbacGVR(resource string) schema.GroupVersionResource {
	return rbacv1.SchemeGroupVersion.WithResource(resource)
}

// subjectsOf lays the grants for each verb over the subjects.
func (c *Call) subjectsOf(a address) []view.SubjectAccess {
	bySubject := map[rbacv1.Subject]*view.SubjectAccess{}
	for i, verb := range objectVerbs {
		for _, g := range c.WhoCan(attributes(verb, a, "")) {
			s := bySubject[g.Subject]
			if s == nil {
				s = &view.SubjectAccess{Kind: g.Subject.Kind, Name: subjectName(g.Subject), Href: subjectHref(g.Subject), Allowed: make([]bool, len(objectVerbs))}
				bySubject[g.Subject] = s
			}
			s.Allowed[i] = true
			if via := bindingLink(&g); !slices.Contains(s.Via, via) {
				s.Via = append(s.Via, via)
			}
		}
	}
	var list []view.SubjectAccess
	for _, s := range bySubject {
		sort.SliceStable(s.Via, func(i, j int) bool { return s.Via[i].Text < s.Via[j].Text })
		list = append(list, *s)
	}
	sort.SliceStable(list, func(i, j int) bool {
		a, b := &list[i], &list[j]
		return cmp.Or(-strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name)) < 0 // users, service accounts, groups
	})
	return list
}

func attributes(verb string, a address, sub string) *authz.Attributes {
	return &authz.Attributes{
		Verb: verb, IsResource: true, Namespace: a.namespace, Group: a.gvr.Group, Version: a.gvr.Version, Resource: a.gvr.Resource, Subresource: sub, Name: a.name,
	}
}

func subjectName(s rbacv1.Subject) string {
	if s.Kind == rbacv1.ServiceAccountKind {
		return s.Namespace + "/" + s.Name
	}
	return s.Name
}

// subjectHref is the page of all that a subject may do.
func subjectHref(s rbacv1.Subject) string {
	return join("/ui/subject", with(nil, "kind", s.Kind, "name", s.Name, "ns", s.Namespace))
}

func bindingLink(g *rbac.Grant) view.Link {
	if g.BindingNamespace == "" {
		return view.Link{Text: g.BindingName, Href: objectPath(rbacGVR("clusterrolebindings"), "", g.BindingName)}
	}
	return view.Link{Text: g.BindingNamespace + "/" + g.BindingName, Href: objectPath(rbacGVR("rolebindings"), g.BindingNamespace, g.BindingName)}
}

func roleLink(kind, name, bindingNamespace string) view.Link {
	if kind == "ClusterRole" {
		return view.Link{Text: name, Href: objectPath(rbacGVR("clusterroles"), "", name)}
	}
	return view.Link{Text: bindingNamespace + "/" + name, Href: objectPath(rbacGVR("roles"), bindingNamespace, name)}
}

// ruleRow is a rule as people read it.
func ruleRow(r *rbacv1.PolicyRule) view.RuleRow {
	groups := make([]string, len(r.APIGroups))
	for i, g := range r.APIGroups {
		groups[i] = groupName(g)
	}
	return view.RuleRow{
		Verbs: strings.Join(r.Verbs, ", "), Resources: strings.Join(r.Resources, ", "), Groups: strings.Join(groups, ", "),
		Names: strings.Join(r.ResourceNames, ", "), Paths: strings.Join(r.NonResourceURLs, ", "),
	}
}
