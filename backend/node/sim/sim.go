// Package sim is a runtime that runs nothing: containers count as running as
// soon as they are started, and end when an annotation says so. It is for
// machines that cannot run Linux containers, for tests, and for clusters of
// thousands of pods on a laptop. Logs and commands say that nothing runs.
package sim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/node/runtime"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Annotations of pods that say how long their containers run and how they end.
const (
	AnnotationRunFor   = "sim.pilothouse.dev/run-for"   // a duration such as 5s
	AnnotationExitCode = "sim.pilothouse.dev/exit-code" // 0 by default
	// What each container uses, for metrics.
	AnnotationCPU    = "sim.pilothouse.dev/cpu"    // what it requests by default, 1m at least
	AnnotationMemory = "sim.pilothouse.dev/memory" // 16Mi by default
)

const (
	leastCPU      = 1 // thousandths
	defaultMemory = 16 << 20
)

// completion is how long the containers run of a pod that is to come to an end
// (restartPolicy Never or OnFailure) and says nothing else.
const completion = time.Second

// Nothing is what commands and logs say.
const Nothing = "nothing runs on this node: it only pretends (--node=sim)"

// firstIP is the first address that pods get. The range is for tests of network
// devices (RFC 2544), so nobody else has it.
var firstIP = netip.MustParseAddr("198.18.0.1")

// Runtime is the runtime.Runtime that runs nothing.
type Runtime struct {
	log   string
	clock func() time.Time

	mu         sync.Mutex
	sandboxes  map[string]*sandbox
	byPod      map[string]map[string]*sandbox
	containers map[string]*container
	next       uint32
	images     map[string]*cri.Image
	changed    func(uid string)
}

type sandbox struct {
	id      string
	config  *cri.PodSandboxConfig
	ready   bool
	created time.Time
	ip      string
	inside  map[string]*container
}

type container struct {
	sandbox *sandbox
	status  *cri.ContainerStatus
	config  *cri.ContainerConfig
	timer   *time.Timer
}

// New gives a Runtime that keeps one file, the log of all containers, in dir.
func New(dir string, clock func() time.Time) (*Runtime, error) {
	log := filepath.Join(dir, "sim.log")
	line := clock().UTC().Format(time.RFC3339Nano) + " stdout F " + Nothing + "\n"
	if err := os.WriteFile(log, []byte(line), 0o644); err != nil {
		return nil, err
	}
	return &Runtime{
		log: log, clock: clock, sandboxes: map[string]*sandbox{}, byPod: map[string]map[string]*sandbox{}, containers: map[string]*container{}, images: map[string]*cri.Image{},
	}, nil
}

// Name is the scheme of container ids.
func (*Runtime) Name() string { return "sim" }

// Version says what this is.
func (*Runtime) Version(context.Context) (string, error) { return "sim://1.0", nil }

// Ready is always so.
func (*Runtime) Ready(context.Context) error { return nil }

// Pretends tells that probes and hooks have nobody to ask.
func (*Runtime) Pretends() bool { return true }

func newID() string {
	a, b := uuid.New(), uuid.New()
	return hex.EncodeToString(append(a[:], b[:]...))
}

// ip gives the next address; mu is held.
func (r *Runtime) ip() string {
	b := firstIP.As4()
	n := binary.BigEndian.Uint32(b[:]) + r.next%(1<<17-2)
	r.next++
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b).String()
}

// RunPodSandbox makes a sandbox.
func (r *Runtime) RunPodSandbox(_ context.Context, config *cri.PodSandboxConfig, _ string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &sandbox{id: newID(), config: config, ready: true, created: r.clock(), ip: r.ip(), inside: map[string]*container{}}
	r.put(s)
	return s.id, nil
}

// put takes a sandbox in; mu is held.
func (r *Runtime) put(s *sandbox) {
	r.sandboxes[s.id] = s
	uid := s.config.Metadata.Uid
	if r.byPod[uid] == nil {
		r.byPod[uid] = map[string]*sandbox{}
	}
	r.byPod[uid][s.id] = s
}

// StopPodSandbox ends what is in a sandbox.
func (r *Runtime) StopPodSandbox(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sandboxes[id]; s != nil {
		s.ready = false
		for _, c := range s.inside {
			r.end(c, 137, "Error")
		}
	}
	return nil
}

// RemovePodSandbox forgets a sandbox and what was in it.
func (r *Runtime) RemovePodSandbox(ctx context.Context, id string) error {
	if err := r.StopPodSandbox(ctx, id); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sandboxes[id]; s != nil {
		for cid := range s.inside {
			delete(r.containers, cid)
		}
		delete(r.sandboxes, id)
		uid := s.config.Metadata.Uid
		if delete(r.byPod[uid], id); len(r.byPod[uid]) == 0 {
			delete(r.byPod, uid)
		}
	}
	return nil
}

