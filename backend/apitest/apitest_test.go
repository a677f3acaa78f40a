package apitest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/config"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const configMaps = "/api/v1/namespaces/default/configmaps"

func configMap(name string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": map[string]any{"k": "v"},
	}
}

func TestObjectsAndIdentitySurviveARestart(t *testing.T) {
	first := Start(t)
	first.Admin().Post(configMaps, configMap("kept")).Must(201)
	before := first.Admin().Get(configMaps + "/kept").Must(200).Object()
	roles := first.Admin().Get("/apis/rbac.authorization.k8s.io/v1/clusterroles").Must(200).Object()
	first.Stop()

	second := Start(t, Options{DataDir: first.DataDir()})
	after := second.Admin().Get(configMaps + "/kept").Must(200).Object()
	if before.GetUID() != after.GetUID() || before.GetResourceVersion() != after.GetResourceVersion() {
		t.Errorf("%v became %v", before, after)
	}
	again := second.Admin().Get("/apis/rbac.authorization.k8s.io/v1/clusterroles").Must(200).Object()
	a, _, _ := nested(roles.Object)
	b, _, _ := nested(again.Object)
	if a != b {
		t.Errorf("%d cluster roles became %d", a, b)
	}
}

// eventually waits until f has nothing to complain of.
func eventually(t *testing.T, f func() string) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		wrong := f()
		if wrong == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatal(wrong)
		}
	}
}

// there waits until something can be read.
func there(t *testing.T, c *Caller, path string) {
	t.Helper()
	eventually(t, func() string {
		if code := c.Get(path).Code; code != 200 {
			return fmt.Sprintf("%s is %d", path, code)
		}
		return ""
	})
}

// defaultAccount is what a pod needs in the namespace default. A loop makes it
// after the start.
const defaultAccount = "/api/v1/namespaces/default/serviceaccounts/default"

// nested gives how many items a list has and the first and the last name.
func nested(list map[string]any) (n int, first, last string) {
	items, _ := list["items"].([]any)
	name := func(i int) string {
		m, _ := items[i].(map[string]any)["metadata"].(map[string]any)
		s, _ := m["name"].(string)
		return s
	}
	if len(items) == 0 {
		return 0, "", ""
	}
	return len(items), name(0), name(len(items) - 1)
}

func TestWatchesEndWhenTheServerStops(t *testing.T) {
	s := Start(t)
	w := s.Admin().Watch(configMaps + "?fieldSelector=metadata.name%3Done")
	s.Admin().Post(configMaps, configMap("one")).Must(201)
	if e := w.Next(); e.Type != "ADDED" || e.Object.GetName() != "one" {
		t.Errorf("%+v", e)
	}
	s.Stop()
	w.Ended()
}

func TestUsersAndTheirRights(t *testing.T) {
	s := Start(t, Options{Users: []User{{Name: "alice", Groups: []string{"dev"}}, {Name: "root", Groups: []string{"system:masters"}}}})
	s.As("root").Get(configMaps).Must(200)
	got := s.As("alice").Get(configMaps).Must(403).Status()
	if want := `configmaps is forbidden: User "alice" cannot list resource "configmaps" in API group "" in the namespace "default"`; got.Message != want {
		t.Errorf("%s", got.Message)
	}
	s.As("alice").Get("/version").Must(200)
	s.Anonymous().Get("/readyz").Must(200)
	s.Anonymous().Get("/api").Must(403)
	s.As("nobody").Get("/readyz").Must(401)

	s.Admin().Post("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": map[string]any{"name": "dev"},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:aggregate-to-view"},
		"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "dev"}},
	}).Must(201)
	s.As("alice").Get(configMaps).Must(200)
	s.As("alice").Post(configMaps, configMap("x")).Must(403)
}

func TestWithoutAnonymous(t *testing.T) {
	s := Start(t, Options{Change: func(o *config.Options) { o.Authn.Anonymous = false }})
	s.Anonymous().Get("/readyz").Must(401)
	s.Admin().Get("/readyz").Must(200)
}

func TestAlwaysAllow(t *testing.T) {
	s := Start(t, Options{Change: func(o *config.Options) { o.Authz.Modes = []string{"AlwaysAllow"} }})
	s.Anonymous().Get(configMaps).Must(200)
}

