package endpoints

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/url"
	"reflect"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/labels"
	kjson "sigs.k8s.io/json"
)

// fuzzPatch sends any body as a patch: whatever it is, the answer is a Status
// or an object that is still there afterwards, and never a panic.
func fuzzPatch(f *testing.F, mime string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	a := newAPI(f)
	a.configMap("one", `"data":{"k":"v"},"binaryData":{"b":"AAA="}`)
	a.do("POST", deployments, `{"metadata":{"name":"one","finalizers":["example.com/a"]},"spec":{"selector":{"matchLabels":{"a":"b"}},
		"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"main","image":"i","ports":[{"containerPort":80}]}],"imagePullSecrets":[{"name":"x"}]}}}}`, nil).has(201)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, target := range []string{configMaps + "/one", deployments + "/one"} {
			p := a.in(t).do("PATCH", target+"?dryRun=All&fieldManager=fuzz", string(body), patchHeader(mime))
			if !json.Valid(p.body) {
				t.Errorf("%s: %d %.200q", target, p.code, p.body)
			}
			if p.code == 500 && bytes.HasPrefix(p.body, []byte("hidden")) {
				t.Errorf("%s: an error that is not for clients: %s", target, p.body)
			}
			a.in(t).do("GET", target, "", nil).has(200)
		}
	})
}

func FuzzJSONPatch(f *testing.F) {
	fuzzPatch(f, jsonPatch,
		`[{"op":"add","path":"/data/m","value":"x"},{"op":"replace","path":"/data/k","value":"v2"}]`,
		`[{"op":"remove","path":"/data/l"},{"op":"copy","from":"/data/k","path":"/data/k2"},{"op":"move","from":"/data/m","path":"/data/n"}]`,
		`[{"op":"replace","path":"/metadata/annotations/example.com~1note","value":"ho"}]`,
		`[{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"x","image":"y"}}]`,
		`[{"op":"remove","path":"/spec/template/spec/containers/-1"}]`,
		`[{"op":"test","path":"","value":null}]`, `[{"op":"replace","path":"","value":[]}]`, `[{}]`, `{}`, `[null]`, `[`)
}

func FuzzMergePatch(f *testing.F) {
	fuzzPatch(f, mergePatch,
		`{"data":{"a":null,"c":"5"}}`, `{"metadata":{"labels":{"x":"y"}},"spec":{"replicas":3}}`, `{"kind":null}`, `{"metadata":null}`,
		`{"spec":{"template":{"spec":{"containers":null}}}}`, `null`, `[]`, `{"data":{"k":"1","k":"2"}}`, `{"spec":{"replicas":1e99}}`)
}

func FuzzStrategicMergePatch(f *testing.F) {
	fuzzPatch(f, strategicPatch,
		`{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"img:2"}]}}}}`,
		`{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"side"},{"name":"main"}],"containers":[{"name":"main","image":"img:4"}]}}}}`,
		`{"spec":{"template":{"spec":{"containers":[{"$patch":"replace"},{"name":"only","image":"img:5"}]}}}}`,
		`{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}`,
		`{"metadata":{"$deleteFromPrimitiveList/finalizers":["example.com/a"]}}`,
		`{"spec":{"template":{"spec":{"$setElementOrder/imagePullSecrets":[{"name":"y"}],"imagePullSecrets":[{"name":"y"}]}}}}`,
		`{"metadata":{"labels":{"$patch":"delete"}}}`, `{"$patch":"delete"}`, `{"$retainKeys":1}`)
}

// FuzzQuery sends any query with every verb that reads options.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"watch=true&timeoutSeconds=1&resourceVersion=999999", "limit=1&continue=abc", "resourceVersion=0&resourceVersionMatch=Exact",
		"labelSelector=a%3Db,c+in+(d)", "fieldSelector=metadata.name%3Done", "pretty=true", "dryRun=All", "dryRun=&dryRun=All", "fieldValidation=Strict",
		"fieldManager=%00", "gracePeriodSeconds=-1", "propagationPolicy=Orphan", "orphanDependents=maybe", "includeObject=None", "export=true", "%zz", "&&=;",
	} {
		f.Add(q)
	}
	a := newAPI(f)
	a.configMap("one", `"data":{"k":"v"}`)
	f.Fuzz(func(t *testing.T, query string) {
		if v, err := url.ParseQuery(query); err != nil || v.Has("watch") {
			return // watches have tests of their own, and last
		}
		for _, r := range []struct{ method, target, body string }{
			{"GET", configMaps, ""}, {"GET", configMaps + "/one", ""}, {"POST", configMaps, `{"metadata":{"name":"one"}}`},
			{"PUT", configMaps + "/none", `{"metadata":{"name":"none"}}`}, {"DELETE", configMaps + "/none", ""},
		} {
			p := a.in(t).do(r.method, r.target+"?"+query, r.body, header{"Accept": tableForm1 + ",application/json"})
			if !json.Valid(p.body) {
				t.Errorf("%s %s?%s: %d %.200q", r.method, r.target, query, p.code, p.body)
			}
		}
	})
}

