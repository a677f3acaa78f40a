package endpoints

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/scheme"
)

const (
	secrets     = "/api/v1/namespaces/default/secrets"
	deployments = "/apis/apps/v1/namespaces/default/deployments"
)

func patchHeader(mime string) header { return header{"Content-Type": mime} }

func (a *api) patchOf(target, mime, body string) answer {
	a.Helper()
	return a.do("PATCH", target, body, patchHeader(mime))
}

func TestJSONPatch(t *testing.T) {
	a := newAPI(t)
	a.configMap("one", `"data":{"k":"v"}`)
	one := configMaps + "/one"
	patch := func(body string) answer { t.Helper(); return a.patchOf(one, jsonPatch, body) }
	patch(`[{"op":"add","path":"/data/m","value":"x"},{"op":"test","path":"/data/k","value":"v"}]`).has(200, `"m":"x"`)
	patch(`[{"op":"test","path":"/data/k","value":"no"}]`).
		message(422, "the server rejected our request due to an error in our request").has(422, `"details":{}`)
	patch(`{"op":"add"}`).message(400, "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp")
	patch(`[{"op":"add",`).message(400, "error decoding patch: unexpected end of JSON input")
	patch(`[{"op":"add","path":"/data/k","value":5}]`).has(422, `"field":"patch"`, "cannot unmarshal number into Go struct field ConfigMap.data of type string")
	patch(`[{"op":"replace","path":"/metadata/name","value":"two"}]`).message(400, "the name of the object (two) does not match the name on the URL (one)")
	patch(`[{"op":"replace","path":"/kind","value":"Secret"}]`).has(422, `"field":"patch"`)
	a.patchOf(configMaps+"/none", jsonPatch, `[]`).has(404)

	many := "[" + strings.Repeat(`{"op":"test","path":"/data/k","value":"v"},`, scheme.MaxPatchOperations) + `{"op":"test","path":"/data/k","value":"v"}]`
	patch(many).message(413, "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001")

	grow := `[{"op":"add","path":"/data/big","value":"` + strings.Repeat("x", 300<<10) + `"}`
	for i := range 12 {
		grow += fmt.Sprintf(`,{"op":"copy","from":"/data/big","path":"/data/big%d"}`, i)
	}
	patch(grow + "]").has(422)
}

// TestPatchThatChangesNothingWritesNothing: neither the object nor the times in
// its managedFields.
func TestPatchThatChangesNothingWritesNothing(t *testing.T) {
	a := newAPI(t)
	rv := a.configMap("one", `"data":{"k":"v"}`)
	a.sleep(5_000_000_000)
	for _, p := range []struct{ mime, body string }{
		{jsonPatch, `[]`},
		{mergePatch, `{"data":{"k":"v"}}`},
		{strategicPatch, `{"data":{"k":"v"}}`},
	} {
		got := a.patchOf(configMaps+"/one", p.mime, p.body).has(200).field("metadata", "resourceVersion")
		if got != rv {
			t.Errorf("%s: resourceVersion %v, want %s", p.mime, got, rv)
		}
	}
	if got := a.do("PUT", configMaps+"/one", `{"metadata":{"name":"one"},"data":{"k":"v"}}`, nil).has(200).field("metadata", "resourceVersion"); got != rv {
		t.Errorf("PUT: resourceVersion %v, want %s", got, rv)
	}
}

