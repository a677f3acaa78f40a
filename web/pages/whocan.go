package pages

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sort"
	"strings"

	"pilothouse/backend/authz"
	"pilothouse/backend/client"
	"pilothouse/backend/registry"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/view"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// whoCan tells who may do something, and by which binding, role and rule.
func whoCan(ctx context.Context, c *Call) (*Answer, error) {
	q := func(name string) string { return strings.TrimSpace(c.Query.Get(name)) }
	t := c.Types()
	v := view.WhoCan{Verb: q("verb"), Resource: q("resource"), Namespace: q("ns"), Name: q("name"), Note: rbacNote}
	eachType(t, func(e *registry.Entry) {
		if name := e.Resource.GroupResource().String(); !slices.Contains(v.Resources, name) {
			v.Resources = append(v.Resources, name)
		}
	})
	v.Command = "kubectl get clusterrolebindings,rolebindings -A -o wide"
	v.Curl = c.curlAll(client.Path(rbacGVR("clusterrolebindings"), "", "", ""), client.Path(rbacGVR("rolebindings"), "", "", ""))
	if v.Denied = c.mayReadPolicy(ctx); v.Denied == nil {
		if v.Asked = v.Verb != "" && v.Resource != ""; v.Asked {
			c.askWhoCan(t, &v)
		}
	}
	return &Answer{Title: c.T("Who can"), Body: tmpl.WhoCan(v), Crumbs: []view.Link{{Text: c.T("Who can")}}}, nil
}

func (c *Call) askWhoCan(t *registry.Table, v *view.WhoCan) {
	if c.WhoCan == nil {
		return
	}
	at := &authz.Attributes{Verb: v.Verb, Namespace: v.Namespace, Name: v.Name}
	if strings.HasPrefix(v.Resource, "/") {
		at.Path, at.Namespace, at.Name = v.Resource, "", ""
	} else {
		e, sub := findType(t, v.Resource)
		if e == nil {
			v.Problem = c.T("There is no resource %s; write for example pods, deployments.apps, pods/exec or a path like /metrics.", v.Resource)
			return
		}
		if !e.Resource.Namespaced {
			at.Namespace = ""
		}
		at.IsResource, at.Group, at.Version, at.Resource, at.Subresource = true, e.Resource.Group, e.Version.Name, e.Resource.Name, sub
	}
	for _, g := range c.WhoCan(at) {
		r := ruleRow(&g.Rule)
		v.Rows = append(v.Rows, view.GrantRow{
			Kind: g.Subject.Kind, Subject: view.Link{Text: subjectName(g.Subject), Href: subjectHref(g.Subject)},
			Binding: bindingLink(&g), Role: roleLink(g.RoleKind, g.RoleName, g.BindingNamespace),
			Rule: c.T("%s on %s", r.Verbs, r.Resources+r.Paths),
		})
	}
	sort.SliceStable(v.Rows, func(i, j int) bool {
		a, b := &v.Rows[i], &v.Rows[j]
		return cmp.Or(-strings.Compare(a.Kind, b.Kind), strings.Compare(a.Subject.Text, b.Subject.Text), strings.Compare(a.Binding.Text, b.Binding.Text)) < 0
	})
}

// findType finds a type by the name that kubectl takes: pods, po, pod,
// deployments.apps, each also with a subresource. nil when there is none.
func findType(t *registry.Table, name string) (found *registry.Entry, sub string) {
	base, sub, _ := strings.Cut(strings.ToLower(name), "/")
	gr := schema.ParseGroupResource(base)
	eachType(t, func(e *registry.Entry) {
		r := e.Resource
		fits := r.Name == gr.Resource || r.Singular == gr.Resource || slices.Contains(r.ShortNames, gr.Resource)
		if found == nil && fits && (gr.Group == "" || gr.Group == r.Group) {
			found = e
		}
	})
	return found, sub
}

