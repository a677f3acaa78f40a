package node

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/node/runtime"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestPressure(t *testing.T) {
	const gib = 1 << 30
	f := func(r room, pretends bool, want ...corev1.NodeConditionType) {
		t.Helper()
		var got []corev1.NodeConditionType
		for _, c := range r.pressure(pretends) {
			if c.Status == corev1.ConditionTrue {
				got = append(got, c.Type)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", r, got, want)
		}
	}
	f(room{}, false) // nothing is known
	f(room{memory: gib, memoryKnown: true, disk: 50 * gib, diskSize: 100 * gib}, false)
	f(room{memory: 99 << 20, memoryKnown: true, disk: gib / 2, diskSize: 100 * gib}, false, corev1.NodeMemoryPressure, corev1.NodeDiskPressure)
	f(room{memory: 99 << 20, memoryKnown: true, disk: gib / 2, diskSize: 100 * gib}, true)
	f(room{disk: 5 * gib, diskSize: 100 * gib}, false) // few percent, and enough
	f(room{disk: gib / 2, diskSize: 2 * gib}, false)   // little, and a quarter
	f(room{disk: gib / 10, diskSize: 2 * gib}, false, corev1.NodeDiskPressure)
}

// imageRuntime has images and containers, and nothing else.
type imageRuntime struct {
	runtime.Runtime
	images     []*cri.Image
	containers []*cri.Container
}

func (r *imageRuntime) ListImages(context.Context) ([]*cri.Image, error) { return r.images, nil }

func (r *imageRuntime) ListContainers(context.Context, string) ([]*cri.Container, error) {
	return r.containers, nil
}

func (r *imageRuntime) RemoveImage(_ context.Context, id string) error {
	r.images = slices.DeleteFunc(r.images, func(i *cri.Image) bool { return i.Id == id })
	return nil
}

func TestUnusedImages(t *testing.T) {
	now := time.Now()
	r := &imageRuntime{
		images: []*cri.Image{
			{Id: "old", Size: 10}, {Id: "pinned", Size: 10, Pinned: true}, {Id: "run", RepoDigests: []string{"r@sha256:1"}, Size: 10},
		},
		containers: []*cri.Container{{ImageRef: "r@sha256:1"}},
	}
	a := &Agent{Options: Options{Name: "n", Runtime: r, Clock: func() time.Time { return now }}}
	a.recorder = client.New(nil, User("n"), Agents).NewRecorder(Agents, "n", a.Clock)
	used := map[string]time.Time{}
	unused := func(want ...string) []*cri.Image {
		t.Helper()
		list, err := a.unused(t.Context(), used)
		var got []string
		for _, i := range list {
			got = append(got, i.Id)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v %v, want %v", got, err, want)
		}
		return list
	}
	unused() // all are new
	now = now.Add(imageAge)
	r.images = append(r.images, &cri.Image{Id: "new", Size: 10})
	unused("old")
	r.containers = nil
	unused("old")
	now = now.Add(imageAge)
	list := unused("old", "run", "new")
	a.free(t.Context(), list, 15)
	if unused("new"); len(r.images) != 2 {
		t.Errorf("left: %v", r.images)
	}
	if len(used) != 2 {
		t.Errorf("those that are gone are remembered: %v", used)
	}
}

func TestSizeBelow(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b/c"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := sizeBelow(dir); got != 2000 {
		t.Errorf("%d bytes", got)
	}
}
