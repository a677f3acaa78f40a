// Package requirelabel tests the policy of this folder on a running server.
package requirelabel

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"pilothouse/backend/apitest"
)

//go:embed policy.yaml
var policy string

func TestPolicy(t *testing.T) {
	admin := apitest.Start(t).Admin()
	yaml := func(path, object string) *apitest.Answer {
		t.Helper()
		return admin.Do("POST", path, object, "Content-Type", "application/yaml")
	}
	objects := strings.Split(policy, "\n---\n")
	yaml("/api/v1/namespaces/default/configmaps", objects[0]).Must(201)
	yaml("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", objects[1]).Must(201)
	yaml("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings", objects[2]).Must(201)
	yaml("/api/v1/namespaces", `{apiVersion: v1, kind: Namespace, metadata: {name: free, labels: {teams: "no"}}}`).Must(201)

	deploy := func(namespace, labels string) *apitest.Answer {
		t.Helper()
		return yaml("/apis/apps/v1/namespaces/"+namespace+"/deployments?dryRun=All", fmt.Sprintf(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {%s}},
			spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: nginx}]}}}}`, labels))
	}
	refused := func(a *apitest.Answer, words string) {
		t.Helper()
		if want := `deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'require-team' with binding 'require-team' denied request: ` + words; a.Code != 422 || a.Status().Message != want {
			t.Errorf("got %d %s, want %q", a.Code, a.Body, want)
		}
	}
	deploy("default", "team: search").Must(201)
	refused(deploy("default", ""), `a Deployment needs the label "team"`)
	refused(deploy("default", "team: sales"), "there is no team sales; there are: payments, search")
	deploy("free", "").Must(201)
}
