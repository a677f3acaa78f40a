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

// Places gives the places, with the one of a page marked.
func Places(path string) []view.NavLink {
	list := slices.Clone(places)
	for i := range list {
		list[i].Current = list[i].Href == path
	}
	return list
}

// headings are the navigation's groups of built-in resources, in their order.
// What is in none of them stands under its API group.
var headings = []struct {
	name      messages.Text
	resources []schema.GroupResource
}{
	{"Workloads", group("", "pods", "replicationcontrollers").and("apps", "deployments", "statefulsets", "daemonsets", "replicasets").
		and("batch", "jobs", "cronjobs").and("autoscaling", "horizontalpodautoscalers").and("policy", "poddisruptionbudgets")},
	{"Network", group("", "services", "endpoints").and("discovery.k8s.io", "endpointslices").
		and("networking.k8s.io", "ingresses", "ingressclasses", "networkpolicies", "ipaddresses", "servicecidrs")},
	{"Configuration", group("", "configmaps", "secrets", "resourcequotas", "limitranges")},
	{"Storage", group("", "persistentvolumeclaims", "persistentvolumes").and("storage.k8s.io", "storageclasses", "volumeattachments",
		"volumeattributesclasses", "csidrivers", "csinodes", "csistoragecapacities")},
	{"Access", group("", "serviceaccounts").and("rbac.authorization.k8s.io", "roles", "rolebindings", "clusterroles", "clusterrolebindings").
		and("certificates.k8s.io", "certificatesigningrequests", "clustertrustbundles")},
	{"Cluster", group("", "nodes", "namespaces", "events").and("coordination.k8s.io", "leases").and("scheduling.k8s.io", "priorityclasses").
		and("node.k8s.io", "runtimeclasses").and("apiextensions.k8s.io", "customresourcedefinitions").and("apiregistration.k8s.io", "apiservices").
		and("flowcontrol.apiserver.k8s.io", "flowschemas", "prioritylevelconfigurations").and("", "podtemplates", "componentstatuses").and("apps", "controllerrevisions")},
	{"Admission", group("admissionregistration.k8s.io", "validatingwebhookconfigurations", "mutatingwebhookconfigurations",
		"validatingadmissionpolicies", "validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings")},
}

type resourceList []schema.GroupResource

func group(name string, resources ...string) resourceList {
	return resourceList{}.and(name, resources...)
}

func (l resourceList) and(group string, resources ...string) resourceList {
	for _, r := range resources {
		l = append(l, schema.GroupResource{Group: group, Resource: r})
	}
	return l
}

// openHeadings is how many groups are open from the start.
const openHeadings = 3

// Navigation is the resources of the table that can be listed. The namespaces
// that a page shows go along to the others.
func Navigation(t *registry.Table, a *Answer) []view.NavGroup {
	var list []view.NavGroup
	shown := map[schema.GroupResource]bool{}
	for i, h := range headings {
		g := view.NavGroup{Name: h.name, Open: i < openHeadings}
		for _, gr := range h.resources {
			if e := preferred(t, gr); e != nil {
				shown[gr] = true
				addLink(&g, e, a)
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
				addLink(&g, e, a)
			}
		}
		list = append(list, g)
	}
	return slices.DeleteFunc(list, func(g view.NavGroup) bool { return len(g.Links) == 0 })
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
