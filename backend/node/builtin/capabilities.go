package builtin

import (
	"slices"
	"strings"
)

// capabilities are Linux's, in the order of their numbers.
var capabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
	"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE",
	"SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE",
	"AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// defaults are what containers have: Docker's list without MKNOD, NET_RAW and
// AUDIT_WRITE.
var defaults = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "SETFCAP"}

// more are what a pod may add without having the machine.
var more = []string{"NET_ADMIN", "NET_RAW", "NET_BROADCAST", "IPC_LOCK", "IPC_OWNER", "SYS_PTRACE", "SYS_NICE", "AUDIT_WRITE", "LEASE", "SYS_PACCT", "LINUX_IMMUTABLE", "BLOCK_SUSPEND", "WAKE_ALARM"}

func capabilityName(s string) string { return strings.TrimPrefix(strings.ToUpper(s), "CAP_") }

func harmless(name string) bool {
	n := capabilityName(name)
	return slices.Contains(defaults, n) || slices.Contains(more, n)
}

// capabilitySet gives the numbers of what a container has in the end.
func capabilitySet(add, drop []string, privileged bool) []uintptr {
	has := map[string]bool{}
	set := func(names []string, on bool) {
		for _, s := range names {
			if n := capabilityName(s); n == "ALL" {
				for _, c := range capabilities {
					has[c] = on
				}
			}
		}
		for _, s := range names {
			if n := capabilityName(s); n != "ALL" {
				has[n] = on
			}
		}
	}
	set(defaults, true)
	if privileged {
		set([]string{"ALL"}, true)
	}
	// ALL first, then names: drop ALL and add one leaves that one.
	if slices.ContainsFunc(drop, func(s string) bool { return capabilityName(s) == "ALL" }) {
		set([]string{"ALL"}, false)
	}
	set(add, true)
	set(slices.DeleteFunc(slices.Clone(drop), func(s string) bool { return capabilityName(s) == "ALL" }), false)
	out := []uintptr{}
	for i, c := range capabilities {
		if has[c] {
			out = append(out, uintptr(i))
		}
	}
	return out
}
