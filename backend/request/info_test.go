package request

import (
	"strings"
	"testing"
)

func TestParseInfo(t *testing.T) {
	check := func(method, path string, want Info) {
		t.Helper()
		got := ParseInfo(method, path, false, "")
		got.Parts, want.Path = nil, path
		if got.Verb != want.Verb || got.IsResource != want.IsResource || got.Group != want.Group || got.Version != want.Version ||
			got.Namespace != want.Namespace || got.Resource != want.Resource || got.Subresource != want.Subresource || got.Name != want.Name ||
			got.LegacyWatch != want.LegacyWatch {
			t.Errorf("%s %s:\n got %+v\nwant %+v", method, path, got, want)
		}
	}
	res := func(verb, group, version, ns, resource, name, sub string) Info {
		return Info{IsResource: true, Verb: verb, Group: group, Version: version, Namespace: ns, Resource: resource, Name: name, Subresource: sub}
	}
	check("GET", "/api/v1/pods", res("list", "", "v1", "", "pods", "", ""))
	check("GET", "/api/v1/pods/", res("list", "", "v1", "", "pods", "", ""))
	check("GET", "/api/v1/namespaces/a/pods/b", res("get", "", "v1", "a", "pods", "b", ""))
	check("HEAD", "/api/v1/namespaces/a/pods/b", res("get", "", "v1", "a", "pods", "b", ""))
	check("PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale", res("patch", "apps", "v1", "a", "deployments", "b", "scale"))
	check("DELETE", "/apis/apps/v1/namespaces/a/deployments", res("deletecollection", "apps", "v1", "a", "deployments", "", ""))
	check("GET", "/api/v1/namespaces", res("list", "", "v1", "", "namespaces", "", ""))
	check("GET", "/api/v1/namespaces/a", res("get", "", "v1", "a", "namespaces", "a", ""))
	check("PUT", "/api/v1/namespaces/a/finalize", res("update", "", "v1", "a", "namespaces", "a", "finalize"))
	check("PUT", "/api/v1/namespaces/a/status", res("update", "", "v1", "a", "namespaces", "a", "status"))
	check("GET", "/api/v1/namespaces//pods", res("list", "", "v1", "", "pods", "", ""))
	check("GET", "/api/v1//namespaces/a/pods", res("get", "", "v1", "", "", "namespaces", "a"))
	check("POST", "/api/v1/namespaces/a/services/b/proxy/some/path", res("create", "", "v1", "a", "services", "b", "proxy"))
	check("BREW", "/api/v1/pods/b", res("", "", "v1", "", "pods", "b", ""))
	check("GET", "/api", Info{Verb: "get"})
	check("GET", "/api/v1", Info{Verb: "get"})
	check("GET", "/apis/apps/v1", Info{Verb: "get"})
	check("POST", "/apis/apps", Info{Verb: "post"})
	check("GET", "/", Info{Verb: "get"})
	check("GET", "//", Info{Verb: "get"})
	check("GET", "/api/v1/watch", Info{Verb: "get"})
	legacy := res("watch", "", "v1", "a", "pods", "", "")
	legacy.LegacyWatch = true
	check("GET", "/api/v1/watch/namespaces/a/pods", legacy)
}

func TestLongRunning(t *testing.T) {
	check := func(path string, watch, want bool) {
		t.Helper()
		i := ParseInfo("GET", path, watch, "")
		if i.LongRunning() != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
	check("/api/v1/pods", false, false)
	check("/api/v1/pods", true, true)
	check("/api/v1/namespaces/a/pods/b/exec", false, true)
	check("/api/v1/namespaces/a/pods/b/log", false, true)
	check("/api/v1/namespaces/a/pods/b/status", false, false)
	check("/api/v1/nodes/a/proxy/x", false, true)
	check("/debug/pprof/profile", false, true)
	check("/healthz", true, false)
}

// FuzzParseInfo checks what the layers below rely on: a resource request names
// its version, nothing has a slash in it, and the same path always means the
// same.
func FuzzParseInfo(f *testing.F) {
	for _, path := range []string{
		"/", "/api", "/api/v1/pods", "/api/v1/namespaces/a/pods/b/log", "/apis/apps/v1/namespaces/a/deployments/b/scale",
		"/api/v1/watch/namespaces/a/pods/b", "/api/v1/proxy/nodes/a", "/api/v1//pods", "/apis//v1/x", "/api/v1/namespaces//pods",
		"/apis/example.com/v1/namespaces/a/widgets/b/status/more/parts", "/healthz", "//", "/api/v1/namespaces/a/status",
	} {
		f.Add("GET", path, true, "x")
		f.Add("DELETE", path, false, "")
	}
	f.Fuzz(func(t *testing.T, method, path string, watch bool, name string) {
		i := ParseInfo(method, path, watch, name)
		again := ParseInfo(method, path, watch, name)
		if i.Verb != again.Verb || i.Resource != again.Resource || i.Name != again.Name {
			t.Error("two meanings of one path")
		}
		if i.Path != path {
			t.Errorf("path %q", i.Path)
		}
		if !i.IsResource {
			if i.Resource != "" || i.Name != "" || i.Subresource != "" || i.Verb != strings.ToLower(method) {
				t.Errorf("%+v", i)
			}
			return
		}
		if i.APIPrefix != "api" && i.APIPrefix != "apis" {
			t.Errorf("%+v", i)
		}
		if i.APIPrefix == "api" && i.Group != "" {
			t.Errorf("a group below /api: %+v", i)
		}
		for _, part := range []string{i.Group, i.Version, i.Namespace, i.Resource, i.Subresource} {
			if strings.Contains(part, "/") {
				t.Errorf("a slash in %+v", i)
			}
		}
		if i.Name != name && strings.Contains(i.Name, "/") {
			t.Errorf("a slash in the name: %+v", i)
		}
		if (i.Verb == "list" || i.Verb == "deletecollection") && len(i.Parts) > 1 && i.Parts[1] != "" {
			t.Errorf("%s of a named object: %+v", i.Verb, i)
		}
		i.LongRunning()
		i.Mutating()
	})
}
