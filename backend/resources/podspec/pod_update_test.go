package podspec

import (
	"testing"

	v1 "k8s.io/api/core/v1"
)

// change gives what is wrong with a change of a stored pod.
func change(t *testing.T, text string, edit func(p *v1.Pod), check func(p, old *v1.Pod, o Options) []string) []string {
	t.Helper()
	old := stored(t, text)
	p := old.DeepCopy()
	edit(p)
	SetPodDefaults(p)
	return check(p, old, ForUpdate(false, &old.Spec, &old.ObjectMeta))
}

func update(p, old *v1.Pod, o Options) []string { return lines(ValidatePodUpdate(p, old, o)) }

func TestPodUpdate(t *testing.T) {
	f := func(text string, edit func(p *v1.Pod), want ...string) {
		t.Helper()
		expect(t, text, change(t, text, edit, update), want)
	}
	const plain = `{metadata: {name: p}, spec: {initContainers: [{name: i, image: i}]}}`

	f(plain, func(p *v1.Pod) {})
	f(plain, func(p *v1.Pod) {
		p.Spec.Containers[0].Image = "other"
		p.Spec.InitContainers[0].Image = "other"
		p.Spec.ActiveDeadlineSeconds = new(int64(5))
		p.Spec.Tolerations = append(p.Spec.Tolerations, v1.Toleration{Operator: v1.TolerationOpExists})
		p.Labels = map[string]string{"a": "b"}
	})
	f(plain, func(p *v1.Pod) { p.Spec.Containers[0].Image = "" }, "spec.containers[0].image: Required value", "spec.containers[0].image: Required value")
	f(plain, func(p *v1.Pod) { p.Spec.InitContainers = nil }, "spec.initContainers: Forbidden: pod updates may not add or remove containers")
	f(`spec: {activeDeadlineSeconds: 5}`, func(p *v1.Pod) { p.Spec.ActiveDeadlineSeconds = nil },
		"spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value")
	f(`spec: {activeDeadlineSeconds: 5}`, func(p *v1.Pod) { p.Spec.ActiveDeadlineSeconds = new(int64(6)) },
		"spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value")
	f(`spec: {tolerations: [{key: a, operator: Exists, effect: NoExecute}]}`, func(p *v1.Pod) { p.Spec.Tolerations[0].TolerationSeconds = new(int64(1)) })
	f(`spec: {tolerations: [{key: a, operator: Exists}]}`, func(p *v1.Pod) { p.Spec.Tolerations = nil },
		"spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds")
	f(`spec: {schedulingGates: [{name: a}, {name: b}]}`, func(p *v1.Pod) { p.Spec.SchedulingGates = []v1.PodSchedulingGate{{Name: "b"}} })
	f(`spec: {schedulingGates: [{name: a}]}`, func(p *v1.Pod) {
		p.Spec.SchedulingGates = append(p.Spec.SchedulingGates, v1.PodSchedulingGate{Name: "b"})
	}, "spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'")
	f(`spec: {terminationGracePeriodSeconds: -1}`, func(p *v1.Pod) { p.Spec.TerminationGracePeriodSeconds = new(int64(1)) })
	f(`metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/c: unconfined}}`, func(p *v1.Pod) {
		p.Annotations = map[string]string{"kubernetes.io/config.mirror": "x"}
		p.Spec.NodeName = ""
	},
		`metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set`,
		"metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Forbidden: may not remove or update AppArmor annotations",
		"metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation",
		`metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set`)

	// The difference shows the pod as Kubernetes has it inside.
	f(`{metadata: {name: p}, spec: {}}`, func(p *v1.Pod) { p.Spec.HostNetwork = true; p.Spec.NodeName = "n" },
		"spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"+
			`@@ -42,9 +42,9 @@
  "NodeSelector": null,
  "ServiceAccountName": "default",
  "AutomountServiceAccountToken": null,
- "NodeName": "",
+ "NodeName": "n",
  "SecurityContext": {
-  "HostNetwork": false,
+  "HostNetwork": true,
   "HostPID": false,
   "HostIPC": false,
   "ShareProcessNamespace": null,
`)
}

func TestGatedPodUpdate(t *testing.T) {
	f := func(text string, edit func(p *v1.Pod), want ...string) {
		t.Helper()
		expect(t, text, change(t, text, edit, update), want)
	}
	const gated = `spec: {schedulingGates: [{name: a}], nodeSelector: {k: v}, affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}}`
	terms := func(p *v1.Pod) *[]v1.NodeSelectorTerm {
		return &p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	}
	more := v1.NodeSelectorRequirement{Key: "b", Operator: v1.NodeSelectorOpExists}

	f(gated, func(p *v1.Pod) {
		p.Spec.NodeSelector["more"] = "x"
		(*terms(p))[0].MatchExpressions = append((*terms(p))[0].MatchExpressions, more)
	})
	f(gated, func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"k": "w"} },
		`spec.nodeSelector: Invalid value: {"k":"w"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)`)
	f(gated, func(p *v1.Pod) { (*terms(p))[0].MatchExpressions = []v1.NodeSelectorRequirement{more} },
		`spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]: Invalid value: {"MatchExpressions":[{"Key":"b","Operator":"Exists","Values":null}],"MatchFields":null}: only additions are allowed (no mutations or deletions)`)
	f(gated, func(p *v1.Pod) { p.Spec.Affinity = nil },
		"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Invalid value: null: no additions/deletions to non-empty NodeSelectorTerms list are allowed")
	f(`spec: {schedulingGates: [{name: a}]}`, func(p *v1.Pod) {
		p.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{
			NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchExpressions: []v1.NodeSelectorRequirement{more}}},
		}}}
	})
}

