// Package cri runs pods by a container runtime of its own program, containerd or
// CRI-O, over the socket of the Container Runtime Interface. Containers go on
// when the agent ends. Read cri.go first, then streams.go.
package cri

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pilothouse/backend/node/runtime"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	// openTimeout is how long a runtime has to say who it is.
	openTimeout = 10 * time.Second
	// callTimeout ends a call that should be short; pulls have as long as they
	// take.
	callTimeout = 2 * time.Minute
	// relist is how often a runtime without events is asked what has changed.
	relist = time.Second
	// maxMessage bounds an answer, in bytes, as in kubelets.
	maxMessage = 16 << 20
)

// Runtime is a runtime.Runtime over a socket.
type Runtime struct {
	conn          *grpc.ClientConn
	runtime       cri.RuntimeServiceClient
	images        cri.ImageServiceClient
	name, version string
}

// Open connects to a socket: unix:///run/containerd/containerd.sock, or the path
// alone.
func Open(endpoint string) (*Runtime, error) {
	if strings.HasPrefix(endpoint, "/") {
		endpoint = "unix://" + endpoint
	}
	if !strings.HasPrefix(endpoint, "unix:///") {
		return nil, fmt.Errorf("--container-runtime-endpoint %q is no path of a socket", endpoint)
	}
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)), grpc.WithAuthority("localhost"))
	if err != nil {
		return nil, err
	}
	r := &Runtime{conn: conn, runtime: cri.NewRuntimeServiceClient(conn), images: cri.NewImageServiceClient(conn)}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	v, err := r.runtime.Version(ctx, &cri.VersionRequest{})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("the runtime at %s does not answer: %w", endpoint, plain(err))
	}
	r.name, r.version = v.RuntimeName, v.RuntimeVersion
	return r, nil
}

// plain gives an error without gRPC's words about it.
func plain(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		return errors.New(s.Message())
	}
	return err
}

// gone gives no error for what is not there.
func gone(err error) error {
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return plain(err)
}

// call makes a call that should be short.
func call[Q, A any](ctx context.Context, f func(context.Context, Q, ...grpc.CallOption) (A, error), question Q) (A, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return f(ctx, question)
}

// Name is the scheme of container ids.
func (r *Runtime) Name() string { return r.name }

// Version says what runs there.
func (r *Runtime) Version(context.Context) (string, error) {
	return r.name + "://" + strings.TrimPrefix(r.version, "v"), nil
}

// Ready gives the runtime's own word about itself and its network.
func (r *Runtime) Ready(ctx context.Context) error {
	s, err := call(ctx, r.runtime.Status, &cri.StatusRequest{})
	if err != nil {
		return plain(err)
	}
	for _, c := range s.GetStatus().GetConditions() {
		if !c.Status && (c.Type == cri.RuntimeReady || c.Type == cri.NetworkReady) {
			return fmt.Errorf("%s: %s", c.Reason, c.Message)
		}
	}
	return nil
}

// RunPodSandbox makes a sandbox.
func (r *Runtime) RunPodSandbox(ctx context.Context, config *cri.PodSandboxConfig, handler string) (string, error) {
	a, err := call(ctx, r.runtime.RunPodSandbox, &cri.RunPodSandboxRequest{Config: config, RuntimeHandler: handler})
	return a.GetPodSandboxId(), plain(err)
}

// StopPodSandbox stops a sandbox.
func (r *Runtime) StopPodSandbox(ctx context.Context, id string) error {
	_, err := call(ctx, r.runtime.StopPodSandbox, &cri.StopPodSandboxRequest{PodSandboxId: id})
	return gone(err)
}

// RemovePodSandbox removes a sandbox.
func (r *Runtime) RemovePodSandbox(ctx context.Context, id string) error {
	_, err := call(ctx, r.runtime.RemovePodSandbox, &cri.RemovePodSandboxRequest{PodSandboxId: id})
	return gone(err)
}

// PodSandboxStatus gives a sandbox's state and address.
func (r *Runtime) PodSandboxStatus(ctx context.Context, id string) (*cri.PodSandboxStatus, error) {
	a, err := call(ctx, r.runtime.PodSandboxStatus, &cri.PodSandboxStatusRequest{PodSandboxId: id})
	return a.GetStatus(), plain(err)
}

// ListPodSandbox gives the sandboxes of a pod, or those of all pods.
func (r *Runtime) ListPodSandbox(ctx context.Context, uid string) ([]*cri.PodSandbox, error) {
	q := &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{LabelSelector: selector(uid)}}
	a, err := call(ctx, r.runtime.ListPodSandbox, q)
	return a.GetItems(), plain(err)
}

func selector(uid string) map[string]string {
	if uid == "" {
		return nil
	}
	return map[string]string{runtime.LabelPodUID: uid}
}

// CreateContainer makes a container.
func (r *Runtime) CreateContainer(ctx context.Context, sandbox string, config *cri.ContainerConfig, sandboxConfig *cri.PodSandboxConfig) (string, error) {
	a, err := call(ctx, r.runtime.CreateContainer, &cri.CreateContainerRequest{PodSandboxId: sandbox, Config: config, SandboxConfig: sandboxConfig})
	return a.GetContainerId(), plain(err)
}

