package pages

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/web/logs"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// What a page shows or does, as a request of curl; its kubectl line is made
// beside where the page is.

// curlGet reads a path.
func (c *Call) curlGet(path string, q url.Values) string {
	return c.curl(client.Call{Method: http.MethodGet, Path: path, Query: q})
}

// curlReview asks a question that is an object: a SelfSubjectReview and its
// like, as somebody else with the headers for that.
func (c *Call) curlReview(gvr schema.GroupVersionResource, kind string, spec map[string]any, as ...http.Header) string {
	o := map[string]any{"apiVersion": gvr.GroupVersion().String(), "kind": kind}
	if spec != nil {
		o["spec"] = spec
	}
	body, err := json.Marshal(o)
	if err != nil {
		return ""
	}
	call := client.Call{Method: http.MethodPost, Path: client.Path(gvr, "", "", ""), ContentType: "application/json", Body: body}
	if len(as) > 0 {
		call.Header = as[0]
	}
	return c.curl(call)
}

// curlPut replaces an object by what curl reads from its input.
func (c *Call) curlPut(call client.Call) string {
	call.Body = []byte("@-")
	call.Query.Del("dryRun")
	return c.curl(call)
}

// curlAll reads several paths with one command.
func (c *Call) curlAll(paths ...string) string {
	for i, p := range paths {
		paths[i] = strings.TrimPrefix(p, "/")
	}
	one := c.curlGet("/PATHS", nil)
	return strings.Replace(one, c.Origin+"/PATHS", "'"+c.Origin+"/{"+strings.Join(paths, ",")+"}'", 1)
}

// rawCommands are a GET for kubectl and for curl.
func (c *Call) rawCommands(path string, q url.Values) (kubectl, curl string) {
	return "kubectl get --raw " + shellQuote(join(path, q)), c.curlGet(path, q)
}

// curlCan asks whether one may do something.
func (c *Call) curlCan(verb string, gr schema.GroupResource, namespace, name string) string {
	at := map[string]any{"verb": verb, "group": gr.Group, "resource": gr.Resource}
	if namespace != "" {
		at["namespace"] = namespace
	}
	if name != "" {
		at["name"] = name
	}
	return c.curlReview(authorizationGVR("selfsubjectaccessreviews"), "SelfSubjectAccessReview", map[string]any{"resourceAttributes": at})
}

// curl is the doing for curl, with N and NAME where something is asked for.
func (d *doing) curl(c *Call, o *loaded) string {
	path := client.Path(o.gvr, o.namespace, o.name, d.sub)
	body := ""
	switch d.name {
	case "scale":
		body = `{"spec":{"replicas":N}}`
	case "restart":
		body = `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"` + c.Clock().UTC().Format(time.RFC3339) + `"}}}}}`
	case "pause":
		body = `{"spec":{"paused":true}}`
	case "resume":
		body = `{"spec":{"paused":null}}`
	case "suspend", "unsuspend":
		body = `{"spec":{"suspend":` + strconv.FormatBool(d.name == "suspend") + `}}`
	case "cordon":
		body = `{"spec":{"unschedulable":true}}`
	case "uncordon":
		body = `{"spec":{"unschedulable":null}}`
	case "approve", "deny":
		body = `{"status":{"conditions":[{"type":"` + map[string]string{"approve": "Approved", "deny": "Denied"}[d.name] + `","status":"True","reason":"Curl","message":"by hand"}]}}`
	case "trigger": // the Job is what stands in the CronJob's template
		return c.curl(client.Call{Method: http.MethodPost, Path: client.Path(d.resource, o.namespace, "", ""), ContentType: "application/yaml", Body: []byte("@-")})
	case "label", "annotate":
		body = `{"metadata":{"` + map[string]string{"label": "labels", "annotate": "annotations"}[d.name] + `":{"KEY":"VALUE"}}}`
	case "delete":
		return c.curl(client.Call{Method: http.MethodDelete, Path: path})
	default:
		return ""
	}
	return c.curl(client.Call{Method: http.MethodPatch, Path: path, ContentType: string(types.MergePatchType), Body: []byte(body)})
}

// logCurl is the log of one container; several are several requests.
func (c *Call) logCurl(namespace, pod string, q *logs.Query) string {
	v := q.Parameters(q.Container, q.Follow && !q.Previous)
	if q.Container == "" {
		v.Del("container")
	}
	return c.curlGet(client.Path(schema.GroupVersionResource{Version: "v1", Resource: "pods"}, namespace, pod, "log"), v)
}
