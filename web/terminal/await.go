package terminal

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// awaitTimeout is how long a container may take to start, its image's pull
	// included.
	awaitTimeout  = 3 * time.Minute
	awaitInterval = 300 * time.Millisecond
)

// await waits until the container runs, and says what it waits for. It gives
// the outcome when that is in vain.
func (t *Terminal) await(ctx context.Context) *Outcome {
	ctx, cancel := context.WithTimeout(ctx, awaitTimeout)
	defer cancel()
	tick := time.NewTicker(awaitInterval)
	defer tick.Stop()
	said := ""
	for {
		pod := &corev1.Pod{}
		if err := t.client.Get(ctx, pods, t.target.Namespace, t.target.Pod, pod); err != nil {
			o := outcomeOfError(err)
			return &o
		}
		state := stateOf(pod, t.target.Container)
		switch {
		case state.Running != nil:
			return nil
		case state.Terminated != nil:
			o := failed("The container has ended: %s", state.Terminated.Reason)
			o.Code = int(state.Terminated.ExitCode)
			return &o
		case state.Waiting != nil && state.Waiting.Reason != "" && state.Waiting.Reason != said:
			said = state.Waiting.Reason
			if !t.take(ctx, fmt.Appendf(nil, "\x1b[2m%s %s\x1b[0m\r\n", said, state.Waiting.Message)) {
				o := failed("The terminal was closed.")
				return &o
			}
		}
		select {
		case <-ctx.Done():
			o := failed("The container did not start in time.")
			return &o
		case <-tick.C:
		}
	}
}

func stateOf(p *corev1.Pod, container string) corev1.ContainerState {
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses, p.Status.InitContainerStatuses} {
		for i := range list {
			if list[i].Name == container {
				return list[i].State
			}
		}
	}
	return corev1.ContainerState{}
}
