package openapi

import (
	"sort"

	"pilothouse/backend/registry"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/common"
)

// Document is the routes of one document below /openapi/v3.
type Document struct {
	// Name is the document's path below /openapi/v3: "apis/apps/v1".
	Name string
	// GroupVersion is nil for documents of other paths.
	GroupVersion *schema.GroupVersion
	Routes       []common.Route
}

// GroupVersionRoute is the operation that lists a group version's resources.
func GroupVersionRoute(gv schema.GroupVersion) common.Route {
	return discoveryRoute(rootOf(gv)+"/", "get"+groupVersionName(gv)+"APIResources", tagOf(gv), "get available resources", apiResourceList)
}

// modelOf is the model name of a Go type.
func modelOf(obj runtime.Object) string {
	if named, ok := any(obj).(interface{ OpenAPIModelName() string }); ok {
		return named.OpenAPIModelName()
	}
	return ""
}

// Documents lists the documents of the built-in resources and of the server's
// own paths, in the order of their names.
func Documents(resources []registry.Resource) []Document {
	byGV := map[schema.GroupVersion][]common.Route{}
	groups := map[string]bool{}
	for i := range resources {
		r := &resources[i]
		for j := range r.Versions {
			v := &r.Versions[j]
			gv := schema.GroupVersion{Group: r.Group, Version: v.Name}
			object := modelOf(v.New())
			byGV[gv] = append(byGV[gv], Routes(r, v.Name, Models{Object: object, List: object + "List", Of: modelOf})...)
			groups[r.Group] = true
		}
		if v := r.Virtual; v != nil && len(r.Versions) == 0 {
			gv := schema.GroupVersion{Group: r.Group, Version: "v1"}
			object := modelOf(v.New())
			byGV[gv] = append(byGV[gv], Routes(r, gv.Version, Models{Object: object, List: object + "List", Of: modelOf})...)
			groups[r.Group] = true
		}
	}
	var docs []Document
	for gv, routes := range byGV {
		docs = append(docs, Document{PathOf(gv), &gv, append([]common.Route{GroupVersionRoute(gv)}, routes...)})
	}
	for group := range groups {
		if group != "" {
			docs = append(docs, Document{"apis/" + group, nil, []common.Route{
				discoveryRoute("/apis/"+group+"/", "get"+groupName(group)+"APIGroup", tagOf(schema.GroupVersion{Group: group}), "get information of a group", apiGroup)}})
		}
	}
	docs = append(docs,
		Document{"api", nil, []common.Route{discoveryRoute("/api/", "getCoreAPIVersions", "core", "get available API versions", apiVersions)}},
		Document{"apis", nil, []common.Route{discoveryRoute("/apis/", "getAPIVersions", "apis", "get available API versions", apiGroupList)}},
		Document{"version", nil, []common.Route{&route{method: "GET", path: "/version/", id: "getCodeVersion", tag: "version", description: "get the version information for this server",
			consumes: []string{"application/json"}, produces: []string{"application/json"}, responses: responses(model("io.k8s.apimachinery.pkg.version.Info"), 200)}}},
		Document{".well-known/openid-configuration", nil, []common.Route{&route{method: "GET", path: "/.well-known/openid-configuration/", id: "getServiceAccountIssuerOpenIDConfiguration", tag: "WellKnown",
			description: "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'", produces: []string{"application/json"}, responses: responses("", 200)}}},
		Document{"openid/v1/jwks", nil, []common.Route{&route{method: "GET", path: "/openid/v1/jwks/", id: "getServiceAccountIssuerOpenIDKeyset", tag: "openid",
			description: "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)", produces: []string{"application/jwk-set+json"}, responses: responses("", 200)}}},
	)
	sort.Slice(docs, func(i, j int) bool { return docs[i].Name < docs[j].Name })
	return docs
}
