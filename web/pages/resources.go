package pages

import (
	"context"
	"net/http"
	"slices"
	"sort"
	"strings"

	"pilothouse/backend/client"
	"pilothouse/backend/registry"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/view"
)

// resources lists every resource type of the live table.
func resources(ctx context.Context, c *Call) (*Answer, error) {
	v := view.Resources{Version: c.typesVersion(), Away: c.away(ctx), Command: "kubectl api-resources -o wide", Curl: c.curl(client.Call{
		Method: http.MethodGet, Path: "/apis", Accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
	})}
	denied := c.unlistable(ctx)
	for _, g := range c.Types().Groups() {
		group := view.ResourceGroup{Name: g.Name}
		if g.Name == "" {
			group.Name = "core"
		}
		seen := map[string]bool{}
		for _, version := range g.Versions {
			group.Versions = append(group.Versions, version.Name)
			for _, e := range version.Entries {
				if !seen[e.Resource.Name] {
					seen[e.Resource.Name] = true
					t := resourceType(e)
					t.NotYours = denied[e.Resource.GroupResource()]
					group.Types = append(group.Types, t)
				}
			}
		}
		sort.SliceStable(group.Types, func(i, j int) bool { return group.Types[i].Resource < group.Types[j].Resource })
		v.Types += len(group.Types)
		v.Groups = append(v.Groups, group)
	}
	return &Answer{Title: c.T("Resources"), Crumbs: []view.Link{{Text: c.T("Resources")}}, Body: tmpl.Resources(v)}, nil
}

func resourceType(e *registry.Entry) view.ResourceType {
	r := e.Resource
	t := view.ResourceType{
		Resource: r.Name, Kind: r.Kind, Version: e.Version.Name, Namespaced: r.Namespaced,
		ShortNames: strings.Join(r.ShortNames, ", "), Verbs: strings.Join(r.Verbs, ", "), Custom: r.Dynamic,
	}
	if slices.Contains(r.Verbs, "list") {
		t.Href = listPath(e.GVR(), "")
	}
	return t
}
