package core_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func TestPodRow(t *testing.T) {
	pods := kinds()["pods"]
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	f := func(text string, want ...any) {
		t.Helper()
		pod := &corev1.Pod{}
		if err := yaml.UnmarshalStrict([]byte(text), pod); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		pod.Name, pod.CreationTimestamp = "p", metav1.NewTime(now().Add(-time.Hour))
		if got := pods.Cells(pod, now); fmt.Sprintf("%q", got[:len(want)]) != fmt.Sprintf("%q", want) {
			t.Errorf("%s\ngot  %q\nwant %q", text, got, want)
		}
	}
	const two = `spec: {containers: [{name: a}, {name: b}]}`
	f(`{`+two+`, status: {phase: Pending}}`, "p", "0/2", "Pending", "0", "60m", "<none>", "<none>", "<none>", "<none>")
	f(`{spec: {nodeName: node, containers: [{name: a}], readinessGates: [{conditionType: x}, {conditionType: z}]},
		status: {phase: Running, podIP: 10.0.0.1, nominatedNodeName: m, conditions: [{type: x, status: "True"}, {type: z, status: "False"}]}}`,
		"p", "0/1", "Running", "0", "60m", "10.0.0.1", "node", "m", "1/2")
	f(`{`+two+`, status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: SchedulingGated}]}}`, "p", "0/2", "SchedulingGated")
	f(`{`+two+`, status: {phase: Failed, reason: Evicted}}`, "p", "0/2", "Evicted")

	container := func(name, state string) string {
		return `{name: ` + name + `, image: i, imageID: i, ready: false, restartCount: 0, state: ` + state + `}`
	}
	running := func(name string) string {
		return `{name: ` + name + `, image: i, imageID: i, ready: true, restartCount: 0, state: {running: {}}}`
	}
	f(`{`+two+`, status: {phase: Running, containerStatuses: [`+running("a")+`, `+running("b")+`]}}`, "p", "2/2", "Running", "0")
	f(`{`+two+`, status: {phase: Running, containerStatuses: [`+running("a")+`, `+container("b", `{waiting: {reason: CrashLoopBackOff}}`)+`]}}`, "p", "1/2", "CrashLoopBackOff")
	f(`{`+two+`, status: {phase: Running, containerStatuses: [`+container("a", `{waiting: {reason: ErrImagePull}}`)+`, `+container("b", `{terminated: {exitCode: 1, reason: Error}}`)+`]}}`, "p", "0/2", "ErrImagePull")
	f(`{`+two+`, status: {phase: Failed, containerStatuses: [`+container("a", `{terminated: {exitCode: 0, signal: 9}}`)+`]}}`, "p", "0/2", "Signal:9")
	f(`{`+two+`, status: {phase: Failed, containerStatuses: [`+container("a", `{terminated: {exitCode: 3}}`)+`]}}`, "p", "0/2", "ExitCode:3")
	done := container("a", `{terminated: {exitCode: 0, reason: Completed}}`)
	f(`{`+two+`, status: {phase: Running, containerStatuses: [`+done+`, `+running("b")+`]}}`, "p", "1/2", "NotReady")
	f(`{`+two+`, status: {phase: Running, conditions: [{type: Ready, status: "True"}], containerStatuses: [`+done+`, `+running("b")+`]}}`, "p", "1/2", "Running")
	f(`{`+two+`, status: {phase: Succeeded, containerStatuses: [`+done+`]}}`, "p", "0/2", "Completed")

	f(`{`+two+`, status: {phase: Running, containerStatuses: [
		{name: a, image: i, imageID: i, ready: true, restartCount: 2, state: {running: {}}, lastState: {terminated: {exitCode: 1, finishedAt: "2026-01-02T03:02:05Z"}}},
		{name: b, image: i, imageID: i, ready: true, restartCount: 1, state: {running: {}}}]}}`, "p", "2/2", "Running", "3 (2m ago)")

	// Init containers come first, until all are done.
	const inits = `spec: {initContainers: [{name: i}, {name: j}], containers: [{name: a}]}`
	f(`{`+inits+`, status: {phase: Pending, initContainerStatuses: [`+container("i", `{running: {}}`)+`]}}`, "p", "0/1", "Init:0/2")
	f(`{`+inits+`, status: {phase: Pending, initContainerStatuses: [`+container("i", `{terminated: {exitCode: 0}}`)+`, `+container("j", `{waiting: {reason: PodInitializing}}`)+`]}}`, "p", "0/1", "Init:1/2")
	f(`{`+inits+`, status: {phase: Pending, initContainerStatuses: [`+container("i", `{waiting: {reason: ImagePullBackOff}}`)+`]}}`, "p", "0/1", "Init:ImagePullBackOff")
	f(`{`+inits+`, status: {phase: Failed, initContainerStatuses: [`+container("i", `{terminated: {exitCode: 1, reason: Error}}`)+`]}}`, "p", "0/1", "Init:Error")
	f(`{`+inits+`, status: {phase: Failed, initContainerStatuses: [`+container("i", `{terminated: {exitCode: 2}}`)+`]}}`, "p", "0/1", "Init:ExitCode:2")

	// A sidecar counts as a container once it has started.
	const sidecar = `spec: {initContainers: [{name: s, restartPolicy: Always}], containers: [{name: a}]}`
	f(`{`+sidecar+`, status: {phase: Pending, initContainerStatuses: [`+container("s", `{waiting: {reason: PodInitializing}}`)+`]}}`, "p", "0/2", "Init:0/1")
	f(`{`+sidecar+`, status: {phase: Running, initContainerStatuses: [{name: s, image: i, imageID: i, ready: true, started: true, restartCount: 4, state: {running: {}}}],
		containerStatuses: [`+running("a")+`]}}`, "p", "2/2", "Running", "4")

	const going = `metadata: {deletionTimestamp: "2026-01-02T03:04:00Z"}`
	f(`{`+going+`, `+two+`, status: {phase: Running}}`, "p", "0/2", "Terminating")
	f(`{`+going+`, `+two+`, status: {phase: Running, reason: NodeLost}}`, "p", "0/2", "Unknown")
	f(`{`+going+`, `+two+`, status: {phase: Succeeded}}`, "p", "0/2", "Succeeded")
}

func TestPodRowConditions(t *testing.T) {
	pods := kinds()["pods"]
	f := func(phase corev1.PodPhase, want string) {
		t.Helper()
		got := ""
		for _, c := range pods.RowConditions(&corev1.Pod{Status: corev1.PodStatus{Phase: phase}}) {
			got += fmt.Sprintf("%s %s %s: %s", c.Type, c.Status, c.Reason, c.Message)
		}
		if got != want {
			t.Errorf("%s: %q", phase, got)
		}
	}
	f(corev1.PodRunning, "")
	f(corev1.PodSucceeded, "Completed True Succeeded: The pod has completed successfully.")
	f(corev1.PodFailed, "Completed True Failed: The pod failed.")
}
