package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Reasons of containers whose image is missing, in kubelets' words.
const (
	reasonPull      = "ErrImagePull"
	reasonPullAgain = "ImagePullBackOff"
	reasonNever     = "ErrImageNeverPull"
)

// ensureImage has the image there that a container needs, as its pull policy
// says.
func (w *worker) ensureImage(ctx context.Context, pod *corev1.Pod, c *corev1.Container) error {
	rt := w.agent.Runtime
	there, err := rt.ImageStatus(ctx, c.Image)
	if err != nil {
		return w.cannot(ctx, pod, c, "ImageInspectError", fmt.Errorf("failed to inspect image %q: %w", c.Image, err))
	}
	switch policy := c.ImagePullPolicy; {
	case there != nil && policy != corev1.PullAlways:
		w.event(pod, c, corev1.EventTypeNormal, "Pulled", "Container image %q already present on machine", c.Image)
		delete(w.pulls, c.Name)
		return nil
	case there == nil && policy == corev1.PullNever:
		message := fmt.Sprintf("Container image %q is not present with pull policy of Never", c.Image)
		w.waiting[c.Name] = corev1.ContainerStateWaiting{Reason: reasonNever, Message: message}
		w.event(pod, c, corev1.EventTypeWarning, reasonNever, "%s", message)
		w.soon(firstBackoff)
		return fmt.Errorf("start container %s: %s", c.Name, message)
	}
	b := w.pulls[c.Name]
	if b == nil {
		b = &backoff{}
		w.pulls[c.Name] = b
	}
	if left := b.due(b.last, w.agent.Clock()); left > 0 {
		message := fmt.Sprintf("Back-off pulling image %q", c.Image)
		w.waiting[c.Name] = corev1.ContainerStateWaiting{Reason: reasonPullAgain, Message: message}
		w.once(fmt.Sprint(c.Name, c.Image, b.last, "backoff"), func() {
			w.event(pod, c, corev1.EventTypeNormal, "BackOff", "%s", message)
			w.event(pod, c, corev1.EventTypeWarning, "Failed", "Error: %s", reasonPullAgain)
		})
		w.soon(left)
		return errLater
	}
	return w.pull(ctx, pod, c, b)
}

// errLater is the error of what is not wrong, only not due.
var errLater = fmt.Errorf("not due yet")

func (w *worker) pull(ctx context.Context, pod *corev1.Pod, c *corev1.Container, b *backoff) error {
	w.event(pod, c, corev1.EventTypeNormal, "Pulling", "Pulling image %q", c.Image)
	begun := time.Now()
	var err error
	for _, auth := range w.authFor(ctx, pod, c.Image) {
		if _, err = w.agent.Runtime.PullImage(ctx, c.Image, auth); err == nil || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		b.next(w.agent.Clock())
		message := fmt.Sprintf("failed to pull and unpack image %q: %s", c.Image, err)
		w.waiting[c.Name] = corev1.ContainerStateWaiting{Reason: reasonPull, Message: message}
		w.event(pod, c, corev1.EventTypeWarning, "Failed", "Failed to pull image %q: %s", c.Image, err)
		w.event(pod, c, corev1.EventTypeWarning, "Failed", "Error: %s", reasonPull)
		w.soon(b.wait)
		return fmt.Errorf("start container %s: %s", c.Name, message)
	}
	delete(w.pulls, c.Name)
	var size uint64
	if image, err := w.agent.Runtime.ImageStatus(ctx, c.Image); err == nil && image != nil {
		size = image.Size
	}
	took := time.Since(begun).Round(time.Millisecond)
	w.event(pod, c, corev1.EventTypeNormal, "Pulled", "Successfully pulled image %q in %v (%v including waiting). Image size: %d bytes.", c.Image, took, took, size)
	return nil
}

// authFor gives what is tried as credentials for an image, one after another.
func (w *worker) authFor(ctx context.Context, pod *corev1.Pod, image string) []*cri.AuthConfig {
	registry, _, _ := strings.Cut(image, "/")
	if !strings.ContainsAny(registry, ".:") && registry != "localhost" {
		registry = "index.docker.io"
	}
	var out []*cri.AuthConfig
	for _, c := range w.pullSecrets(ctx, pod) {
		if c.registry == registry || registry == "index.docker.io" && c.registry == "docker.io" {
			out = append(out, c.auth)
		}
	}
	return append(out, nil)
}
