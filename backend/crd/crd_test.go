package crd_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/apitest"
)

const (
	definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	widgets     = "/apis/example.com/v1/namespaces/default/widgets"
)

func definition(versions ...map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "widgets.example.com"},
		"spec": map[string]any{
			"group": "example.com", "scope": "Namespaced",
			"names":    map[string]any{"plural": "widgets", "kind": "Widget", "shortNames": []string{"wd"}},
			"versions": versions,
		},
	}
}

func version(name string, storage bool) map[string]any {
	return map[string]any{
		"name": name, "served": true, "storage": storage,
		"subresources": map[string]any{"status": map[string]any{}},
		"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{
			"spec": map[string]any{"type": "object", "properties": map[string]any{
				"size":  map[string]any{"type": "integer", "maximum": 9},
				"color": map[string]any{"type": "string", "default": "red"},
			}, "x-kubernetes-validations": []map[string]any{{"rule": "!has(self.size) || self.size != 7", "message": "not seven"}}},
			"status": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
		}}},
	}
}

func widget(name string, spec map[string]any) map[string]any {
	return map[string]any{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": name}, "spec": spec}
}

// served waits until a path is there.
func served(t *testing.T, s *apitest.Server, path string) {
	t.Helper()
	start := time.Now()
	for s.Admin().Get(path).Code != http.StatusOK {
		if time.Since(start) > time.Minute {
			t.Fatalf("%s is not served", path)
		}
	}
}

func gone(t *testing.T, s *apitest.Server, path string) {
	t.Helper()
	for start := time.Now(); s.Admin().Get(path).Code != http.StatusNotFound; {
		if time.Since(start) > time.Minute {
			t.Fatalf("%s is still there", path)
		}
	}
}

func TestLifeOfACustomResource(t *testing.T) {
	s := apitest.Start(t)
	admin := s.Admin()
	admin.Post(definitions, definition(version("v1", true))).Must(http.StatusCreated)
	served(t, s, widgets)
	made := admin.Post(widgets, widget("one", map[string]any{"size": 3, "weight": 5})).Must(http.StatusCreated)
	spec, _ := made.Object().Object["spec"].(map[string]any)
	if spec["color"] != "red" || spec["weight"] != nil {
		t.Errorf("defaults and pruning: %v", spec)
	}
	if w := made.Header.Get("Warning"); !strings.Contains(w, `unknown field \"spec.weight\"`) {
		t.Errorf("warning: %s", w)
	}
	refused := func(spec map[string]any, want string) {
		t.Helper()
		if got := admin.Post(widgets, widget("bad", spec)).Must(http.StatusUnprocessableEntity).Status().Message; !strings.Contains(got, want) {
			t.Errorf("%v: %s", spec, got)
		}
	}
	refused(map[string]any{"size": 12}, "spec.size: Invalid value: 12: spec.size in body should be less than or equal to 9")
	refused(map[string]any{"size": 7}, "not seven")
	refused(map[string]any{"size": "big"}, `spec.size: Invalid value: "string"`)

	obj := made.Object()
	obj.Object["status"] = map[string]any{"ready": true}
	put := admin.Put(widgets+"/one/status", obj.Object).Must(http.StatusOK).Object()
	if put.Object["metadata"].(map[string]any)["generation"] != float64(1) || put.Object["status"].(map[string]any)["ready"] != true {
		t.Errorf("status: %v", put.Object)
	}

	admin.Delete(definitions + "/widgets.example.com").Must(http.StatusOK)
	gone(t, s, definitions+"/widgets.example.com")
	gone(t, s, widgets)
}

// Objects outlive a restart and a change of the storage version.
func TestVersionsAndRestarts(t *testing.T) {
	s := apitest.Start(t)
	s.Admin().Post(definitions, definition(version("v1", true), version("v2", false))).Must(http.StatusCreated)
	served(t, s, widgets)
	s.Admin().Post(widgets, widget("one", map[string]any{"size": 3})).Must(http.StatusCreated)
	v2 := strings.Replace(widgets, "/v1/", "/v2/", 1)
	if got := s.Admin().Get(v2 + "/one").Must(http.StatusOK).Object(); got.GetAPIVersion() != "example.com/v2" {
		t.Errorf("in v2: %v", got.Object)
	}
	d := s.Admin().Get(definitions + "/widgets.example.com").Must(http.StatusOK).Object()
	for _, v := range d.Object["spec"].(map[string]any)["versions"].([]any) {
		m := v.(map[string]any)
		m["storage"] = m["name"] == "v2"
	}
	s.Admin().Put(definitions+"/widgets.example.com", d.Object).Must(http.StatusOK)
	s.Stop()
	again := apitest.Start(t, apitest.Options{DataDir: s.DataDir()})
	for _, path := range []string{widgets, v2} {
		got := again.Admin().Get(path + "/one").Must(http.StatusOK).Object()
		if !strings.HasPrefix(path, "/apis/"+got.GetAPIVersion()) || got.Object["spec"].(map[string]any)["color"] != "red" {
			t.Errorf("%s after the restart: %v", path, got.Object)
		}
	}
}

// Integers of an apply configuration are integers: for the scale subresource,
// and to their last digit.
func TestApplyKeepsIntegers(t *testing.T) {
	s := apitest.Start(t)
	v := version("v1", true)
	v["subresources"].(map[string]any)["scale"] = map[string]any{"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
	v["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)["properties"].(map[string]any)["spec"].(map[string]any)["properties"].(map[string]any)["big"] = map[string]any{"type": "integer", "format": "int64"}
	s.Admin().Post(definitions, definition(v)).Must(http.StatusCreated)
	served(t, s, widgets)
	apply := func(body string) *apitest.Answer {
		return s.Admin().Do("PATCH", widgets+"/one?fieldManager=m&force=true", body, "Content-Type", "application/apply-patch+yaml")
	}
	const config = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: one}\nspec: {size: 3, big: 9007199254740993}\n"
	apply(config).Must(http.StatusCreated)
	apply(strings.Replace(config, "size: 3", "size: 4", 1)).Must(http.StatusOK)
	got := apply(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"one"},"spec":{"size":5,"big":9007199254740993}}`).Must(http.StatusOK)
	if body := string(got.Body); !strings.Contains(body, `"big":9007199254740993`) || !strings.Contains(body, `"size":5`) {
		t.Error(body)
	}
}

// A watch goes on after a restart where it was.
func TestAWatchGoesOnAfterARestart(t *testing.T) {
	s := apitest.Start(t)
	s.Admin().Post(definitions, definition(version("v1", true))).Must(http.StatusCreated)
	served(t, s, widgets)
	seen := s.Admin().Post(widgets, widget("one", map[string]any{"size": 3})).Must(http.StatusCreated).Object().GetResourceVersion()
	s.Admin().Patch(widgets+"/one", `{"spec":{"size":4}}`).Must(http.StatusOK)
	s.Admin().Post(widgets, widget("two", map[string]any{"size": 1})).Must(http.StatusCreated)
	s.Admin().Delete(widgets + "/two").Must(http.StatusOK)
	s.Stop()
	again := apitest.Start(t, apitest.Options{DataDir: s.DataDir()})
	w := again.Admin().Watch(widgets + "?resourceVersion=" + seen)
	defer w.Close()
	for _, want := range []string{"MODIFIED one", "ADDED two", "DELETED two", "ADDED three"} {
		if want == "ADDED three" {
			again.Admin().Post(widgets, widget("three", map[string]any{"size": 1})).Must(http.StatusCreated)
		}
		if e := w.Next(); e.Type+" "+e.Object.GetName() != want {
			t.Errorf("%s %s, want %s", e.Type, e.Object.GetName(), want)
		}
	}
}

// Two definitions want the same kind: the second gets it when the first goes.
func TestNamesAreGivenOnce(t *testing.T) {
	s := apitest.Start(t)
	second := definition(version("v1", true))
	second["metadata"] = map[string]any{"name": "gadgets.example.com"}
	second["spec"].(map[string]any)["names"] = map[string]any{"plural": "gadgets", "kind": "Widget"}
	s.Admin().Post(definitions, definition(version("v1", true))).Must(http.StatusCreated)
	served(t, s, widgets)
	s.Admin().Post(definitions, second).Must(http.StatusCreated)
	gadgets := strings.Replace(widgets, "widgets", "gadgets", 1)
	for start := time.Now(); !strings.Contains(string(s.Admin().Get(definitions+"/gadgets.example.com").Body), "KindConflict"); {
		if time.Since(start) > time.Minute {
			t.Fatal("the conflict is not told")
		}
	}
	s.Admin().Get(gadgets).Must(http.StatusNotFound)
	s.Admin().Delete(definitions + "/widgets.example.com").Must(http.StatusOK)
	served(t, s, gadgets)
}
