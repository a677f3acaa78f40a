package apps

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

var statefulSets = kind[*appsv1.StatefulSet]{statefulSetResource(env), statefulSetStrategy(env)}

const data = `{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`

func TestStatefulSetDefaults(t *testing.T) {
	f := func(change, want string) {
		t.Helper()
		s, wanted := statefulSets.created(t, change), &appsv1.StatefulSetSpec{}
		read(t, want, wanted)
		s.Spec.Template, s.Spec.Selector = wanted.Template, nil
		if g, w := asJSON(t, s.Spec), asJSON(t, wanted); g != w {
			t.Errorf("%s\ngot  %s\nwant %s", change, g, w)
		}
	}
	const rest = `replicas: 1, revisionHistoryLimit: 10, persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}`
	f(`{}`, `{podManagementPolicy: OrderedReady, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}}, `+rest+`}`)
	f(`{spec: {updateStrategy: {type: RollingUpdate}}}`, `{podManagementPolicy: OrderedReady, updateStrategy: {type: RollingUpdate}, `+rest+`}`)
	f(`{spec: {updateStrategy: {type: OnDelete}, podManagementPolicy: Parallel}}`, `{podManagementPolicy: Parallel, updateStrategy: {type: OnDelete}, `+rest+`}`)
	f(`{spec: {persistentVolumeClaimRetentionPolicy: {whenScaled: Delete}, replicas: 0, revisionHistoryLimit: 0}}`,
		`{podManagementPolicy: OrderedReady, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}},
		replicas: 0, revisionHistoryLimit: 0, persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Delete}}`)
	f(`{spec: {volumeClaimTemplates: [`+data+`]}}`,
		`{podManagementPolicy: OrderedReady, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}}, `+rest+`,
		volumeClaimTemplates: [{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, status: {phase: Pending},
		spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, volumeMode: Filesystem}}]}`)
}

func TestStatefulSetValidation(t *testing.T) {
	f := func(change string, want ...string) { t.Helper(); statefulSets.refuses(t, change, want...) }
	f(`{}`)
	f(`{spec: {serviceName: s, volumeClaimTemplates: [` + data + `], template: {spec: {containers: [{name: c, image: i, volumeMounts: [{name: data, mountPath: /d}]}]}}}}`)
	f(`{spec: {podManagementPolicy: Some, updateStrategy: {type: Slow}}}`,
		`spec.podManagementPolicy: Invalid value: "Some": must be 'OrderedReady' or 'Parallel'`,
		`spec.updateStrategy: Invalid value: {"Type":"Slow","RollingUpdate":null}: must be 'RollingUpdate' or 'OnDelete'`)
	f(`{spec: {updateStrategy: {type: OnDelete, rollingUpdate: {partition: 1}}}}`,
		`spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy 'RollingUpdate'`)
	f(`{spec: {updateStrategy: {rollingUpdate: {partition: -1}}, replicas: -1, minReadySeconds: -2, ordinals: {start: -3}}}`,
		`spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0`,
		`spec.replicas: Invalid value: -1: must be greater than or equal to 0`,
		`spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0`,
		`spec.ordinals.start: Invalid value: -3: must be greater than or equal to 0`)
	f(`{spec: {persistentVolumeClaimRetentionPolicy: {whenDeleted: Keep}}}`,
		`spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Keep": supported values: "Retain", "Delete"`)
	f(`{spec: {serviceName: A.b}}`,
		`spec.serviceName: Invalid value: "A.b": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`)
	f(`{spec: {template: {spec: {restartPolicy: Never, activeDeadlineSeconds: 1}}}}`,
		`spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`,
		`spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported`)
	if got := statefulSets.strategy.ValidateName("a.b", false); len(got) != 1 {
		t.Errorf("a.b is a name: %q", got)
	}
}

func TestStatefulSetUpdate(t *testing.T) {
	old := statefulSets.created(t, `{spec: {serviceName: s, volumeClaimTemplates: [`+data+`]}}`)
	f := func(change string, generation int64, want ...string) {
		t.Helper()
		s, errs := statefulSets.changed(t, old, change)
		expect(t, change, errs, want)
		if s.Generation != generation {
			t.Errorf("%s: generation %d", change, s.Generation)
		}
	}
	const forbidden = `spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden`
	f(`{metadata: {annotations: {x: y}}, status: {replicas: 4}}`, 1)
	f(`{spec: {replicas: 2, ordinals: {start: 1}, minReadySeconds: 1, revisionHistoryLimit: 1, updateStrategy: {rollingUpdate: {partition: 1}}, persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}, template: {metadata: {labels: {x: y}}}}}`, 2)
	f(`{spec: {serviceName: other}}`, 2, forbidden)
	f(`{spec: {podManagementPolicy: Parallel}}`, 2, forbidden)
	f(`{spec: {volumeClaimTemplates: []}}`, 2, forbidden)
}

func TestStatefulSetStatus(t *testing.T) {
	statefulSets.refusesStatus(t, `{status: {collisionCount: 2}}`, `{status: {replicas: 1, readyReplicas: 2, currentReplicas: 2, updatedReplicas: 2, availableReplicas: 3, collisionCount: 1}}`,
		`status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas`,
		`status.currentReplicas: Invalid value: 2: cannot be greater than status.replicas`,
		`status.updatedReplicas: Invalid value: 2: cannot be greater than status.replicas`,
		`status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas`,
		`status.availableReplicas: Invalid value: 3: cannot be greater than status.readyReplicas`,
		`status.collisionCount: Invalid value: 1: cannot be decremented`)
	statefulSets.row(t, `{spec: {replicas: 3}, status: {readyReplicas: 2}}`, "w", "2/3", "60m", "c", "i:1")
}

func TestStatefulSetWarnings(t *testing.T) {
	s := statefulSets.created(t, `{spec: {revisionHistoryLimit: -1, volumeClaimTemplates: [{metadata: {name: d}, spec: {resources: {requests: {storage: 1500m}}}}]}}`)
	want := []string{
		`spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended`,
	}
	s.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests["storage"] = quantity("1500m")
	expect(t, "warnings", statefulSets.strategy.WarningsOnCreate(t.Context(), s),
		append([]string{`spec.volumeClaimTemplates[0].resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer`}, want...))
	expect(t, "update", statefulSets.strategy.WarningsOnUpdate(t.Context(), s, s)[1:], want)
}
