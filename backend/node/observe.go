package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"pilothouse/backend/node/runtime"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// view is a container of the pod as it is: its newest try, and how the one
// before ended.
type view struct {
	id      string
	attempt int // from 0; -1 when there was none yet
	sandbox string
	running bool
	status  *cri.ContainerStatus
	exited  *corev1.ContainerStateTerminated
	last    *corev1.ContainerStateTerminated
	// older are the ids of earlier tries, newest first.
	older []string
}

// never tells that the container was not started yet.
func (v *view) never() bool { return v.attempt < 0 }

// observed is all that the runtime has of a pod.
type observed struct {
	sandboxes []*cri.PodSandbox
	// sandbox is the one that is ready, nil if there is none.
	sandbox *cri.PodSandboxStatus
	views   map[string]*view
}

func (o *observed) view(name string) *view {
	if v := o.views[name]; v != nil {
		return v
	}
	return &view{attempt: -1}
}

// ips gives the pod's addresses.
func (o *observed) ips(a *Agent, pod *corev1.Pod) []string {
	if pod.Spec.HostNetwork {
		return []string{a.Address}
	}
	if o.sandbox == nil || o.sandbox.Network == nil || o.sandbox.Network.Ip == "" {
		return nil
	}
	ips := []string{o.sandbox.Network.Ip}
	for _, more := range o.sandbox.Network.AdditionalIps {
		ips = append(ips, more.Ip)
	}
	return ips
}