// PodSandboxStatus gives a sandbox's state and address.
func (r *Runtime) PodSandboxStatus(_ context.Context, id string) (*cri.PodSandboxStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[id]
	if s == nil {
		return nil, fmt.Errorf("sandbox %s not found", id)
	}
	return &cri.PodSandboxStatus{Id: id, Metadata: s.config.Metadata, State: s.state(), CreatedAt: s.created.UnixNano(), Labels: s.config.Labels, Network: &cri.PodSandboxNetworkStatus{Ip: s.ip}}, nil
}

func (s *sandbox) state() cri.PodSandboxState {
	if s.ready {
		return cri.PodSandboxState_SANDBOX_READY
	}
	return cri.PodSandboxState_SANDBOX_NOTREADY
}

// ListPodSandbox gives the sandboxes of a pod, or all.
func (r *Runtime) ListPodSandbox(_ context.Context, uid string) ([]*cri.PodSandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.sandboxes
	if uid != "" {
		list = r.byPod[uid]
	}
	out := make([]*cri.PodSandbox, 0, len(list))
	for _, s := range list {
		out = append(out, &cri.PodSandbox{Id: s.id, Metadata: s.config.Metadata, State: s.state(), CreatedAt: s.created.UnixNano(), Labels: s.config.Labels})
	}
	return out, nil
}

// CreateContainer makes a container that is not started.
func (r *Runtime) CreateContainer(_ context.Context, in string, config *cri.ContainerConfig, _ *cri.PodSandboxConfig) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[in]
	if s == nil {
		return "", fmt.Errorf("sandbox %s not found", in)
	}
	c := &container{sandbox: s, config: config, status: &cri.ContainerStatus{
		Id: newID(), Metadata: config.Metadata, State: cri.ContainerState_CONTAINER_CREATED, CreatedAt: r.clock().UnixNano(),
		Image: &cri.ImageSpec{Image: config.Image.UserSpecifiedImage}, ImageRef: config.Image.Image, Labels: config.Labels, Annotations: config.Annotations, LogPath: r.log,
	}}
	r.containers[c.status.Id], s.inside[c.status.Id] = c, c
	return c.status.Id, nil
}

// StartContainer has a container running from now on, for as long as its pod's
// annotations and its kind say.
func (r *Runtime) StartContainer(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil {
		return fmt.Errorf("container %s not found", id)
	}
	s := clone(c.status)
	s.State, s.StartedAt = cri.ContainerState_CONTAINER_RUNNING, r.clock().UnixNano()
	c.status = s
	r.plan(c)
	return nil
}

// plan has a running container end when it is to; mu is held.
func (r *Runtime) plan(c *container) {
	annotations := c.sandbox.config.Annotations
	code, err := strconv.Atoi(annotations[AnnotationExitCode])
	if err != nil || code < 0 || code > 255 {
		code = 0
	}
	lasts, err := time.ParseDuration(annotations[AnnotationRunFor])
	ends := err == nil
	switch c.config.Annotations[runtime.AnnotationKind] {
	case runtime.KindInit:
		lasts, ends, code = 0, true, 0
	case runtime.KindSidecar:
		return
	default:
		if !ends && c.config.Annotations[runtime.AnnotationRestartPolicy] != string(corev1.RestartPolicyAlways) {
			lasts, ends = completion, true
		}
	}
	if !ends {
		return
	}
	left := lasts - r.clock().Sub(time.Unix(0, c.status.StartedAt))
	c.timer = time.AfterFunc(max(left, 0), func() {
		defer metrics.Caught("node")
		r.mu.Lock()
		reason := "Completed"
		if code != 0 {
			reason = "Error"
		}
		r.end(c, int32(code), reason)
		changed := r.changed
		r.mu.Unlock()
		if changed != nil {
			changed(c.sandbox.config.Metadata.Uid)
		}
	})
}

// end notes the end of a container; mu is held.
func (r *Runtime) end(c *container, code int32, reason string) {
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.status.State == cri.ContainerState_CONTAINER_EXITED {
		return
	}
	s := clone(c.status)
	s.State, s.FinishedAt, s.ExitCode, s.Reason = cri.ContainerState_CONTAINER_EXITED, r.clock().UnixNano(), code, reason
	c.status = s
}

// clone copies a status: those that were given out do not change.
func clone(s *cri.ContainerStatus) *cri.ContainerStatus {
	return &cri.ContainerStatus{
		Id: s.Id, Metadata: s.Metadata, State: s.State, CreatedAt: s.CreatedAt, StartedAt: s.StartedAt, FinishedAt: s.FinishedAt, ExitCode: s.ExitCode,
		Image: s.Image, ImageRef: s.ImageRef, Reason: s.Reason, Message: s.Message, Labels: s.Labels, Annotations: s.Annotations, LogPath: s.LogPath,
	}
}

