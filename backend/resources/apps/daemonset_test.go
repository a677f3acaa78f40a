package apps

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

var daemonSets = kind[*appsv1.DaemonSet]{daemonSetResource(env), daemonSetStrategy(env)}

func TestDaemonSetDefaults(t *testing.T) {
	f := func(change, want string) {
		t.Helper()
		d, wanted := daemonSets.created(t, change), &appsv1.DaemonSetUpdateStrategy{}
		read(t, want, wanted)
		if g, w := asJSON(t, d.Spec.UpdateStrategy), asJSON(t, wanted); g != w {
			t.Errorf("%s\ngot  %s\nwant %s", change, g, w)
		}
		if *d.Spec.RevisionHistoryLimit != 10 {
			t.Errorf("revisionHistoryLimit %d", *d.Spec.RevisionHistoryLimit)
		}
	}
	f(`{}`, `{type: RollingUpdate, rollingUpdate: {maxUnavailable: 1, maxSurge: 0}}`)
	f(`{spec: {updateStrategy: {rollingUpdate: {maxUnavailable: 10%}}}}`, `{type: RollingUpdate, rollingUpdate: {maxUnavailable: 10%, maxSurge: 0}}`)
	f(`{spec: {updateStrategy: {type: OnDelete}}}`, `{type: OnDelete}`)
}

func TestDaemonSetValidation(t *testing.T) {
	f := func(change string, want ...string) { t.Helper(); daemonSets.refuses(t, change, want...) }
	f(`{}`)
	f(`{spec: {updateStrategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}}}`)
	f(`{spec: {updateStrategy: {rollingUpdate: {maxUnavailable: 0}}}}`, `spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0`)
	f(`{spec: {updateStrategy: {rollingUpdate: {maxSurge: 1}}}}`, `spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero`)
	f(`{spec: {updateStrategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 101%}}}}`, `spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: "101%": must not be greater than 100%`)
	f(`{spec: {updateStrategy: {type: Never}}}`,
		`spec.updateStrategy: Unsupported value: {"Type":"Never","RollingUpdate":null}: supported values: "RollingUpdate", "OnDelete"`)
	f(`{spec: {minReadySeconds: -1, revisionHistoryLimit: -2}}`,
		`spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0`,
		`spec.revisionHistoryLimit: Invalid value: -2: must be greater than or equal to 0`)
	f(`{spec: {selector: {matchLabels: null}}}`, `spec.selector: Invalid value: {}: empty selector is invalid for daemonset`)
	f(`{spec: {template: {spec: {restartPolicy: OnFailure, activeDeadlineSeconds: 1}}}}`,
		`spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"`,
		`spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported`)
}

// The count of changes of the template goes up by itself.
func TestTemplateGeneration(t *testing.T) {
	const key = appsv1.DeprecatedTemplateGeneration
	old := daemonSets.created(t, `{metadata: {annotations: {`+key+`: "5"}}}`)
	f := func(change, want string) {
		t.Helper()
		d, errs := daemonSets.changed(t, old, change)
		if len(errs) > 0 || d.Annotations[key] != want {
			t.Errorf("%s: %q, want %s; %q", change, d.Annotations[key], want, errs)
		}
	}
	f(`{spec: {minReadySeconds: 1}}`, "5")
	f(`{metadata: {annotations: {`+key+`: "99"}}}`, "5")
	f(`{metadata: {annotations: null}}`, "5")
	f(`{spec: {template: {metadata: {labels: {x: y}}}}}`, "6")
	if got := daemonSets.created(t).Annotations[key]; got != "1" {
		t.Errorf("a new one has %q", got)
	}
}

func TestDaemonSetStatus(t *testing.T) {
	daemonSets.refusesStatus(t, `{status: {collisionCount: 1}}`, `{status: {numberReady: -1, numberUnavailable: -2}}`,
		`status.numberReady: Invalid value: -1: must be greater than or equal to 0`,
		`status.numberUnavailable: Invalid value: -2: must be greater than or equal to 0`,
		`status.collisionCount: Invalid value: 0: cannot be decremented`)
	daemonSets.row(t, `{spec: {template: {spec: {nodeSelector: {x: yy}}}}, status: {desiredNumberScheduled: 5, currentNumberScheduled: 4, numberReady: 3, updatedNumberScheduled: 2, numberAvailable: 1}}`,
		"w", 5, 4, 3, 2, 1, "x=yy", "60m", "c", "i:1", "a=b")
}
