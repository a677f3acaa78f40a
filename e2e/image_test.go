package e2e

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// boxCommands are the names under which the image's one program is found.
var boxCommands = []string{
	"echo", "cat", "sleep", "true", "exit", "env", "id", "size", "serve", "tar", "count", "write", "fetch", "ps", "shell", "memory", "test", "try", "touch",
}

// box is the program of testdata/box, built once.
var box = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "pilothouse-box-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "box")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./testdata/box")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return said, err
	}
	return os.ReadFile(out)
})

// registryWith starts a registry with the image of the tests in it, and gives
// the image's reference.
func registryWith(t *testing.T, tag string) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	ref := strings.TrimPrefix(server.URL, "http://") + "/" + tag
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(parsed, boxImage(t)); err != nil {
		t.Fatal(err)
	}
	return ref
}

// boxImage makes an image of two layers: the second takes away a file of the
// first.
func boxImage(t *testing.T) v1.Image {
	t.Helper()
	program, err := box()
	if err != nil {
		t.Fatalf("build the image's program: %v\n%s", err, program)
	}
	first := layer(t, func(w *tar.Writer) {
		folder(w, "bin/", "etc/", "tmp/", "old/")
		plain(w, "bin/box", 0o755, program)
		for _, c := range boxCommands {
			w.WriteHeader(&tar.Header{Name: "bin/" + c, Typeflag: tar.TypeSymlink, Linkname: "box"})
		}
		plain(w, "etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:web:/home/web:/bin/sh\n"))
		plain(w, "etc/group", 0o644, []byte("root:x:0:\nweb:x:1001:\nmore:x:1002:web\n"))
		plain(w, "gone", 0o644, []byte("x"))
		plain(w, "old/file", 0o644, []byte("x"))
	})
	second := layer(t, func(w *tar.Writer) {
		plain(w, ".wh.gone", 0o644, nil)
		folder(w, "old/")
		plain(w, "old/.wh..wh..opq", 0o644, nil)
		plain(w, "old/new", 0o644, []byte("x"))
	})
	image, err := mutate.AppendLayers(empty.Image, first, second)
	if err != nil {
		t.Fatal(err)
	}
	image, err = mutate.Config(image, v1.Config{Env: []string{"FROM_IMAGE=yes"}, Entrypoint: []string{"/bin/box"}, Cmd: []string{"sleep"}, WorkingDir: "/tmp"})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func folder(w *tar.Writer, names ...string) {
	for _, n := range names {
		w.WriteHeader(&tar.Header{Name: n, Typeflag: tar.TypeDir, Mode: 0o1777})
	}
}

func plain(w *tar.Writer, name string, mode int64, content []byte) {
	w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(content))})
	w.Write(content)
}

func layer(t *testing.T, fill func(w *tar.Writer)) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	fill(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}