// StopContainer ends a container at once, with 0 as one that heeds SIGTERM.
func (r *Runtime) StopContainer(_ context.Context, id string, _ time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.containers[id]; c != nil {
		r.end(c, 0, "Completed")
	}
	return nil
}

// RemoveContainer forgets a container.
func (r *Runtime) RemoveContainer(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.containers[id]; c != nil {
		r.end(c, 137, "Error")
		delete(c.sandbox.inside, id)
		delete(r.containers, id)
	}
	return nil
}

// ListContainers gives the containers of a pod, or all.
func (r *Runtime) ListContainers(_ context.Context, uid string) ([]*cri.Container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*cri.Container
	list := r.sandboxes
	if uid != "" {
		list = r.byPod[uid]
	}
	for _, s := range list {
		for _, c := range s.inside {
			out = append(out, &cri.Container{
				Id: c.status.Id, PodSandboxId: s.id, Metadata: c.status.Metadata, Image: c.status.Image, ImageRef: c.status.ImageRef,
				State: c.status.State, CreatedAt: c.status.CreatedAt, Labels: c.status.Labels, Annotations: c.status.Annotations,
			})
		}
	}
	return out, nil
}

// ContainerStatus gives a container's status.
func (r *Runtime) ContainerStatus(_ context.Context, id string) (*cri.ContainerStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.containers[id]; c != nil {
		return c.status, nil
	}
	return nil, fmt.Errorf("container %s not found", id)
}

// UpdateContainerResources has nothing to limit.
func (*Runtime) UpdateContainerResources(context.Context, string, *cri.LinuxContainerResources) error {
	return nil
}

// ReopenContainerLog has nothing to write.
func (*Runtime) ReopenContainerLog(context.Context, string) error { return nil }

// ContainerStats gives what the pod's annotations say that a container uses, or
// what it requests.
func (r *Runtime) ContainerStats(_ context.Context, id string) (*cri.ContainerStats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil {
		return nil, fmt.Errorf("container %s not found", id)
	}
	annotations := c.sandbox.config.Annotations
	cpu := max(leastCPU, c.config.GetLinux().GetResources().GetCpuShares()*1000/1024)
	if q, err := resource.ParseQuantity(annotations[AnnotationCPU]); err == nil {
		cpu = max(0, q.MilliValue())
	}
	memory := int64(defaultMemory)
	if q, err := resource.ParseQuantity(annotations[AnnotationMemory]); err == nil {
		memory = max(0, q.Value())
	}
	now, ran := r.clock(), time.Duration(0)
	if c.status.State == cri.ContainerState_CONTAINER_RUNNING {
		ran = max(0, now.Sub(time.Unix(0, c.status.StartedAt)))
	}
	value := func(v int64) *cri.UInt64Value { return &cri.UInt64Value{Value: uint64(v)} }
	return &cri.ContainerStats{
		Cpu:    &cri.CpuUsage{Timestamp: now.UnixNano(), UsageNanoCores: value(cpu * 1e6), UsageCoreNanoSeconds: value(int64(ran.Seconds() * float64(cpu) * 1e6))},
		Memory: &cri.MemoryUsage{Timestamp: now.UnixNano(), UsageBytes: value(memory), WorkingSetBytes: value(memory)},
	}, nil
}

// Exec says that nothing runs.
func (*Runtime) Exec(context.Context, string, []string, runtime.Streams) error {
	return errors.New(Nothing)
}

// Attach says that nothing runs.
func (*Runtime) Attach(context.Context, string, runtime.Streams) error { return errors.New(Nothing) }

// PortForward says that nothing runs.
func (*Runtime) PortForward(context.Context, string, int32, io.ReadWriteCloser) error {
	return errors.New(Nothing)
}

// ImageStatus has every image.
func (r *Runtime) ImageStatus(_ context.Context, image string) (*cri.Image, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.images[image]; i != nil {
		return i, nil
	}
	sum := sha256.Sum256([]byte(image))
	i := &cri.Image{Id: "sha256:" + hex.EncodeToString(sum[:]), RepoTags: []string{image}, Uid: &cri.Int64Value{Value: 65532}}
	r.images[image] = i
	return i, nil
}

// PullImage has every image.
func (r *Runtime) PullImage(ctx context.Context, image string, _ *cri.AuthConfig) (string, error) {
	i, err := r.ImageStatus(ctx, image)
	return i.GetId(), err
}

// ListImages gives none: they take no room.
func (*Runtime) ListImages(context.Context) ([]*cri.Image, error) { return nil, nil }

// RemoveImage has nothing to remove.
func (*Runtime) RemoveImage(context.Context, string) error { return nil }

// Events tells of containers that have ended.
func (r *Runtime) Events(ctx context.Context, changed func(uid string)) error {
	r.mu.Lock()
	r.changed = changed
	r.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

// Close stops the clocks of all containers.
func (r *Runtime) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.containers {
		if c.timer != nil {
			c.timer.Stop()
		}
	}
	return nil
}