func TestMergePatch(t *testing.T) {
	a := newAPI(t)
	a.configMap("one", `"data":{"k":"v","l":"w"}`)
	one := configMaps + "/one"
	a.patchOf(one, mergePatch, `{"data":{"k":null,"m":"x"}}`).has(200, `"data":{"l":"w","m":"x"}`)
	a.patchOf(one, mergePatch, `[1]`).message(400, "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}")
	a.patchOf(one, mergePatch, ``).message(400, "error decoding patch: unexpected end of JSON input")
	a.patchOf(one, mergePatch, `{"metadata":{"namespace":"other"}}`).
		message(400, "the namespace of the provided object does not match the namespace sent on the request")
	p := a.patchOf(one, mergePatch, `{"metadata":{"label":{"x":"y"}},"data":{"k":"1","k":"2"}}`).has(200, `"k":"2"`)
	if strings.Join(p.warnings, "|") != `duplicate field "data.k"|unknown field "metadata.label"` {
		t.Errorf("warnings %q", p.warnings)
	}
	a.patchOf(one+"?fieldValidation=Strict", mergePatch, `{"dat":{}}`).has(422, `strict decoding error: unknown field \"dat\"`)
	a.patchOf(one+"?fieldValidation=Ignore", mergePatch, `{"dat":{}}`).has(200)
	a.patchOf(one, "application/x-patch", `{}`).message(415, "415: Unsupported Media Type")
	a.patchOf(one, "application/json", `{}`).has(415)
	a.patchOf(one, mergePatch+"; charset=utf-8", `{"data":{"n":"1"}}`).has(200)
}

func TestStrategicMergePatch(t *testing.T) {
	a := newAPI(t)
	a.do("POST", deployments, `{"metadata":{"name":"web"},"spec":{"selector":{"matchLabels":{"a":"b"}},
		"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"main","image":"i:1","env":[{"name":"A","value":"1"}]},{"name":"side","image":"s"}]}}}}`, nil).has(201)
	patch := func(body string) answer { t.Helper(); return a.patchOf(deployments+"/web", strategicPatch, body) }
	patch(`{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"B","value":"2"}]}]}}}}`).has(200, `"name":"A","value":"1"`, `"name":"B","value":"2"`, `"image":"i:1"`)
	patch(`{"spec":{"template":{"spec":{"containers":[{"$patch":"delete","name":"side"}]}}}}`).has(200).lacks(`"side"`)
	patch(`{"spec":{"template":{"spec":{"containers":[{"image":"x"}]}}}}`).
		message(500, "map: map[image:x] does not contain declared merge key: name")
	patch(`{"spec":{"template":{"spec":{"containers":[{"$patch":"shuffle","name":"main"}]}}}}`).
		message(500, "unknown patch type: shuffle in map: map[$patch:shuffle name:main]")
	patch(`"text"`).message(400, "json: cannot unmarshal string into Go value of type map[string]interface {}")
	a.patchOf(deployments+"/web?fieldValidation=Strict", strategicPatch, `{"dat":{"x":"y"}}`).
		has(422, `Invalid value: \"map[dat:map[x:y]]\": strict decoding error: unknown field \"dat\"`)
}

// TestSetElementOrderWithoutMergeKey was a panic in the library.
func TestSetElementOrderWithoutMergeKey(t *testing.T) {
	a := newAPI(t)
	const accounts = "/api/v1/namespaces/default/serviceaccounts"
	a.do("POST", accounts, `{"metadata":{"name":"sa"},"imagePullSecrets":[{"name":"x"}]}`, nil).has(201)
	p := a.patchOf(accounts+"/sa", strategicPatch, `{"$setElementOrder/imagePullSecrets":[{"name":"y"},{"name":"x"}],"imagePullSecrets":[{"name":"y"}]}`)
	if p.code != 200 && (p.code < 400 || p.code >= 500) {
		t.Errorf("code %d: %s", p.code, p.body)
	}
}

func TestApply(t *testing.T) {
	a := newAPI(t)
	one := configMaps + "/one"
	apply := func(query, body string) answer { t.Helper(); return a.patchOf(one+query, applyPatch, body) }
	const config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: \"1\"}\n"
	apply("", config).has(422, "is required for apply patch")
	apply("?fieldManager=m", config).has(201, `"operation":"Apply"`, `"manager":"m"`)
	apply("?fieldManager=m", config).has(200)
	apply("?fieldManager=n", strings.Replace(config, `"1"`, `"2"`, 1)).has(409, `conflict with \"m\"`)
	apply("?fieldManager=n&force=true", strings.Replace(config, `"1"`, `"2"`, 1)).has(200, `"a":"2"`)
	apply("?fieldManager=m", "a: b: c").has(400, "error decoding YAML")
	apply("?fieldManager=m", "").message(400, "invalid object type: /, Kind=")
	apply("?fieldManager=m", config+"dataa: {}\n").message(500, "failed to create typed patch object (/one; /v1, Kind=ConfigMap): .dataa: field not declared in schema")
	a.patchOf(one+"?fieldManager=m&force=true", mergePatch, `{}`).has(422, "may not be specified for non-apply patch")
	a.patchOf(configMaps+"/uid?fieldManager=m", applyPatch, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: uid, uid: x}\n").has(409, "uid mismatch")
}