// StartContainer starts a container.
func (r *Runtime) StartContainer(ctx context.Context, id string) error {
	_, err := call(ctx, r.runtime.StartContainer, &cri.StartContainerRequest{ContainerId: id})
	return plain(err)
}

// StopContainer asks a container to end and kills it after timeout.
func (r *Runtime) StopContainer(ctx context.Context, id string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout+callTimeout)
	defer cancel()
	_, err := r.runtime.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: id, Timeout: int64((timeout + time.Second - 1) / time.Second)})
	return gone(err)
}

// RemoveContainer removes a container.
func (r *Runtime) RemoveContainer(ctx context.Context, id string) error {
	_, err := call(ctx, r.runtime.RemoveContainer, &cri.RemoveContainerRequest{ContainerId: id})
	return gone(err)
}

// ListContainers gives the containers of a pod, or those of all pods.
func (r *Runtime) ListContainers(ctx context.Context, uid string) ([]*cri.Container, error) {
	q := &cri.ListContainersRequest{Filter: &cri.ContainerFilter{LabelSelector: selector(uid)}}
	a, err := call(ctx, r.runtime.ListContainers, q)
	return a.GetContainers(), plain(err)
}

// ContainerStatus gives a container's status.
func (r *Runtime) ContainerStatus(ctx context.Context, id string) (*cri.ContainerStatus, error) {
	a, err := call(ctx, r.runtime.ContainerStatus, &cri.ContainerStatusRequest{ContainerId: id})
	return a.GetStatus(), plain(err)
}

// UpdateContainerResources changes a container's limits.
func (r *Runtime) UpdateContainerResources(ctx context.Context, id string, resources *cri.LinuxContainerResources) error {
	_, err := call(ctx, r.runtime.UpdateContainerResources, &cri.UpdateContainerResourcesRequest{ContainerId: id, Linux: resources})
	return plain(err)
}

// ReopenContainerLog begins the log file anew.
func (r *Runtime) ReopenContainerLog(ctx context.Context, id string) error {
	_, err := call(ctx, r.runtime.ReopenContainerLog, &cri.ReopenContainerLogRequest{ContainerId: id})
	return plain(err)
}

// ContainerStats gives what a container uses.
func (r *Runtime) ContainerStats(ctx context.Context, id string) (*cri.ContainerStats, error) {
	a, err := call(ctx, r.runtime.ContainerStats, &cri.ContainerStatsRequest{ContainerId: id})
	return a.GetStats(), plain(err)
}

// ImageStatus gives nil for an image that is not there.
func (r *Runtime) ImageStatus(ctx context.Context, image string) (*cri.Image, error) {
	a, err := call(ctx, r.images.ImageStatus, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: image}})
	return a.GetImage(), plain(err)
}

// PullImage brings an image there.
func (r *Runtime) PullImage(ctx context.Context, image string, auth *cri.AuthConfig) (string, error) {
	a, err := r.images.PullImage(ctx, &cri.PullImageRequest{Image: &cri.ImageSpec{Image: image}, Auth: auth})
	return a.GetImageRef(), plain(err)
}

// ListImages gives all images.
func (r *Runtime) ListImages(ctx context.Context) ([]*cri.Image, error) {
	a, err := call(ctx, r.images.ListImages, &cri.ListImagesRequest{})
	return a.GetImages(), plain(err)
}

// RemoveImage removes an image.
func (r *Runtime) RemoveImage(ctx context.Context, id string) error {
	_, err := call(ctx, r.images.RemoveImage, &cri.RemoveImageRequest{Image: &cri.ImageSpec{Image: id}})
	return gone(err)
}

// Events tells of containers that have changed: as the runtime says it, or by
// asking again and again where it does not.
func (r *Runtime) Events(ctx context.Context, changed func(uid string)) error {
	stream, err := r.runtime.GetContainerEvents(ctx, &cri.GetEventsRequest{})
	for err == nil {
		var e *cri.ContainerEventResponse
		if e, err = stream.Recv(); err == nil {
			changed(e.GetPodSandboxStatus().GetMetadata().GetUid())
		}
	}
	if status.Code(err) != codes.Unimplemented {
		return plain(err)
	}
	return r.poll(ctx, changed)
}

func (r *Runtime) poll(ctx context.Context, changed func(uid string)) error {
	ticker := time.NewTicker(relist)
	defer ticker.Stop()
	last := map[string]cri.ContainerState{}
	for {
		list, err := r.ListContainers(ctx, "")
		if err != nil {
			return err
		}
		now := make(map[string]cri.ContainerState, len(list))
		for _, c := range list {
			now[c.Id] = c.State
			if old, known := last[c.Id]; !known || old != c.State {
				if uid := c.Labels[runtime.LabelPodUID]; uid != "" {
					changed(uid)
				}
			}
		}
		last = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// Close lets go of the socket.
func (r *Runtime) Close() error { return r.conn.Close() }

var _ runtime.Runtime = (*Runtime)(nil)
