package core_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/core"
	"pilothouse/backend/scheme"
)

// kinds gives the resources of core by name.
func kinds() map[string]registry.Resource {
	clock := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	out := map[string]registry.Resource{}
	for _, r := range core.Resources(&registry.Env{Clock: clock}) {
		out[r.Name] = r
	}
	return out
}

// decode makes a defaulted object out of JSON.
func decode(t *testing.T, r registry.Resource, text string) scheme.Object {
	t.Helper()
	v := r.Versions[0]
	obj := v.New()
	if err := json.Unmarshal([]byte(text), obj); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if v.Default != nil {
		v.Default(obj)
	}
	return obj
}

func encode(t *testing.T, obj scheme.Object) string {
	t.Helper()
	b, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), `"metadata":{},`, "")
}

func TestDefaults(t *testing.T) {
	all := kinds()
	f := func(resource, in, want string) {
		t.Helper()
		obj := decode(t, all[resource], in)
		if got := encode(t, obj); got != want {
			t.Errorf("%s %s\ngot  %s\nwant %s", resource, in, got, want)
		}
		again := encode(t, decode(t, all[resource], encode(t, obj)))
		if again != want {
			t.Errorf("%s: defaulting twice gives %s", resource, again)
		}
	}
	f("secrets", `{"data":{"b":"eA=="},"stringData":{"a":"hello","b":"over"}}`, `{"data":{"a":"aGVsbG8=","b":"b3Zlcg=="},"type":"Opaque"}`)
	f("secrets", `{"stringData":{"a":""}}`, `{"data":{"a":""},"type":"Opaque"}`)
	f("limitranges", `{"spec":{"limits":[{"type":"Container","max":{"cpu":"2"},"min":{"memory":"1Mi"},"default":{"memory":"1Gi"}},{"type":"Pod","max":{"cpu":"100u"}}]}}`,
		`{"spec":{"limits":[{"type":"Container","max":{"cpu":"2"},"min":{"memory":"1Mi"},"default":{"cpu":"2","memory":"1Gi"},"defaultRequest":{"cpu":"2","memory":"1Gi"}},{"type":"Pod","max":{"cpu":"1m"}}]}}`)
	f("namespaces", `{"metadata":{"name":"a","labels":{"kubernetes.io/metadata.name":"b"}}}`,
		`{"metadata":{"name":"a","labels":{"kubernetes.io/metadata.name":"a"}},"spec":{},"status":{"phase":"Active"}}`)
	f("persistentvolumes", `{"spec":{"hostPath":{"path":"/x"},"iscsi":{"targetPortal":"p","iqn":"i","lun":1}}}`,
		`{"spec":{"hostPath":{"path":"/x","type":""},"iscsi":{"targetPortal":"p","iqn":"i","lun":1,"iscsiInterface":"default"},"persistentVolumeReclaimPolicy":"Retain","volumeMode":"Filesystem"},"status":{"phase":"Pending"}}`)
	f("persistentvolumes", `{"spec":{"rbd":{"monitors":["m"],"image":"i","user":"u"},"azureDisk":{"diskName":"d","diskURI":"u"},"scaleIO":{"gateway":"g","system":"s","secretRef":null}}}`,
		`{"spec":{"rbd":{"monitors":["m"],"image":"i","pool":"rbd","user":"u","keyring":"/etc/ceph/keyring"},"azureDisk":{"diskName":"d","diskURI":"u","cachingMode":"ReadWrite","fsType":"ext4","readOnly":false,"kind":"Shared"},`+
			`"scaleIO":{"gateway":"g","system":"s","secretRef":null,"storageMode":"ThinProvisioned","fsType":"xfs"},"persistentVolumeReclaimPolicy":"Retain","volumeMode":"Filesystem"},"status":{"phase":"Pending"}}`)
	f("persistentvolumeclaims", `{"spec":{"resources":{"requests":{"storage":"1.5Gi"}}}}`,
		`{"spec":{"resources":{"requests":{"storage":"1536Mi"}},"volumeMode":"Filesystem"},"status":{"phase":"Pending"}}`)
	f("endpoints", `{"subsets":[{"ports":[{"port":80},{"port":53,"protocol":"UDP"}]}]}`, `{"subsets":[{"ports":[{"port":80,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]}]}`)
}

