//go:build amd64 || arm64

package child

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// makeRoot mounts the container's root file system, all that is in it, and makes
// it the only one there is.
func makeRoot(s *Spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Chdir(s.LayersDir); err != nil { // so that the names are short
		return err
	}
	options := "lowerdir=" + strings.Join(s.Lower, ":") + ",upperdir=" + s.Upper + ",workdir=" + s.Work
	if err := unix.Mount("overlay", s.Root, "overlay", unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount the root file system: %w", err)
	}
	root, err := unix.Open(s.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := system(s, root); err != nil {
		return err
	}
	for _, m := range s.Mounts {
		if err := bind(root, m); err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.Source, m.Target, err)
		}
	}
	if err := unix.Fchdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if s.ReadonlyRoot {
		if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make the root read-only: %w", err)
		}
	}
	return hide(s)
}

// filesystem is one of those that every container has.
type filesystem struct {
	target, kind, options string
	flags                 uintptr
}

// devices are those of the host that containers get.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

func system(s *Spec, root int) error {
	const strict = unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
	list := []filesystem{
		{"proc", "proc", "", strict},
		{"dev", "tmpfs", "mode=755,size=65536k", unix.MS_NOSUID | unix.MS_NOEXEC},
	}
	for _, f := range list {
		if err := mountAt(root, f); err != nil {
			return err
		}
	}
	sys := filesystem{"sys", "sysfs", "", strict | unix.MS_RDONLY}
	if s.Privileged {
		sys.flags &^= unix.MS_RDONLY
	}
	if err := mountAt(root, sys); err != nil && !errors.Is(err, unix.EPERM) {
		return err
	}
	for _, d := range devices {
		if err := bind(root, Mount{Source: "/dev/" + d, Target: "/dev/" + d}); err != nil {
			return fmt.Errorf("device %s: %w", d, err)
		}
	}
	for _, f := range []filesystem{
		{"dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", unix.MS_NOSUID | unix.MS_NOEXEC},
		{"dev/shm", "tmpfs", "mode=1777,size=65536k", strict},
		{"dev/mqueue", "mqueue", "", strict},
	} {
		if err := mountAt(root, f); err != nil && !(f.kind == "mqueue" && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV))) {
			return err
		}
	}
	for from, to := range map[string]string{
		"dev/ptmx": "pts/ptmx", "dev/fd": "/proc/self/fd", "dev/stdin": "/proc/self/fd/0", "dev/stdout": "/proc/self/fd/1", "dev/stderr": "/proc/self/fd/2", "dev/core": "/proc/kcore",
	} {
		if err := unix.Symlinkat(to, root, from); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("link %s: %w", from, err)
		}
	}
	return nil
}

func mountAt(root int, f filesystem) error {
	target, err := place(root, f.target, true)
	if err != nil {
		return fmt.Errorf("%s: %w", f.target, err)
	}
	defer unix.Close(target) //nolint:errcheck // nothing was written
	err = unix.Mount(f.kind, fmt.Sprintf("/proc/self/fd/%d", target), f.kind, f.flags, f.options)
	if f.kind == "devpts" && errors.Is(err, unix.EINVAL) { // the group may not be known
		err = unix.Mount(f.kind, fmt.Sprintf("/proc/self/fd/%d", target), f.kind, f.flags, strings.TrimSuffix(f.options, ",gid=5"))
	}
	if err != nil {
		return fmt.Errorf("mount %s at /%s: %w", f.kind, f.target, err)
	}
	return nil
}

// bind has a path of the host appear in the container.
func bind(root int, m Mount) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer unix.Close(tree) //nolint:errcheck // nothing was written
	if m.ReadOnly {
		attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(tree, &st); err != nil {
		return err
	}
	target, err := place(root, m.Target, st.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err != nil {
		return err
	}
	defer unix.Close(target) //nolint:errcheck // nothing was written
	return unix.MoveMount(tree, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// place opens a path of the container, a new folder or file if there is nothing.
// Symbolic links of the image lead nowhere but into the image.
func place(root int, target string, dir bool) (int, error) {
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	target = path.Clean("/" + target)
	fd, err := unix.Openat2(root, target, how)
	if err == nil || !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	parent, err := unix.Openat2(root, "/", how)
	if err != nil {
		return -1, err
	}
	made := ""
	parts := strings.Split(strings.Trim(target, "/"), "/")
	for i, part := range parts {
		made += "/" + part
		next, err := unix.Openat2(root, made, how)
		if errors.Is(err, unix.ENOENT) {
			if i == len(parts)-1 && !dir {
				var f int
				if f, err = unix.Openat(parent, part, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o644); err == nil {
					unix.Close(f) //nolint:errcheck // nothing was written
				}
			} else {
				err = unix.Mkdirat(parent, part, 0o755)
			}
			if err == nil {
				next, err = unix.Openat2(root, made, how)
			}
		}
		unix.Close(parent) //nolint:errcheck // nothing was written
		if err != nil {
			return -1, err
		}
		parent = next
	}
	return parent, nil
}

// hide keeps the container from what of the kernel is the host's.
func hide(s *Spec) error {
	for _, p := range s.Masked {
		info, err := os.Stat(p)
		if err != nil {
			continue
		}
		if info.IsDir() {
			err = unix.Mount("tmpfs", p, "tmpfs", unix.MS_RDONLY, "size=0k")
		} else {
			err = unix.Mount("/dev/null", p, "", unix.MS_BIND, "")
		}
		if err != nil {
			return fmt.Errorf("mask %s: %w", p, err)
		}
	}
	for _, p := range s.Readonly {
		if _, err := os.Stat(p); err != nil {
			continue
		}
		if err := unix.Mount(p, p, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("make %s read-only: %w", filepath.Clean(p), err)
		}
		if err := unix.MountSetattr(unix.AT_FDCWD, p, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make %s read-only: %w", filepath.Clean(p), err)
		}
	}
	return nil
}
