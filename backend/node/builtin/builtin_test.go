package builtin

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestCapabilitiesOfAContainer(t *testing.T) {
	f := func(add, drop string, privileged bool, want string) {
		t.Helper()
		var names []string
		for _, n := range capabilitySet(strings.Fields(add), strings.Fields(drop), privileged) {
			names = append(names, capabilities[n])
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("add %q drop %q: %s, want %s", add, drop, got, want)
		}
	}
	f("", "", false, "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP")
	f("CAP_net_raw", "ALL", false, "NET_RAW")
	f("", "ALL", false, "")
	f("", "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID", false, "SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP")
	f("NO_SUCH", "ALL", false, "")
	f("", "", true, strings.Join(capabilities, " "))
}

func TestWhatTheNodeRefuses(t *testing.T) {
	yes := true
	f := func(want string, change func(*corev1.PodSpec, *corev1.SecurityContext)) {
		t.Helper()
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", SecurityContext: &corev1.SecurityContext{}}}}}
		change(&pod.Spec, pod.Spec.Containers[0].SecurityContext)
		reason, message := admit(pod, false)
		if (reason == "") != (want == "") || !strings.Contains(message, want) {
			t.Errorf("%q %q, want %q", reason, message, want)
		}
		if reason, message := admit(pod, true); reason != "" {
			t.Errorf("refused though it is allowed: %s", message)
		}
	}
	add := func(c string) func(*corev1.PodSpec, *corev1.SecurityContext) {
		return func(_ *corev1.PodSpec, s *corev1.SecurityContext) {
			s.Capabilities = &corev1.Capabilities{Add: []corev1.Capability{corev1.Capability(c)}}
		}
	}
	f("", func(*corev1.PodSpec, *corev1.SecurityContext) {})
	f("", add("NET_ADMIN"))
	f("the capability SYS_ADMIN", add("SYS_ADMIN"))
	f("the capability ALL", add("ALL"))
	f("the capability CAP_BPF", add("CAP_BPF"))
	f("a privileged container", func(_ *corev1.PodSpec, s *corev1.SecurityContext) { s.Privileged = &yes })
	f("hostNetwork", func(p *corev1.PodSpec, _ *corev1.SecurityContext) { p.HostNetwork = true })
	f("hostPID", func(p *corev1.PodSpec, _ *corev1.SecurityContext) { p.HostPID = true })
	f("hostIPC", func(p *corev1.PodSpec, _ *corev1.SecurityContext) { p.HostIPC = true })
	f("hostPath", func(p *corev1.PodSpec, _ *corev1.SecurityContext) {
		p.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
	})
	for _, c := range append(slices.Clone(defaults), more...) {
		if !slices.Contains(capabilities, c) {
			t.Errorf("%s is no capability", c)
		}
	}
}