func TestNodeDefaults(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := encode(t, decode(t, kinds()["nodes"], in)); !strings.HasPrefix(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
	}
	f(`{"spec":{"podCIDR":"10.1.0.0/24"}}`, `{"spec":{"podCIDR":"10.1.0.0/24","podCIDRs":["10.1.0.0/24"]}`)
	f(`{"spec":{"podCIDRs":["10.1.0.0/24","fd00::/80"]}}`, `{"spec":{"podCIDR":"10.1.0.0/24","podCIDRs":["10.1.0.0/24","fd00::/80"]}`)
	f(`{"spec":{"podCIDR":"10.2.0.0/24","podCIDRs":["10.1.0.0/24","fd00::/80"]}}`, `{"spec":{"podCIDR":"10.2.0.0/24","podCIDRs":["10.2.0.0/24"]}`)
	f(`{"status":{"capacity":{"cpu":"4"}}}`, `{"spec":{},"status":{"capacity":{"cpu":"4"},"allocatable":{"cpu":"4"}`)
	f(`{"status":{"capacity":{"cpu":"4"},"allocatable":{"cpu":"3"}}}`, `{"spec":{},"status":{"capacity":{"cpu":"4"},"allocatable":{"cpu":"3"}`)
}

// validated is what a create or, with an old object, an update finds.
func validated(t *testing.T, r registry.Resource, st registry.Strategy, text, old string) string {
	t.Helper()
	obj := decode(t, r, text)
	var err error
	if old == "" {
		err = st.Validate(t.Context(), obj).ToAggregate()
	} else {
		err = st.ValidateUpdate(t.Context(), obj, decode(t, r, old)).ToAggregate()
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestValidate(t *testing.T) {
	all := kinds()
	f := func(resource, in, want string) {
		t.Helper()
		r := all[resource]
		if got := validated(t, r, r.Strategy, in, ""); got != want {
			t.Errorf("%s %s\ngot  %s\nwant %s", resource, in, got, want)
		}
	}
	f("configmaps", `{"data":{"a":"x"},"binaryData":{"b":"eA=="}}`, "")
	f("configmaps", `{"data":{"..a":"x","same":"y"},"binaryData":{"same":"eA=="}}`, `[data[..a]: Invalid value: "..a": must not start with '..', data[same]: Invalid value: "same": duplicate of key present in binaryData]`)
	f("configmaps", `{"data":{"a":"`+strings.Repeat("x", 1<<20+1)+`"}}`, `[]: Too long: may not be more than 1048576 bytes`)
	f("secrets", `{"data":{"a":"`+strings.Repeat("eHh4", 1<<20/3+1)+`"}}`, `data: Too long: may not be more than 1048576 bytes`)
	f("secrets", `{"type":"kubernetes.io/basic-auth"}`, `[data[username]: Required value, data[password]: Required value]`)
	f("secrets", `{"type":"kubernetes.io/basic-auth","stringData":{"password":"p"}}`, "")
	f("secrets", `{"type":"kubernetes.io/ssh-auth","stringData":{"ssh-privatekey":""}}`, `data[ssh-privatekey]: Required value`)
	f("secrets", `{"type":"kubernetes.io/dockercfg"}`, `data[.dockercfg]: Required value`)
	f("secrets", `{"type":"kubernetes.io/dockercfg","stringData":{".dockercfg":"[]"}}`, `data[.dockercfg]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of type map[string]interface {}`)
	f("secrets", `{"type":"kubernetes.io/tls"}`, `[data[tls.crt]: Required value, data[tls.key]: Required value]`)
	f("secrets", `{"type":"example.com/mine"}`, "")
	f("resourcequotas", `{"spec":{"hard":{"count/deployments.apps":"3","requests.example.com/gpu":"1","cpu":"1.5","services.nodeports":"1"}}}`, "")
	f("resourcequotas", `{"spec":{"hard":{"secrets":"0.5","cpu":"-1"}}}`, `[spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0, spec.hard[secrets]: Invalid value: "500m": must be an integer]`)
	f("resourcequotas", `{"spec":{"hard":{"services":"1"},"scopes":["BestEffort","NotBestEffort"]}}`,
		`[spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: unsupported scope applied to resource, spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes]`)
	f("resourcequotas", `{"spec":{"hard":{"requests.storage":"1"},"scopes":["VolumeAttributesClass"]}}`, "")
	f("resourcequotas", `{"spec":{"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"Exists","values":["a"]},{"scopeName":"X","operator":"Like"}]}}}`,
		"[spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector, spec.scopeSelector.matchExpressions.scopeName: Invalid value: \"X\": unsupported scope, spec.scopeSelector.matchExpressions.operator: Invalid value: \"Like\": not a valid selector operator]")
	f("limitranges", `{"spec":{"limits":[{"type":"PersistentVolumeClaim"},{"type":"Pod","max":{"storage":"1"}},{"type":"odd"},{"type":"example.com/x","max":{"nothing":"1"}}]}}`,
		`[spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided, spec.limits[1].max[storage]: Invalid value: "storage": must be a standard resource for containers, spec.limits[2].type: Invalid value: "odd": must be a standard limit type or fully qualified, spec.limits[3].max[nothing]: Invalid value: "nothing": must be a standard resource type or fully qualified]`)
	f("limitranges", `{"spec":{"limits":[{"type":"Container","min":{"cpu":"1"},"max":{"cpu":"2"},"maxLimitRequestRatio":{"cpu":"3"}}]}}`,
		`spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000`)
	f("limitranges", `{"spec":{"limits":[{"type":"Container","default":{"hugepages-2Mi":"4Mi"},"defaultRequest":{"hugepages-2Mi":"2Mi"}}]}}`,
		`spec.limits[0].defaultRequest[hugepages-2Mi]: Invalid value: "2Mi": default value 4Mi must equal to defaultRequest value 2Mi in hugepages-2Mi`)
	f("nodes", `{"spec":{"taints":[{"key":"a b","value":"x y","effect":"Never"},{"key":"k","effect":"NoExecute"},{"key":"k","effect":"NoExecute"},{"key":"e"}]}}`,
		`[metadata.taints[0].key: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), `+
			`metadata.taints[0].value: Invalid value: "x y": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'), `+
			`metadata.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute", `+
			`metadata.taints[2]: Duplicate value: {"Key":"k","Value":"","Effect":"NoExecute","TimeAdded":null}: taints must be unique by key and effect pair, metadata.taints[3].effect: Required value]`)
	f("nodes", `{"spec":{"podCIDRs":["10.1.0.0/24","10.1.0.0/24"]},"status":{"capacity":{"pods":"1.5","cpu":"-1"},"allocatable":{"pods":"1"}}}`,
		`[status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0, status.capacity.pods: Invalid value: "1500m": must be an integer, spec.podCIDRs: Invalid value: ["10.1.0.0/24","10.1.0.0/24"]: may specify no more than one CIDR for each IP family]`)
	f("nodes", `{"metadata":{"annotations":{"scheduler.alpha.kubernetes.io/preferAvoidPods":"{\"preferAvoidPods\":[{\"podSignature\":{}}]}"}}}`,
		`metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[0].PodSignature: Required value`)
	f("namespaces", `{"metadata":{"name":"a"},"spec":{"finalizers":["mine","example.com/x"]}}`, `spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified`)
	f("endpoints", `{"subsets":[{"ports":[{"port":0},{"name":"UP","port":70000,"protocol":"X"}]},{"addresses":[{"ip":"169.254.1.1","hostname":"a.b","nodeName":"N"}],"notReadyAddresses":[{"ip":"010.0.0.1"}]}]}`,
		"[subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`, subsets[0].ports[0].name: Required value, subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, "+
			`subsets[0].ports[1].name: Invalid value: "UP": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), `+
			`subsets[0].ports[1].port: Invalid value: 70000: must be between 1 and 65535, inclusive, subsets[0].ports[1].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP", `+
			`subsets[1].addresses[0].hostname: Invalid value: "a.b": must not contain dots, `+
			`subsets[1].addresses[0].nodeName: Invalid value: "N": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), `+
			`subsets[1].addresses[0].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10), subsets[1].notReadyAddresses[0].ip: Invalid value: "010.0.0.1": must not have leading 0s]`)
	f("events", `{"metadata":{"name":"Any_Name","namespace":"a"},"involvedObject":{"namespace":"b"}}`, `involvedObject.namespace: Invalid value: "b": does not match event.namespace`)
	f("events", `{"metadata":{"namespace":"default"}}`, "")
	f("events", `{"metadata":{"namespace":"a"},"involvedObject":{"namespace":"a"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a b","action":"`+strings.Repeat("x", 129)+`","reason":"r"}`,
		`[reportingController: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), reportingInstance: Required value, action: Invalid value: "": can have at most 128 characters]`)
}

func TestValidateVolumes(t *testing.T) {
	all := kinds()
	pv := func(spec, want string) {
		t.Helper()
		r := all["persistentvolumes"]
		in := `{"metadata":{"name":"pv"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],` + spec + `}}`
		if got := validated(t, r, r.Strategy, in, ""); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", spec, got, want)
		}
	}
	pv(`"nfs":{"server":"s","path":"/p"}`, "")
	pv(`"nfs":{"path":"rel"}`, `[spec.nfs.server: Required value, spec.nfs.path: Invalid value: "rel": must be an absolute path]`)
	pv(`"local":{"path":"/a/../b"}`, `[spec.local.path: Invalid value: "/a/../b": must not contain '..', spec.nodeAffinity: Required value: Local volume requires node affinity]`)
	pv(`"local":{"path":"/a"},"nodeAffinity":{}`, `spec.nodeAffinity.required: Required value: must specify required node constraints`)
	pv(`"local":{"path":"/a"},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"In"}]}]}}`,
		"spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'")
	pv(`"csi":{"driver":"d","volumeHandle":"","nodePublishSecretRef":{"name":"N"}}`,
		`[spec.csi.volumeHandle: Required value, spec.csi.nodePublishSecretRef.name: Invalid value: "N": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.csi.nodePublishSecretRef.namespace: Required value]`)
	pv(`"nfs":{"server":"s","path":"/p"},"volumeAttributesClassName":""`, `[spec.volumeAttributesClassName: Required value: an empty string is disallowed, spec.csi: Required value: has to be specified when using volumeAttributesClassName]`)
	pv(`"azureFile":{"secretName":"","shareName":"","secretNamespace":""}`, `[spec.azureFile.secretName: Required value, spec.azureFile.shareName: Required value, spec.azureFile.secretNamespace: Required value]`)
	pv(`"glusterfs":{"endpoints":"e","path":"p","endpointsNamespace":""},"cephfs":{"monitors":[]}`, `[spec.glusterfs.endpointsNamespace: Invalid value: "": if the endpointnamespace is set, it must be a valid namespace name, spec.cephFS: Forbidden: may not specify more than 1 volume type]`)
	pv(`"iscsi":{"targetPortal":"p","iqn":"x","lun":256,"chapAuthSession":true}`, `[spec.iscsi.iqn: Invalid value: "x": must be valid format, spec.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive, spec.iscsi.secretRef: Required value]`)
	pv(`"accessModes":["ReadWriteOncePod","ReadOnlyMany"],"hostPath":{"path":"/x","type":"Odd"}`,
		`[spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes, spec.hostPath.type: Unsupported value: "Odd": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"]`)
}

func TestValidateUpdate(t *testing.T) {
	all := kinds()
	f := func(resource, old, in, want string) {
		t.Helper()
		r := all[resource]
		if got := validated(t, r, r.Strategy, in, old); got != want {
			t.Errorf("%s %s -> %s\ngot  %s\nwant %s", resource, old, in, got, want)
		}
	}
	f("configmaps", `{"immutable":true,"data":{"a":"1"}}`, `{"immutable":true,"data":{"a":"1"}}`, "")
	f("configmaps", `{"immutable":true,"data":{"a":"1"}}`, `{"binaryData":{"b":"eA=="}}`,
		"[immutable: Forbidden: field is immutable when `immutable` is set, data: Forbidden: field is immutable when `immutable` is set, binaryData: Forbidden: field is immutable when `immutable` is set]")
	f("secrets", `{"type":"a/b"}`, `{}`, `type: Invalid value: "Opaque": field is immutable`)
	f("secrets", `{"immutable":true}`, `{"data":{"a":"eA=="}}`, "[immutable: Forbidden: field is immutable when `immutable` is set, data: Forbidden: field is immutable when `immutable` is set]")
	f("resourcequotas", `{"spec":{"scopes":["BestEffort"]}}`, `{"spec":{}}`, `spec.scopes: Invalid value: null: field is immutable`)
	f("nodes", `{"spec":{"podCIDR":"10.1.0.0/24","providerID":"x"}}`, `{"spec":{"podCIDRs":["10.1.0.0/24","fd00::/80"]}}`,
		`[spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid, spec.providerID: Forbidden: node updates may not change providerID except from "" to valid]`)
	f("nodes", `{}`, `{"spec":{"externalID":"x"},"status":{"addresses":[{"type":"InternalIP","address":"a"},{"type":"InternalIP","address":"a"}]}}`,
		`[status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"a"}, spec.externalID: Forbidden: may not be updated]`)
	const pv = `"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"d","volumeHandle":"h"}`
	f("persistentvolumes", `{"spec":{`+pv+`}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"d","volumeHandle":"h","controllerExpandSecretRef":{"name":"n","namespace":"s"}}}}`, "")
	f("persistentvolumes", `{"spec":{`+pv+`}}`, `{"spec":{`+pv+`,"volumeMode":"Block"}}`, `volumeMode: Invalid value: "Block": field is immutable`)
	affinity := func(key string) string {
		return `{"spec":{` + pv + `,"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"` + key + `","operator":"Exists"}]}]}}}}`
	}
	f("persistentvolumes", affinity("failure-domain.beta.kubernetes.io/zone"), affinity("topology.kubernetes.io/zone"), "")
	f("persistentvolumes", affinity("topology.kubernetes.io/zone"), affinity("other"),
		`nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"other","Operator":"Exists","Values":null}],"MatchFields":null}]}}: field is immutable, except for updating from beta label to GA`)
	claim := func(more, status string) string {
		return `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2Gi"}}` + more + `},"status":{` + status + `}}`
	}
	f("persistentvolumeclaims", claim("", ""), claim(`,"volumeName":"pv"`, ""), "")
	f("persistentvolumeclaims", claim("", ""), claim(`,"storageClassName":"c"`, ""), "")
	f("persistentvolumeclaims", claim("", `"phase":"Bound","capacity":{"storage":"2Gi"}`), strings.Replace(claim("", `"phase":"Bound","capacity":{"storage":"2Gi"}`), "2Gi", "3Gi", 1), "")
	f("persistentvolumeclaims", claim("", `"phase":"Bound","capacity":{"storage":"2Gi"}`), strings.Replace(claim("", `"phase":"Bound","capacity":{"storage":"2Gi"}`), "2Gi", "1Gi", 1),
		`spec.resources.requests.storage: Forbidden: field can not be less than status.capacity`)
	f("persistentvolumeclaims", claim(`,"volumeAttributesClassName":"a"`, `"phase":"Bound"`), claim("", `"phase":"Bound"`),
		updateDiff(t, all, claim(`,"volumeAttributesClassName":"a"`, `"phase":"Bound"`), claim("", `"phase":"Bound"`)))
}

// updateDiff is the part of a claim's errors that shows the difference, which
// is not for tests to pin.
func updateDiff(t *testing.T, all map[string]registry.Resource, old, in string) string {
	t.Helper()
	r := all["persistentvolumeclaims"]
	got := validated(t, r, r.Strategy, in, old)
	for _, part := range []string{
		"[spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n",
		"VolumeAttributesClassName",
		", spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden]",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("%q lacks %q", got, part)
		}
	}
	return got
}

