package endpoints

import (
	"strings"
	"testing"
)

func TestObjectLife(t *testing.T) {
	a := newAPI(t)
	rv := a.configMap("one", `"data":{"a":"1"}`)
	a.do("GET", configMaps+"/one", "", nil).has(200, `"kind":"ConfigMap"`, `"a":"1"`, `"manager":"test"`)
	a.do("POST", configMaps, `{"metadata":{"name":"one"}}`, nil).message(409, `configmaps "one" already exists`)
	a.do("GET", configMaps+"/none", "", nil).message(404, `configmaps "none" not found`)

	a.do("PUT", configMaps+"/one", `{"metadata":{"name":"one","resourceVersion":"`+rv+`"},"data":{"a":"2"}}`, nil).has(200, `"a":"2"`)
	a.do("PUT", configMaps+"/one", `{"metadata":{"name":"one","resourceVersion":"`+rv+`"},"data":{"a":"3"}}`, nil).has(409, "has been modified")
	a.do("PUT", configMaps+"/one", `{"metadata":{"name":"two"}}`, nil).
		message(400, "the name of the object (two) does not match the name on the URL (one)")
	a.do("PUT", configMaps+"/one", `{"data":{}}`, nil).
		message(400, "the name of the object (one based on URL) was undeterminable: name must be provided")
	a.do("PUT", configMaps+"/one", `{"metadata":{"name":"one","namespace":"other"}}`, nil).
		message(400, "the namespace of the provided object does not match the namespace sent on the request")
	a.do("PUT", configMaps+"/none", `{"metadata":{"name":"none"}}`, nil).has(404)

	a.do("DELETE", configMaps+"/one?dryRun=All", "", nil).has(200, `"status":"Success"`, `"kind":"configmaps"`, `"uid":`)
	a.do("GET", configMaps+"/one", "", nil).has(200)
	a.do("DELETE", configMaps+"/one", `{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"x"}}`, nil).has(409)
	a.do("DELETE", configMaps+"/one", "", nil).has(200, `"status":"Success"`)
	a.do("DELETE", configMaps+"/one", "", nil).has(404)
}

