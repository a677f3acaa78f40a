package podspec

import (
	"encoding/json"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// faults gives what is wrong with a new pod whose spec is the text.
func faults(t testing.TB, spec string, o Options) []string {
	t.Helper()
	p := pod(t, "metadata: {name: p}\nspec: "+spec)
	SetPodDefaults(p)
	DropGated(&p.Spec)
	p.Spec.ServiceAccountName = "default"
	return lines(ValidatePodCreate(p, o))
}

const subdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const label = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"

func TestValidPods(t *testing.T) {
	f := func(spec string) {
		t.Helper()
		expect(t, spec, faults(t, spec, Options{AllowPrivileged: true}), nil)
	}
	f(`{}`)
	f(`{containers: [{name: c, image: i, securityContext: {privileged: true, allowPrivilegeEscalation: true}}]}`)
	f(`{initContainers: [{name: s, image: i, restartPolicy: Always, livenessProbe: {exec: {command: [x]}}}, {name: i, image: i, ports: [{containerPort: 1, hostPort: 5}]}, {name: j, image: i, ports: [{containerPort: 1, hostPort: 5}]}]}`)
	f(`{containers: [{name: c, image: i, restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]}]}`)
	f(`{containers: [{name: c, image: i, env: [{name: 'a.b c', value: x}, {name: L, valueFrom: {fieldRef: {fieldPath: "metadata.labels['a/b']"}}}, {name: H, valueFrom: {resourceFieldRef: {resource: limits.hugepages-2Mi, divisor: 1Mi}}}], envFrom: [{prefix: 'x.', secretRef: {name: s}}]}]}`)
	f(`{volumes: [{name: e, emptyDir: {}}], containers: [{name: c, image: i, env: [{name: A, valueFrom: {fileKeyRef: {volumeName: e, path: f, key: K}}}]}]}`)
	f(`{volumes: [{name: d, ephemeral: {volumeClaimTemplate: {metadata: {labels: {a: b}}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}], containers: [{name: c, image: i, volumeDevices: [{name: d, devicePath: /dev/x}]}]}`)
	f(`{resources: {limits: {cpu: 2, memory: 1Gi}}, containers: [{name: c, image: i, resources: {limits: {cpu: 1}}}]}`)
	f(`{resourceClaims: [{name: r, resourceClaimTemplateName: t}], containers: [{name: c, image: i, resources: {claims: [{name: r, request: q}]}}]}`)
	f(`{os: {name: linux}, hostUsers: false, securityContext: {sysctls: [{name: kernel.shm_rmid_forced, value: '1'}, {name: net/core/x, value: '1'}], supplementalGroupsPolicy: Strict, fsGroupChangePolicy: Always, seLinuxChangePolicy: Recursive}}`)
	f(`{os: {name: windows}, hostNetwork: true, securityContext: {windowsOptions: {hostProcess: true, runAsUserName: 'NT AUTHORITY\SYSTEM'}}}`)
	f(`{hostnameOverride: a.b, dnsConfig: {searches: [., a_b., c], nameservers: [1.1.1.1], options: [{name: x}]}}`)
	f(`{tolerations: [{operator: Exists}, {key: a, value: b, effect: NoExecute, tolerationSeconds: 1}], topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule, minDomains: 2, labelSelector: {matchLabels: {a: b}}, matchLabelKeys: [x], nodeAffinityPolicy: Honor}]}`)
	f(`{affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: a, operator: In, values: ['not valid']}]}}]}, podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: z, labelSelector: {}, matchLabelKeys: [a], mismatchLabelKeys: [b], namespaces: [n]}]}}}`)
	// What belongs to features that are off is dropped and so never wrong.
	f(`{schedulingGroup: {podGroupName: '!'}, volumes: [{name: v, projected: {sources: [{clusterTrustBundle: {path: ''}}, {podCertificate: {signerName: x, keyType: k}}]}}], containers: [{name: c, image: i, lifecycle: {stopSignal: SIGX}}]}`)
}

func TestInvalidContainers(t *testing.T) {
	f := func(container string, want ...string) {
		t.Helper()
		for i := range want {
			want[i] = "spec.containers[0]" + want[i]
		}
		expect(t, container, faults(t, "{containers: ["+container+"]}", Options{}), want)
	}
	f(`{}`, ".name: Required value", ".image: Required value")
	f(`{name: c, image: ' i'}`, `.image: Invalid value: " i": must not have leading or trailing whitespace`)
	f(`{name: c, image: i, securityContext: {privileged: true}}`, ".securityContext.privileged: Forbidden: disallowed by cluster policy")
	f(`{name: c, image: i, securityContext: {privileged: false, procMount: Unmasked}}`, `.securityContext.procMount: Invalid value: "Unmasked": `+"`hostUsers` must be false to use `Unmasked`")
	f(`{name: c, image: i, securityContext: {runAsUser: -1, runAsGroup: 2147483648}}`,
		".securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
		".securityContext.runAsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive")
	f(`{name: c, image: i, securityContext: {appArmorProfile: {type: Localhost}, seccompProfile: {}}}`,
		".securityContext.seccompProfile.type: Required value: type is required when seccompProfile is set",
		".securityContext.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost")
	f(`{name: c, image: i, securityContext: {windowsOptions: {runAsUserName: 'a\b\c', gmsaCredentialSpec: ''}}}`,
		`.securityContext.windowsOptions.gmsaCredentialSpec: Invalid value: "": gmsaCredentialSpec cannot be an empty string`,
		`.securityContext.windowsOptions.runAsUserName: Invalid value: "a\\b\\c": runAsUserName cannot contain more than one backslash`)
	f(`{name: c, image: i, restartPolicyRules: [{action: Stop}]}`,
		".restartPolicy: Required value: must specify restartPolicy when restart rules are used",
		`.restartPolicyRules[0].action: Unsupported value: "Stop": supported values: "Restart", "RestartAllContainers"`,
		".restartPolicyRules[0].exitCodes: Required value: must be specified")
	f(`{name: c, image: i, resizePolicy: [{resourceName: gpu, restartPolicy: ''}, {resourceName: gpu, restartPolicy: NotRequired}]}`,
		`.resizePolicy: Unsupported value: "gpu": supported values: "cpu", "memory"`,
		".resizePolicy: Required value",
		`.resizePolicy[1]: Duplicate value: "gpu"`,
		`.resizePolicy: Unsupported value: "gpu": supported values: "cpu", "memory"`)
	f(`{name: c, image: i, lifecycle: {preStop: {sleep: {seconds: 31}}}}`, ".lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)")
	f(`{name: c, image: i, readinessProbe: {grpc: {port: 0}, terminationGracePeriodSeconds: 0}, livenessProbe: {httpGet: {port: -a, scheme: FTP, httpHeaders: [{name: 'a b'}]}}}`,
		`.livenessProbe.httpGet.port: Invalid value: "-a": must not begin or end with a hyphen`,
		`.livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"`,
		`.livenessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')`,
		".readinessProbe.grpc.port: Invalid value: 0: must be between 1 and 65535, inclusive",
		".readinessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
		".readinessProbe.terminationGracePeriodSeconds: Invalid value: 0: must not be set for readinessProbes")
	f(`{name: c, image: i, env: [{name: A, valueFrom: {fileKeyRef: {volumeName: Up, path: ../x, key: ''}}}, {name: B, valueFrom: {fieldRef: {fieldPath: "spec.nodeName['x']"}}}, {name: C, valueFrom: {fieldRef: {fieldPath: status.phase}}}, {name: D, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 2}}}]}`,
		".env[0].valueFrom.fileKeyRef.key: Required value",
		`.env[0].valueFrom.fileKeyRef.volumeName: Invalid value: "Up": `+label,
		`.env[0].valueFrom.fileKeyRef.path: Invalid value: "../x": must not contain '..'`,
		`.env[1].valueFrom.fieldRef.fieldPath: Invalid value: "spec.nodeName['x']": error converting fieldPath: field label does not support subscript: spec.nodeName['x']`,
		`.env[2].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"`,
		`.env[3].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
		`.env[0].valueFrom.fileKeyRef.volumeName: Not found: "Up"`)
	f(`{name: c, image: i, resources: {requests: {hugepages-2Mi: 3Mi}, limits: {hugepages-2Mi: 3Mi}}}`,
		`.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
		`.resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
		".resources: Forbidden: HugePages require cpu or memory")
	f(`{name: c, image: i, resources: {claims: [{name: ''}, {name: r}]}}`,
		".resources.claims[0]: Required value",
		`.resources.claims[1]: Not found: "r": must be one of the names in pod.spec.resourceClaims which is empty`)
}

func TestInvalidMounts(t *testing.T) {
	f := func(container string, want ...string) {
		t.Helper()
		for i := range want {
			want[i] = "spec.containers[0]" + want[i]
		}
		spec := `{volumes: [{name: v, emptyDir: {}}, {name: w, emptyDir: {}}, {name: d, persistentVolumeClaim: {claimName: c}}], containers: [{name: c, image: i, ` + container + `}]}`
		expect(t, container, faults(t, spec, Options{}), want)
	}
	f(`volumeMounts: [{name: v, mountPath: /a, subPath: /x, subPathExpr: $(Y)}]`,
		`.volumeMounts.subPath: Invalid value: "/x": must be a relative path`,
		`.volumeMounts[0].subPathExpr: Invalid value: "$(Y)": subPathExpr and subPath are mutually exclusive`)
	f(`volumeMounts: [{name: v, mountPath: /a, mountPropagation: Bidirectional}, {name: w, mountPath: /b, mountPropagation: Up}]`,
		".volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
		`.volumeMounts.mountPropagation: Unsupported value: "Up": supported values: "Bidirectional", "HostToContainer", "None"`)
	f(`volumeMounts: [{name: v, mountPath: /a, recursiveReadOnly: Enabled, mountPropagation: HostToContainer}, {name: w, mountPath: /b, recursiveReadOnly: X}]`,
		".volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
		".volumeMounts.recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified",
		`.volumeMounts.recursiveReadOnly: Unsupported value: "X": supported values: "Disabled", "Enabled", "IfPossible"`)
	f(`volumeMounts: [{name: d, mountPath: /a}], volumeDevices: [{name: d, devicePath: /a}, {name: v, devicePath: ../x}, {name: none, devicePath: ''}]`,
		`.volumeMounts[0].name: Invalid value: "d": must not already exist in volumeDevices`,
		`.volumeMounts[0].mountPath: Invalid value: "/a": must not already exist as a path in volumeDevices`,
		`.volumeDevices[0].name: Invalid value: "d": must not already exist in volumeMounts`,
		`.volumeDevices[0].devicePath: Invalid value: "/a": must not already exist as a path in volumeMounts`,
		`.volumeDevices[1].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode`,
		`.volumeDevices[1].devicePath: Invalid value: "../x": can not contain backsteps ('..')`,
		`.volumeDevices[2].name: Not found: "none"`,
		".volumeDevices[2].devicePath: Required value")
}

func TestInvalidVolumes(t *testing.T) {
	f := func(volume string, want ...string) {
		t.Helper()
		for i := range want {
			want[i] = "spec.volumes[0]" + want[i]
		}
		expect(t, volume, faults(t, `{volumes: [{name: v, `+volume+`}]}`, Options{}), want)
	}
	f(`gitRepo: {repository: '', directory: /x}`, ".gitRepo.repository: Required value", `.gitRepo.directory: Invalid value: "/x": must be a relative path`)
	f(`gcePersistentDisk: {pdName: '', partition: 256}`, ".persistentDisk.pdName: Required value", ".persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive")
	f(`awsElasticBlockStore: {volumeID: ''}`, ".awsElasticBlockStore.volumeID: Required value")
	f(`iscsi: {targetPortal: '', iqn: x, lun: 256, chapAuthSession: true, initiatorName: iqn.x}`,
		".iscsi.targetPortal: Required value",
		`.iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa`,
		".iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive",
		".iscsi.secretRef: Required value",
		`.iscsi.initiatorname: Invalid value: "iqn.x": must be valid format`)
	f(`glusterfs: {endpoints: '', path: ''}`, ".glusterfs.endpoints: Required value", ".glusterfs.path: Required value")
	f(`flocker: {datasetName: a/b, datasetUUID: u}`,
		`.flocker: Invalid value: "resource": datasetName and datasetUUID can not be specified simultaneously`,
		`.flocker.datasetName: Invalid value: "a/b": must not contain '/'`)
	f(`cephfs: {monitors: []}`, ".cephfs.monitors: Required value")
	f(`rbd: {monitors: [], image: ''}`, ".rbd.monitors: Required value", ".rbd.image: Required value")
	f(`cinder: {volumeID: '', secretRef: {name: ''}}`, ".cinder.volumeID: Required value", ".cinder.secretRef.name: Required value")
	f(`quobyte: {registry: host, volume: ''}`, `.quobyte.registry: Invalid value: "host": must be a host:port pair or multiple pairs separated by commas`, ".quobyte.volume: Required value")
	f(`fc: {targetWWNs: [a], wwids: [b]}`, `.fc.targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously`, ".fc.lun: Required value: lun is required if targetWWNs is specified")
	f(`flexVolume: {driver: '', options: {a.k8s.io/x: z}}`, ".flexVolume.driver: Required value", `.flexVolume.options[a.k8s.io/x]: Invalid value: "a.k8s.io/x": kubernetes.io and k8s.io namespaces are reserved`)
	f(`azureFile: {secretName: '', shareName: ''}`, ".azureFile.secretName: Required value", ".azureFile.shareName: Required value")
	f(`azureDisk: {diskName: d, diskURI: u, cachingMode: X, kind: Managed}`,
		`.azureDisk.cachingMode: Unsupported value: "X": supported values: "None", "ReadOnly", "ReadWrite"`,
		`.azureDisk.diskURI: Unsupported value: "u": supported values: "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"`)
	f(`csi: {driver: '', nodePublishSecretRef: {name: ''}}`, ".csi.driver: Required value", ".csi.nodePublishSecretRef.name: Required value")
	f(`image: {reference: '', pullPolicy: Often}`, ".image.reference: Required value", `.image.pullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never"`)
	f(`ephemeral: {}`, ".ephemeral.volumeClaimTemplate: Required value")
	f(`ephemeral: {volumeClaimTemplate: {metadata: {name: nm}, spec: {accessModes: [ReadWriteOncePod, ReadWriteMany, X], resources: {requests: {storage: 0}}, dataSource: {kind: Secret, name: ''}}}}`,
		".ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set",
		`.ephemeral.volumeClaimTemplate.spec.accessModes: Unsupported value: "X": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"`,
		".ephemeral.volumeClaimTemplate.spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
		`.ephemeral.volumeClaimTemplate.spec.resources[storage]: Invalid value: "0": must be greater than zero`,
		".ephemeral.volumeClaimTemplate.spec.dataSource.name: Required value",
		`.ephemeral.volumeClaimTemplate.spec.dataSource: Invalid value: "Secret": must be 'PersistentVolumeClaim' when referencing the default apiGroup`)
	f(`downwardAPI: {items: [{path: ..x, fieldRef: {fieldPath: spec.nodeName}, resourceFieldRef: {resource: limits.cpu}}, {path: yy}]}`,
		`.downwardAPI.path: Invalid value: "..x": must not start with '..'`,
		`.downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"`,
		`.downwardAPI: Invalid value: "resource": fieldRef and resourceFieldRef can not be specified simultaneously`,
		".downwardAPI: Required value: one of fieldRef and resourceFieldRef is required")
	f(`projected: {sources: [{secret: {name: s, items: [{key: k, path: p}]}, configMap: {name: m, items: [{key: k, path: p}]}}]}`,
		`.projected: Invalid value: "m": conflicting duplicate paths`,
		".projected.sources[0]: Forbidden: may not specify more than 1 volume type per source")
}

func TestInvalidSpecs(t *testing.T) {
	f := func(spec string, want ...string) {
		t.Helper()
		expect(t, spec, faults(t, spec, Options{}), want)
	}
	f(`{containers: []}`, "spec.containers: Required value")
	f(`{schedulingGates: [{name: a}, {name: a}, {name: '!'}], nodeName: n}`,
		`spec.schedulingGates[1]: Duplicate value: "a"`,
		`spec.schedulingGates[2]: Invalid value: "!": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
		"spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared")
	f(`{ephemeralContainers: [{name: c, image: i, targetContainerName: x, ports: [{containerPort: 1}], volumeMounts: [{name: v, mountPath: /x, subPath: z}]}], volumes: [{name: v}]}`,
		`spec.ephemeralContainers[0].name: Duplicate value: "c"`,
		`spec.ephemeralContainers[0].targetContainerName: Not found: "x"`,
		"spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
		"spec.ephemeralContainers[0].volumeMounts[0].subPath: Forbidden: cannot be set for an Ephemeral Container",
		"spec.ephemeralContainers: Forbidden: cannot be set on create")
	f(`{hostNetwork: true, hostUsers: false, hostPID: true, shareProcessNamespace: true}`,
		"spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
		"spec.hostNetwork: Forbidden: when `hostUsers` is false",
		"spec.HostPID: Forbidden: when `hostUsers` is false")
	f(`{hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 1, hostPort: 2}]}]}`,
		"spec.containers[0].ports[0].hostPort: Invalid value: 2: must match `containerPort` when `hostNetwork` is true")
	f(`{hostIPC: true, securityContext: {sysctls: [{name: kernel.shmmax, value: '1'}, {name: '', value: '1'}]}}`,
		`spec.securityContext.sysctls[0].name: Invalid value: "kernel.shmmax": may not be specified when 'hostIPC' is true`,
		"spec.securityContext.sysctls[1].name: Required value")
	f(`{dnsPolicy: None}`, "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None")
	f(`{dnsConfig: {nameservers: [1.1.1.1, 2.2.2.2, 3.3.3.3, x], searches: ['-a'], options: [{}]}}`,
		`spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","2.2.2.2","3.3.3.3","x"]: must not have more than 3 nameservers`,
		`spec.dnsConfig.nameservers[3]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`,
		`spec.dnsConfig.searches[0]: Invalid value: "-a": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')`,
		"spec.dnsConfig.options[0]: Required value: must not be empty")
	f(`{setHostnameAsFQDN: true, hostnameOverride: Up}`,
		"spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true",
		`spec.hostnameOverride: Invalid value: "Up": `+subdomain)
	f(`{os: {name: plan9}}`, `spec.os: Unsupported value: "plan9": supported values: "linux", "windows"`)
	f(`{os: {name: windows}, hostPID: true, resources: {limits: {cpu: 1}}, securityContext: {runAsUser: 1}, containers: [{name: c, image: i, securityContext: {privileged: false}}]}`,
		"spec.resources: Forbidden: may not be set for a windows pod",
		"spec.hostPID: Forbidden: cannot be set for a windows pod",
		"spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
		"spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod")
	f(`{securityContext: {windowsOptions: {hostProcess: true}}, containers: [{name: c, image: i, securityContext: {windowsOptions: {hostProcess: false}}}, {name: d, image: i}]}`,
		"spec.containers[0].securityContext.windowsOptions.hostProcess: Invalid value: false: pod hostProcess value must be identical if both are specified, was true",
		`spec: Invalid value: "": If pod contains any hostProcess containers then all containers must be HostProcess containers`,
		"spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers",
		"spec: Forbidden: hostProcess containers are disallowed by cluster policy")
	f(`{securityContext: {seLinuxChangePolicy: MountOption, fsGroupChangePolicy: X}}`,
		`spec.securityContext.fsGroupChangePolicy: Unsupported value: "X": supported values: "Always", "OnRootMismatch"`,
		`spec.securityContext.seLinuxChangePolicy: Unsupported value: "MountOption": supported values: "Recursive"`)
	f(`{resources: {limits: {cpu: 1, gpu: 1}, claims: [{name: x}]}, containers: [{name: c, image: i, resources: {limits: {cpu: 2}, requests: {cpu: 2}}}]}`,
		"spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level",
		`spec.resources.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified`,
		"spec.resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
		`spec.resources.claims[0]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is empty`,
		`spec.resources.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1`)
	f(`{resourceClaims: [{name: r}, {name: r, resourceClaimName: a, resourceClaimTemplateName: b}]}`,
		"spec.resourceClaims[0]: Invalid value: {\"Name\":\"r\",\"ResourceClaimName\":null,\"ResourceClaimTemplateName\":null}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
		`spec.resourceClaims[1].name: Duplicate value: "r"`,
		"spec.resourceClaims[1]: Invalid value: {\"Name\":\"r\",\"ResourceClaimName\":\"a\",\"ResourceClaimTemplateName\":\"b\"}: at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified")
	f(`{topologySpreadConstraints: [{maxSkew: 0, topologyKey: '', whenUnsatisfiable: Never, minDomains: 0, matchLabelKeys: [a]}, {maxSkew: 1, topologyKey: '', whenUnsatisfiable: Never}]}`,
		"spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
		"spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
		`spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Never": supported values: "DoNotSchedule", "ScheduleAnyway"`,
		`spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{, Never}"`,
		"spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero",
		"spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not Never",
		"spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
		"spec.topologySpreadConstraints[1].topologyKey: Required value: can not be empty",
		`spec.topologySpreadConstraints[1].whenUnsatisfiable: Unsupported value: "Never": supported values: "DoNotSchedule", "ScheduleAnyway"`)
	f(`{tolerations: [{key: a, operator: Gt, value: '1'}, {key: b, effect: Never}]}`,
		`spec.tolerations[0].operator: Unsupported value: "Gt": supported values: "Equal", "Exists", "Lt", "Gt"`,
		`spec.tolerations[1].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"`)
	f(`{affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: z, labelSelector: {matchLabels: {a: x}, matchExpressions: [{key: a, operator: In, values: [z]}]}, matchLabelKeys: [a], mismatchLabelKeys: [a]}]}}}`,
		`spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0][0]: Invalid value: "a": exists in both matchLabelKeys and labelSelector`,
		`spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys[0]: Invalid value: "a": exists in both matchLabelKeys and mismatchLabelKeys`)
	f(`{initContainers: [{name: i, image: i, resizePolicy: [{resourceName: cpu, restartPolicy: RestartContainer}], ports: [{containerPort: 1, hostPort: 1}, {containerPort: 2, hostPort: 1}]}, {name: s, image: i, restartPolicy: Always, restartPolicyRules: [{action: Restart}]}]}`,
		`spec.initContainers[0].ports[1].hostPort: Duplicate value: "TCP//1"`,
		`spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: "RestartContainer": must not be set to 'RestartContainer' for non-sidecar initContainers`,
		"spec.initContainers[1].restartPolicyRules[0].exitCodes: Required value: must be specified")
}

