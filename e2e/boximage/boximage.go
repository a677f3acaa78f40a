// Package boximage makes the image that the tests of nodes run: one program of a
// few commands (testdata/box) under the names of its links, in two layers of
// which the second takes away files of the first. It serves the image by a
// registry in the process of the test.
package boximage

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// commands are the names under which the image's one program is found.
var commands = []string{
	"echo", "cat", "sleep", "true", "exit", "env", "id", "size", "serve", "tar", "count", "write", "fetch", "ps", "shell", "ash", "memory", "test", "try", "touch", "api",
}

// program is the image's one, built once.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "pilothouse-box-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "box")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "pilothouse/e2e/testdata/box")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the image's program: %w\n%s", err, said)
	}
	return os.ReadFile(out)
})

// Serve starts a registry that has the image under a tag like box:1, and gives
// the image's reference. The working directory is within this module.
func Serve(tag string) (ref string, stop func(), err error) {
	image, err := build()
	if err != nil {
		return "", nil, err
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	ref = strings.TrimPrefix(server.URL, "http://") + "/" + tag
	parsed, err := name.ParseReference(ref)
	if err == nil {
		err = remote.Write(parsed, image)
	}
	if err != nil {
		server.Close()
		return "", nil, err
	}
	return ref, server.Close, nil
}

func build() (v1.Image, error) {
	program, err := program()
	if err != nil {
		return nil, err
	}
	first, err := layer(func(w *tar.Writer) {
		folder(w, "bin/", "etc/", "tmp/", "old/")
		plain(w, "bin/box", 0o755, program)
		for _, c := range commands {
			w.WriteHeader(&tar.Header{Name: "bin/" + c, Typeflag: tar.TypeSymlink, Linkname: "box"})
		}
		plain(w, "etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:web:/home/web:/bin/sh\n"))
		plain(w, "etc/group", 0o644, []byte("root:x:0:\nweb:x:1001:\nmore:x:1002:web\n"))
		plain(w, "gone", 0o644, []byte("x"))
		plain(w, "old/file", 0o644, []byte("x"))
	})
	if err != nil {
		return nil, err
	}
	second, err := layer(func(w *tar.Writer) {
		plain(w, ".wh.gone", 0o644, nil)
		folder(w, "old/")
		plain(w, "old/.wh..wh..opq", 0o644, nil)
		plain(w, "old/new", 0o644, []byte("x"))
	})
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, first, second)
	if err != nil {
		return nil, err
	}
	return mutate.Config(image, v1.Config{Env: []string{"FROM_IMAGE=yes"}, Entrypoint: []string{"/bin/box"}, Cmd: []string{"sleep"}, WorkingDir: "/tmp"})
}

func folder(w *tar.Writer, names ...string) {
	for _, n := range names {
		w.WriteHeader(&tar.Header{Name: n, Typeflag: tar.TypeDir, Mode: 0o1777})
	}
}

func plain(w *tar.Writer, name string, mode int64, content []byte) {
	w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(content))})
	w.Write(content) //nolint:errcheck // closing tells
}

func layer(fill func(w *tar.Writer)) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	fill(w)
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
}
