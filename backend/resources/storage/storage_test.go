package storage

import (
	"slices"
	"strings"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/resourcetest"
	"pilothouse/backend/scheme"

	storagev1 "k8s.io/api/storage/v1"
)

func kind[T scheme.Object](t *testing.T, name string) resourcetest.Kind[T] {
	t.Helper()
	return resourcetest.Of[T](t, Resources(&registry.Env{}), name)
}

func TestStorageClasses(t *testing.T) {
	k := kind[*storagev1.StorageClass](t, "storageclasses")
	k.JSON(k.New("provisioner: example.com/disk"), "{metadata: {}, provisioner: example.com/disk, reclaimPolicy: Delete, volumeBindingMode: Immediate}")
	k.Create("provisioner: Example.com/disk")
	k.Create("{reclaimPolicy: Recycle, volumeBindingMode: Later, parameters: {'': x}, allowedTopologies: [{matchLabelExpressions: [{key: 'a b', values: []}]}]}",
		`provisioner: Required value`,
		`parameters: Invalid value: "": field can not be empty.`,
		`reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"`,
		`volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"`,
		`allowedTopologies[0].matchLabelExpressions[0].values: Required value`,
		`allowedTopologies[0].matchLabelExpressions[0].key: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`)
	k.Update("{provisioner: a, parameters: {x: y}}", "{provisioner: b, reclaimPolicy: Retain, volumeBindingMode: WaitForFirstConsumer, allowVolumeExpansion: true, mountOptions: [ro]}",
		`parameters: Invalid value: null: field is immutable`,
		`provisioner: Invalid value: "b": field is immutable`,
		`reclaimPolicy: Invalid value: "Retain": field is immutable`,
		`volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable`)
	k.Row("{metadata: {name: fast, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}, provisioner: p, allowVolumeExpansion: true}",
		"fast (default) | p | Delete | Immediate | true | <unknown>")
}

func TestTopologiesOfClasses(t *testing.T) {
	k := kind[*storagev1.StorageClass](t, "storageclasses")
	k.Create("{provisioner: a, allowedTopologies: [{matchLabelExpressions: [{key: zone, values: [a, a]}, {key: zone, values: [b]}]}, {matchLabelExpressions: [{key: zone, values: [c]}]}, {matchLabelExpressions: [{key: zone, values: [c]}]}]}",
		`allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"`,
		`allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "zone"`,
		`allowedTopologies[2].matchLabelExpressions: Duplicate value: ""`)
	warned := k.Strategy.WarningsOnCreate(t.Context(), k.New("{provisioner: a, allowedTopologies: [{matchLabelExpressions: [{key: failure-domain.beta.kubernetes.io/zone, values: [c]}]}]}"))
	if want := []string{`allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.17; use "topology.kubernetes.io/zone" instead`}; !slices.Equal(warned, want) {
		t.Errorf("warnings %q", warned)
	}
}

func TestVolumeAttributesClasses(t *testing.T) {
	k := kind[*storagev1.VolumeAttributesClass](t, "volumeattributesclasses")
	k.Create("{driverName: d.example.com, parameters: {iops: '100'}}")
	k.Create("{}", `driverName: Required value`, `parameters: Required value: must contain at least one key/value pair`)
	k.Update("{driverName: d, parameters: {a: b}}", "{driverName: e, parameters: {a: c}}",
		`driverName: Forbidden: updates to driverName are forbidden.`,
		`parameters: Forbidden: updates to parameters are forbidden.`)
	k.Row("{metadata: {name: gold}, driverName: d}", "gold | d | <unknown>")
}

func TestCSIDrivers(t *testing.T) {
	k := kind[*storagev1.CSIDriver](t, "csidrivers")
	k.JSON(k.New("spec: {}"), `{metadata: {}, spec: {attachRequired: true, podInfoOnMount: false, storageCapacity: false, fsGroupPolicy: ReadWriteOnceWithFSType,
		volumeLifecycleModes: [Persistent], requiresRepublish: false, seLinuxMount: false}}`)
	k.Create("spec: {fsGroupPolicy: Some, volumeLifecycleModes: [Forever], nodeAllocatableUpdatePeriodSeconds: 9, serviceAccountTokenInSecrets: true}",
		`spec.fsGroupPolicy: Unsupported value: "Some": supported values: "File", "None", "ReadWriteOnceWithFSType"`,
		`spec.volumeLifecycleModes: Unsupported value: "Forever": supported values: "Persistent", "Ephemeral"`,
		`spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds`,
		`spec.serviceAccountTokenInSecrets: Invalid value: true: serviceAccountTokenInSecrets is set but no tokenRequests are specified`)
	k.Create("spec: {tokenRequests: [{audience: a, expirationSeconds: 599}, {audience: a}, {audience: b, expirationSeconds: 4294967297}]}",
		`spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes`,
		`spec.tokenRequests[1].audience: Duplicate value: "a"`,
		`spec.tokenRequests[2].expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds`)
	d := k.Update("spec: {}", "spec: {attachRequired: false, podInfoOnMount: true, volumeLifecycleModes: [Ephemeral]}",
		`spec.attachedRequired: Invalid value: false: field is immutable`,
		`spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable`)
	if d.Generation != 1 {
		t.Errorf("generation %d", d.Generation)
	}
	k.Row("{metadata: {name: d}, spec: {tokenRequests: [{audience: a}, {audience: b}], volumeLifecycleModes: [Persistent, Ephemeral]}}",
		"d | true | false | false | a,b | false | Persistent,Ephemeral | <unknown>")
	k.Row("{metadata: {name: d}, spec: {attachRequired: false}}", "d | false | false | false | <unset> | false | Persistent | <unknown>")
}

