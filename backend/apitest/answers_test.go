package apitest

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestAnswersOfTheRouter: what Kubernetes' router and mux say to requests beside
// those that clients make every day, compared with a kube-apiserver 1.36.2.
func TestAnswersOfTheRouter(t *testing.T) {
	c := Start(t).Admin()
	check := func(method, path, accept string, code int, part string) {
		t.Helper()
		if a := c.Do(method, path, nil, "Accept", accept).Must(code); !strings.Contains(string(a.Body), part) {
			t.Errorf("%s %s (%s): %.300s", method, path, accept, a.Body)
		}
	}
	const beta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
	check("POST", "/version", "", 405, "the server does not allow this method on the requested resource")
	check("HEAD", "/version", "", 405, "")
	check("GET", "/version", "text/html", 406, `406: Not Acceptable\n\nAvailable representations: application/json`)
	check("GET", "/version", "text/html,*/*;q=0.1", 200, "gitVersion")
	check("GET", "/.well-known/openid-configuration/", "", 200, "jwks_uri")
	check("DELETE", "/openid/v1/jwks", "", 405, "MethodNotAllowed")
	check("GET", "/openid/v1/jwks", "application/json", 406, "Available representations: application/jwk-set+json")
	check("GET", "/apis", beta, 406, "only the following media types are accepted")
	check("GET", "/apis", beta+",application/json", 200, "APIGroupList")
	check("GET", "/apis//", "", 404, "404 page not found")
	check("GET", "/api/v1/namespaces/none", "application/json;q=0.5,application/yaml", 404, "reason: NotFound")
	check("GET", "/api/v1/namespaces/default", "application/json;stream=watch", 200, `"name":"default"`)
	check("GET", "/api/v1/namespaces/default", "application/json;stream=tape", 406, "only the following media types are accepted")
	c.Do("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", `{"metadata":{"name":"c"}}`, "Content-Type", "application/json;charset=utf-8").Must(201)
	c.Do("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", `{"metadata":{"name":"c"}}`, "Content-Type", "application/json;charset").Must(415)
	check("GET", "//api", "", 404, "404 page not found")
	check("GET", "//api/v1/namespaces/default", "", 404, "404 page not found")
	check("GET", "/openapi/v3/", "", 404, "")
	check("POST", "/openapi/v3", "", 200, "apis/apps/v1")
	check("GET", "/index.html", "", 200, `"paths"`)
	check("GET", "/api/v1/watch", "", 500, `Internal Server Error: "/api/v1/watch": failed to create RequestInfo`)
	check("GET", "/apis/batch/v1/watch/", "", 500, "unable to determine kind and namespace from url, /apis/batch/v1/watch/")
	check("GET", "/apis/batch/v1/jobs?fieldSelector=spec.x%3Dy", "", 400, `field label \"spec.x\" not supported for Job`)
}