func TestPrepare(t *testing.T) {
	all := kinds()
	create := func(resource, in, want string) {
		t.Helper()
		obj := decode(t, all[resource], in)
		all[resource].Strategy.PrepareForCreate(t.Context(), obj)
		if got := encode(t, obj); got != want {
			t.Errorf("%s %s\ngot  %s\nwant %s", resource, in, got, want)
		}
	}
	create("namespaces", `{"spec":{"finalizers":["example.com/x"]},"status":{"phase":"Terminating"}}`, `{"spec":{"finalizers":["example.com/x","kubernetes"]},"status":{"phase":"Active"}}`)
	create("serviceaccounts", `{"secrets":[{"name":"a","namespace":"other","kind":"X"}],"imagePullSecrets":[{"name":"b"}]}`, `{"secrets":[{"name":"a"}],"imagePullSecrets":[{"name":"b"}]}`)
	create("resourcequotas", `{"status":{"hard":{"pods":"1"}}}`, `{"spec":{},"status":{}}`)
	create("persistentvolumes", `{"spec":{},"status":{"phase":"Bound","message":"m"}}`, `{"spec":{"persistentVolumeReclaimPolicy":"Retain","volumeMode":"Filesystem"},"status":{"phase":"Pending","lastPhaseTransitionTime":"2026-01-02T03:04:05Z"}}`)
	create("persistentvolumeclaims", `{"spec":{"dataSource":{"kind":"PersistentVolumeClaim","name":"a"}}}`,
		`{"spec":{"resources":{},"volumeMode":"Filesystem","dataSource":{"apiGroup":null,"kind":"PersistentVolumeClaim","name":"a"},"dataSourceRef":{"apiGroup":null,"kind":"PersistentVolumeClaim","name":"a"}},"status":{"phase":"Pending"}}`)
	create("persistentvolumeclaims", `{"spec":{"dataSource":{"apiGroup":"x","kind":"Odd","name":"a"}}}`, `{"spec":{"resources":{},"volumeMode":"Filesystem"},"status":{"phase":"Pending"}}`)
	create("persistentvolumeclaims", `{"spec":{"dataSourceRef":{"apiGroup":"x","kind":"Odd","name":"a","namespace":"n"}}}`, `{"spec":{"resources":{},"volumeMode":"Filesystem"},"status":{"phase":"Pending"}}`)
	create("nodes", `{"spec":{"configSource":{"configMap":{"name":"c"}}},"status":{"phase":"Running"}}`,
		`{"spec":{},"status":{"phase":"Running","daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{"machineID":"","systemUUID":"","bootID":"","kernelVersion":"","osImage":"","containerRuntimeVersion":"","kubeletVersion":"","kubeProxyVersion":"","operatingSystem":"","architecture":""}}}`)
}

