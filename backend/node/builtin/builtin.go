// Package builtin is a runtime that runs Linux containers in this process's own
// children, without a daemon and without cgo: namespaces, an overlay of the
// image's layers, capabilities, a filter of system calls, control groups, a
// bridge with addresses for pods, images from registries. It contains one's own
// workloads; it is no wall against hostile ones (see docs/node.md).
//
// Containers end with the process, however that ends; a restarted agent starts
// them anew. Read builtin.go first, then runtime_linux.go (sandboxes),
// container_linux.go (containers) and child/ (what happens in the new process).
package builtin

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Options say how pods are run.
type Options struct {
	// Dir is where images and containers are.
	Dir string
	// AllowPrivileged lets pods have the host: privileged containers, its paths,
	// its namespaces.
	AllowPrivileged bool
	// PodCIDR is the range of pods' addresses; blank for a free one.
	PodCIDR string
	Clock   func() time.Time
}

// refused is the reason of pods that may not run.
const refused = "NodeRefused"

// admit gives the reason and the message for a pod that may not run here.
func admit(pod *corev1.Pod, allowPrivileged bool) (reason, message string) {
	if os := pod.Spec.OS; os != nil && os.Name != corev1.Linux {
		return "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
	}
	if allowPrivileged {
		return "", ""
	}
	what := ""
	switch {
	case pod.Spec.HostNetwork:
		what = "hostNetwork"
	case pod.Spec.HostPID:
		what = "hostPID"
	case pod.Spec.HostIPC:
		what = "hostIPC"
	}
	for _, v := range pod.Spec.Volumes {
		if v.HostPath != nil {
			what = fmt.Sprintf("hostPath (volume %q)", v.Name)
		}
	}
	check := func(name string, s *corev1.SecurityContext) {
		if s == nil {
			return
		}
		if s.Privileged != nil && *s.Privileged {
			what = fmt.Sprintf("a privileged container (%q)", name)
		}
		if s.ProcMount != nil && *s.ProcMount == corev1.UnmaskedProcMount {
			what = fmt.Sprintf("an unmasked /proc (container %q)", name)
		}
		if s.Capabilities != nil {
			for _, c := range s.Capabilities.Add {
				if !harmless(string(c)) {
					what = fmt.Sprintf("the capability %s (container %q)", c, name)
				}
			}
		}
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			check(list[i].Name, list[i].SecurityContext)
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		check(pod.Spec.EphemeralContainers[i].Name, pod.Spec.EphemeralContainers[i].SecurityContext)
	}
	if what == "" {
		return "", ""
	}
	return refused, "the builtin node runs no pod with " + what + ": it would have this machine; --node-allow-privileged allows it"
}
