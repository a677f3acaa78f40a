package pages

import (
	"context"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/web/messages"
	"pilothouse/web/rows"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// places are the pages of the navigation that are of no resource, in their
// order. A page with a place of its own is one line here and one in
// list_of_pages.go.
var places = []view.NavLink{
	{Text: "Overview", Href: "/ui/", Title: "The cluster at a glance"},
	{Text: "All resources", Href: "/ui/resources", Title: "Every type that the API serves"},
	{Text: "API explorer", Href: "/ui/explore", Title: "Operations, kinds and fields of the API"},
	{Text: "Requests", Href: "/ui/requests", Title: "What requests went through, and why they were refused"},
	{Text: "Audit", Href: "/ui/audit", Title: "Who did what"},
	{Text: "Changes", Href: "/ui/changes", Title: "What changed, and when"},
	{Text: "Who can", Href: "/ui/whocan", Title: "Who may do what, and by which binding"},
}

// userPlaces are the pages of the user's menu, in their order.
var userPlaces = []view.NavLink{
	{Text: "Who am I", Href: "/ui/whoami"},
	{Text: "What can I do", Href: "/ui/access"},
	{Text: "Sessions", Href: "/ui/sessions"},
	{Text: "Keyboard", Href: "/ui/help"},
}

// UserPlaces gives the pages of the user's menu.
func UserPlaces() []view.NavLink { return userPlaces }

// Places gives the places, with the one of a page marked. Those that would only
// say that the user may not see them are left out.
func (c *Call) Places(ctx context.Context, path string) []view.NavLink {
	list := slices.DeleteFunc(slices.Clone(places), func(l view.NavLink) bool { return l.Href != path && !c.mayGo(ctx, l.Href) })
	for i := range list {
		list[i].Current = list[i].Href == path
	}
	return list
}

// mayGo tells whether a place has something for the user.
func (c *Call) mayGo(ctx context.Context, place string) bool {
	switch place {
	case "/ui/audit":
		return c.Authorizer == nil || c.mayPath(ctx, "get", auditPath)
	case "/ui/whocan":
		return c.mayReadPolicy(ctx) == nil
	}
	return true
}

// headings are the navigation's groups of built-in resources, in their order.
// What is in none of them stands under its API group.
var headings = []struct {
	name      messages.Text
	resources typeNames
}{
	{"Workloads", "pods replicationcontrollers deployments.apps statefulsets.apps daemonsets.apps replicasets.apps jobs.batch cronjobs.batch " +
		"horizontalpodautoscalers.autoscaling poddisruptionbudgets.policy"},
	{"Network", "services endpoints endpointslices.discovery.k8s.io ingresses.networking.k8s.io ingressclasses.networking.k8s.io " +
		"networkpolicies.networking.k8s.io ipaddresses.networking.k8s.io servicecidrs.networking.k8s.io"},
	{"Configuration", "configmaps secrets resourcequotas limitranges"},
	{"Storage", "persistentvolumeclaims persistentvolumes storageclasses.storage.k8s.io volumeattachments.storage.k8s.io " +
		"volumeattributesclasses.storage.k8s.io csidrivers.storage.k8s.io csinodes.storage.k8s.io csistoragecapacities.storage.k8s.io"},
	{"Access", "serviceaccounts roles.rbac.authorization.k8s.io rolebindings.rbac.authorization.k8s.io clusterroles.rbac.authorization.k8s.io " +
		"clusterrolebindings.rbac.authorization.k8s.io certificatesigningrequests.certificates.k8s.io " +
		"clustertrustbundles.certificates.k8s.io"},
	{"Cluster", "nodes namespaces events leases.coordination.k8s.io priorityclasses.scheduling.k8s.io runtimeclasses.node.k8s.io " +
		"customresourcedefinitions.apiextensions.k8s.io apiservices.apiregistration.k8s.io flowschemas.flowcontrol.apiserver.k8s.io " +
		"prioritylevelconfigurations.flowcontrol.apiserver.k8s.io podtemplates componentstatuses controllerrevisions.apps"},
	{"Admission", "validatingwebhookconfigurations.admissionregistration.k8s.io mutatingwebhookconfigurations.admissionregistration.k8s.io " +
		"validatingadmissionpolicies.admissionregistration.k8s.io validatingadmissionpolicybindings.admissionregistration.k8s.io " +
		"mutatingadmissionpolicies.admissionregistration.k8s.io mutatingadmissionpolicybindings.admissionregistration.k8s.io"},
}

// openHeadings is how many groups are open from the start.
const openHeadings = 3

// Navigation is the resources of the table that the user may list, and of how many
// they may not. The namespaces that a page shows go along to the others.
func (c *Call) Navigation(ctx context.Context, a *Answer) (list []view.NavGroup, notYours int) {
	t, denied := c.Types(), c.unlistable(ctx)
	shown := map[schema.GroupResource]bool{}
	add := func(g *view.NavGroup, e *registry.Entry) {
		if denied[e.Resource.GroupResource()] && listPath(e.GVR(), "") != a.Current {
			notYours++
			return
		}
		addLink(g, e, a)
	}
	for i, h := range headings {
		g := view.NavGroup{Name: h.name, Open: i < openHeadings}
		for _, gr := range h.resources.list() {
			if e := preferred(t, gr); e != nil {
				shown[gr] = true
				add(&g, e)
			}
		}
		list = append(list, g)
	}
	for _, api := range t.Groups() {
		if len(api.Versions) == 0 {
			continue
		}
		g := view.NavGroup{Name: messages.Data(groupName(api.Name))}
		for _, e := range api.Versions[0].Entries {
			if !shown[e.Resource.GroupResource()] && can(e, "list") {
				add(&g, e)
			}
		}
		list = append(list, g)
	}
	return slices.DeleteFunc(list, func(g view.NavGroup) bool { return len(g.Links) == 0 }), notYours
}

func addLink(g *view.NavGroup, e *registry.Entry, a *Answer) {
	l := view.NavLink{Text: messages.Data(plural(e.Resource.Kind)), Href: listPath(e.GVR(), ""), Title: messages.Data(e.GVR().GroupVersion().String() + " " + e.Resource.Name)}
	l.Current = l.Href == a.Current
	g.Open = g.Open || l.Current
	if p := a.Picker; p != nil && e.Resource.Namespaced && len(p.Chosen) > 0 {
		switch {
		case len(p.Chosen) == 1 && !p.Except:
			l.Href = listPath(e.GVR(), p.Chosen[0])
		case p.Except:
			l.Href = join(l.Href, with(nil, "ns", strings.Join(p.Chosen, ","), "except", "1"))
		default:
			l.Href = join(l.Href, with(nil, "ns", strings.Join(p.Chosen, ",")))
		}
	}
	g.Links = append(g.Links, l)
}

// preferred is a resource in its preferred version, nil when it cannot be
// listed.
func preferred(t *registry.Table, gr schema.GroupResource) *registry.Entry {
	g, ok := t.Group(gr.Group)
	if !ok {
		return nil
	}
	for _, v := range g.Versions {
		if e, ok := t.Lookup(gr.Group, v.Name, gr.Resource); ok {
			if can(e, "list") {
				return e
			}
			return nil
		}
	}
	return nil
}

// PickerNames gives the namespaces among which a page's picker chooses: those in
// which the user may list what the page shows.
func (c *Call) PickerNames(ctx context.Context, p *Picker) ([]string, error) {
	if p.of.entry != nil && c.may(ctx, right{verb: "list", address: address{entry: p.of.entry, gvr: p.of.gvr}}) != nil {
		return c.namespacesWith(ctx, "list", p.of), nil
	}
	return c.NamespaceNames(ctx)
}

// NamespaceNames gives the names of all namespaces that the user may list, or
// else of those in which they may list something.
func (c *Call) NamespaceNames(ctx context.Context) ([]string, error) {
	if c.may(ctx, right{verb: "list", address: address{gvr: namespaces}}) != nil {
		// Those in which there are pods or config maps to be seen.
		for _, resource := range []string{"pods", "configmaps"} {
			if list := c.namespacesWith(ctx, "list", address{gvr: core(resource)}); len(list) > 0 {
				return list, nil
			}
		}
	}
	v, err := c.Pool.Open(ctx, c.Client, rows.Key{GVR: namespaces}, rows.Query{})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	var names []string
	v.Each(func(r *rows.Row) bool {
		names = append(names, r.Name)
		return true
	})
	return names, nil
}