// subject is the page of all that a user, a group or a service account may do
// by its bindings.
func subject(ctx context.Context, c *Call) (*Answer, error) {
	s := rbacv1.Subject{Kind: c.Query.Get("kind"), Name: c.Query.Get("name"), Namespace: c.Query.Get("ns")}
	v := view.Subject{Kind: s.Kind, Name: s.Name, Namespace: s.Namespace, FormToken: c.FormToken()}
	switch s.Kind {
	case rbacv1.UserKind:
		v.AsUser = s.Name
	case rbacv1.GroupKind:
		v.AsUser, v.AsGroups = somebody, s.Name
	case rbacv1.ServiceAccountKind:
		v.AsUser = "system:serviceaccount:" + s.Namespace + ":" + s.Name
	default:
		v.Problem = c.T("A subject is a User, a Group or a ServiceAccount.")
	}
	if v.Problem == "" {
		v.Command = "kubectl auth can-i --list --as=" + shellQuote(v.AsUser)
		as := http.Header{"Impersonate-User": {v.AsUser}}
		if v.AsGroups != "" {
			v.Command += " --as-group=" + shellQuote(v.AsGroups)
			as.Set("Impersonate-Group", v.AsGroups)
		}
		v.Curl = c.curlReview(authorizationGVR("selfsubjectrulesreviews"), "SelfSubjectRulesReview", map[string]any{"namespace": metav1.NamespaceDefault}, as)
	}
	var err error
	if v.AsDenied, err = c.mayImpersonate(ctx); err != nil {
		return nil, err
	}
	if v.Denied = c.mayReadPolicy(ctx); v.Denied == nil && v.Problem == "" {
		if v.Bindings, err = c.bindingsOf(ctx, s); err != nil {
			return nil, err
		}
	}
	return &Answer{Title: s.Kind + " " + subjectName(s), Body: tmpl.Subject(v), Crumbs: []view.Link{{Text: c.T("Who can"), Href: "/ui/whocan"}, {Text: subjectName(s), Data: true}}}, nil
}

// bindingsOf gives the bindings that name a subject, or a group that it is in
// whoever it is.
func (c *Call) bindingsOf(ctx context.Context, s rbacv1.Subject) ([]view.SubjectBinding, error) {
	roles, err := c.roleRules(ctx)
	if err != nil {
		return nil, err
	}
	var cluster rbacv1.ClusterRoleBindingList
	if err := c.Client.List(ctx, rbacGVR("clusterrolebindings"), "", metav1.ListOptions{}, &cluster); err != nil {
		return nil, err
	}
	var own rbacv1.RoleBindingList
	if err := c.Client.List(ctx, rbacGVR("rolebindings"), "", metav1.ListOptions{}, &own); err != nil {
		return nil, err
	}
	var list []view.SubjectBinding
	add := func(namespace, name string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
		for _, other := range subjects {
			through, ok := covers(other, s, namespace)
			if !ok {
				continue
			}
			b := view.SubjectBinding{Through: through, Namespace: namespace, Role: roleLink(ref.Kind, ref.Name, namespace)}
			b.Binding = view.Link{Text: name, Href: objectPath(rbacGVR("clusterrolebindings"), "", name)}
			key := "/" + ref.Name
			if namespace != "" {
				b.Binding.Href = objectPath(rbacGVR("rolebindings"), namespace, name)
			}
			if ref.Kind == "Role" {
				key = namespace + key
			}
			rules, there := roles[key]
			b.Missing = !there
			for i := range rules {
				b.Rules = append(b.Rules, ruleRow(&rules[i]))
			}
			list = append(list, b)
		}
	}
	for i := range cluster.Items {
		b := &cluster.Items[i]
		add("", b.Name, b.RoleRef, b.Subjects)
	}
	for i := range own.Items {
		b := &own.Items[i]
		add(b.Namespace, b.Name, b.RoleRef, b.Subjects)
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].Through < list[j].Through })
	return list, nil
}

// covers tells whether what a binding names is the subject, or a group that the
// subject is in by what it is.
func covers(named, s rbacv1.Subject, namespace string) (through string, ok bool) {
	if named.Kind == rbacv1.ServiceAccountKind && named.Namespace == "" {
		named.Namespace = namespace
	}
	if named.Kind == s.Kind && named.Name == s.Name && named.Namespace == s.Namespace {
		return "", true
	}
	account := "system:serviceaccount:" + s.Namespace + ":" + s.Name
	if s.Kind == rbacv1.ServiceAccountKind && named.Kind == rbacv1.UserKind && named.Name == account {
		return "", true
	}
	if named.Kind != rbacv1.GroupKind || s.Kind == rbacv1.GroupKind {
		return "", false
	}
	groups := []string{"system:authenticated"}
	if s.Kind == rbacv1.ServiceAccountKind {
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:"+s.Namespace)
	}
	return named.Name, slices.Contains(groups, named.Name)
}

// roleRules gives the rules of all roles by NAMESPACE/NAME.
func (c *Call) roleRules(ctx context.Context) (map[string][]rbacv1.PolicyRule, error) {
	var cluster rbacv1.ClusterRoleList
	if err := c.Client.List(ctx, rbacGVR("clusterroles"), "", metav1.ListOptions{}, &cluster); err != nil {
		return nil, err
	}
	var own rbacv1.RoleList
	if err := c.Client.List(ctx, rbacGVR("roles"), "", metav1.ListOptions{}, &own); err != nil {
		return nil, err
	}
	roles := map[string][]rbacv1.PolicyRule{}
	for i := range cluster.Items {
		roles["/"+cluster.Items[i].Name] = cluster.Items[i].Rules
	}
	for i := range own.Items {
		roles[own.Items[i].Namespace+"/"+own.Items[i].Name] = own.Items[i].Rules
	}
	return roles, nil
}