func TestAnswersOfReviews(t *testing.T) {
	c := Start(t).Admin()
	const reviews = "/apis/authorization.k8s.io/v1/"
	review := func(attributes string) *Answer {
		return c.Post(reviews+"subjectaccessreviews", `{"spec":{"user":"ann","resourceAttributes":{"verb":"list","resource":"pods",`+attributes+`}}}`)
	}
	check := func(a *Answer, part string) {
		t.Helper()
		if !strings.Contains(string(a.Body), part) {
			t.Errorf("%s is not in %s", part, a.Body)
		}
	}
	check(review(`"labelSelector":{"rawSelector":"(("}`).Must(201), "spec.resourceAttributes.labelSelector ignored due to parse error")
	check(review(`"fieldSelector":{"requirements":[{"key":"a","operator":"In","values":["b"]},{"key":"a","operator":"Newer"}]}`).Must(201),
		"spec.resourceAttributes.fieldSelector partially ignored due to parse error")
	check(review(`"fieldSelector":{"rawSelector":"a=b","requirements":[{"key":"a","operator":"In","values":["b"]}]}`).Must(422),
		`spec.resourceAttributes.fieldSelector.rawSelector: Invalid value: \"a=b\": may not specified at the same time as requirements`)

	rules := c.Post(reviews+"selfsubjectrulesreviews", `{"spec":{"namespace":"default"}}`).Must(201).Object()
	if spec := rules.Object["spec"].(map[string]any); len(spec) > 0 || rules.GetManagedFields() != nil {
		t.Errorf("more than a status: %v", rules.Object)
	}
	node := c.Do("POST", reviews+"selfsubjectrulesreviews", `{"spec":{"namespace":"default"}}`, "Impersonate-User", "system:node:n", "Impersonate-Group", "system:nodes", "Impersonate-Group", "system:authenticated").Must(201)
	check(node, `"incomplete":true`)
	check(node, `"evaluationError":"node authorizer does not support user rule resolution"`)
	c.Do("POST", "/apis/authentication.k8s.io/v1/tokenreviews", `{"spec":{"token":"x"}}`, "Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Must(406)
}

// TestAnswersAboutCustomResources: what errors call the forms of custom resources,
// and that the object of a scale is checked as the custom resource that it is of.
func TestAnswersAboutCustomResources(t *testing.T) {
	c := Start(t).Admin()
	c.Post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", `{"metadata":{"name":"xs.a.b"},"spec":{"group":"a.b","scope":"Namespaced","names":{"plural":"xs","kind":"X"},
		"versions":[{"name":"v1","served":true,"storage":true,"subresources":{"scale":{"specReplicasPath":".spec.n","statusReplicasPath":".status.n"}},
		"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`).Must(201)
	const xs = "/apis/a.b/v1/namespaces/default/xs"
	there(t, c, xs)
	c.Post(xs, `{"apiVersion":"a.b/v1","kind":"X","metadata":{"name":"x"},"spec":{"n":1}}`).Must(201)
	check := func(a *Answer, part string) {
		t.Helper()
		if !strings.Contains(string(a.Body), part) {
			t.Errorf("%s is not in %s", part, a.Body)
		}
	}
	const accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
	check(c.Do("GET", xs, nil, "Accept", "text/html").Must(406), "only the following media types are accepted: "+accepted)
	check(c.Do("POST", xs, `{}`, "Content-Type", "text/plain").Must(415), "accepted media types include: "+accepted)
	check(c.Do("GET", xs+"?watch=1", nil, "Accept", "application/yaml").Must(406), "application/json;stream=watch,")
	check(c.Do("PATCH", xs+"/x/scale", `{"spec":{"replicas":-5}}`, "Content-Type", "application/merge-patch+json").Must(422),
		`X.a.b \"x\" is invalid: .spec.n: Invalid value: -5: should be a non-negative integer`)
	first := c.Watch("/apis/apps/v1/deployments?allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan").Next()
	if n, found, err := unstructured.NestedInt64(first.Object.Object, "spec", "replicas"); first.Type != "BOOKMARK" || n != 0 || !found || err != nil {
		t.Errorf("the bookmark is %v", first)
	}
}

// TestAnswersAfterADefinitionChanged: what is stored is read as its definition
// says today, so that fields that are gone are neither shown nor count as a
// change.
func TestAnswersAfterADefinitionChanged(t *testing.T) {
	c := Start(t).Admin()
	const definitions, xs = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/apis/a.b/v1/namespaces/default/xs"
	c.Post(definitions, `{"metadata":{"name":"xs.a.b"},"spec":{"group":"a.b","scope":"Namespaced","names":{"plural":"xs","kind":"X"},
		"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":
		{"spec":{"type":"object","properties":{"gone":{"type":"string"},"n":{"type":"integer"}}}}}}}]}}`).Must(201)
	there(t, c, xs)
	c.Post(xs, `{"apiVersion":"a.b/v1","kind":"X","metadata":{"name":"x"},"spec":{"gone":"g","n":1}}`).Must(201)
	c.Do("PATCH", definitions+"/xs.a.b", `[{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec","value":
		{"type":"object","required":["must"],"properties":{"n":{"type":"integer"},"must":{"type":"string"},"new":{"type":"string","default":"d"}}}}]`,
		"Content-Type", "application/json-patch+json").Must(200)
	var body string
	eventually(t, func() string {
		if body = string(c.Get(xs + "/x").Must(200).Body); strings.Contains(body, `"new":"d"`) {
			return ""
		}
		return "the new definition does not count"
	})
	if strings.Contains(body, `"gone":"g"`) {
		t.Errorf("a field that is gone is shown: %s", body)
	}
	// What was wrong before and does not change is let through.
	c.Patch(xs+"/x", `{"metadata":{"labels":{"l":"m"}}}`).Must(200)
	c.Patch(xs+"/x", `{"spec":{"n":2}}`).Must(422)
}

// TestAnswersToCollections: a resourceVersion of a deletecollection is the one
// that is listed at, and the row of a table's bookmark has no defaults.
func TestAnswersToCollections(t *testing.T) {
	c := Start(t).Admin()
	const secrets = "/api/v1/namespaces/default/secrets"
	version := c.Post(secrets, `{"metadata":{"name":"s"}}`).Must(201).Object().GetResourceVersion()
	c.Delete(secrets + "/s").Must(200)
	deleted := c.Delete(secrets + "?dryRun=All&resourceVersion=" + version).Must(200)
	if !strings.Contains(string(deleted.Body), `"name":"s"`) {
		t.Errorf("not what was there at %s: %s", version, deleted.Body)
	}
	c.Delete(secrets + "?dryRun=All&watch=1").Must(200)
	eventually(t, func() string { // three seconds may be short for a first event
		body := string(c.Do("GET", secrets+"?watch=1&timeoutSeconds=3&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", nil,
			"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Must(200).Body)
		if strings.Contains(body, "Opaque") {
			t.Errorf("the row has defaults: %s", body)
		}
		if !strings.Contains(body, "BOOKMARK") {
			return "no bookmark comes: " + body
		}
		return ""
	})
}

// TestAnswersOfEvictions: an eviction of the version of old is taken still, and what
// posts to subresources answer has no rows.
func TestAnswersOfEvictions(t *testing.T) {
	c := Start(t).Admin()
	const pods = "/api/v1/namespaces/default/pods"
	c.Post(pods, `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"b"}]}}`).Must(201)
	eviction := func(version string) string {
		return `{"apiVersion":"` + version + `","kind":"Eviction","metadata":{"name":"p"}}`
	}
	c.Post(pods+"/p/eviction?dryRun=All", eviction("policy/v1")).Must(201)
	c.Post(pods+"/p/eviction", eviction("apps/v1")).Must(400)
	c.Do("POST", pods+"/p/eviction", eviction("policy/v1"), "Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Must(406)
	c.Get(pods + "/p").Must(200)
	c.Post(pods+"/p/eviction", eviction("policy/v1beta1")).Must(201)
	c.Get(pods + "/p").Must(404)
}

// TestWordsOfRefusals: rules and words of validation in which this server once
// differed from kube-apiserver 1.36.2. A refusal has a part of its message.
func TestWordsOfRefusals(t *testing.T) {
	c := Start(t).Admin()
	check := func(method, path, body string, code int, part string) {
		t.Helper()
		if a := c.Do(method, path, body).Must(code); !strings.Contains(string(a.Body), part) {
			t.Errorf("%s %s: %s is not in %s", method, path, part, a.Body)
		}
	}
	const (
		nodes  = "/api/v1/nodes?dryRun=All"
		sets   = "/apis/apps/v1/namespaces/default/statefulsets?dryRun=All"
		claims = "/api/v1/namespaces/default/persistentvolumeclaims"
	)
	once := func(path, body, part string) {
		t.Helper()
		if a := c.Post(path, body).Must(422); strings.Count(string(a.Body), part) != 1 {
			t.Errorf("%s: %s is not there once: %s", path, part, a.Body)
		}
	}
	once("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", `{"spec":{"group":"a.b","scope":"Namespaced","names":{"plural":"xs","kind":"X"},
		"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`, `"field":"metadata.name"`)
	once("/apis/events.k8s.io/v1/namespaces/default/events", `{}`, `"field":"metadata.name"`)
	check("POST", "/apis/batch/v1/namespaces/default/jobs", `{"metadata":{"name":"`+strings.Repeat("x", 64)+`"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"b"}]}}}}`,
		422, `is invalid: spec.template.labels: Invalid value`)
	check("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases?dryRun=All", `{"metadata":{"name":"l","finalizers":["bare"]}}`, 201, "bare")
	check("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", `{"metadata":{"name":"l","finalizers":["bare"]}}`, 422, "neither a standard finalizer name")
	const jobs = "/apis/batch/v1/namespaces/default/jobs"
	c.Post(jobs, `{"metadata":{"name":"idle"},"spec":{"suspend":true,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"b"}]}}}}`).Must(201)
	c.Patch(jobs+"/idle", `{"spec":{"template":{"metadata":{"finalizers":["a.b/c"]}}}}`).Must(200)
	if a := c.Patch(jobs+"/idle", `{"spec":{"template":{"spec":{"schedulerName":"x"}}}}`).Must(422); !strings.Contains(string(a.Body), `"field":"spec.template.spec"`) {
		t.Errorf("%s", a.Body)
	}
	if a := c.Patch(jobs+"/idle", `{"kind":"Pod","apiVersion":"v1"}`).Must(422); strings.Contains(string(a.Body), "cannot be handled as") || !strings.Contains(string(a.Body), `patch: Invalid value: \"{\\\"apiVersion\\\"`) {
		t.Errorf("%s", a.Body)
	}
	check("POST", nodes, `{"metadata":{"name":"n"},"status":{"declaredFeatures":["Zoo","Ant","low"]}}`, 422, "list must be sorted alphabetically")
	check("POST", nodes, `{"metadata":{"name":"n"},"status":{"nodeInfo":{"swap":{"capacity":0}}}}`, 422, "metadata.nodeSwapStatus.capacity: Invalid value: 0")
	check("POST", "/apis/storage.k8s.io/v1/storageclasses?dryRun=All", `{"metadata":{"name":"s"},"provisioner":"a.b/c","allowedTopologies":[{}]}`, 422, "allowedTopologies[0].matchLabelExpressions: Duplicate value")
	check("POST", sets, `{"metadata":{"name":"s"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"subdomain":"Not_One","containers":[{"name":"c","image":"i"}]}}}}`, 201, "Not_One")
	check("POST", sets, `{"metadata":{"name":"s"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"volumes":[{}],"containers":[{"name":"c","image":"i"}]}},"volumeClaimTemplates":[{"metadata":{"name":"d"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1"}}}}]}}`, 422, "spec.template.spec.volumes[1].name: Required value")

	check("POST", "/api/v1/namespaces/default/pods?dryRun=All", `{"metadata":{"name":"p"},"spec":{"schedulingGates":[{"name":"a.b/c"}],"containers":[{"name":"c","image":"i"}]}}`, 201, `"lastTransitionTime":"2`)
	check("POST", claims, `{"metadata":{"name":"c"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1"}},"dataSource":{"kind":"PersistentVolumeClaim","name":"x"}}}`, 201, "dataSourceRef")
	check("PUT", claims+"/c", `{"metadata":{"name":"c"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1"}},"volumeMode":"Filesystem","dataSource":{"kind":"PersistentVolumeClaim","name":"x"}}}`, 200, "dataSourceRef")
	check("PUT", claims+"/c?dryRun=All", `{"metadata":{"name":"c","uid":"other"},"spec":{}}`, 409, "Key: /persistentvolumeclaims/default/c,")
	check("PUT", claims+"/c", `{"metadata":{"name":"c","uid":"other"},"spec":{}}`, 409, "Key: /registry/persistentvolumeclaims/default/c,")
}

// TestAnswersAboutNothing: answers about what is not there, compared with a
// kube-apiserver 1.36.2.
func TestAnswersAboutNothing(t *testing.T) {
	c := Start(t).Admin()
	const table, none = "application/json;as=Table;v=v1;g=meta.k8s.io", "?labelSelector=no%3Dne"
	check := func(path, part string) {
		t.Helper()
		if a := c.Do("GET", path+none, nil, "Accept", table).Must(200); !strings.Contains(string(a.Body), part) {
			t.Errorf("%s: %s is not in %s", path, part, a.Body)
		}
	}
	check("/apis/rbac.authorization.k8s.io/v1/clusterroles", `"rows":null`)
	check("/api/v1/limitranges", `"rows":null`)
	check("/api/v1/configmaps", `"rows":[]`)
	check("/api/v1/events", `"name":"Name","type":"string","format":"name"`)

	for _, path := range []string{"/apis/batch/v1/namespaces/default/jobs/none", "/apis/batch/v1/namespaces/default/jobs" + none} {
		a := c.Delete(path).Must(200, 404)
		if w := a.Header.Get("Warning"); !strings.Contains(w, "child pods are preserved by default") {
			t.Errorf("%s: warning %q", path, w)
		}
	}
	if w := c.Delete("/apis/batch/v1/namespaces/default/jobs/none?propagationPolicy=Orphan").Must(404).Header.Get("Warning"); w != "" {
		t.Errorf("warning %q", w)
	}
	c.Get("/api/v1/namespaces/default/namespaces").Must(404)
	c.Get("/api/v1/namespaces/default/namespaces/default/x").Must(404)
	c.Get("/api/v1/namespaces/default/status").Must(200)
	if a := c.Get("/apis/apiextensions.k8s.io/v1"); !strings.Contains(string(a.Body), "jfWCUB31mvA=") {
		t.Errorf("the hash of the storage version: %s", a.Body)
	}
}
