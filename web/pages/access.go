package pages

import (
	"context"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/view"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func authorizationGVR(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: resource}
}

// accessVerbs are the columns of the matrix.
var accessVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}

// access shows what the user may do, and answers one question.
func access(ctx context.Context, c *Call) (*Answer, error) {
	ns := c.Query.Get("ns")
	if ns == "" {
		ns = metav1.NamespaceDefault
		if names, _ := c.NamespaceNames(ctx); len(names) > 0 && !slices.Contains(names, ns) { // without any the default does
			ns = names[0]
		}
	}
	rules := authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: ns}}
	if err := c.Client.Create(ctx, authorizationGVR("selfsubjectrulesreviews"), "", &rules); err != nil {
		return nil, err
	}
	t := c.Types()
	v := view.Access{Namespace: ns, Verbs: accessVerbs, Command: "kubectl auth can-i --list -n " + shellQuote(ns), Curl: c.curlReview(authorizationGVR("selfsubjectrulesreviews"), "SelfSubjectRulesReview", map[string]any{"namespace": ns}), Rows: accessRows(t, rules.Status.ResourceRules, ns)}
	if rules.Status.Incomplete {
		v.Incomplete = c.T("Not all rules are known: %s", rules.Status.EvaluationError)
	}
	for _, r := range rules.Status.NonResourceRules {
		v.Paths = append(v.Paths, view.Param{Name: strings.Join(r.Verbs, " "), Value: strings.Join(r.NonResourceURLs, " ")})
	}
	if verb := c.Query.Get("verb"); verb != "" && c.Query.Get("resource") != "" {
		check, err := c.check(ctx, t, ns, verb, c.Query.Get("resource"), c.Query.Get("name"))
		if err != nil {
			return nil, err
		}
		v.Check = check
		v.Command = strings.TrimSpace("kubectl auth can-i "+shellQuote(verb)+" "+shellQuote(check.Resource)+" "+nameWord(check.Name)) + " -n " + shellQuote(ns)
		v.Curl = c.curlCan(verb, schema.ParseGroupResource(check.Resource), ns, check.Name)
	}
	return &Answer{Title: c.T("What can I do"), Body: tmpl.Access(v), Crumbs: []view.Link{{Text: c.T("What can I do")}}}, nil
}

// accessRows lays rules over the resources that are served.
func accessRows(t *registry.Table, rules []authorizationv1.ResourceRule, ns string) []view.AccessRow {
	var list []view.AccessRow
	add := func(group, resource, href string) {
		row := view.AccessRow{Resource: resource, Group: groupName(group), Href: href, Allowed: make([]bool, len(accessVerbs))}
		some := false
		for _, r := range rules {
			if !anyOf(r.APIGroups, group) || !anyResource(r.Resources, resource) {
				continue
			}
			if len(r.ResourceNames) > 0 {
				row.Names = strings.TrimPrefix(row.Names+", "+strings.Join(r.ResourceNames, ", "), ", ")
			}
			for i, verb := range accessVerbs {
				if anyOf(r.Verbs, verb) {
					row.Allowed[i], some = true, true
				}
			}
		}
		if some {
			list = append(list, row)
		}
	}
	for _, g := range t.Groups() {
		if len(g.Versions) == 0 {
			continue
		}
		for _, e := range g.Versions[0].Entries {
			href := ""
			if can(e, "list") {
				href = listPath(e.GVR(), "")
				if e.Resource.Namespaced {
					href = listPath(e.GVR(), ns)
				}
			}
			add(g.Name, e.Resource.Name, href)
			for _, sub := range e.Resource.Subresources {
				add(g.Name, e.Resource.Name+"/"+sub.Name, "")
			}
		}
	}
	return list
}

func anyOf(list []string, value string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, value)
}

// anyResource knows the form "*/scale" as well.
func anyResource(list []string, resource string) bool {
	_, sub, ok := strings.Cut(resource, "/")
	return anyOf(list, resource) || ok && slices.Contains(list, "*/"+sub)
}

// check asks one question, as kubectl auth can-i does.
func (c *Call) check(ctx context.Context, t *registry.Table, ns, verb, resource, name string) (*view.Check, error) {
	base, sub, _ := strings.Cut(resource, "/")
	gr := schema.ParseGroupResource(strings.ToLower(base))
	if e, _ := findType(t, resource); e != nil {
		gr = e.Resource.GroupResource()
		if !e.Resource.Namespaced {
			ns = ""
		}
	}
	review := authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
		Namespace: ns, Verb: verb, Group: gr.Group, Resource: gr.Resource, Subresource: sub, Name: name,
	}}}
	if err := c.Client.Create(ctx, authorizationGVR("selfsubjectaccessreviews"), "", &review); err != nil {
		return nil, err
	}
	v := &view.Check{Verb: verb, Resource: gr.String(), Name: name, Allowed: review.Status.Allowed, Reason: review.Status.Reason}
	resource = gr.Resource
	if sub != "" {
		v.Resource += "/" + sub
		resource += "/" + sub
	}
	if !v.Allowed {
		v.Denied = denied(c.User().Name, verb, resource, gr.Group, ns)
	}
	return v, nil
}
