package apitest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestCausesOfBadUpdates: how often the metadata of an update is looked at is a
// kind's own affair, and clients get causes in that number; compared with a
// kube-apiserver 1.36.2.
func TestCausesOfBadUpdates(t *testing.T) {
	c := Start(t).Admin()
	check := func(path, object, annotations, finalizers string) {
		t.Helper()
		a := c.Post(path, object).Must(201)
		at := path + "/" + a.Object().GetName()
		for patch, want := range map[string]string{
			`{"metadata":{"annotations":{"a/b/c":"x"}}}`: annotations,
			`{"metadata":{"finalizers":["x"]}}`:          finalizers,
		} {
			a := c.Do("PATCH", at+"?dryRun=All", patch, "Content-Type", "application/merge-patch+json")
			var causes []string
			if a.Code == 422 {
				for _, cause := range a.Object().Object["details"].(map[string]any)["causes"].([]any) {
					causes = append(causes, strings.TrimPrefix(cause.(map[string]any)["field"].(string), "metadata."))
				}
			}
			if got := strings.Join(causes, " "); got != want {
				t.Errorf("%s of %s: %d, causes %q, not %q", patch, at, a.Code, got, want)
			}
		}
	}
	times := func(n int, s string) string { return strings.TrimSuffix(strings.Repeat(s+" ", n), " ") }
	const core, ann, fin = "/api/v1/namespaces/default/", "annotations", "finalizers[0]"
	check(core+"configmaps", `{"metadata":{"name":"c"}}`, times(4, ann), times(2, fin))
	check(core+"services", `{"metadata":{"name":"s"},"spec":{"ports":[{"port":1}]}}`, times(3, ann), fin)
	check(core+"limitranges", `{"metadata":{"name":"l"}}`, times(3, ann), fin)
	check(core+"events", `{"metadata":{"name":"e"},"involvedObject":{"namespace":"default"}}`, times(2, ann), "")
	check("/api/v1/persistentvolumes", `{"metadata":{"name":"p"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}}}`, times(4, ann), times(2, fin))
	check("/apis/policy/v1/namespaces/default/poddisruptionbudgets", `{"metadata":{"name":"b"},"spec":{"minAvailable":1}}`, times(2, ann), "")
	check("/apis/coordination.k8s.io/v1/namespaces/default/leases", `{"metadata":{"name":"l"}}`, times(3, ann), "")
	check("/apis/apps/v1/namespaces/default/deployments", `{"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`, times(3, ann), fin)
	check("/apis/batch/v1/namespaces/default/jobs", `{"metadata":{"name":"j"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}`, times(4, ann), times(2, fin))
}

// TestSpacesInRawValuesAreNoChange: JSON that a client wrote with spaces, sent
// again, is what it was.
func TestSpacesInRawValuesAreNoChange(t *testing.T) {
	c := Start(t).Admin()
	for path, object := range map[string]string{
		"/apis/apps/v1/namespaces/default/controllerrevisions":       `{"metadata":{"name":"r"},"revision":1,"data":{"a": "b"}}`,
		"/apis/resource.k8s.io/v1/namespaces/default/resourceclaims": `{"metadata":{"name":"r"},"spec":{"devices":{"requests":[{"name":"r","exactly":{"deviceClassName":"c"}}],"config":[{"opaque":{"driver":"d","parameters":{"a": "b"}}}]}}}`,
	} {
		c.Post(path, object).Must(201)
		c.Do("PUT", path+"/r", object).Must(200)
		if a := c.Do("PUT", path+"/r", strings.Replace(object, `"b"`, `"c"`, 1)).Must(422); !strings.Contains(string(a.Body), "field is immutable") {
			t.Errorf("%s: %s", path, a.Body)
		}
	}
}

// TestWarningsOfWrites: what clients are warned of, and that warnings beyond what
// headers hold are cut.
func TestWarningsOfWrites(t *testing.T) {
	c := Start(t).Admin()
	a := c.Post("/api/v1/namespaces/default/secrets", `{"metadata":{"name":"s"},"type":"kubernetes.io/tls","data":{"tls.crt":"eA==","tls.key":"eA=="}}`).Must(201)
	if got := a.Header.Values("Warning"); len(got) != 1 || got[0] != `299 - "tls: failed to find any PEM data in certificate input"` {
		t.Errorf("a Secret without a certificate: %q", got)
	}
	labels := make([]string, 40)
	for i := range labels {
		labels[i] = `"` + strings.Repeat("a", 300) + strconv.Itoa(i) + `":1`
	}
	a = c.Post("/api/v1/namespaces/default/configmaps?dryRun=All", `{"metadata":{"name":"c"},`+strings.Join(labels, ",")+`}`).Must(201)
	got := a.Header.Values("Warning")
	if len(got) != 16 || len(got[0]) != len(`299 - "\"`)+256 {
		t.Errorf("%d warnings, the first %q", len(got), got)
	}
}