func TestTokenWarning(t *testing.T) {
	k := kind[*storagev1.CSIDriver](t, "csidrivers")
	with := k.New("spec: {tokenRequests: [{audience: a}]}")
	if got := k.Strategy.WarningsOnCreate(t.Context(), with); len(got) != 1 || got[0] != tokenWarning {
		t.Errorf("on create %q", got)
	}
	if got := k.Strategy.WarningsOnUpdate(t.Context(), with, with); got != nil {
		t.Errorf("without a change %q", got)
	}
	if got := k.Strategy.WarningsOnUpdate(t.Context(), with, k.New("spec: {}")); len(got) != 1 {
		t.Errorf("with a change %q", got)
	}
}

func TestCSINodes(t *testing.T) {
	k := kind[*storagev1.CSINode](t, "csinodes")
	k.Create("spec: {drivers: [{name: d.example.com, nodeID: one, topologyKeys: [zone], allocatable: {count: 3}}]}")
	k.Create("spec: {drivers: [{name: d, nodeID: ''}, {name: d, nodeID: x, topologyKeys: [zone, zone], allocatable: {count: -1}}]}",
		`spec.drivers[0].nodeID: Required value`,
		`spec.drivers[1].allocatable.count: Invalid value: -1: must be greater than or equal to 0`,
		`spec.drivers[1].name: Duplicate value: "d"`,
		`spec.drivers[1]: Duplicate value: "zone"`)
	k.Create("spec: {drivers: [{name: d, nodeID: "+strings.Repeat("a", 257)+"}]}",
		`spec.drivers[0].nodeID: Invalid value: "`+strings.Repeat("a", 257)+`": must be 256 characters or less`)
	k.Update("spec: {drivers: [{name: d, nodeID: one}]}", "spec: {drivers: [{name: d, nodeID: one, allocatable: {count: 1}}, {name: e, nodeID: one}]}")
	k.Update("spec: {drivers: [{name: d, nodeID: one}]}", "spec: {drivers: [{name: d, nodeID: two}]}",
		`spec.drivers: Invalid value: {"Name":"d","NodeID":"two","TopologyKeys":null,"Allocatable":null}: field is immutable`)
	k.Row("{metadata: {name: n1}, spec: {drivers: [{name: d, nodeID: x}]}}", "n1 | 1 | <unknown>")
}

func TestCSIStorageCapacities(t *testing.T) {
	k := kind[*storagev1.CSIStorageCapacity](t, "csistoragecapacities")
	k.Create("{storageClassName: fast, capacity: 1Gi, nodeTopology: {matchLabels: {zone: a}}}")
	k.Create("{storageClassName: Fast, capacity: -1}",
		`storageClassName: Invalid value: "Fast": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
		`capacity: Invalid value: "-1": must be greater than or equal to 0`)
	k.Update("{storageClassName: a}", "{storageClassName: b, capacity: 1, nodeTopology: {}}",
		`nodeTopology: Invalid value: {}: field is immutable`,
		`storageClassName: Invalid value: "b": field is immutable`)
}

func TestVolumeAttachments(t *testing.T) {
	k := kind[*storagev1.VolumeAttachment](t, "volumeattachments")
	const good = "metadata: {name: a}\nspec: {attacher: d.example.com, nodeName: n1, source: {persistentVolumeName: pv}}\n"
	k.Create(good)
	if k.New(good + "status: {attached: true}").Status.Attached {
		t.Error("a status on create is kept")
	}
	k.Create("spec: {attacher: '', nodeName: '', source: {}}",
		`spec.attacher: Required value`,
		`spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName`,
		`spec.nodeName: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`)
	k.Create("spec: {attacher: d.example.com, nodeName: n1, source: {inlineVolumeSpec: {accessModes: [ReadWriteOnce], csi: {driver: d.example.com, volumeHandle: h}}}}")
	k.Create("spec: {attacher: d.example.com, nodeName: n1, source: {inlineVolumeSpec: {capacity: {storage: 1}, storageClassName: fast, volumeMode: Block, persistentVolumeReclaimPolicy: Delete, hostPath: {path: /a}}}}",
		`spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes`,
		`spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes`,
		`spec.source.inlineVolumeSpec.accessModes: Required value`,
		`spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes`,
		`spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of inline volumes`,
		`spec.source.inlineVolumeSpec.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes`)
	k.Update(good, "metadata: {name: a}\nspec: {attacher: e, nodeName: n1, source: {persistentVolumeName: pv}}",
		`spec: Invalid value: {"Attacher":"e","Source":{"PersistentVolumeName":"pv","InlineVolumeSpec":null},"NodeName":"n1"}: field is immutable`)
	a := k.UpdateSubresource("status", good, "metadata: {name: a, labels: {a: b}}\nspec: {attacher: e, nodeName: '', source: {}}\nstatus: {attached: true}")
	if a.Spec.Attacher != "d.example.com" || a.Labels != nil || !a.Status.Attached {
		t.Errorf("status wrote %+v", a)
	}
	k.Row(good+"status: {attached: true}", "a | d.example.com | pv | n1 | true | <unknown>")
}