// FuzzLabelSelector checks that a list gives what the selector's own library
// says.
func FuzzLabelSelector(f *testing.F) {
	for _, s := range []string{"a=b", "a in (b,c)", "!a", "a notin (b)", "rank>3", "a==b,c!=d", "a=", "-a", "a in (", "a=b c"} {
		f.Add(s)
	}
	a := newAPI(f)
	one := labels.Set{"a": "b", "rank": "5"}
	a.do("POST", configMaps, `{"metadata":{"name":"one","labels":{"a":"b","rank":"5"}}}`, nil).has(201)
	f.Fuzz(func(t *testing.T, selector string) {
		p := a.in(t).do("GET", configMaps+"?"+url.Values{"labelSelector": {selector}}.Encode(), "", nil)
		s, err := labels.Parse(selector)
		switch {
		case err != nil:
			p.has(400)
		case s.Matches(one):
			p.has(200, `"name":"one"`)
		default:
			p.has(200, `"items":[]`)
		}
	})
}

// FuzzTopLevel compares the scanner with the real JSON reader.
func FuzzTopLevel(f *testing.F) {
	for _, s := range []string{`{"kind":"A","metadata":{"name":"x\"}"},"z":[1,{"a":"]"}]}`, `{"metadata":1}`, `{}`, `{"a":"\\","metadata":null}`, `[`, `{"metadata"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		start, end, ok := topLevel(raw, "metadata")
		if ok && (start < 0 || end > len(raw) || start >= end) {
			t.Fatalf("%d:%d of %d", start, end, len(raw))
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(raw, &fields) != nil || bytes.Count(raw, []byte("metadata")) > 1 || bytes.Contains(raw, []byte(`\u`)) {
			return
		}
		want, there := fields["metadata"]
		if there != ok || ok && !bytes.Equal(bytes.TrimSpace(want), raw[start:end]) {
			t.Errorf("%q: got %v %q, want %v %q", raw, ok, raw[start:end], there, want)
		}
	})
}

// FuzzWebSocketFrame reads what a client might send.
func FuzzWebSocketFrame(f *testing.F) {
	f.Add([]byte{0x89, 0x81, 1, 2, 3, 4, 5})
	f.Add([]byte{0x88, 0x80, 0, 0, 0, 0})
	f.Add([]byte{0x81, 0xfe, 0, 200, 1, 2, 3, 4})
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		for {
			_, payload, err := readFrame(r)
			if err != nil {
				return
			}
			if len(payload) > maxClientFrame {
				t.Fatalf("a frame of %d bytes", len(payload))
			}
		}
	})
}

// FuzzMerge compares merge patches with the library's.
func FuzzMerge(f *testing.F) {
	for _, s := range [][2]string{
		{`{"a":{"b":1,"c":[1,2]},"d":"x"}`, `{"a":{"b":null,"e":{"f":null,"g":1}},"d":{"h":null}}`},
		{`{"a":1}`, `{"a":[{"b":null}]}`}, {`{"a":{}}`, `{"a":[{"b":null}]}`}, {`{"a":null}`, `{"a":{"b":null}}`},
		{`{}`, `{"a":[null,{"b":null}]}`}, {`{"\u0061":1}`, `{"a":2}`}, {`{"a":1,"a":{"b":2}}`, `{"a":{"c":3}}`}, {`{"a":1e400}`, `{"b":"null"}`},
		{`{"a":{"a":{"a":{}}}}`, `{"a":{"a":{"a":{"a":"\u0000\"\\"}}}}`}, {`[]`, `{}`}, {`{}`, `[]`}, {`{}`, `null`}, {` { "a" : 1 } `, ` { "b" : 2 } `},
	} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	f.Fuzz(func(t *testing.T, doc, patch []byte) {
		if !json.Valid(doc) || !json.Valid(patch) || hasDuplicates(doc) {
			return // objects have neither: they are this server's own
		}
		got, gotErr := mergeDocument(bytes.Clone(doc), bytes.Clone(patch))
		want, wantErr := jsonpatch.MergePatch(doc, patch)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("error %v, want %v", gotErr, wantErr)
		}
		if gotErr == nil && !sameValue(got, want) {
			t.Errorf("%s + %s\ngot  %s\nwant %s", doc, patch, got, want)
		}
	})
}

func hasDuplicates(raw []byte) bool {
	var v any
	strict, err := kjson.UnmarshalStrict(raw, &v)
	return err != nil || len(strict) > 0
}

func sameValue(a, b []byte) bool {
	read := func(raw []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return "not JSON: " + string(raw)
		}
		return v
	}
	return reflect.DeepEqual(read(a), read(b))
}
