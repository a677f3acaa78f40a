package podspec

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func TestPodDefaults(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got := &v1.Pod{}
		if err := yaml.UnmarshalStrict([]byte(text), got); err != nil {
			t.Fatal(err)
		}
		SetPodDefaults(got)
		once := asJSON(t, got)
		if once != want {
			t.Errorf("defaults of %s\ngot  %s\nwant %s", text, once, want)
		}
		SetPodDefaults(got)
		if twice := asJSON(t, got); twice != once {
			t.Errorf("defaults are not stable\nonce  %s\ntwice %s", once, twice)
		}
	}

	f(`{}`, `{"metadata":{},"spec":{"containers":null,"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler","enableServiceLinks":true},"status":{}}`)

	// What is set stays.
	f(`{spec: {restartPolicy: Never, dnsPolicy: None, terminationGracePeriodSeconds: 0, schedulerName: s, enableServiceLinks: false, securityContext: {runAsUser: 1}}}`,
		`{"metadata":{},"spec":{"containers":null,"restartPolicy":"Never","terminationGracePeriodSeconds":0,"dnsPolicy":"None","securityContext":{"runAsUser":1},"schedulerName":"s","enableServiceLinks":false},"status":{}}`)

	// The old name of the service account, the addresses and dead annotations.
	f(`{metadata: {annotations: {pod.beta.kubernetes.io/init-containers: x, a: b}}, spec: {serviceAccount: old}, status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.2}]}}`,
		`{"metadata":{"annotations":{"a":"b"}},"spec":{"containers":null,"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"old","serviceAccount":"old","securityContext":{},"schedulerName":"default-scheduler","enableServiceLinks":true},"status":{"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}]}}`)
}

func TestContainerDefaults(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		p := pod(t, "spec: {hostNetwork: true, containers: ["+text+"]}")
		SetPodDefaults(p)
		if got := asJSON(t, p.Spec.Containers[0]); got != want {
			t.Errorf("defaults of %s\ngot  %s\nwant %s", text, got, want)
		}
	}
	const end = `"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}`

	f(`{name: c, image: 'i:1'}`, `{"name":"c","image":"i:1","resources":{},`+end)
	f(`{name: c, image: 'i:1', ports: [{containerPort: 1}, {containerPort: 2, hostPort: 3, protocol: UDP}]}`,
		`{"name":"c","image":"i:1","ports":[{"hostPort":1,"containerPort":1,"protocol":"TCP"},{"hostPort":3,"containerPort":2,"protocol":"UDP"}],"resources":{},`+end)
	f(`{name: c, image: 'i:1', env: [{name: A, valueFrom: {fieldRef: {fieldPath: f}}}, {name: B, valueFrom: {fileKeyRef: {key: k, path: p, volumeName: v}}}]}`,
		`{"name":"c","image":"i:1","env":[{"name":"A","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"f"}}},{"name":"B","valueFrom":{"fileKeyRef":{"volumeName":"v","path":"p","key":"k","optional":false}}}],"resources":{},`+end)
	f(`{name: c, image: 'i:1', resources: {limits: {cpu: 0.5m, memory: 1Gi}, requests: {memory: 1Mi}}}`,
		`{"name":"c","image":"i:1","resources":{"limits":{"cpu":"1m","memory":"1Gi"},"requests":{"cpu":"1m","memory":"1Mi"}},`+end)
	f(`{name: c, image: 'i:1', startupProbe: {grpc: {port: 1}}, readinessProbe: {httpGet: {port: 1}, periodSeconds: 5}, lifecycle: {preStop: {httpGet: {port: 1, path: x, scheme: HTTPS}}}}`,
		`{"name":"c","image":"i:1","resources":{},"readinessProbe":{"httpGet":{"path":"/","port":1,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":5,"successThreshold":1,"failureThreshold":3},"startupProbe":{"grpc":{"port":1,"service":""},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},"lifecycle":{"preStop":{"httpGet":{"path":"x","port":1,"scheme":"HTTPS"}}},`+end)
}