func TestStatusViewsKeepTheSpec(t *testing.T) {
	all := kinds()
	for _, resource := range []string{"nodes", "persistentvolumes", "persistentvolumeclaims", "resourcequotas", "services", "namespaces"} {
		r := all[resource]
		var view *registry.Strategy
		for _, s := range r.Subresources {
			if s.Name == "status" {
				view = s.Strategy
			}
		}
		old := decode(t, r, `{"metadata":{"name":"a"}}`)
		in := `{"metadata":{"name":"a"},"spec":{"podCIDR":"10.0.0.0/8","storageClassName":"x","hard":{"pods":"1"},"externalName":"e","finalizers":["x/y"]}}`
		obj := decode(t, r, in)
		before, changed := encode(t, old), encode(t, obj)
		if before == changed {
			t.Fatalf("%s: nothing to see", resource)
		}
		view.PrepareForUpdate(context.Background(), obj, old)
		got := encode(t, obj)
		if i, j := strings.Index(got, `,"status"`), strings.Index(before, `,"status"`); got[:i] != before[:j] {
			t.Errorf("%s: status changes the spec: %s", resource, got)
		}
	}
}

func TestWarnings(t *testing.T) {
	all := kinds()
	f := func(resource, in string, want ...string) {
		t.Helper()
		got := all[resource].Strategy.WarningsOnCreate(t.Context(), decode(t, all[resource], in))
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s %s\ngot  %q\nwant %q", resource, in, got, want)
		}
	}
	f("services", `{"spec":{"clusterIP":"None","clusterIPs":["None"],"externalIPs":["1.2.3.4"],"loadBalancerIP":"0::1","sessionAffinity":"ClientIP"}}`,
		"spec.loadBalancerIP is ignored for headless services", "spec.externalIPs is ignored for headless services", "spec.SessionAffinity is ignored for headless services",
		`spec.loadBalancerIP: IPv6 address "0::1" should be in RFC 5952 canonical format ("::1")`)
	f("services", `{"spec":{"externalIPs":["1.2.3.4"],"externalName":"x","trafficDistribution":"PreferClose"}}`,
		"spec.externalIPs is deprecated and may no longer be implemented in some clusters", `spec.externalName is ignored when spec.type is not "ExternalName"`,
		`spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"`)
	f("endpoints", `{"subsets":[{"addresses":[{"ip":"2001:DB8::1"}]}]}`, `subsets[0].addresses[0].ip: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")`)
	f("endpoints", `{"metadata":{"labels":{"endpoints.kubernetes.io/managed-by":"endpoint-controller"}},"subsets":[{"addresses":[{"ip":"2001:DB8::1"}]}]}`)
	f("serviceaccounts", `{"metadata":{"annotations":{"kubernetes.io/enforce-mountable-secrets":"true"}}}`,
		"metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets")
	f("nodes", `{"spec":{"externalID":"x"}}`, "spec.externalID: this field is deprecated, and is unused by Kubernetes")
	f("persistentvolumes", `{"spec":{"capacity":{"storage":"100m"},"persistentVolumeReclaimPolicy":"Recycle","cephfs":{},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"beta.kubernetes.io/os","operator":"Exists"}]}]}}}}`,
		"spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.",
		`spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead`,
		"spec.cephfs: deprecated in v1.28, non-functional in v1.31+")
	f("persistentvolumeclaims", `{"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"x"}},"spec":{"resources":{"requests":{"storage":"100m"}}}}`,
		`metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead`,
		`spec.resources.requests[storage]: fractional byte value "100m" is invalid, must be an integer`)
}