func TestEphemeralContainersUpdate(t *testing.T) {
	f := func(text string, edit func(p *v1.Pod), want ...string) {
		t.Helper()
		expect(t, text, change(t, text, edit, func(p, old *v1.Pod, o Options) []string {
			return lines(ValidateEphemeralContainersUpdate(p, old, o))
		}), want)
	}
	add := func(name, image string) v1.EphemeralContainer {
		return v1.EphemeralContainer{EphemeralContainerCommon: v1.EphemeralContainerCommon{Name: name, Image: image}}
	}
	f(`spec: {ephemeralContainers: [{name: a, image: i}]}`, func(p *v1.Pod) {
		p.Spec.EphemeralContainers = append([]v1.EphemeralContainer{add("b", "i")}, p.Spec.EphemeralContainers...)
	})
	f(`spec: {ephemeralContainers: [{name: a, image: i}]}`, func(p *v1.Pod) { p.Spec.EphemeralContainers = nil },
		"spec.ephemeralContainers: Forbidden: existing ephemeral containers \"a\" may not be removed\n")
	f(`{metadata: {annotations: {kubernetes.io/config.mirror: x}}, spec: {nodeName: node}}`, func(p *v1.Pod) {
		p.Spec.EphemeralContainers = []v1.EphemeralContainer{add("b", "i")}
	}, "[]: Forbidden: static pods do not support ephemeral containers")
}

func TestPodResize(t *testing.T) {
	f := func(text string, edit func(p *v1.Pod), want ...string) {
		t.Helper()
		expect(t, text, change(t, text, func(p *v1.Pod) {
			old := p.DeepCopy()
			edit(p)
			KeepOnlyResize(p, old)
		}, func(p, old *v1.Pod, o Options) []string { return lines(ValidatePodResize(p, old, o)) }), want)
	}
	cpu := func(c *v1.Container, q string) {
		c.Resources.Requests = c.Resources.Requests.DeepCopy()
		c.Resources.Requests[v1.ResourceCPU] = quantity(q)
	}
	const text = `spec: {initContainers: [{name: i, image: i, resources: {requests: {cpu: 1}}}, {name: s, image: i, restartPolicy: Always, resources: {requests: {cpu: 1}}}], containers: [{name: c, image: i, resources: {requests: {cpu: 1, example.com/x: 1}, limits: {cpu: 4, example.com/x: 1}}}]}`

	f(text, func(p *v1.Pod) {
		cpu(&p.Spec.Containers[0], "2")
		cpu(&p.Spec.InitContainers[1], "2")
		// What isn't about resources is not looked at.
		p.Spec.Containers[0].Image = "other"
		p.Spec.NodeName = "n"
		p.Status.Phase = v1.PodFailed
	})
	f(text, func(p *v1.Pod) { cpu(&p.Spec.InitContainers[0], "2") }, "spec: Forbidden: resources for non-sidecar init containers are immutable")
	f(text, func(p *v1.Pod) { delete(p.Spec.Containers[0].Resources.Limits, v1.ResourceCPU) }, "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed")
	f(text, func(p *v1.Pod) {
		for _, list := range []v1.ResourceList{p.Spec.Containers[0].Resources.Limits, p.Spec.Containers[0].Resources.Requests} {
			list["example.com/x"] = quantity("2")
		}
	}, "spec: Forbidden: only cpu and memory resources are mutable")
	f(text, func(p *v1.Pod) { p.Spec.Containers[0].Name = "d" }, "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize")
	f(text, func(p *v1.Pod) { p.Spec.InitContainers = nil }, "spec.initContainers: Forbidden: initContainers may not be added or removed on resize")
	f(`spec: {containers: [{name: c, image: i}]}`, func(p *v1.Pod) { cpu2(&p.Spec.Containers[0]) }, `spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing`)
	f(`{spec: {containers: [{name: c, image: i, resources: {requests: {cpu: 1}}}]}, status: {containerStatuses: [{name: c, image: i, imageID: x, ready: true, restartCount: 0, state: {running: {}}}]}}`,
		func(p *v1.Pod) { cpu(&p.Spec.Containers[0], "2") }, "spec: Forbidden: Pod running on node without support for resize")
	f(`spec: {resources: {requests: {cpu: 2}, limits: {cpu: 4}}}`, func(p *v1.Pod) { p.Spec.Resources.Requests[v1.ResourceCPU] = quantity("3") })
	f(`spec: {resources: {requests: {cpu: 2}, limits: {cpu: 4}}}`, func(p *v1.Pod) { delete(p.Spec.Resources.Limits, v1.ResourceCPU) },
		"spec.resources.limits: Forbidden: pod-level resource limits cannot be removed")
	f(`spec: {os: {name: windows}}`, func(p *v1.Pod) {}, "[]: Forbidden: windows pods cannot be resized")
}
