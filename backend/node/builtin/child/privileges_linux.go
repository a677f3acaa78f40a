//go:build amd64 || arm64

package child

import (
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// drop gives up, for good, what the program is not to have. It works on this
// thread only: it is the one that executes the program.
func drop(s *Spec, who *identity) error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if slices.Contains(s.Capabilities, c) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL { //nolint:errorlint // a bare number
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if s.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("no_new_privs: %w", err)
		}
	}
	if s.Seccomp {
		if err := filterCalls(); err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	}
	if err := setGroups(who); err != nil {
		return err
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(who.uid), uintptr(who.uid), uintptr(who.uid)); e != 0 {
		return fmt.Errorf("become user %d: %w", who.uid, e)
	}
	return setCapabilities(s.Capabilities, who.uid == 0)
}

func setGroups(who *identity) error {
	list := make([]uint32, len(who.groups))
	for i, g := range who.groups {
		list[i] = uint32(g)
	}
	var first unsafe.Pointer
	if len(list) > 0 {
		first = unsafe.Pointer(&list[0])
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(list)), uintptr(first), 0); e != 0 {
		return fmt.Errorf("set groups: %w", e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(who.gid), uintptr(who.gid), uintptr(who.gid)); e != 0 {
		return fmt.Errorf("become group %d: %w", who.gid, e)
	}
	return nil
}

// setCapabilities leaves root with these, and anybody else with none.
func setCapabilities(list []uintptr, root bool) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if root {
		for _, c := range list {
			data[c/32].Permitted |= 1 << (c % 32)
			data[c/32].Effective |= 1 << (c % 32)
		}
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	return nil
}
