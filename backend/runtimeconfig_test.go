package backend

import (
	"strings"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources"
)

func TestRuntimeConfig(t *testing.T) {
	served := func(config map[string]string) (map[string]bool, error) {
		on, err := enabled(resources.All(&registry.Env{}), config)
		out := map[string]bool{}
		for _, r := range on {
			for _, v := range r.Versions {
				out[groupVersionKey(r.Group, v.Name)+"/"+r.Name] = true
			}
		}
		return out, err
	}
	all, err := served(nil)
	if err != nil || !all["apps/v1/deployments"] || !all["autoscaling/v2/horizontalpodautoscalers"] || !all["v1/pods"] {
		t.Fatalf("%v %v", all, err)
	}
	check := func(config map[string]string, off ...string) {
		t.Helper()
		got, err := served(config)
		if err != nil {
			t.Errorf("%v: %v", config, err)
		}
		gone := map[string]bool{}
		for name := range all {
			if !got[name] {
				gone[name] = true
			}
		}
		for _, name := range off {
			if !gone[name] {
				t.Errorf("%v: %s is served", config, name)
			}
			delete(gone, name)
		}
		if len(gone) > 0 {
			t.Errorf("%v: %v are not served", config, gone)
		}
	}
	check(map[string]string{"autoscaling/v2": "false"}, "autoscaling/v2/horizontalpodautoscalers")
	check(map[string]string{"policy/v1": "false"}, "policy/v1/poddisruptionbudgets")
	check(map[string]string{"apps/v1/controllerrevisions": "false"}, "apps/v1/controllerrevisions")
	check(map[string]string{"scheduling.k8s.io/v1": "false", "scheduling.k8s.io/v1/priorityclasses": "true"})
	check(map[string]string{"api/beta": "false", "batch/v1beta1": "false", "api/v1": "true"})

	refuse := func(config map[string]string, want string) {
		t.Helper()
		if _, err := served(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", config, err)
		}
	}
	refuse(map[string]string{"nonsense": "true"}, `"nonsense" is no API version`)
	refuse(map[string]string{"batch/v2alpha1": "true"}, "is not served")
	refuse(map[string]string{"v1": "false"}, "cannot be off")
	refuse(map[string]string{"api/all": "false"}, "cannot be off")
}
