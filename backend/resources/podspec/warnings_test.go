package podspec

import (
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestPodWarnings(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		p := pod(t, text)
		SetPodDefaults(p)
		expect(t, text, PodWarnings(p), want)
	}
	f(`metadata: {name: p}`)
	f(`metadata: {name: a.b}`, "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]")
	f(`spec: {nodeSelector: {beta.kubernetes.io/arch: x}, topologySpreadConstraints: [{maxSkew: 1, topologyKey: failure-domain.beta.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}], affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: beta.kubernetes.io/os, operator: In, values: ['!']}]}}]}}}`,
		`spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14; use "kubernetes.io/arch" instead`,
		`spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead`,
		`spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].values[0]: ! is invalid, a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
		`spec.topologySpreadConstraints[0].topologyKey: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "topology.kubernetes.io/zone" instead`,
		"spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod")
	f(`metadata: {annotations: {scheduler.alpha.kubernetes.io/critical-pod: '', seccomp.security.alpha.kubernetes.io/pod: unconfined, container.seccomp.security.alpha.kubernetes.io/c: unconfined}}`,
		`metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the "priorityClassName" field instead`,
		`metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the "seccompProfile" field instead`,
		`metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]: non-functional in v1.27+; use the "seccompProfile" field instead`)
	f(`spec: {volumes: [{name: a, gitRepo: {repository: r}}, {name: b, cephfs: {monitors: [m]}}, {name: c, rbd: {monitors: [m], image: i}}, {name: d, glusterfs: {endpoints: e, path: p}}]}`,
		"spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
		"spec.volumes[1].cephfs: deprecated in v1.28, non-functional in v1.31+",
		"spec.volumes[2].rbd: deprecated in v1.28, non-functional in v1.31+",
		"spec.volumes[3].glusterfs: deprecated in v1.25, non-functional in v1.26+")
	f(`spec: {volumes: [{name: a, configMap: {name: m, items: [{key: k, path: p/}, {key: l, path: p/q}, {key: m, path: pq}, {key: o, path: ''}]}}, {name: b, projected: {sources: [{}]}}]}`,
		`volume "a" (ConfigMap "m"): overlapping paths: "p/q" with "p"`,
		`volume "b" (Projected) has no sources provided`)
	f(`spec: {volumes: [{name: a, projected: {sources: [{serviceAccountToken: {path: t}}, {configMap: {name: m, items: [{key: k, path: t}]}}]}}, {name: b, ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: 1500m}}}}}}]}`,
		`spec.volumes[1].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer`,
		`volume "a" (Projected): overlapping paths: "t" (ConfigMap "m") with "t" (ServiceAccountToken)`)
	f(`spec: {hostAliases: [{ip: 1.1.1.1}, {ip: 1.1.1.1}], imagePullSecrets: [{name: a}, {name: a}, {}], terminationGracePeriodSeconds: -1, overhead: {memory: 100m}}`,
		`spec.hostAliases[1].ip: duplicate ip "1.1.1.1"`,
		`spec.imagePullSecrets[1].name: duplicate name "a"`,
		`spec.imagePullSecrets[2].name: invalid empty name ""`,
		`spec.overhead[memory]: fractional byte value "100m" is invalid, must be an integer`)
	f(`spec: {containers: [{name: c, image: i, env: [{name: A, value: x}, {name: A, value: z}, {name: A, value: $(A)1}, {name: A, value: $(A)}]}]}`,
		`spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply`,
		`spec.containers[0].env[3]: hides previous definition of "A", which may be dropped when using apply`)
	f(`spec: {containers: [{name: c, image: i, ports: [{containerPort: 80}, {containerPort: 80, hostIP: 1.1.1.1}]}, {name: d, image: i, ports: [{containerPort: 80, hostPort: 5}, {containerPort: 80, hostPort: 5, hostIP: 1.1.1.1}]}]}`,
		"spec.containers[0].ports[1]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:1.1.1.1}",
		"spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]",
		"spec.containers[1].ports[0]: overlapping port definition with spec.containers[0].ports[0]",
		"spec.containers[1].ports[0]: overlapping port definition with spec.containers[0].ports[1]",
		"spec.containers[1].ports[1]: overlapping port definition with spec.containers[0].ports[0]",
		"spec.containers[1].ports[1]: overlapping port definition with spec.containers[0].ports[1]",
		"spec.containers[1].ports[1]: dangerously ambiguous port definition with spec.containers[1].ports[0]")
	f(`spec: {affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: k}}]}}, dnsConfig: {nameservers: ['::01']}}`,
		"spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector: a null labelSelector results in matching no pod",
		`spec.dnsConfig.nameservers[0]: IPv6 address "::01" should be in RFC 5952 canonical format ("::1")`)
}

func TestTemplateWarnings(t *testing.T) {
	template := &v1.PodTemplateSpec{Spec: pod(t, `spec: {}`).Spec}
	template.Annotations = map[string]string{v1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix + "c": "unconfined"}
	expect(t, "template", TemplateWarnings(template, field.NewPath("spec", "template")), []string{
		`spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; use the "appArmorProfile" field instead`,
	})
	expect(t, "none", TemplateWarnings(nil, nil), nil)
}

func TestSyncAppArmor(t *testing.T) {
	const key = v1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix + "c"
	f := func(text, annotation, profile string, warnings int) {
		t.Helper()
		p := pod(t, text)
		if got := SyncAppArmor(p); len(got) != warnings {
			t.Errorf("%s: warnings %q", text, got)
		}
		if p.Annotations[key] != annotation {
			t.Errorf("%s: annotation %q, want %q", text, p.Annotations[key], annotation)
		}
		own := "null"
		if sc := p.Spec.Containers[0].SecurityContext; sc != nil {
			own = asJSON(t, sc.AppArmorProfile)
		}
		if own != profile {
			t.Errorf("%s: profile %s, want %s", text, own, profile)
		}
	}
	f(`spec: {}`, "", "null", 0)
	f(`spec: {securityContext: {appArmorProfile: {type: RuntimeDefault}}}`, "runtime/default", "null", 0)
	f(`metadata: {annotations: {`+key+`: localhost/x}}`, "localhost/x", `{"type":"Localhost","localhostProfile":"x"}`, 1)
	f(`metadata: {annotations: {`+key+`: nonsense}}`, "nonsense", "null", 1)
	f(`{metadata: {annotations: {`+key+`: unconfined}}, spec: {securityContext: {appArmorProfile: {type: Unconfined}}}}`, "unconfined", "null", 0)
}

func TestMergeLabelKeys(t *testing.T) {
	p := pod(t, `{metadata: {labels: {a: x, b: z}}, spec: {topologySpreadConstraints: [{labelSelector: {}, matchLabelKeys: [a, none]}, {matchLabelKeys: [a]}], affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: k, labelSelector: {}, matchLabelKeys: [a], mismatchLabelKeys: [b]}]}}}}`)
	MergeLabelKeys(p)
	got := asJSON(t, []any{p.Spec.TopologySpreadConstraints[0].LabelSelector, p.Spec.TopologySpreadConstraints[1].LabelSelector, p.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector})
	want := `[{"matchExpressions":[{"key":"a","operator":"In","values":["x"]}]},null,{"matchExpressions":[{"key":"a","operator":"In","values":["x"]},{"key":"b","operator":"NotIn","values":["z"]}]}]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFilesInEachOthersWayAreToldInOrder(t *testing.T) {
	warnings := func(paths ...string) []string {
		w := &warner{}
		var all []volumeFile
		for _, p := range paths {
			all = append(all, volumeFile{path: p})
		}
		w.overlapping("v", "X", all)
		return w.warnings
	}
	expect(t, "above and below", warnings("a/b/c", "a", "x", "a/b", "a//b", strings.Repeat("a/", maxPath)), []string{
		`volume "v" (X): overlapping paths: "a" with "a/b/c"`,
		`volume "v" (X): overlapping paths: "a/b" with "a/b/c"`,
		`volume "v" (X): overlapping paths: "a/b" with "a"`,
		`volume "v" (X): overlapping paths: "a//b" with "a"`,
	})
	// A pod has room for a hundred thousand files at one place.
	if n := len(warnings(slices.Repeat([]string{"a"}, 100_000)...)); n != maxOverlaps {
		t.Errorf("%d warnings", n)
	}
}