func TestInvalidAnnotations(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		p := pod(t, text)
		SetPodDefaults(p)
		expect(t, text, lines(ValidatePodCreate(p, Options{})), want)
	}
	f(`metadata: {annotations: {kubernetes.io/config.mirror: x}}`, `metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set`)
	f(`metadata: {annotations: {controller.kubernetes.io/pod-deletion-cost: '+5'}}`, `metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "+5": must be a 32bit integer`)
	f(`{metadata: {annotations: {seccomp.security.alpha.kubernetes.io/pod: runtime/default, container.seccomp.security.alpha.kubernetes.io/c: x}}, spec: {securityContext: {seccompProfile: {type: Unconfined}}}}`,
		`metadata.annotations.container.seccomp.security.alpha.kubernetes.io/c: Invalid value: "x": must be a valid seccomp profile`,
		"spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match")
	f(`{metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/other: x, container.apparmor.security.beta.kubernetes.io/c: unconfined}}, spec: {securityContext: {appArmorProfile: {type: RuntimeDefault}}}}`,
		`metadata.annotations[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: "other": container not found`,
		`metadata.annotations[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: "x": invalid AppArmor profile name: "x"`,
		"spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must match")
	f(`spec: {volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]}`,
		"spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set")
}

func TestTemplates(t *testing.T) {
	path := field.NewPath("spec", "template")
	p := pod(t, `spec: {hostNetwork: true, ephemeralContainers: [{name: e, image: i}], containers: [{name: c, image: ' ', ports: [{containerPort: 5}]}]}`)
	template := &v1.PodTemplateSpec{Spec: p.Spec}
	template.Labels = map[string]string{"a b": "x"}
	SetTemplateDefaults(template)
	errs := lines(ValidateTemplate(template, path, Options{}))
	if len(errs) != 2 || !strings.HasPrefix(errs[0], `spec.template.labels: Invalid value: "a b"`) ||
		errs[1] != "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template" {
		t.Errorf("got %q", errs)
	}
}

// Whatever a client sends, validation answers.
func FuzzValidate(f *testing.F) {
	f.Add([]byte(`{"containers":[{"name":"c","image":"i","resources":{"limits":{"hugepages-":"1","hugepages-0":"1"}}}],"volumes":[{"iscsi":{}},{"projected":{"sources":[{}]}}]}`))
	f.Add([]byte(`{"topologySpreadConstraints":[{"labelSelector":{"matchExpressions":[{}]}}],"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{}}},"os":{},"tolerations":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &v1.Pod{}
		if err := json.Unmarshal(data, &p.Spec); err != nil {
			return
		}
		old := p.DeepCopy()
		SetPodDefaults(p)
		ValidatePodCreate(p, Options{})
		PodWarnings(p)
		o := ForUpdate(false, &old.Spec, &old.ObjectMeta)
		ValidatePodUpdate(p, old, o)
		ValidatePodResize(p, old, o)
		ValidateEphemeralContainersUpdate(p, old, o)
	})
}
