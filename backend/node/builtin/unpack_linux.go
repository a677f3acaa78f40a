//go:build amd64 || arm64

package builtin

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// digest counts a content's checksum while it is read.
type digest struct {
	r io.Reader
	h hash.Hash
}

func newDigest(r io.Reader) *digest { return &digest{r, sha256.New()} }

// Read reads on.
func (d *digest) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.h.Write(p[:n]) //nolint:errcheck // never fails
	return n, err
}

func (d *digest) hex() string { return hex.EncodeToString(d.h.Sum(nil)) }

// Names by which a layer says that something of the layers below is gone.
// https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// unpack writes a layer's archive into a folder, in overlay's terms: what is
// gone is a device 0:0, a folder that hides those below is marked. Nothing of it
// is written anywhere else, whatever its names and links say.
func unpack(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var times []*tar.Header // of folders, whose time the files in them change
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		h.Name = strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if h.Name == "" {
			continue
		}
		if err := entry(root, h, t); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		if h.Typeflag == tar.TypeDir {
			times = append(times, h)
		}
	}
	for _, h := range times {
		root.Chtimes(h.Name, time.Time{}, h.ModTime) //nolint:errcheck // a later entry may have replaced it
	}
	return nil
}

func entry(root *os.Root, h *tar.Header, content io.Reader) error {
	base := path.Base(h.Name)
	if parent := path.Dir(h.Name); parent != "." {
		if err := root.MkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	switch {
	case base == opaque:
		return onFile(root, path.Dir(h.Name), func(fd int) error {
			return unix.Fsetxattr(fd, "trusted.overlay.opaque", []byte("y"), 0)
		})
	case strings.HasPrefix(base, whiteout):
		return device(root, path.Join(path.Dir(h.Name), strings.TrimPrefix(base, whiteout)))
	}
	old, err := root.Lstat(h.Name)
	if err == nil && !(old.IsDir() && h.Typeflag == tar.TypeDir) {
		if err := root.RemoveAll(h.Name); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.Mkdir(h.Name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case tar.TypeReg:
		if err := regular(root, h, content); err != nil {
			return err
		}
	case tar.TypeSymlink:
		if err := root.Symlink(h.Linkname, h.Name); err != nil {
			return err
		}
	case tar.TypeLink:
		return root.Link(strings.TrimPrefix(path.Clean("/"+h.Linkname), "/"), h.Name)
	case tar.TypeFifo:
		if err := special(root, h.Name, unix.S_IFIFO|0o600); err != nil {
			return err
		}
	default:
		return nil // devices: containers have their own /dev, and no others work
	}
	return attributes(root, h)
}

func regular(root *os.Root, h *tar.Header, content io.Reader) error {
	f, err := root.OpenFile(h.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// attributes gives an entry its owner, its mode and its times.
func attributes(root *os.Root, h *tar.Header) error {
	if err := root.Lchown(h.Name, h.Uid, h.Gid); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeSymlink {
		return nil
	}
	mode := h.FileInfo().Mode()
	if err := root.Chmod(h.Name, mode.Perm()|mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky)); err != nil {
		return err
	}
	for key, value := range h.PAXRecords {
		attribute, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		if !ok || !(attribute == "security.capability" || strings.HasPrefix(attribute, "user.")) || h.Typeflag == tar.TypeFifo {
			continue
		}
		err := onFile(root, h.Name, func(fd int) error { return unix.Fsetxattr(fd, attribute, []byte(value), 0) })
		if err != nil && !errors.Is(err, unix.ENOTSUP) {
			return err
		}
	}
	if h.Typeflag == tar.TypeReg {
		return root.Chtimes(h.Name, time.Time{}, h.ModTime)
	}
	return nil
}

func onFile(root *os.Root, name string, f func(fd int) error) error {
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return f(int(file.Fd()))
}

// device makes what overlay takes for nothing.
func device(root *os.Root, name string) error {
	if err := root.RemoveAll(name); err != nil {
		return err
	}
	return special(root, name, unix.S_IFCHR)
}

func special(root *os.Root, name string, mode uint32) error {
	return onFile(root, filepath.Dir(name), func(fd int) error { return unix.Mknodat(fd, path.Base(name), mode, 0) })
}
