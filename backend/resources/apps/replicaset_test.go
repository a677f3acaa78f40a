package apps

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

var replicaSets = kind[*appsv1.ReplicaSet]{replicaSetResource(env), replicaSetStrategy(env)}

func TestReplicaSet(t *testing.T) {
	f := func(change string, want ...string) { t.Helper(); replicaSets.refuses(t, change, want...) }
	f(`{}`)
	f(`{spec: {replicas: -1, minReadySeconds: -2}}`,
		`spec.replicas: Invalid value: -1: must be greater than or equal to 0`,
		`spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0`)
	f(`{spec: {selector: {matchLabels: null}}}`, `spec.selector: Invalid value: {}: empty selector is invalid for deployment`)
	f(`{spec: {selector: {matchLabels: {a: "b c"}}}}`,
		`spec.selector.matchLabels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
		`spec.selector: Invalid value: {"matchLabels":{"a":"b c"}}: invalid label selector`)

	old := replicaSets.created(t)
	if *old.Spec.Replicas != 1 || old.Generation != 1 {
		t.Errorf("replicas %d, generation %d", *old.Spec.Replicas, old.Generation)
	}
	rs, errs := replicaSets.changed(t, old, `{metadata: {annotations: {x: y}}}`)
	if rs.Generation != 1 || len(errs) > 0 {
		t.Errorf("an annotation: generation %d, %q", rs.Generation, errs)
	}
	rs, errs = replicaSets.changed(t, old, `{spec: {replicas: 2, selector: {matchLabels: {a: b}, matchExpressions: [{key: a, operator: Exists}]}}}`)
	expect(t, "selector", errs, []string{`spec.selector: Invalid value: {"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"Exists"}]}: field is immutable`})
	if rs.Generation != 2 {
		t.Errorf("generation %d", rs.Generation)
	}
	replicaSets.refusesStatus(t, ``, `{status: {replicas: 1, fullyLabeledReplicas: 2, readyReplicas: 1, availableReplicas: 2}}`,
		`status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than status.replicas`,
		`status.availableReplicas: Invalid value: 2: cannot be greater than status.replicas`,
		`status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas`)
	replicaSets.row(t, `{spec: {replicas: 3}, status: {replicas: 2, readyReplicas: 1}}`, "w", 3, 2, 1, "60m", "c", "i:1", "a=b")
}
