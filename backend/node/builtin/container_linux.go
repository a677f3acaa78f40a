//go:build amd64 || arm64

package builtin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// container is one try at a container of a pod.
type container struct {
	id      string
	sandbox *sandbox
	config  *cri.ContainerConfig
	image   *image
	dir     string
	group   *cgroup
	created int64

	mu      sync.Mutex
	state   cri.ContainerState
	process *process
	output  *output
	stdin   *input
	started int64
	// finished and what follows is how it ended.
	finished int64
	code     int32
	reason   string
	message  string
	stopped  chan struct{} // closed when all of it is over
}

func (r *Runtime) get(id string) (*container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.containers[id]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("container %q not found", id)
}

// CreateContainer prepares a container: its folders, its control group.
func (r *Runtime) CreateContainer(_ context.Context, in string, config *cri.ContainerConfig, _ *cri.PodSandboxConfig) (string, error) {
	r.mu.Lock()
	s := r.sandboxes[in]
	r.mu.Unlock()
	if s == nil || !s.ready {
		return "", fmt.Errorf("sandbox %q is not running", in)
	}
	img := r.images.find(config.Image.Image)
	if img == nil {
		return "", fmt.Errorf("image %q is not there", config.Image.Image)
	}
	c := &container{
		id: newID(), sandbox: s, config: config, image: img, created: r.o.Clock().UnixNano(), state: cri.ContainerState_CONTAINER_CREATED, stopped: make(chan struct{}),
	}
	c.dir = filepath.Join(r.o.Dir, "containers", c.id)
	for _, sub := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(c.dir, sub), 0o755); err != nil {
			return "", err
		}
	}
	var err error
	if c.group, err = r.cgroups.create(c.id); err == nil {
		err = c.group.limit(config.GetLinux().GetResources())
	}
	if err != nil {
		os.RemoveAll(c.dir)
		return "", fmt.Errorf("control group: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return "", errors.New("the runtime is closed")
	}
	r.containers[c.id] = c
	return c.id, nil
}

// StopContainer sends the image's signal, and kills after the timeout.
func (r *Runtime) StopContainer(ctx context.Context, id string, timeout time.Duration) error {
	c, err := r.get(id)
	if err != nil {
		return nil //nolint:nilerr // what is not there is stopped
	}
	c.mu.Lock()
	if c.state == cri.ContainerState_CONTAINER_CREATED {
		c.state, c.code, c.reason, c.finished = cri.ContainerState_CONTAINER_EXITED, 137, "Error", r.o.Clock().UnixNano()
		close(c.stopped)
	}
	c.mu.Unlock()
	if _, running := c.pid(); !running {
		<-c.stopped
		return nil
	}
	if timeout > 0 {
		c.process.cmd.Process.Signal(stopSignal(c.image.Config.StopSignal)) //nolint:errcheck // it may be gone already
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case <-c.stopped:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
	c.killAll()
	select {
	case <-c.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func stopSignal(name string) syscall.Signal {
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n < 65 {
		return syscall.Signal(n)
	}
	if s := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG")); s != 0 {
		return s
	}
	return unix.SIGTERM
}

// RemoveContainer ends a container and removes its files.
func (r *Runtime) RemoveContainer(ctx context.Context, id string) error {
	c, err := r.get(id)
	if err != nil {
		return nil //nolint:nilerr // what is not there is removed
	}
	if err := r.StopContainer(ctx, id, 0); err != nil {
		return err
	}
	r.mu.Lock()
	delete(r.containers, id)
	r.mu.Unlock()
	c.group.remove()
	return os.RemoveAll(c.dir)
}

// ListContainers gives the containers of a pod, or all.
func (r *Runtime) ListContainers(_ context.Context, uid string) ([]*cri.Container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*cri.Container
	for _, c := range r.containers {
		if uid != "" && c.sandbox.config.Metadata.Uid != uid {
			continue
		}
		c.mu.Lock()
		out = append(out, &cri.Container{
			Id: c.id, PodSandboxId: c.sandbox.id, Metadata: c.config.Metadata, Image: &cri.ImageSpec{Image: c.config.Image.UserSpecifiedImage},
			ImageRef: c.image.ref(), State: c.state, CreatedAt: c.created, Labels: c.config.Labels, Annotations: c.config.Annotations,
		})
		c.mu.Unlock()
	}
	return out, nil
}

// ContainerStatus gives a container's status.
func (r *Runtime) ContainerStatus(_ context.Context, id string) (*cri.ContainerStatus, error) {
	c, err := r.get(id)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &cri.ContainerStatus{
		Id: id, Metadata: c.config.Metadata, State: c.state, CreatedAt: c.created, StartedAt: c.started, FinishedAt: c.finished, ExitCode: c.code,
		Image: &cri.ImageSpec{Image: c.config.Image.UserSpecifiedImage}, ImageRef: c.image.ref(), Reason: c.reason, Message: c.message,
		Labels: c.config.Labels, Annotations: c.config.Annotations, LogPath: c.logPath(),
	}, nil
}

// UpdateContainerResources changes the limits of a container.
func (r *Runtime) UpdateContainerResources(_ context.Context, id string, resources *cri.LinuxContainerResources) error {
	c, err := r.get(id)
	if err != nil {
		return err
	}
	return c.group.limit(resources)
}

// ReopenContainerLog begins the log file anew, after it was put aside.
func (r *Runtime) ReopenContainerLog(_ context.Context, id string) error {
	c, err := r.get(id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.output == nil {
		return nil
	}
	return c.output.log.reopen()
}

// ContainerStats gives what a container uses.
func (r *Runtime) ContainerStats(_ context.Context, id string) (*cri.ContainerStats, error) {
	c, err := r.get(id)
	if err != nil {
		return nil, err
	}
	return c.group.stats(), nil
}
