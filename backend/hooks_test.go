package backend_test

import (
	"strings"
	"testing"

	"pilothouse/backend/apitest"
)

// A server that is ready has finished the hooks that kube-apiserver's operators
// look for.
func TestHooksAreFinishedWhenTheServerIsReady(t *testing.T) {
	s := apitest.Start(t)
	for _, endpoint := range []string{"/healthz", "/livez", "/readyz"} {
		got := string(s.Admin().Get(endpoint + "?verbose").Must(200).Body)
		for _, name := range []string{
			"poststarthook/rbac/bootstrap-roles", "poststarthook/crd-informer-synced", "poststarthook/apiservice-registration-controller",
			"poststarthook/apiservice-discovery-controller", "autoregister-completion", "poststarthook/priority-and-fairness-filter",
		} {
			if !strings.Contains(got, "[+]"+name+" ok\n") {
				t.Errorf("%s has no %s:\n%s", endpoint, name, got)
			}
			if one := s.Admin().Get(endpoint + "/" + name); one.Code != 200 || string(one.Body) != "ok" {
				t.Errorf("%s/%s: %d %s", endpoint, name, one.Code, one.Body)
			}
		}
	}
	if one := s.Admin().Get("/readyz/poststarthook/none"); one.Code != 404 {
		t.Errorf("a hook that there is not: %d", one.Code)
	}
}