func TestTemplateDefaults(t *testing.T) {
	p := pod(t, `spec: {hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 1}], resources: {limits: {cpu: 1}}}]}`)
	template := &v1.PodTemplateSpec{Spec: p.Spec}
	SetTemplateDefaults(template)
	// What only a pod gets: requests, ports of the node, service links.
	want := `{"metadata":{},"spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":1,"protocol":"TCP"}],"resources":{"limits":{"cpu":"1"}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"Always"}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","hostNetwork":true,"securityContext":{},"schedulerName":"default-scheduler"}}`
	if got := asJSON(t, template); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestVolumeDefaults(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		p := pod(t, "spec: {volumes: ["+text+"]}")
		SetPodDefaults(p)
		if got := asJSON(t, p.Spec.Volumes[0]); got != want {
			t.Errorf("defaults of %s\ngot  %s\nwant %s", text, got, want)
		}
	}
	f(`{name: v}`, `{"name":"v","emptyDir":{}}`)
	f(`{name: v, hostPath: {path: /x}}`, `{"name":"v","hostPath":{"path":"/x","type":""}}`)
	f(`{name: v, secret: {secretName: s}}`, `{"name":"v","secret":{"secretName":"s","defaultMode":420}}`)
	f(`{name: v, configMap: {name: m, defaultMode: 1}}`, `{"name":"v","configMap":{"name":"m","defaultMode":1}}`)
	f(`{name: v, downwardAPI: {items: [{path: p, fieldRef: {fieldPath: f}}]}}`, `{"name":"v","downwardAPI":{"items":[{"path":"p","fieldRef":{"apiVersion":"v1","fieldPath":"f"}}],"defaultMode":420}}`)
	f(`{name: v, projected: {sources: [{serviceAccountToken: {path: t}}, {downwardAPI: {items: [{path: p, fieldRef: {fieldPath: f}}]}}]}}`,
		`{"name":"v","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3600,"path":"t"}},{"downwardAPI":{"items":[{"path":"p","fieldRef":{"apiVersion":"v1","fieldPath":"f"}}]}}],"defaultMode":420}}`)
	f(`{name: v, iscsi: {targetPortal: p, iqn: q, lun: 0}}`, `{"name":"v","iscsi":{"targetPortal":"p","iqn":"q","lun":0,"iscsiInterface":"default"}}`)
	f(`{name: v, rbd: {monitors: [m], image: i}}`, `{"name":"v","rbd":{"monitors":["m"],"image":"i","pool":"rbd","user":"admin","keyring":"/etc/ceph/keyring"}}`)
	f(`{name: v, azureDisk: {diskName: d, diskURI: u}}`, `{"name":"v","azureDisk":{"diskName":"d","diskURI":"u","cachingMode":"ReadWrite","fsType":"ext4","readOnly":false,"kind":"Shared"}}`)
	f(`{name: v, scaleIO: {gateway: g, system: s, secretRef: null}}`, `{"name":"v","scaleIO":{"gateway":"g","system":"s","secretRef":null,"storageMode":"ThinProvisioned","fsType":"xfs"}}`)
	f(`{name: v, image: {reference: 'i:1'}}`, `{"name":"v","image":{"reference":"i:1","pullPolicy":"IfNotPresent"}}`)
	f(`{name: v, image: {reference: i}}`, `{"name":"v","image":{"reference":"i","pullPolicy":"Always"}}`)
	f(`{name: v, ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: 1Gi}}}}}}`,
		`{"name":"v","ephemeral":{"volumeClaimTemplate":{"metadata":{},"spec":{"resources":{"requests":{"storage":"1Gi"}},"volumeMode":"Filesystem"}}}}`)
}

func TestPodLevelResourceDefaults(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		p := pod(t, text)
		SetPodDefaults(p)
		if got := asJSON(t, p.Spec.Resources); got != want {
			t.Errorf("defaults of %s\ngot  %s\nwant %s", text, got, want)
		}
	}
	f(`spec: {}`, `null`)
	f(`spec: {resources: {}}`, `{}`)
	// Requests are the containers', or the pod's limits.
	f(`spec: {resources: {limits: {cpu: 2, memory: 1Gi}}, containers: [{name: c, image: i, resources: {requests: {cpu: 1}}}, {name: d, image: i, resources: {requests: {cpu: 500m}}}]}`,
		`{"limits":{"cpu":"2","memory":"1Gi"},"requests":{"cpu":"1500m","memory":"1Gi"}}`)
	f(`spec: {resources: {limits: {cpu: 2}}, containers: [{name: c, image: i, resources: {limits: {hugepages-2Mi: 4Mi, cpu: 1}}}]}`,
		`{"limits":{"cpu":"2","hugepages-2Mi":"4Mi"},"requests":{"cpu":"1","hugepages-2Mi":"4Mi"}}`)
	f(`spec: {resources: {requests: {cpu: 1}}}`, `{"requests":{"cpu":"1"}}`)
}

func TestQOS(t *testing.T) {
	f := func(text string, want v1.PodQOSClass) {
		t.Helper()
		p := pod(t, text)
		SetPodDefaults(p)
		if got := ComputeQOS(&p.Spec); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	f(`spec: {}`, v1.PodQOSBestEffort)
	f(`spec: {containers: [{name: c, image: i, resources: {limits: {example.com/gpu: 1}}}]}`, v1.PodQOSBestEffort)
	f(`spec: {containers: [{name: c, image: i, resources: {requests: {cpu: 0}}}]}`, v1.PodQOSBestEffort)
	f(`spec: {containers: [{name: c, image: i, resources: {requests: {cpu: 1}}}]}`, v1.PodQOSBurstable)
	f(`spec: {containers: [{name: c, image: i, resources: {limits: {cpu: 1}}}]}`, v1.PodQOSBurstable)
	f(`spec: {containers: [{name: c, image: i, resources: {limits: {cpu: 1, memory: 1Gi}}}]}`, v1.PodQOSGuaranteed)
	f(`spec: {containers: [{name: c, image: i, resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}}]}`, v1.PodQOSBurstable)
	f(`spec: {initContainers: [{name: i, image: i}], containers: [{name: c, image: i, resources: {limits: {cpu: 1, memory: 1Gi}}}]}`, v1.PodQOSBurstable)
	f(`spec: {resources: {limits: {cpu: 1, memory: 1Gi}}}`, v1.PodQOSGuaranteed)
}
