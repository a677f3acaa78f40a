package apps

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

var deployments = kind[*appsv1.Deployment]{deploymentResource(env), deploymentStrategy(env)}

func TestDeploymentDefaults(t *testing.T) {
	f := func(change, want string) {
		t.Helper()
		d, wanted := deployments.created(t, change), &appsv1.DeploymentSpec{}
		read(t, want, wanted)
		if d.Spec.Template.Spec.RestartPolicy != "Always" {
			t.Error("the template has no defaults")
		}
		d.Spec.Template, d.Spec.Selector = wanted.Template, nil
		if g, w := asJSON(t, d.Spec), asJSON(t, wanted); g != w {
			t.Errorf("%s\ngot  %s\nwant %s", change, g, w)
		}
	}
	f(`{}`, `{replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600, strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 25%, maxSurge: 25%}}}`)
	f(`{spec: {replicas: 0, revisionHistoryLimit: 0, progressDeadlineSeconds: 7, strategy: {type: Recreate}}}`,
		`{replicas: 0, revisionHistoryLimit: 0, progressDeadlineSeconds: 7, strategy: {type: Recreate}}`)
	f(`{spec: {strategy: {rollingUpdate: {maxUnavailable: 0}}}}`,
		`{replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600, strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 25%}}}`)
}

func TestDeploymentValidation(t *testing.T) {
	f := func(change string, want ...string) { t.Helper(); deployments.refuses(t, change, want...) }
	f(`{}`)
	f(`{spec: {replicas: -1, minReadySeconds: -2, revisionHistoryLimit: -3, progressDeadlineSeconds: -4}}`,
		`spec.replicas: Invalid value: -1: must be greater than or equal to 0`,
		`spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0`,
		`spec.revisionHistoryLimit: Invalid value: -3: must be greater than or equal to 0`,
		`spec.progressDeadlineSeconds: Invalid value: -4: must be greater than or equal to 0`,
		`spec.progressDeadlineSeconds: Invalid value: -4: must be greater than minReadySeconds`)
	f(`{spec: {minReadySeconds: 600}}`, `spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds`)
	f(`{spec: {selector: null}}`,
		`spec.selector: Required value`,
		"spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`")
	f(`{spec: {selector: {matchLabels: null}}}`, `spec.selector: Invalid value: {}: empty selector is invalid for deployment`)
	f(`{spec: {selector: {matchLabels: {a: c}}}}`, "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`")
	f(`{spec: {template: {spec: {restartPolicy: Never, activeDeadlineSeconds: 5}}}}`,
		`spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`,
		`spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported`)
	f(`{spec: {strategy: {type: Recreate, rollingUpdate: {}}}}`, "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'")
	f(`{spec: {strategy: {type: Slow}}}`, `spec.strategy: Unsupported value: {"Type":"Slow","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"`)
	f(`{spec: {strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: "0%"}}}}`, "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0")
	f(`{spec: {strategy: {rollingUpdate: {maxUnavailable: 101%, maxSurge: 200%}}}}`, `spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%`)
	f(`{spec: {strategy: {rollingUpdate: {maxUnavailable: -1, maxSurge: "five"}}}}`,
		`spec.strategy.rollingUpdate.maxUnavailable: Invalid value: -1: must be greater than or equal to 0`,
		`spec.strategy.rollingUpdate.maxSurge: Invalid value: "five": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')`)
}

func TestDeploymentUpdate(t *testing.T) {
	old := deployments.created(t)
	old.Status.Replicas = 3
	f := func(change string, generation int64, want ...string) {
		t.Helper()
		d, errs := deployments.changed(t, old, change)
		expect(t, change, errs, want)
		if d.Generation != generation || d.Status.Replicas != 3 {
			t.Errorf("%s: generation %d, status %v", change, d.Generation, d.Status)
		}
	}
	f(`{metadata: {labels: {x: y}, generation: 8}, status: {replicas: 9}}`, 1)
	f(`{metadata: {annotations: {x: y}}}`, 2)
	f(`{spec: {replicas: 2}}`, 2)
	f(`{spec: {selector: {matchLabels: {c: d}}, template: {metadata: {labels: {c: d}}}}}`, 2,
		`spec.selector: Invalid value: {"matchLabels":{"a":"b","c":"d"}}: field is immutable`)
}

func TestDeploymentStatus(t *testing.T) {
	f := func(old, status string, want ...string) {
		t.Helper()
		deployments.refusesStatus(t, old, status, want...)
	}
	f(``, `{status: {replicas: 3, updatedReplicas: 3, readyReplicas: 2, availableReplicas: 1, collisionCount: 0}}`)
	f(``, `{status: {replicas: -1, terminatingReplicas: -2, collisionCount: -3}}`,
		`status.replicas: Invalid value: -1: must be greater than or equal to 0`,
		`status.terminatingReplicas: Invalid value: -2: must be greater than or equal to 0`,
		`status.collisionCount: Invalid value: -3: must be greater than or equal to 0`,
		`status.updatedReplicas: Invalid value: 0: cannot be greater than status.replicas`,
		`status.readyReplicas: Invalid value: 0: cannot be greater than status.replicas`,
		`status.availableReplicas: Invalid value: 0: cannot be greater than status.replicas`)
	f(``, `{status: {replicas: 2, readyReplicas: 1, availableReplicas: 2}}`, `status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas`)
	f(`{status: {collisionCount: 2}}`, `{status: {collisionCount: 1}}`, `status.collisionCount: Invalid value: 1: cannot be decremented`)
	f(`{status: {collisionCount: 2}}`, `{status: {}}`, `status.collisionCount: Invalid value: 0: cannot be decremented`)

	old := deployments.created(t, `{metadata: {labels: {a: b}}}`)
	now := old.DeepCopy()
	now.Labels, now.Spec.Replicas = nil, new(int32(9))
	deploymentStatusStrategy().PrepareForUpdate(t.Context(), now, old)
	if now.Labels["a"] != "b" || *now.Spec.Replicas != 1 {
		t.Errorf("a status update changed labels %v or replicas %d", now.Labels, *now.Spec.Replicas)
	}
}

func TestDeploymentWarnings(t *testing.T) {
	d := deployments.created(t, `{metadata: {name: a.b}, spec: {template: {spec: {nodeSelector: {beta.kubernetes.io/os: linux}}}}}`)
	want := []string{
		"metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
		`spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead`,
	}
	expect(t, "create", deployments.strategy.WarningsOnCreate(t.Context(), d), want)
	same := d.DeepCopy()
	expect(t, "same", deployments.strategy.WarningsOnUpdate(t.Context(), same, d), nil)
	same.Generation++
	expect(t, "update", deployments.strategy.WarningsOnUpdate(t.Context(), same, d), want[1:])
}

func TestDeploymentRow(t *testing.T) {
	deployments.row(t, `{spec: {replicas: 3}, status: {readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1}}`,
		"w", "1/3", 2, 1, "60m", "c", "i:1", "a=b")
}