func TestRoutes(t *testing.T) {
	a := newAPI(t)
	a.configMap("one", "")
	route := func(method, target string, code int, reason string) {
		t.Helper()
		a.do(method, target, "", nil).has(code, `"details":{}`, `"reason":"`+reason+`"`)
	}
	const noRoute, noMethod = "NotFound", "MethodNotAllowed"
	route("GET", "/api/v1/gadgets", 404, noRoute)
	route("GET", "/apis/apps/v2/deployments", 404, noRoute)
	route("GET", "/api/v1/namespaces/default/nodes", 404, noRoute)
	route("GET", configMaps+"/one/status", 404, noRoute)
	route("GET", "/api/v1/configmaps/one", 404, noRoute)
	route("GET", "/api/v1/namespaces/default/pods/p/log/more", 404, noRoute)
	route("GET", "/api/v1/proxy/namespaces/default/pods/p", 404, noRoute)
	route("POST", configMaps+"/one", 405, noMethod)
	route("PUT", configMaps, 405, noMethod)
	route("POST", "/api/v1/configmaps", 405, noMethod)
	route("DELETE", "/api/v1/configmaps", 405, noMethod)
	route("DELETE", "/api/v1/namespaces", 405, noMethod)
	route("OPTIONS", configMaps, 405, noMethod)
	route("HEAD", configMaps+"/one", 405, noMethod)
	route("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405, noMethod)
	route("DELETE", "/api/v1/namespaces/default/pods/p/status", 405, noMethod)
	a.do("GET", "/apis/nope.example.com/v1/things", "", nil).has(404, "404 page not found")
	a.do("GET", configMaps+"/one/", "", nil).has(200, `"kind":"ConfigMap"`)
	a.do("GET", "/api/v1/componentstatuses?watch=true", "", nil).
		message(405, `watch is not supported on resources of kind "componentstatuses"`)
}

func TestBodies(t *testing.T) {
	a := newAPI(t)
	post := func(mime, body string) answer {
		return a.do("POST", configMaps, body, header{"Content-Type": mime})
	}
	post("application/yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yam\n").has(201)
	post("text/plain", "{}").message(415, "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf")
	post("application/json", "hello").has(400, "couldn't get version/kind; json parse error")
	post("application/json", `{"metadata":{"name":"n","namespace":"other"}}`).has(400, "does not match the namespace sent on the request")
	p := post("", `{"metadata":{"name":"w","extra":"x"},"dat":{}}`).has(201)
	if strings.Join(p.warnings, "|") != `unknown field "metadata.extra"|unknown field "dat"` {
		t.Errorf("warnings %q", p.warnings)
	}
	a.do("POST", configMaps+"?fieldValidation=Strict", `{"metadata":{"name":"s"},"dat":{}}`, nil).
		has(400, `strict decoding error: unknown field \"dat\"`)
	a.do("POST", configMaps+"?fieldValidation=Loose", `{}`, nil).has(422, `"kind":"CreateOptions"`)
	a.do("POST", configMaps+"?dryRun=Some", `{}`, nil).has(422, `Unsupported value: [\"Some\"]`)
	long := strings.Repeat("n", 129)
	a.do("POST", configMaps+"?fieldManager="+long, `{}`, nil).has(422, "may not be more than 128 bytes")
}

func TestDeleteOptions(t *testing.T) {
	a := newAPI(t)
	a.configMap("one", "")
	a.do("DELETE", configMaps+"/one", `{"kind":"Secret","apiVersion":"v1"}`, nil).
		message(400, `no kind "Secret" is registered for version "v1" in scheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"`)
	a.do("DELETE", configMaps+"/one", "{", nil).message(400, "couldn't get version/kind; json parse error: unexpected end of JSON input")
	a.do("DELETE", configMaps+"/one?gracePeriodSeconds=soon", "", nil).message(400, `strconv.ParseInt: parsing "soon": invalid syntax`)
	a.do("DELETE", configMaps+"/one?propagationPolicy=Sideways", "", nil).has(422, "Sideways")
	a.do("DELETE", configMaps+"/one", `{"kind":"DeleteOptions","apiVersion":"v1","dryRun":["All"]}`, nil).has(200)
	a.do("GET", configMaps+"/one", "", nil).has(200)
	a.do("DELETE", configMaps+"/one?propagationPolicy=Foreground", "", nil).has(200, `"foregroundDeletion"`, `"kind":"ConfigMap"`)
}

func TestDeleteCollection(t *testing.T) {
	a := newAPI(t)
	a.configMap("one", `"data":{"a":"1"}`)
	a.configMap("two", "")
	a.do("DELETE", configMaps+"?fieldSelector=metadata.name%3Done", "", nil).has(200, `"kind":"ConfigMapList"`, `"name":"one"`).lacks(`"name":"two"`)
	a.do("GET", configMaps, "", nil).has(200, `"name":"two"`).lacks(`"name":"one"`)
}

func TestListForms(t *testing.T) {
	a := newAPI(t)
	empty := a.do("GET", configMaps, "", nil).has(200, `"items":[]`)
	if kind := empty.field("kind"); kind != "ConfigMapList" {
		t.Errorf("kind %v", kind)
	}
	a.do("GET", configMaps, "", header{"Accept": partials}).has(200, `"items":null`)
	a.configMap("one", `"data":{"a":"1"}`)
	a.configMap("two", "")
	items := a.do("GET", configMaps, "", nil).has(200).field("items").([]any)
	if len(items) != 2 {
		t.Fatalf("%d items", len(items))
	}
	if item := items[0].(map[string]any); item["kind"] != nil || item["apiVersion"] != nil || item["metadata"] == nil {
		t.Errorf("item %v", item)
	}
	a.do("GET", configMaps, "", header{"Accept": partials}).
		has(200, `"kind":"PartialObjectMetadataList"`, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"one"`).lacks(`"data"`)
	a.do("GET", configMaps+"/one", "", header{"Accept": partialV1}).has(200, `"kind":"PartialObjectMetadata"`).lacks(`"data"`)
	a.do("GET", configMaps, "", header{"Accept": partialV1}).
		message(406, "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)")
	a.do("GET", configMaps+"/one", "", header{"Accept": partials}).
		message(406, "you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)")
	a.do("GET", configMaps, "", header{"Accept": "application/yaml"}).has(200, "kind: ConfigMapList\n", "  metadata:\n")
	a.do("GET", configMaps+"?pretty=1", "", nil).has(200, "{\n  \"kind\": \"ConfigMapList\"")
	a.do("GET", configMaps+"/one", "", header{"User-Agent": "curl/8"}).has(200, "{\n  \"kind\": \"ConfigMap\"")
	a.do("GET", configMaps+"?limit=1", "", nil).has(200, `"continue":"`, `"remainingItemCount":1`)
	a.do("GET", configMaps+"?fieldSelector=data.a%3D1", "", nil).
		message(400, `"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"`)
	a.do("GET", "/api/v1/secrets?fieldSelector=spec.hostname%3D1", "", nil).message(400, "field label not supported: spec.hostname")
	a.do("GET", configMaps+"?limit=many", "", nil).message(400, `strconv.ParseInt: parsing "many": invalid syntax`)
	a.do("GET", configMaps+"?resourceVersionMatch=Exact", "", nil).has(422, "resourceVersionMatch is forbidden unless resourceVersion is provided")
}
