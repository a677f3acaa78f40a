package resources

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/registry"
)

// withoutDefaults are the resources of which Kubernetes defaults no field.
var withoutDefaults = []string{
	"apps/controllerrevisions",
	"authentication.k8s.io/selfsubjectreviews",
	"authentication.k8s.io/tokenreviews",
	"authorization.k8s.io/localsubjectaccessreviews",
	"authorization.k8s.io/selfsubjectaccessreviews",
	"authorization.k8s.io/selfsubjectrulesreviews",
	"authorization.k8s.io/subjectaccessreviews",
	"certificates.k8s.io/certificatesigningrequests",
	"coordination.k8s.io/leases",
	"/bindings",
	"/componentstatuses",
	"/configmaps",
	"/events",
	"/serviceaccounts",
	"events.k8s.io/events",
	"networking.k8s.io/ingresses",
	"networking.k8s.io/ipaddresses",
	"networking.k8s.io/servicecidrs",
	"policy/poddisruptionbudgets",
	"rbac.authorization.k8s.io/roles",
	"rbac.authorization.k8s.io/clusterroles",
	"resource.k8s.io/deviceclasses",
	"resource.k8s.io/resourceslices",
	"storage.k8s.io/csinodes",
	"storage.k8s.io/csistoragecapacities",
	"storage.k8s.io/volumeattachments",
	"storage.k8s.io/volumeattributesclasses",
}

// withoutColumns are the resources that are created only, so that no table shows
// them.
var withoutColumns = []string{
	"authentication.k8s.io/selfsubjectreviews",
	"authentication.k8s.io/tokenreviews",
	"authorization.k8s.io/localsubjectaccessreviews",
	"authorization.k8s.io/selfsubjectaccessreviews",
	"authorization.k8s.io/selfsubjectrulesreviews",
	"authorization.k8s.io/subjectaccessreviews",
	"/bindings",
}

// withFields are the resources of which Kubernetes lets clients select by more
// than name and namespace.
var withFields = []string{
	"batch/jobs",
	"certificates.k8s.io/certificatesigningrequests",
	"/events",
	"/namespaces",
	"/nodes",
	"/secrets",
	"/services",
	"/pods",
	"/replicationcontrollers",
	"events.k8s.io/events",
	"resource.k8s.io/resourceslices",
}

// examples are tests that create or read a resource of which k8s.io/api has no
// golden object; the others are in backend/apitest/golden_test.go.
var examples = map[string]string{
	"apiextensions.k8s.io/customresourcedefinitions": "crd/crd_test.go",
	"apiregistration.k8s.io/apiservices":             "resources/apiregistration/apiservices_test.go",
	"/componentstatuses":                             "resources/core/objects_test.go",
	"/bindings":                                      "resources/core/pod_test.go",
}

func TestEveryResourceIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range All(&registry.Env{}) {
		key := r.Group + "/" + r.Name
		if seen[key] {
			t.Errorf("%s is listed twice", key)
		}
		seen[key] = true
		if r.Singular == "" || r.Kind == "" || len(r.Versions) == 0 {
			t.Errorf("%s lacks names or versions", key)
		}
		if r.Virtual == nil {
			hubs := 0
			if r.Stored != nil {
				hubs++
			}
			for _, v := range r.Versions {
				if v.ToHub == nil && v.FromHub == nil {
					hubs++
				}
			}
			if hubs != 1 {
				t.Errorf("%s has %d storage versions", key, hubs)
			}
		}
		for _, v := range r.Versions {
			if v.New == nil {
				t.Errorf("%s %s cannot be made", key, v.Name)
			}
			decided(t, key, "defaults in "+v.Name, v.Default != nil, !slices.Contains(withoutDefaults, key))
		}
		decided(t, key, "columns", len(r.Columns) > 0 && r.Cells != nil, !slices.Contains(withoutColumns, key))
		decided(t, key, "selectable fields", len(r.Fields) > 0, slices.Contains(withFields, key))
		hasExample(t, &r, key)
	}
}

// decided holds what a resource has against what the lists above say that it has
// to have: somebody must have thought of it.
func decided(t *testing.T, key, what string, has, should bool) {
	t.Helper()
	switch {
	case should && !has:
		t.Errorf("%s has no %s, and no list says that Kubernetes has none either", key, what)
	case has && !should:
		t.Errorf("%s has %s, although a list says that it has none", key, what)
	}
}

// hasExample looks for an object of a resource that a test sends through a
// server.
func hasExample(t *testing.T, r *registry.Resource, key string) {
	t.Helper()
	if file := examples[key]; file != "" {
		raw, err := os.ReadFile(filepath.Join("..", file))
		if err != nil || !strings.Contains(strings.ToLower(string(raw)), strings.ToLower(r.Kind)) {
			t.Errorf("%s has no example in %s: %v", key, file, err)
		}
		return
	}
	group := map[bool]string{true: "core", false: r.Group}[r.Group == ""]
	for _, v := range r.Versions {
		if _, err := os.Stat(filepath.Join(goldenFolder(t), group+"."+v.Name+"."+r.Kind+".json")); err != nil {
			t.Errorf("%s %s has no example: %v", key, v.Name, err)
		}
	}
}

// goldenFolder has an object of every kind of k8s.io/api.
func goldenFolder(t *testing.T) string {
	t.Helper()
	golden.Do(func() {
		dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
		if err != nil {
			t.Fatalf("where is k8s.io/api: %v", err)
		}
		golden.dir = filepath.Join(strings.TrimSpace(string(dir)), "testdata", "HEAD")
	})
	return golden.dir
}

var golden struct {
	sync.Once
	dir string
}
