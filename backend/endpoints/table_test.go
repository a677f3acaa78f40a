package endpoints

import (
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	a := newAPI(t)
	accept := header{"Accept": tableForm1 + ",application/json"}
	a.do("GET", configMaps, "", accept).has(200, `"rows":[]`, `"columnDefinitions":[{"name":"Name","type":"string","format":"name"`)
	a.do("POST", configMaps, `{"metadata":{"name":"one"},"data":{"a":"1"}}`, accept).
		has(201, `"kind":"Table"`, `"cells":["one",1,"0s"],"object":{"kind":"PartialObjectMetadata"`)
	a.sleep(5 * time.Minute)
	a.do("GET", configMaps, "", accept).has(200, `"cells":["one",1,"5m"]`)
	a.sleep(48 * time.Hour)
	a.do("GET", configMaps+"/one", "", accept).has(200, `"cells":["one",1,"2d"]`)
	a.do("GET", configMaps+"?includeObject=None", "", accept).has(200, `"object":null`)
	a.do("GET", configMaps+"?includeObject=Object", "", accept).has(200, `"object":{"kind":"ConfigMap","apiVersion":"v1"`)
	a.do("GET", configMaps+"?includeObject=Everything", "", accept).
		message(400, "Unable to convert to Table as requested: includeObject: Invalid value: \"Everything\": must be 'Metadata', 'Object', 'None', or empty")
	a.do("GET", configMaps, "", header{"Accept": strings.Replace(tableForm1, "v=v1", "v=v1beta1", 1)}).
		has(200, `"apiVersion":"meta.k8s.io/v1beta1"`, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1beta1"`)
	a.do("GET", configMaps, "", header{"Accept": "application/yaml;as=Table;v=v1;g=meta.k8s.io"}).has(200, "kind: Table\n")
	a.do("DELETE", configMaps+"/one", "", accept).has(200, `"kind":"Status"`)
	a.do("POST", configMaps+"?dryRun=All", `{"metadata":{"name":"dry"}}`, accept).has(201, `"apiVersion":"meta.k8s.io/v1","metadata":{},`)
}

// TestChangingCellsAreNotKept: a cell that shows another time than the object's
// own age is made anew each time.
func TestChangingCellsAreNotKept(t *testing.T) {
	a := newAPI(t)
	const csrs = "/api/v1/namespaces/default/events"
	accept := header{"Accept": tableForm1}
	a.do("POST", csrs, `{"metadata":{"name":"e","namespace":"default"},"involvedObject":{"kind":"Pod","namespace":"default","name":"p"},
		"reason":"R","message":"m","type":"Normal","firstTimestamp":"2026-01-02T02:04:05Z","lastTimestamp":"2026-01-02T02:04:05Z"}`, nil).has(201)
	first := a.do("GET", csrs, "", accept).has(200).body
	a.sleep(time.Hour)
	second := a.do("GET", csrs, "", accept).has(200).body
	if !strings.Contains(string(first), `"60m"`) || !strings.Contains(string(second), `"120m"`) {
		t.Errorf("first %.3000s\nsecond %.3000s", first, second)
	}
}

// TestRowOrder: flow schemas are shown in the order in which they are tried.
func TestRowOrder(t *testing.T) {
	a := newAPI(t)
	const schemas = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
	for name, precedence := range map[string]string{"a": "300", "b": "200", "c": "200"} {
		a.do("POST", schemas, `{"metadata":{"name":"`+name+`"},"spec":{"matchingPrecedence":`+precedence+`,"priorityLevelConfiguration":{"name":"l"}}}`, nil).has(201)
	}
	body := string(a.do("GET", schemas, "", header{"Accept": tableForm1}).has(200).body)
	b, c, last := strings.Index(body, `["b","l",200`), strings.Index(body, `["c","l",200`), strings.Index(body, `["a","l",300`)
	if b < 0 || c < b || last < c {
		t.Errorf("order %d %d %d in %s", b, c, last, body)
	}
}

func TestScaleTable(t *testing.T) {
	a := newAPI(t)
	found := false
	for _, s := range mustLookup(a, "apps", "v1", "deployments").Resource.Subresources {
		found = found || s.Name == "scale" && s.Get != nil
	}
	if !found {
		t.Fatal("deployments have no scale")
	}
	a.do("POST", deployments, `{"metadata":{"name":"web"},"spec":{"replicas":2,"selector":{"matchLabels":{"a":"b"}},
		"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"main","image":"i"}]}}}}`, nil).has(201)
	a.do("GET", deployments+"/web/scale", "", header{"Accept": tableForm1}).has(200, `"cells":["web",2,0,"0s"]`)
}