// everyContainer gives all containers of a pod, ephemeral ones as the others.
func everyContainer(pod *corev1.Pod) []corev1.Container {
	all := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
	for i := range pod.Spec.EphemeralContainers {
		all = append(all, corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
	return all
}

func containerOf(pod *corev1.Pod, name string) *corev1.Container {
	all := everyContainer(pod)
	if i := slices.IndexFunc(all, func(c corev1.Container) bool { return c.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// sidecar tells an init container that runs beside the others.
func sidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// observe asks the runtime what there is of the pod. What it does not know, for
// it was started anew, is taken from the pod's status.
func (w *worker) observe(ctx context.Context, pod *corev1.Pod) (*observed, error) {
	rt := w.agent.Runtime
	if w.agent.pretends != nil && !w.adopted {
		w.adopt(pod)
	}
	o := &observed{views: map[string]*view{}}
	var err error
	if o.sandboxes, err = rt.ListPodSandbox(ctx, string(pod.UID)); err != nil {
		return nil, fmt.Errorf("list sandboxes: %w", err)
	}
	slices.SortFunc(o.sandboxes, func(a, b *cri.PodSandbox) int { return cmp.Compare(b.CreatedAt, a.CreatedAt) })
	if len(o.sandboxes) > 0 && o.sandboxes[0].State == cri.PodSandboxState_SANDBOX_READY {
		if o.sandbox, err = rt.PodSandboxStatus(ctx, o.sandboxes[0].Id); err != nil {
			return nil, fmt.Errorf("status of the sandbox: %w", err)
		}
	}
	containers, err := rt.ListContainers(ctx, string(pod.UID))
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	slices.SortFunc(containers, func(a, b *cri.Container) int {
		return cmp.Or(cmp.Compare(b.GetMetadata().GetAttempt(), a.GetMetadata().GetAttempt()), cmp.Compare(b.CreatedAt, a.CreatedAt))
	})
	for _, c := range containers {
		name := c.Labels[runtime.LabelContainerName]
		if v := o.views[name]; v != nil {
			if v.last == nil {
				if s, err := w.containerStatus(ctx, c); err == nil && s.State == cri.ContainerState_CONTAINER_EXITED {
					v.last = w.terminated(pod, name, s)
				}
			}
			v.older = append(v.older, c.Id)
			continue
		}
		s, err := w.containerStatus(ctx, c)
		if err != nil {
			continue // it has just been removed
		}
		v := &view{id: c.Id, attempt: int(s.GetMetadata().GetAttempt()), sandbox: c.PodSandboxId, status: s}
		switch s.State {
		case cri.ContainerState_CONTAINER_RUNNING:
			v.running = true
		case cri.ContainerState_CONTAINER_EXITED, cri.ContainerState_CONTAINER_UNKNOWN:
			v.exited = w.terminated(pod, name, s)
		}
		o.views[name] = v
	}
	w.recall(pod, o)
	return o, nil
}

// containerStatus asks for a container's status, once if it has ended.
func (w *worker) containerStatus(ctx context.Context, c *cri.Container) (*cri.ContainerStatus, error) {
	if s := w.exits[c.Id]; s != nil {
		return s, nil
	}
	s, err := w.agent.Runtime.ContainerStatus(ctx, c.Id)
	if err == nil && s.State == cri.ContainerState_CONTAINER_EXITED {
		w.exits[c.Id] = s
	}
	return s, err
}

// unknownExit is how kubelets word the end of a container that is just gone.
const (
	unknownExitReason  = "ContainerStatusUnknown"
	unknownExitMessage = "The container could not be located when the pod was terminated"
	unknownExitCode    = 137
)

// recall fills in from the pod's status what the runtime does not know: the
// containers of an earlier life of it.
func (w *worker) recall(pod *corev1.Pod, o *observed) {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses} {
		for i := range list {
			s := &list[i]
			if v := o.views[s.Name]; v != nil {
				switch {
				case v.last != nil || v.attempt == 0:
				case int(s.RestartCount) < v.attempt: // the status is still that of the try before
					v.last = w.endOf(s)
				default:
					v.last = s.LastTerminationState.Terminated
				}
				continue
			}
			switch {
			case s.State.Terminated != nil || s.State.Running != nil:
				o.views[s.Name] = &view{attempt: int(s.RestartCount), last: s.LastTerminationState.Terminated, exited: w.endOf(s)}
			case s.LastTerminationState.Terminated != nil:
				o.views[s.Name] = &view{attempt: int(s.RestartCount), exited: s.LastTerminationState.Terminated}
			}
		}
	}
}

// endOf is how a container has ended that the runtime does not know any more.
func (w *worker) endOf(s *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if s.State.Running == nil {
		return s.State.Terminated
	}
	return &corev1.ContainerStateTerminated{
		ExitCode: unknownExitCode, Reason: unknownExitReason, Message: unknownExitMessage,
		StartedAt: s.State.Running.StartedAt, FinishedAt: w.agent.now(), ContainerID: s.ContainerID,
	}
}

// terminated words the end of a container.
func (w *worker) terminated(pod *corev1.Pod, name string, s *cri.ContainerStatus) *corev1.ContainerStateTerminated {
	t := &corev1.ContainerStateTerminated{
		ExitCode: s.ExitCode, Reason: s.Reason, Message: s.Message,
		StartedAt: seconds(s.StartedAt), FinishedAt: seconds(s.FinishedAt), ContainerID: w.agent.Runtime.Name() + "://" + s.Id,
	}
	if t.Reason == "" {
		if t.Reason = "Completed"; t.ExitCode != 0 {
			t.Reason = "Error"
		}
	}
	if c := containerOf(pod, name); c != nil {
		if m := w.lastWords(pod, c, s); m != "" {
			t.Message = m
		}
	}
	return t
}

func seconds(nano int64) metav1.Time {
	if nano == 0 {
		return metav1.Time{}
	}
	return metav1.NewTime(time.Unix(0, nano)).Rfc3339Copy()
}

// Annotations of containers that the agent reads again.
const (
	annotationHash   = "io.kubernetes.container.hash"
	annotationLast   = "io.kubernetes.container.terminationMessagePath"
	annotationPolicy = "io.kubernetes.container.terminationMessagePolicy"
	annotationGrace  = "io.kubernetes.pod.terminationGracePeriod"
)

func graceAnnotation(pod *corev1.Pod) string { return strconv.FormatInt(graceOf(pod), 10) }

// adopt has a runtime that pretends go on with what it pretended before.
func (w *worker) adopt(pod *corev1.Pod) {
	w.adopted = true
	configs := map[string]*cri.ContainerConfig{}
	for _, c := range everyContainer(pod) {
		configs[c.Name] = &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: c.Name}, Annotations: w.annotations(pod, &c, 0),
			Labels: map[string]string{
				runtime.LabelPodName: pod.Name, runtime.LabelPodNamespace: pod.Namespace, runtime.LabelPodUID: string(pod.UID), runtime.LabelContainerName: c.Name,
			},
		}
	}
	w.agent.pretends.Adopt(pod, w.sandboxConfig(pod, 0), configs)
}
