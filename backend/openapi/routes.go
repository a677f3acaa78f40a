package openapi

import (
	"net/http"
	"strings"

	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/common"
)

// model stands for a type by its OpenAPI model's name.
type model string

// OpenAPIModelName gives the name.
func (m model) OpenAPIModelName() string { return string(m) }

const (
	metaPrefix = "io.k8s.apimachinery.pkg.apis.meta.v1."
	statusName = model(metaPrefix + "Status")
	watchEvent = model(metaPrefix + "WatchEvent")
	patchName  = model(metaPrefix + "Patch")
)

var (
	objectTypes = []string{"application/json", "application/yaml", "application/vnd.kubernetes.protobuf"}
	streamTypes = append(append([]string{}, objectTypes...), "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
	customTypes = []string{"application/json", "application/yaml"}
	anyType     = []string{"*/*"}
	patchTypes  = []string{"application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml"}
)

// Models name the OpenAPI models of a resource version.
type Models struct {
	// Object and List are the models of the kind and of its list.
	Object, List string
	// Of gives the model of another type that a subresource takes or gives.
	Of func(obj runtime.Object) string
}

// route is one operation; it implements kube-openapi's Route.
type route struct {
	method, path, id, tag string
	description           string
	action                string
	gvk                   *schema.GroupVersionKind
	params                []common.Parameter
	consumes, produces    []string
	body                  any
	responses             []common.StatusCodeResponse
}

func (r *route) Method() string                                   { return r.method }
func (r *route) Path() string                                     { return r.path }
func (r *route) OperationName() string                            { return r.id }
func (r *route) Parameters() []common.Parameter                   { return r.params }
func (r *route) Description() string                              { return r.description }
func (r *route) Consumes() []string                               { return r.consumes }
func (r *route) Produces() []string                               { return r.produces }
func (r *route) RequestPayloadSample() any                        { return r.body }
func (r *route) ResponsePayloadSample() any                       { return nil }
func (r *route) StatusCodeResponses() []common.StatusCodeResponse { return r.responses }

// Metadata gives the operation's x-kubernetes extensions.
func (r *route) Metadata() map[string]any {
	m := map[string]any{}
	if r.action != "" {
		m["x-kubernetes-action"] = r.action
	}
	if r.gvk != nil {
		m["x-kubernetes-group-version-kind"] = map[string]string{"group": r.gvk.Group, "version": r.gvk.Version, "kind": r.gvk.Kind}
	}
	return m
}

type response struct {
	code    int
	message string
	model   any
}

func (r response) Code() int       { return r.code }
func (r response) Message() string { return r.message }
func (r response) Model() any      { return r.model }

func responses(sample any, codes ...int) []common.StatusCodeResponse {
	var out []common.StatusCodeResponse
	for _, c := range codes {
		out = append(out, response{c, http.StatusText(c), sample})
	}
	return out
}

// container is the routes below one root path; it implements RouteContainer.
type container struct {
	root   string
	routes []common.Route
}

func (c *container) RootPath() string                   { return c.root }
func (c *container) PathParameters() []common.Parameter { return nil }
func (c *container) Routes() []common.Route             { return c.routes }

// groupVersionName is the part of an operation id that names a group version:
// CoreV1, AppsV1, RbacAuthorizationV1.
func groupVersionName(gv schema.GroupVersion) string {
	return groupName(gv.Group) + capital(gv.Version)
}

func groupName(group string) string {
	if group == "" {
		return "Core"
	}
	var b strings.Builder
	for _, part := range strings.Split(strings.TrimSuffix(group, ".k8s.io"), ".") {
		b.WriteString(capital(part))
	}
	return b.String()
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func tagOf(gv schema.GroupVersion) string {
	name := groupName(gv.Group)
	tag := strings.ToLower(name[:1]) + name[1:]
	if gv.Version == "" {
		return tag
	}
	return tag + "_" + gv.Version
}

func rootOf(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "/api/" + gv.Version
	}
	return "/apis/" + gv.Group + "/" + gv.Version
}

// resourceRoutes builds the operations of one resource version.
type resourceRoutes struct {
	r      *registry.Resource
	gv     schema.GroupVersion
	models Models
	out    []common.Route
}

// Routes gives the operations that a resource has in a version.
func Routes(r *registry.Resource, version string, models Models) []common.Route {
	b := &resourceRoutes{r: r, gv: schema.GroupVersion{Group: r.Group, Version: version}, models: models}
	verbs := map[string]bool{}
	for _, v := range r.Verbs {
		verbs[v] = true
	}
	if r.Verbs == nil {
		for _, v := range registry.StandardVerbs {
			verbs[v] = true
		}
	}
	b.collection(verbs)
	b.item(verbs)
	if verbs["watch"] && !r.Dynamic {
		b.oldWatches(verbs)
	}
	for i := range r.Subresources {
		if s := &r.Subresources[i]; s.Serves(version) {
			b.subresource(s)
		}
	}
	return b.out
}

func (b *resourceRoutes) scope() string {
	if b.r.Namespaced {
		return "Namespaced"
	}
	return ""
}

func (b *resourceRoutes) id(verb, rest string) string { return verb + groupVersionName(b.gv) + rest }

func (b *resourceRoutes) collectionPath() string {
	if b.r.Namespaced {
		return rootOf(b.gv) + "/namespaces/{namespace}/" + b.r.Name
	}
	return rootOf(b.gv) + "/" + b.r.Name
}

// itemPath is the path of one object; a subresource's placeholder is the same.
func (b *resourceRoutes) itemPath() string { return b.collectionPath() + "/{name}" }

func (b *resourceRoutes) scoped(params ...[]common.Parameter) []common.Parameter {
	out := []common.Parameter{}
	if b.r.Namespaced {
		out = append(out, namespaceParam)
	}
	return append(out, join(params...)...)
}

func (b *resourceRoutes) named(kind string, params ...[]common.Parameter) []common.Parameter {
	if b.r.Dynamic {
		kind = b.r.Kind
	}
	return append([]common.Parameter{nameParam(kind)}, b.scoped(params...)...)
}

func (b *resourceRoutes) add(r *route) {
	r.tag = tagOf(b.gv)
	if r.gvk == nil {
		gvk := b.gv.WithKind(b.r.Kind)
		r.gvk = &gvk
	}
	if r.consumes == nil {
		r.consumes = anyType
		if b.r.Dynamic {
			r.consumes = customTypes
		}
	}
	if b.r.Dynamic {
		r.produces = customTypes
	}
	if r.produces == nil {
		r.produces = objectTypes
	}
	b.out = append(b.out, r)
}

func (b *resourceRoutes) collection(verbs map[string]bool) {
	kind, object, list := b.r.Kind, model(b.models.Object), model(b.models.List)
	if verbs["list"] {
		words, produces, params := "list objects of kind "+kind, streamTypes, listParams
		if verbs["watch"] {
			words = "list or watch objects of kind " + kind
		}
		b.add(&route{method: "GET", path: b.collectionPath(), id: b.id("list", b.scope()+kind), action: "list", description: words,
			params: b.scoped(prettyParams, params), produces: produces, responses: responses(list, 200)})
		if b.r.Namespaced {
			b.add(&route{method: "GET", path: rootOf(b.gv) + "/" + b.r.Name, id: b.id("list", kind+"ForAllNamespaces"), action: "list", description: words,
				params: join(prettyParams, params), produces: produces, responses: responses(list, 200)})
		}
	}
	if verbs["create"] {
		b.add(&route{method: "POST", path: b.collectionPath(), id: b.id("create", b.scope()+kind), action: "post", description: "create" + article(kind) + kind,
			params: b.scoped(prettyParams, bodyParams(true), createParams), body: object, responses: responses(object, 200, 201, 202)})
	}
	if verbs["deletecollection"] && b.r.Dynamic {
		b.add(&route{method: "DELETE", path: b.collectionPath(), id: b.id("delete", "Collection"+b.scope()+kind), action: "deletecollection", description: "delete collection of " + kind,
			params: b.scoped(prettyParams, listParams), responses: responses(statusName, 200)})
	} else if verbs["deletecollection"] {
		b.add(&route{method: "DELETE", path: b.collectionPath(), id: b.id("delete", "Collection"+b.scope()+kind), action: "deletecollection", description: "delete collection of " + kind,
			params: b.scoped(prettyParams, bodyParams(false), deleteParams, without(listParams, "watch", "allowWatchBookmarks")),
			body:   model(metaPrefix + "DeleteOptions"), responses: responses(statusName, 200)})
	}
}

func (b *resourceRoutes) item(verbs map[string]bool) {
	kind, object := b.r.Kind, model(b.models.Object)
	scoped := b.scope() + kind
	if verbs["get"] {
		b.add(&route{method: "GET", path: b.itemPath(), id: b.id("read", scoped), action: "get", description: "read the specified " + kind,
			params: b.named(kind, prettyParams), responses: responses(object, 200)})
	}
	if verbs["update"] {
		b.add(b.put(b.itemPath(), b.id("replace", scoped), "replace the specified "+kind, kind, object))
	}
	if verbs["patch"] {
		b.add(b.patch(b.itemPath(), b.id("patch", scoped), "partially update the specified "+kind, kind, object))
	}
	if verbs["delete"] {
		gives := statusName
		if b.r.Strategy.DeleteReturnsObject {
			gives = object
		}
		b.add(&route{method: "DELETE", path: b.itemPath(), id: b.id("delete", scoped), action: "delete", description: "delete" + article(kind) + kind,
			params: b.named(kind, prettyParams, bodyParams(false), deleteParams), body: model(metaPrefix + "DeleteOptions"), responses: responses(gives, 200, 202)})
	}
}

func (b *resourceRoutes) put(path, id, words, kind string, object model) *route {
	return &route{method: "PUT", path: path, id: id, action: "put", description: words,
		params: b.named(kind, prettyParams, bodyParams(true), updateParams), body: object, responses: responses(object, 200, 201)}
}

func (b *resourceRoutes) patch(path, id, words, kind string, object model) *route {
	types := patchTypes
	if b.r.Dynamic {
		types = []string{patchTypes[0], patchTypes[1], patchTypes[3]}
	}
	codes := []int{200, 201}
	if b.r.Dynamic {
		codes = codes[:1]
	}
	return &route{method: "PATCH", path: path, id: id, action: "patch", description: words,
		params: b.named(kind, prettyParams, bodyParams(true), patchParams), consumes: types, body: patchName, responses: responses(object, codes...)}
}

// oldWatches are the deprecated /watch/ paths.
func (b *resourceRoutes) oldWatches(verbs map[string]bool) {
	kind := b.r.Kind
	old := func(path string) string { return strings.Replace(path, rootOf(b.gv), rootOf(b.gv)+"/watch", 1) }
	const list = "watch individual changes to a list of %. deprecated: use the 'watch' parameter with a list operation instead."
	const one = "watch changes to an object of kind %. deprecated: use the 'watch' parameter with a list operation instead, filtered to a single item with the 'fieldSelector' parameter."
	b.add(&route{method: "GET", path: old(b.collectionPath()), id: b.id("watch", b.scope()+kind+"List"), action: "watchlist", description: strings.Replace(list, "%", kind, 1),
		params: b.scoped(prettyParams, listParams), produces: streamTypes, responses: responses(watchEvent, 200)})
	if b.r.Namespaced {
		b.add(&route{method: "GET", path: old(rootOf(b.gv) + "/" + b.r.Name), id: b.id("watch", kind+"ListForAllNamespaces"), action: "watchlist", description: strings.Replace(list, "%", kind, 1),
			params: join(prettyParams, listParams), produces: streamTypes, responses: responses(watchEvent, 200)})
	}
	if verbs["get"] {
		b.add(&route{method: "GET", path: old(b.itemPath()), id: b.id("watch", b.scope()+kind), action: "watch", description: strings.Replace(one, "%", kind, 1),
			params: b.named(kind, prettyParams, listParams), produces: streamTypes, responses: responses(watchEvent, 200)})
	}
}

func (b *resourceRoutes) subresource(s *registry.Subresource) {
	gvk, object := b.gv.WithKind(b.r.Kind), model(b.models.Object)
	if s.New != nil && b.r.Dynamic {
		object = model(b.models.Of(s.New()))
	} else if s.New != nil {
		object = model(b.models.Of(s.New()))
		gvk.Kind = s.Kind
		if !s.GroupVersion.Empty() {
			gvk = s.GroupVersion.WithKind(s.Kind)
		}
	}
	path, suffix := b.itemPath()+"/"+s.Name, capital(s.Name)
	scoped := b.scope() + b.r.Kind
	for _, verb := range s.Verbs {
		var r *route
		switch verb {
		case "get":
			r = &route{method: "GET", path: path, id: b.id("read", scoped+suffix), action: "get", description: "read " + s.Name + " of the specified " + b.r.Kind,
				params: b.named(gvk.Kind, prettyParams), responses: responses(object, 200)}
			if options := connectOptions(b.r, s.Name); options != nil {
				r = nil
				b.connect(s, options)
				return
			}
			if s.Name == "log" {
				r.params = b.named(gvk.Kind, prettyParams, fieldsOf(&corev1.PodLogOptions{}))
				r.produces = append([]string{"text/plain"}, objectTypes...)
				r.responses = responses("", 200)
			}
		case "update":
			r = b.put(path, b.id("replace", scoped+suffix), "replace "+s.Name+" of the specified "+b.r.Kind, gvk.Kind, object)
		case "patch":
			r = b.patch(path, b.id("patch", scoped+suffix), "partially update "+s.Name+" of the specified "+b.r.Kind, gvk.Kind, object)
		case "create":
			if options := connectOptions(b.r, s.Name); options != nil {
				b.connect(s, options)
				return
			}
			r = &route{method: "POST", path: path, id: b.id("create", scoped+suffix), action: "post", description: "create " + s.Name + " of" + article(b.r.Kind) + b.r.Kind,
				params: b.named(gvk.Kind, prettyParams, bodyParams(true), createParams), body: object, responses: responses(object, 200, 201, 202)}
		default:
			continue
		}
		r.gvk = &gvk
		b.add(r)
	}
}

// connectOptions gives the type whose fields are the query parameters of a
// streaming subresource, nil for any other.
func connectOptions(r *registry.Resource, subresource string) runtime.Object {
	switch {
	case r.Group != "":
		return nil
	case r.Name == "pods" && subresource == "exec":
		return &corev1.PodExecOptions{}
	case r.Name == "pods" && subresource == "attach":
		return &corev1.PodAttachOptions{}
	case r.Name == "pods" && subresource == "portforward":
		return &corev1.PodPortForwardOptions{}
	case subresource != "proxy":
		return nil
	case r.Name == "pods":
		return &corev1.PodProxyOptions{}
	case r.Name == "services":
		return &corev1.ServiceProxyOptions{}
	case r.Name == "nodes":
		return &corev1.NodeProxyOptions{}
	}
	return nil
}

func (b *resourceRoutes) connect(s *registry.Subresource, options runtime.Object) {
	methods := []string{"GET", "POST"}
	if s.Name == "proxy" {
		methods = []string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"}
	}
	kind := kindOf(options)
	gvk := b.gv.WithKind(kind)
	path, rest := b.itemPath()+"/"+s.Name, b.scope()+b.r.Kind+capital(s.Name)
	for _, m := range methods {
		verb := capital(strings.ToLower(m))
		words := "connect " + m + " requests to " + s.Name + " of " + b.r.Kind
		b.add(&route{method: m, path: path, id: b.id("connect", verb+rest), action: "connect", description: words, gvk: &gvk,
			params: b.named(kind, fieldsOf(options)), produces: anyType, responses: responses("", 200)})
		if s.Name == "proxy" {
			b.add(&route{method: m, path: path + "/{path}", id: b.id("connect", verb+rest+"WithPath"), action: "connect", description: words, gvk: &gvk,
				params: b.named(kind, []common.Parameter{pathParam}, fieldsOf(options)), produces: anyType, responses: responses("", 200)})
		}
	}
}

func kindOf(obj runtime.Object) string {
	name := any(obj).(interface{ OpenAPIModelName() string }).OpenAPIModelName()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// article is " a ", " an ", or a space before a plural.
func article(noun string) string {
	if strings.HasSuffix(noun, "s") && !strings.HasSuffix(noun, "ss") {
		return " "
	}
	if noun != "" && strings.ContainsRune("AEIOUaeiou", rune(noun[0])) {
		return " an "
	}
	return " a "
}

// discoveryRoutes are the operations of the discovery documents.
func discoveryRoute(path, id, tag, words string, gives any) *route {
	return &route{method: "GET", path: path, id: id, tag: tag, description: words, consumes: objectTypes, produces: objectTypes, responses: responses(gives, 200)}
}

var (
	apiVersions     = model((metav1.APIVersions{}).OpenAPIModelName())
	apiGroupList    = model((metav1.APIGroupList{}).OpenAPIModelName())
	apiGroup        = model((metav1.APIGroup{}).OpenAPIModelName())
	apiResourceList = model((metav1.APIResourceList{}).OpenAPIModelName())
)