func TestKubeconfigIsOnlyForItsOwner(t *testing.T) {
	s := Start(t)
	info, err := os.Stat(s.KubeconfigPath())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	b, err := os.ReadFile(s.KubeconfigPath())
	if err != nil || !strings.Contains(string(b), s.URL()) {
		t.Errorf("%v %.200s", err, b)
	}
	folder, err := os.Stat(filepath.Join(s.DataDir(), "pki"))
	if err != nil || folder.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", folder, err)
	}
}

func TestPathsThatAreNoResource(t *testing.T) {
	s := Start(t)
	check := func(path, contentType, part string) {
		t.Helper()
		a := s.Admin().Get(path).Must(200)
		if got := a.Header.Get("Content-Type"); !strings.HasPrefix(got, contentType) || !strings.Contains(string(a.Body), part) {
			t.Errorf("%s: %s %.300s", path, got, a.Body)
		}
	}
	check("/", "application/json", `"/healthz/ping"`)
	check("/version", "application/json", `"gitVersion": "v1.36.2"`)
	check("/metrics", "text/plain", "apiserver_request_total")
	check("/healthz?verbose", "text/plain", "[+]etcd ok\n")
	check("/openapi/v3", "text/plain", "apis/apps/v1")
	check("/debug/pprof/", "text/plain", "goroutine")
	check("/debug/pprof/goroutine?debug=1", "text/plain", "goroutine profile:")
	s.Admin().Get("/debug/pprof/no-such").Must(404)
	s.Admin().Get("/no-such-path").Must(404)
	s.Admin().Get("/debug/pprof/profile?seconds=-1").Must(400)

	off := Start(t, Options{Change: func(o *config.Options) { o.Features.Profiling = false }})
	off.Admin().Get("/debug/pprof/").Must(404)
}

func TestStartObjects(t *testing.T) {
	s := Start(t)
	check := func(path string, want int) {
		t.Helper()
		eventually(t, func() string {
			n, first, last := nested(s.Admin().Get(path).Must(200).Object().Object)
			if n == want {
				return ""
			}
			return fmt.Sprintf("%s: %d (%s to %s), want %d", path, n, first, last, want)
		})
	}
	check("/api/v1/namespaces", 4)
	check("/api/v1/services", 1)
	check("/apis/scheduling.k8s.io/v1/priorityclasses", 2)
	check("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", 11)
	check("/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations", 8)
	check("/apis/networking.k8s.io/v1/servicecidrs", 1)
	check("/apis/apiregistration.k8s.io/v1/apiservices", 21)
	check("/apis/rbac.authorization.k8s.io/v1/clusterroles", 69)
	check("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", 50)

	service := s.Admin().Get("/api/v1/namespaces/default/services/kubernetes").Must(200).Object()
	if ip, _, _ := unstructured.NestedString(service.Object, "spec", "clusterIP"); ip != "10.0.0.1" {
		t.Errorf("clusterIP %q", ip)
	}
	cidr := s.Admin().Get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes").Must(200)
	if !strings.Contains(string(cidr.Body), `"Kubernetes default Service CIDR is ready"`) {
		t.Errorf("%s", cidr.Body)
	}
}

func TestVersionThatIsTurnedOff(t *testing.T) {
	const hpas = "/namespaces/default/horizontalpodautoscalers"
	hpa := map[string]any{
		"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": map[string]any{"name": "web"},
		"spec": map[string]any{"maxReplicas": 3, "scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
	}
	first := Start(t)
	first.Admin().Post("/apis/autoscaling/v2"+hpas, hpa).Must(201)
	first.Stop()
	s := Start(t, Options{DataDir: first.DataDir(), Change: func(o *config.Options) {
		o.Features.RuntimeConfig = map[string]string{"autoscaling/v2": "false", "flowcontrol.apiserver.k8s.io/v1": "false"}
	}})
	s.Admin().Get("/apis/autoscaling/v2" + hpas).Must(404)
	s.Admin().Get("/apis/autoscaling/v1" + hpas + "/web").Must(200)
	s.Admin().Patch("/apis/autoscaling/v1"+hpas+"/web", map[string]any{"spec": map[string]any{"maxReplicas": 4}}).Must(200)
	s.Admin().Get("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas").Must(404)
}