// TestPartsOfServicesThatUpdatesLeaveOut: an update that wants no node ports does
// not keep those it had, and an empty range of sources is none of the old ones.
func TestPartsOfServicesThatUpdatesLeaveOut(t *testing.T) {
	c := Start(t).Admin()
	const path = "/api/v1/namespaces/default/services"
	service := func(more string) string {
		return `{"metadata":{"name":"s"},"spec":{"type":"LoadBalancer","ports":[{"port":80}]` + more + `}}`
	}
	c.Post(path, service("")).Must(201)
	a := c.Do("PUT", path+"/s?dryRun=All", service(`,"allocateLoadBalancerNodePorts":false`)).Must(200)
	if strings.Contains(string(a.Body), "nodePort") {
		t.Errorf("a node port was kept: %s", a.Body)
	}
	a = c.Do("PUT", path+"/s?dryRun=All", service(`,"loadBalancerSourceRanges":[""]`)).Must(422)
	if !strings.Contains(string(a.Body), "must be a valid CIDR value") {
		t.Errorf("%s", a.Body)
	}
}

// TestManagersOfDaemonSets: whoever makes a DaemonSet manages the annotation that
// the server adds.
func TestManagersOfDaemonSets(t *testing.T) {
	a := Start(t).Admin().Post("/apis/apps/v1/namespaces/default/daemonsets",
		`{"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`).Must(201)
	if fields := string(a.Object().GetManagedFields()[0].FieldsV1.Raw); !strings.Contains(fields, `"f:metadata":{"f:annotations":{".":{},"f:deprecated.daemonset.template.generation":{}}}`) {
		t.Error(fields)
	}
}

// TestResultsWithoutAVersion: a merge patch that takes the version away leaves
// nothing that Kubernetes could read.
func TestResultsWithoutAVersion(t *testing.T) {
	c := Start(t).Admin()
	const path = "/api/v1/namespaces/default/configmaps"
	c.Post(path, `{"metadata":{"name":"c"},"data":{"a":"b"}}`).Must(201)
	check := func(query, patch string, code int, part string) {
		t.Helper()
		a := c.Do("PATCH", path+"/c?dryRun=All"+query, patch, "Content-Type", "application/merge-patch+json").Must(code)
		if !strings.Contains(string(a.Body), part) {
			t.Errorf("%s %s: %s", patch, query, a.Body)
		}
	}
	check("", `{"apiVersion":null}`, 400, "the name of the object (c based on URL) was undeterminable: name must be provided")
	check("&fieldValidation=Strict", `{"apiVersion":""}`, 422, `strict decoding error: unknown field \"data\", unknown field \"metadata\"`)
	check("", `{"apiVersion":"a/b/c"}`, 422, "unexpected GroupVersion string: a/b/c")
	check("&fieldValidation=Strict", `{"kind":null}`, 200, `"kind":"ConfigMap"`)
}

// TestAggregationIsForAdministrators: who may write roles that gather others has
// all rights; an update without the rule is no way round it.
func TestAggregationIsForAdministrators(t *testing.T) {
	s := Start(t, Options{Users: []User{{Name: "ann"}}})
	c, ann := s.Admin(), s.As("ann")
	const roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
	c.Post(roles, `{"metadata":{"name":"writer"},"rules":[{"apiGroups":["rbac.authorization.k8s.io"],"resources":["*"],"verbs":["create","update"]}]}`).Must(201)
	c.Post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", `{"metadata":{"name":"w"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"writer"},"subjects":[{"kind":"User","name":"ann"}]}`).Must(201)
	const rule = `,"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"none":"x"}}]}`
	c.Post(roles, `{"metadata":{"name":"sum"}`+rule+`}`).Must(201)
	for _, a := range []*Answer{ann.Post(roles, `{"metadata":{"name":"mine"}`+rule+`}`), ann.Do("PUT", roles+"/sum", `{"metadata":{"name":"sum"}}`)} {
		if a.Must(403); !strings.Contains(string(a.Body), "must have cluster-admin privileges to use the aggregationRule") {
			t.Errorf("%s", a.Body)
		}
	}
}

// TestPodsAsClientsWriteThem: a negative time to end is the shortest, and resources
// of the whole pod that name none are the pod's.
func TestPodsAsClientsWriteThem(t *testing.T) {
	c := Start(t).Admin()
	c.Post("/api/v1/namespaces/default/serviceaccounts", `{"metadata":{"name":"default"}}`)
	a := c.Post("/api/v1/namespaces/default/pods?dryRun=All", `{"metadata":{"name":"p"},"spec":{"terminationGracePeriodSeconds":-1,"resources":{},"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`).Must(201)
	o := a.Object().Object
	if grace, class := o["spec"].(map[string]any)["terminationGracePeriodSeconds"], o["status"].(map[string]any)["qosClass"]; fmt.Sprint(grace) != "1" || class != "BestEffort" || len(a.Header.Values("Warning")) > 0 {
		t.Errorf("%v, %v, %q", grace, class, a.Header.Values("Warning"))
	}
}

// TestNamesThatPoliciesSee: a policy sees the name that was made for an object.
func TestNamesThatPoliciesSee(t *testing.T) {
	c := Start(t).Admin()
	const group = "/apis/admissionregistration.k8s.io/v1/"
	c.Post(group+"validatingadmissionpolicies", `{"metadata":{"name":"p"},"spec":{"matchConstraints":{"resourceRules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]},
		"validations":[{"expression":"!request.name.startsWith('gen-')","message":"made"}]}}`).Must(201)
	c.Post(group+"validatingadmissionpolicybindings", `{"metadata":{"name":"p"},"spec":{"policyName":"p","validationActions":["Deny"]}}`).Must(201)
	eventually(t, func() string {
		if a := c.Post("/api/v1/namespaces/default/configmaps?dryRun=All", `{"metadata":{"generateName":"gen-"}}`); a.Code != 422 {
			return string(a.Body)
		}
		return ""
	})
}