// TestPatchInAnotherVersion patches in a version that isn't the stored one.
func TestPatchInAnotherVersion(t *testing.T) {
	a := newAPI(t)
	const v1, v2 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
	a.do("POST", v1, `{"metadata":{"name":"h"},"spec":{"maxReplicas":3,"scaleTargetRef":{"kind":"Deployment","name":"d","apiVersion":"apps/v1"},"targetCPUUtilizationPercentage":50}}`, nil).
		has(201, `"apiVersion":"autoscaling/v1"`, `"targetCPUUtilizationPercentage":50`)
	a.do("GET", v2+"/h", "", nil).has(200, `"apiVersion":"autoscaling/v2"`, `"averageUtilization":50`)
	for _, mime := range []string{mergePatch, strategicPatch} {
		a.patchOf(v1+"/h", mime, `{"spec":{"targetCPUUtilizationPercentage":60}}`).has(200, `"targetCPUUtilizationPercentage":60`)
	}
	a.patchOf(v1+"/h", jsonPatch, `[{"op":"replace","path":"/spec/targetCPUUtilizationPercentage","value":70}]`).has(200, `"targetCPUUtilizationPercentage":70`)
	a.do("GET", v2, "", nil).has(200, `"averageUtilization":70`).lacks(`"kind":"HorizontalPodAutoscaler",`)
	list := a.do("GET", v1, "", nil).has(200, `"targetCPUUtilizationPercentage":70`).lacks(`"kind":"HorizontalPodAutoscaler",`)
	if list.field("apiVersion") != "autoscaling/v1" {
		t.Errorf("list %s", list.body)
	}
}

// TestApplyThatOnlyCreates: with the precondition of HTTP an apply never changes
// what is there, whoever was faster.
func TestApplyThatOnlyCreates(t *testing.T) {
	a := newAPI(t)
	one := configMaps + "/one?fieldManager=me"
	only := header{"Content-Type": applyPatch, "If-None-Match": "*"}
	body := func(key string) string {
		return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"},"data":{"` + key + `":"v"}}`
	}
	a.do("PATCH", one+"&dryRun=All", body("a"), only).has(201)
	a.do("PATCH", one, body("a"), only).has(201)
	for _, target := range []string{one, one + "&dryRun=All", one + "&force=true"} {
		a.do("PATCH", target, body("b"), only).message(409, `configmaps "one" already exists`)
	}
	a.do("GET", configMaps+"/one", "", nil).has(200, `"data":{"a":"v"}`)
	a.do("PATCH", one, body("b"), header{"Content-Type": applyPatch, "If-None-Match": `"tag"`}).has(200, `"data":{"b":"v"}`)
}

func TestOfTwoAppliesThatOnlyCreateOneIsRefused(t *testing.T) {
	a := newAPI(t)
	only := header{"Content-Type": applyPatch, "If-None-Match": "*"}
	for i := range 50 {
		name := fmt.Sprintf("one-%d", i)
		codes := make([]int, 4)
		var all sync.WaitGroup
		for n := range codes {
			all.Go(func() {
				body := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q},"data":{"by-%d":"v"}}`, name, n)
				codes[n] = a.do("PATCH", configMaps+"/"+name+"?fieldManager=me", body, only).code
			})
		}
		all.Wait()
		slices.Sort(codes)
		if !slices.Equal(codes, []int{201, 409, 409, 409}) {
			t.Fatalf("%v", codes)
		}
	}
}