func TestCells(t *testing.T) {
	all := kinds()
	now := func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
	f := func(resource, in string, want ...any) {
		t.Helper()
		r := all[resource]
		got := r.Cells(decode(t, r, in), now)
		if len(got) != len(r.Columns) {
			t.Fatalf("%s: %d cells for %d columns", resource, len(got), len(r.Columns))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s %s: %s is %#v, want %#v", resource, in, r.Columns[i].Name, got[i], want[i])
			}
		}
	}
	const meta = `"metadata":{"name":"a","creationTimestamp":"2025-12-31T23:59:00Z"}`
	f("configmaps", `{`+meta+`,"data":{"x":""},"binaryData":{"y":""}}`, "a", int64(2), "60s")
	f("secrets", `{`+meta+`,"data":{"x":""}}`, "a", "Opaque", int64(1), "60s")
	f("events", `{`+meta+`,"type":"Normal","reason":"R","involvedObject":{"kind":"Pod","name":"p","fieldPath":"spec"},"message":" m\n","source":{"component":"kubelet","host":"n1"},"firstTimestamp":"2025-12-31T23:00:00Z","lastTimestamp":"2025-12-31T23:30:00Z","count":4}`,
		"30m", "Normal", "R", "pod/p", "spec", "kubelet, n1", "m", "60m", int64(4), "a")
	f("events", `{`+meta+`,"involvedObject":{"kind":"Node"},"reportingComponent":"c","eventTime":"2025-12-31T23:00:00.000000Z","series":{"count":3,"lastObservedTime":"2025-12-31T23:59:50.000000Z"}}`,
		"10s", "", "", "node", "", "c", "", "60m", int64(3), "a")
	f("endpoints", `{`+meta+`}`, "a", "<none>", "60s")
	f("endpoints", `{`+meta+`,"subsets":[{"addresses":[{"ip":"1.1.1.1"},{"ip":"::1"}],"ports":[{"port":80},{"port":81}]},{"addresses":[{"ip":"2.2.2.2"}]}]}`, "a", "1.1.1.1:80,[::1]:80,1.1.1.1:81 + 2 more...", "60s")
	f("resourcequotas", `{`+meta+`,"status":{"hard":{"pods":"4","limits.cpu":"2","cpu":"1"},"used":{"pods":"1","cpu":"500m"}}}`, "a", "cpu: 500m/1, pods: 1/4", "limits.cpu: 0/2", "60s")
	f("limitranges", `{`+meta+`}`, "a", "2025-12-31T23:59:00Z")
	f("serviceaccounts", `{`+meta+`}`, "a", "60s")
	f("nodes", `{"metadata":{"name":"n","labels":{"node-role.kubernetes.io/b":"","kubernetes.io/role":"a","node-role.kubernetes.io/":""}},"spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"Unknown"}],"addresses":[{"type":"InternalIP","address":"10.0.0.1"}],"nodeInfo":{"kubeletVersion":"v1","osImage":"os"}}}`,
		"n", "NotReady,SchedulingDisabled", "a,b", "<unknown>", "v1", "10.0.0.1", "<none>", "os", "<unknown>", "<unknown>")
	f("persistentvolumes", `{`+meta+`,"spec":{"capacity":{"storage":"5Gi"},"accessModes":["ReadWriteMany","ReadWriteOnce","ReadWriteOnce","ReadWriteOncePod"],"claimRef":{"namespace":"n","name":"c"},"storageClassName":"s"},"status":{"phase":"Bound","reason":"r"}}`,
		"a", "5Gi", "RWO,RWX,RWOP", "Retain", "Bound", "n/c", "s", "<unset>", "r", "60s", "Filesystem")
	f("persistentvolumeclaims", `{"metadata":{"name":"a","annotations":{"volume.beta.kubernetes.io/storage-class":"old"}},"spec":{"storageClassName":"new","volumeAttributesClassName":"v","volumeMode":"Block","resources":{"requests":{"storage":"1Gi"}}}}`,
		"a", "Pending", "", "", "", "old", "v", "<unknown>", "Block")
	f("persistentvolumeclaims", `{`+meta+`,"spec":{"volumeName":"pv","accessModes":["ReadWriteOnce"]},"status":{"phase":"Bound","accessModes":["ReadOnlyMany"],"capacity":{"storage":"3Gi"}}}`,
		"a", "Bound", "pv", "3Gi", "ROX", "", "<unset>", "60s", "Filesystem")
	f("services", `{`+meta+`,"spec":{"type":"LoadBalancer","clusterIPs":["10.0.0.1"],"externalIPs":["9.9.9.9"],"ports":[{"port":80,"nodePort":30080},{"port":53,"protocol":"UDP"}],"selector":{"b":"2","a":"1"}},"status":{"loadBalancer":{"ingress":[{"hostname":"z"},{"ip":"1.1.1.1"}]}}}`,
		"a", "LoadBalancer", "10.0.0.1", "1.1.1.1,z,9.9.9.9", "80:30080/TCP,53/UDP", "60s", "a=1,b=2")
	f("services", `{`+meta+`,"spec":{"type":"LoadBalancer"}}`, "a", "LoadBalancer", "<none>", "<pending>", "<none>", "60s", "<none>")
	f("componentstatuses", `{"metadata":{"name":"etcd-0"},"conditions":[{"type":"Healthy","status":"False","message":"m","error":"e"}]}`, "etcd-0", "Unhealthy", "m", "e")
}
