package podspec

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func quantity(s string) resource.Quantity { return resource.MustParse(s) }

// cpu2 gives a container that has no resources a request.
func cpu2(c *v1.Container) {
	c.Resources.Requests = v1.ResourceList{v1.ResourceCPU: quantity("2")}
}

func TestPodStatusUpdate(t *testing.T) {
	f := func(text string, edit func(s *v1.PodStatus), want ...string) {
		t.Helper()
		expect(t, text, change(t, text, func(p *v1.Pod) { edit(&p.Status) }, func(p, old *v1.Pod, o Options) []string {
			return lines(ValidatePodStatusUpdate(p, old, o))
		}), want)
	}
	const plain = `metadata: {name: p}`
	ended := func(code int32) v1.ContainerState {
		return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ExitCode: code}}
	}
	running := v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: metav1.Time{}}}

	f(plain, func(s *v1.PodStatus) {
		s.Phase = v1.PodRunning
		s.PodIP = "10.0.0.1"
		s.Conditions = []v1.PodCondition{{Type: v1.PodReady}, {Type: "example.com/a"}}
	})
	f(plain, func(s *v1.PodStatus) {
		s.Conditions = []v1.PodCondition{{Type: "!", ObservedGeneration: -1}}
		s.ObservedGeneration = -1
		s.QOSClass = v1.PodQOSGuaranteed
		s.PodIPs = []v1.PodIP{{IP: "10.0.0.1"}, {IP: "10.0.0.2"}}
		s.HostIPs = []v1.HostIP{{IP: "x"}}
	},
		"status.conditions[0].observedGeneration: Invalid value: -1: must be a non-negative integer",
		`status.conditions[0].Type: Invalid value: "!": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
		"status.observedGeneration: Invalid value: -1: must be a non-negative integer",
		`status.qosClass: Invalid value: "Guaranteed": field is immutable`,
		`status.podIPs: Invalid value: [{"IP":"10.0.0.1"},{"IP":"10.0.0.2"}]: may specify no more than one IP for each IP family`,
		"status.hostIPs[0].ip: Invalid value: \"x\": must be equal to `hostIP`",
		`status.hostIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`)
	f(`spec: {nodeName: node}`, func(s *v1.PodStatus) { s.NominatedNodeName = "other" },
		"status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node")

	// Containers that have ended and may not start again.
	restart := func(policy, rules string, code int32, allowed bool) {
		t.Helper()
		text := `{spec: {restartPolicy: ` + policy + `, containers: [{name: c, image: i` + rules + `}]}, status: {containerStatuses: [{name: c, image: i, imageID: x, ready: false, restartCount: 0}]}}`
		old := stored(t, text)
		old.Status.ContainerStatuses[0].State = ended(code)
		p := old.DeepCopy()
		p.Status.ContainerStatuses[0].State = running
		var want []string
		if !allowed {
			want = []string{"status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"}
		}
		expect(t, text, lines(ValidatePodStatusUpdate(p, old, Options{})), want)
	}
	restart("Always", "", 0, true)
	restart("OnFailure", "", 1, true)
	restart("OnFailure", "", 0, false)
	restart("Never", "", 1, false)
	restart("Never", ", restartPolicy: Always", 0, true)
	restart("Never", ", restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]", 42, true)
	restart("Never", ", restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]", 1, false)
	restart("Never", ", restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: NotIn, values: [42]}}]", 1, true)

	f(`spec: {resourceClaims: [{name: r, resourceClaimName: x}]}`, func(s *v1.PodStatus) {
		s.ResourceClaimStatuses = []v1.PodResourceClaimStatus{{Name: "r"}, {Name: "q", ResourceClaimName: new("!")}}
		s.ContainerStatuses = []v1.ContainerStatus{{
			Name: "c", User: &v1.ContainerUser{Linux: &v1.LinuxContainerUser{UID: -1}},
			AllocatedResourcesStatus: []v1.ResourceStatus{{Name: "example.com/gpu", Resources: []v1.ResourceHealth{{ResourceID: "1", Health: "Fine"}, {ResourceID: "1", Health: "Healthy"}}}},
		}}
	},
		"status.resourceClaimStatuses[1].name: Invalid value: \"q\": must match the name of an entry in `spec.resourceClaims`",
		`status.resourceClaimStatuses[1].resourceClaimName: Invalid value: "!": `+subdomain,
		"status.containerStatuses[0].user.linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive",
		`status.containerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: "example.com/gpu": must match one of the container's resource requests`,
		`status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health: Unsupported value: "Fine": supported values: "Healthy", "Unhealthy", "Unknown"`,
		`status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].resourceID: Duplicate value: "1"`)
}
