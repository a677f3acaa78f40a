package sim

import (
	"strings"
	"time"

	"pilothouse/backend/node/runtime"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Adopt takes over a pod from before a restart, as its status tells it: what was
// only pretended goes on.
func (r *Runtime) Adopt(pod *corev1.Pod, config *cri.PodSandboxConfig, containers map[string]*cri.ContainerConfig) {
	if pod.Status.PodIP == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byPod[string(pod.UID)] != nil {
		return
	}
	s := &sandbox{id: newID(), config: config, ready: true, created: r.clock(), ip: pod.Status.PodIP, inside: map[string]*container{}}
	if pod.Status.StartTime != nil {
		s.created = pod.Status.StartTime.Time
	}
	r.put(s)
	r.next += 1 // the address is taken; a few may be given twice after a restart, and nobody uses them
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range list {
			r.adoptContainer(s, &list[i], containers[list[i].Name])
		}
	}
}

// adoptContainer takes over one container; mu is held.
func (r *Runtime) adoptContainer(s *sandbox, old *corev1.ContainerStatus, config *cri.ContainerConfig) {
	id, ours := strings.CutPrefix(old.ContainerID, "sim://")
	if !ours || config == nil {
		return
	}
	config.Metadata.Attempt = uint32(old.RestartCount)
	c := &container{sandbox: s, config: config, status: &cri.ContainerStatus{
		Id: id, Metadata: config.Metadata, Image: &cri.ImageSpec{Image: old.Image}, ImageRef: old.ImageID,
		Labels: config.Labels, Annotations: config.Annotations, LogPath: r.log,
	}}
	switch {
	case old.State.Running != nil:
		c.status.State = cri.ContainerState_CONTAINER_RUNNING
		c.status.StartedAt = old.State.Running.StartedAt.UnixNano()
	case old.State.Terminated != nil:
		t := old.State.Terminated
		c.status.State, c.status.ExitCode, c.status.Reason = cri.ContainerState_CONTAINER_EXITED, t.ExitCode, t.Reason
		c.status.StartedAt, c.status.FinishedAt = nano(t.StartedAt.Time), nano(t.FinishedAt.Time)
	default:
		return
	}
	c.status.CreatedAt = c.status.StartedAt
	r.containers[id], s.inside[id] = c, c
	if old.State.Running != nil {
		r.plan(c)
	}
}

func nano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

var _ runtime.Runtime = (*Runtime)(nil)
