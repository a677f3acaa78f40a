package pages

import (
	"context"

	"pilothouse/web/messages"
	"pilothouse/web/view"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// roleBlocks are a role's rules, and the bindings that grant it.
func roleBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	var role rbacv1.ClusterRole // has all that a Role has
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.object.Object, &role); err != nil {
		return []view.Block{{Title: "Rules", Note: messages.Data(err.Error())}}
	}
	blocks := []view.Block{{Title: "Rules", Table: rulesTable(role.Rules)}}
	if role.AggregationRule != nil {
		var f factList
		for i := range role.AggregationRule.ClusterRoleSelectors {
			s := metav1.FormatLabelSelector(&role.AggregationRule.ClusterRoleSelectors[i])
			f.link("Rules of all with", s, join(listPath(rbacGVR("clusterroles"), ""), with(nil, "q", "-l "+s)))
		}
		blocks = append(blocks, view.Block{Title: "Aggregation", Facts: f})
	}
	return append(blocks, c.bindingsTo(ctx, o))
}

func rulesTable(rules []rbacv1.PolicyRule) *view.Table {
	t := &view.Table{Columns: []messages.Text{"Verbs", "Resources or paths", "API groups", "Only names"}, Empty: "It grants nothing."}
	for i := range rules {
		r := ruleRow(&rules[i])
		t.Rows = append(t.Rows, plain(r.Verbs, r.Resources+r.Paths, r.Groups, r.Names))
	}
	return t
}

// bindingsTo are the subjects that a role is granted to, with the bindings that do;
// of bindings that the user may not list it says so.
func (c *Call) bindingsTo(ctx context.Context, o *loaded) view.Block {
	b := view.Block{Title: "Granted to"}
	t := &view.Table{Columns: []messages.Text{"To", "Kind", "Where", "Binding"}, Empty: "No binding grants this role."}
	add := func(binding view.Link, namespace, where string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
		if ref.Kind != o.object.GetKind() || ref.Name != o.name {
			return
		}
		for _, s := range subjects {
			if s.Kind == rbacv1.ServiceAccountKind && s.Namespace == "" {
				s.Namespace = namespace
			}
			t.Rows = append(t.Rows, []view.Cell{linked(subjectName(s), subjectHref(s)), {Text: s.Kind}, {Text: where}, linked(binding.Text, binding.Href)})
		}
		if len(subjects) == 0 {
			t.Rows = append(t.Rows, []view.Cell{{Text: c.T("nobody")}, {}, {Text: where}, linked(binding.Text, binding.Href)})
		}
	}
	var own rbacv1.RoleBindingList
	if err := c.Client.List(ctx, rbacGVR("rolebindings"), o.namespace, metav1.ListOptions{}, &own); err != nil {
		b.Note = messages.Data(c.reason(err))
	}
	for i := range own.Items {
		x := &own.Items[i]
		add(view.Link{Text: x.Name, Href: objectPath(rbacGVR("rolebindings"), x.Namespace, x.Name)}, x.Namespace, c.T("namespace %s", x.Namespace), x.RoleRef, x.Subjects)
	}
	if o.namespace == "" {
		var cluster rbacv1.ClusterRoleBindingList
		if err := c.Client.List(ctx, rbacGVR("clusterrolebindings"), "", metav1.ListOptions{}, &cluster); err != nil {
			b.Note = messages.Data(c.reason(err))
		}
		for i := range cluster.Items {
			x := &cluster.Items[i]
			add(view.Link{Text: x.Name, Href: objectPath(rbacGVR("clusterrolebindings"), "", x.Name)}, "", c.T("whole cluster"), x.RoleRef, x.Subjects)
		}
	}
	if b.Note == "" || len(t.Rows) > 0 {
		b.Table = t
		b.Title = messages.Said(c.T("Granted to · %d", len(t.Rows)))
	}
	return b
}

// bindingBlocks are whom a binding grants which role, with the role's rules.
func bindingBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	kind, name := digText(o.object.Object, "roleRef kind"), digText(o.object.Object, "roleRef name")
	var f factList
	role := roleLink(kind, name, o.namespace)
	f.link("Role", kind+" "+role.Text, role.Href)
	if o.namespace == "" {
		f.add("Where", c.T("the whole cluster"))
	} else {
		f.add("Where", c.T("namespace %s", o.namespace))
	}
	t := &view.Table{Columns: []messages.Text{"Kind", "Name"}, Empty: "It grants the role to nobody."}
	for _, m := range objects(o.object.Object["subjects"]) {
		s := rbacv1.Subject{Kind: text(m["kind"]), Name: text(m["name"]), Namespace: text(m["namespace"])}
		t.Rows = append(t.Rows, []view.Cell{{Text: s.Kind}, linked(subjectName(s), subjectHref(s))})
	}
	blocks := []view.Block{{Title: "Grants", Facts: f}, {Title: "To", Table: t}}
	var rules []rbacv1.PolicyRule
	var err error
	if kind == "Role" {
		var r rbacv1.Role
		err = c.Client.Get(ctx, rbacGVR("roles"), o.namespace, name, &r)
		rules = r.Rules
	} else {
		var r rbacv1.ClusterRole
		err = c.Client.Get(ctx, rbacGVR("clusterroles"), "", name, &r)
		rules = r.Rules
	}
	if err != nil {
		return append(blocks, view.Block{Title: "Rules of the role", Note: messages.Data(c.reason(err))})
	}
	return append(blocks, view.Block{Title: "Rules of the role", Table: rulesTable(rules)})
}

func accountBlocks(_ context.Context, c *Call, o *loaded) []view.Block {
	var f factList
	f.add("User name", "system:serviceaccount:"+o.namespace+":"+o.name)
	f.link("Roles", c.T("what it may do"), subjectHref(rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: o.name, Namespace: o.namespace}))
	if mounts, ok := o.object.Object["automountServiceAccountToken"].(bool); ok {
		f.add("Mounts its token", c.yesNo(mounts))
	}
	for _, field := range []string{"secrets", "imagePullSecrets"} {
		for _, name := range fieldOf(o.object.Object[field], "name") {
			f.link(map[string]messages.Text{"secrets": "Secret", "imagePullSecrets": "Pull secret"}[field], name, objectPath(core("secrets"), o.namespace, name))
		}
	}
	return []view.Block{{Title: "Account", Facts: f}}
}

func eventBlocks(_ context.Context, c *Call, o *loaded) []view.Block {
	var f factList
	ref := dig(o.object.Object, "involvedObject")
	f.link("About", digText(ref, "kind")+"/"+digText(ref, "name"), c.kindHref(digText(ref, "apiVersion"), digText(ref, "kind"), digText(ref, "namespace"), digText(ref, "name")))
	f.add("Field", digText(ref, "fieldPath"))
	f.add("Reason", text(o.object.Object["reason"]))
	f.add("Message", text(o.object.Object["message"]))
	f.add("Count", text(o.object.Object["count"]))
	f.moment("First seen", text(o.object.Object["firstTimestamp"]))
	f.moment("Last seen", text(o.object.Object["lastTimestamp"]))
	return []view.Block{{Title: "Event", Facts: f}}
}
