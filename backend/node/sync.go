package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/node/runtime"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
)

const (
	// firstBackoff, maxBackoff and calm are kubelets': a container that ends
	// again and again waits ten seconds, then twice as long each time, up to five
	// minutes; ten quiet minutes and all is forgiven.
	firstBackoff = 10 * time.Second
	maxBackoff   = 5 * time.Minute
	calm         = 10 * time.Minute
	// firstRetry and maxRetry bound the wait after an error that is not the
	// container's own: a volume that cannot be filled, say.
	firstRetry = 500 * time.Millisecond
	maxRetry   = 30 * time.Second
)

// backoff is the wait before something is tried again.
type backoff struct {
	wait time.Duration
	last time.Time // when it was tried last
}

// due is how long it is until the next try that may be made after end.
func (b *backoff) due(end, now time.Time) time.Duration {
	if b == nil || b.wait == 0 {
		return 0
	}
	return end.Add(b.wait).Sub(now)
}

// next counts a try.
func (b *backoff) next(now time.Time) {
	switch {
	case b.wait == 0, now.Sub(b.last) > max(2*b.wait, calm):
		b.wait = firstBackoff
	default:
		b.wait = min(2*b.wait, maxBackoff)
	}
	b.last = now
}

// sync brings a pod that is to run one step nearer to its spec.
func (w *worker) sync(ctx context.Context, pod *corev1.Pod) (time.Duration, error) {
	ctx, done := w.begin(ctx, false)
	defer done()
	o, err := w.observe(ctx, pod)
	if err != nil {
		return 0, err
	}
	if w.refusal == nil && !ended(pod) {
		w.refusal = w.refuse(ctx, pod, o)
	}
	if w.refusal != nil || ended(pod) {
		return w.finish(ctx, pod, o)
	}
	w.lasting = w.agent.Clock().Add(resync)
	actErr := w.act(ctx, pod, o)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if o, err = w.observe(ctx, pod); err != nil {
		return 0, err
	}
	w.tendProbes(pod, o)
	if w.over(pod, o) {
		return w.finish(ctx, pod, o)
	}
	if err := w.publish(ctx, pod, o); err != nil {
		return 0, err
	}
	w.pace(pod, actErr)
	return max(w.lasting.Sub(w.agent.Clock()), time.Millisecond), nil
}

// pace says when to try again what has failed: soon, and less and less often.
func (w *worker) pace(pod *corev1.Pod, err error) {
	switch {
	case err == nil:
		w.failures = 0
	case !errors.Is(err, errLater):
		klog.V(2).InfoS("Pod does not get further", "pod", klog.KObj(pod), "err", err)
		w.soon(min(firstRetry<<min(w.failures, 10), maxRetry))
		w.failures++
	}
}

// soon asks to be looked at again after d at the latest.
func (w *worker) soon(d time.Duration) {
	if at := w.agent.Clock().Add(max(d, 0)); at.Before(w.lasting) {
		w.lasting = at
	}
}

// finish ends what still runs of a pod that is over, and says how it ended.
func (w *worker) finish(ctx context.Context, pod *corev1.Pod, o *observed) (time.Duration, error) {
	grace := time.Duration(corev1.DefaultTerminationGracePeriodSeconds) * time.Second
	if pod.Spec.TerminationGracePeriodSeconds != nil {
		grace = time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second
	}
	if err := w.stopAll(ctx, pod, o, grace); err != nil {
		return 0, err
	}
	o, err := w.observe(ctx, pod)
	if err != nil {
		return 0, err
	}
	ip := o.ips(w.agent, pod)
	if err := w.stopSandboxes(ctx, o); err != nil {
		return 0, err
	}
	if ended(pod) {
		return resync, nil
	}
	w.setAccepted(false)
	return resync, w.publishEnd(ctx, pod, o, ip)
}

// act starts, ends and changes containers.
func (w *worker) act(ctx context.Context, pod *corev1.Pod, o *observed) error {
	if o.sandbox == nil {
		// Containers of a sandbox that is gone cannot go on.
		if err := w.stopAll(ctx, pod, o, 0); err != nil {
			return err
		}
		if !w.wants(pod, o) {
			return nil
		}
		if err := w.prepare(ctx, pod, o); err != nil {
			return err
		}
	} else if err := w.refreshVolumes(ctx, pod); err != nil {
		w.agent.recorder.Event(pod, corev1.EventTypeWarning, "FailedMount", "%s", err)
		w.soon(retryAfter)
	}
	if err := w.stopUnfit(ctx, pod, o); err != nil {
		return err
	}
	ready, err := w.initialize(ctx, pod, o)
	if err != nil {
		return err
	}
	var errs []error
	for i := range pod.Spec.EphemeralContainers {
		c := corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		if o.view(c.Name).never() {
			errs = append(errs, w.start(ctx, pod, o, &c, pod.Spec.EphemeralContainers[i].TargetContainerName))
		}
	}
	if !ready {
		return errors.Join(errs...)
	}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		if v := o.view(c.Name); v.running || !restartable(pod, c, v) {
			continue
		}
		errs = append(errs, w.startWhenDue(ctx, pod, o, c))
	}
	return errors.Join(errs...)
}

// wants tells whether anything of the pod is still to run.
func (w *worker) wants(pod *corev1.Pod, o *observed) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return restartable(pod, &c, o.view(c.Name)) })
}

// restartable tells whether a container that does not run is to be started: it
// never was, or its restart policy says so.
func restartable(pod *corev1.Pod, c *corev1.Container, v *view) bool {
	if v.never() {
		return true
	}
	if v.exited == nil { // created, and its start was cut off
		return true
	}
	for _, rule := range c.RestartPolicyRules {
		if rule.Action != corev1.ContainerRestartRuleActionRestart || rule.ExitCodes == nil {
			continue
		}
		in := slices.Contains(rule.ExitCodes.Values, v.exited.ExitCode)
		if in == (rule.ExitCodes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn) {
			return true
		}
	}
	policy := pod.Spec.RestartPolicy
	if c.RestartPolicy != nil {
		policy = corev1.RestartPolicy(*c.RestartPolicy)
	}
	switch policy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return v.exited.ExitCode != 0
	}
	return true
}

// initialize takes init containers further; true when the others may run.
func (w *worker) initialize(ctx context.Context, pod *corev1.Pod, o *observed) (bool, error) {
	started := slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool {
		v := o.view(c.Name)
		return v.id != "" && o.sandbox != nil && v.sandbox == o.sandbox.Id
	})
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		v := o.view(c.Name)
		here := v.id != "" && o.sandbox != nil && v.sandbox == o.sandbox.Id
		if sidecar(c) {
			if !v.running {
				if err := w.startWhenDue(ctx, pod, o, c); err != nil {
					return started, err
				}
				now, err := w.observe(ctx, pod)
				if err != nil {
					return started, err
				}
				w.tendProbes(pod, now)
				o.views[c.Name] = now.view(c.Name)
				v = o.view(c.Name)
			}
			if !started && (!v.running || !w.isStarted(c, v.id)) {
				return false, nil
			}
			continue
		}
		switch {
		case started, here && v.exited != nil && v.exited.ExitCode == 0:
			continue
		case here && v.running:
			return false, nil
		case here && v.exited != nil && pod.Spec.RestartPolicy == corev1.RestartPolicyNever:
			return false, nil // the pod has failed
		}
		return false, w.startWhenDue(ctx, pod, o, c)
	}
	return true, nil
}

// startWhenDue starts a container unless it has ended too often of late.
func (w *worker) startWhenDue(ctx context.Context, pod *corev1.Pod, o *observed, c *corev1.Container) error {
	v, now := o.view(c.Name), w.agent.Clock()
	b := w.restarts[c.Name]
	if v.exited != nil && v.id != "" {
		if left := b.due(v.exited.FinishedAt.Time, now); left > 0 {
			message := fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)", b.wait, c.Name, pod.Name, pod.Namespace, pod.UID)
			w.waiting[c.Name] = corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: message}
			w.once(v.id+"backoff", func() {
				w.event(pod, c, corev1.EventTypeWarning, "BackOff", "Back-off restarting failed container %s in pod %s_%s(%s)", c.Name, pod.Name, pod.Namespace, pod.UID)
			})
			w.soon(left)
			return nil
		}
		if b == nil {
			b = &backoff{}
			w.restarts[c.Name] = b
		}
		b.next(now)
	}
	return w.start(ctx, pod, o, c, "")
}

// once does something once for a key in the life of the worker.
func (w *worker) once(key string, f func()) {
	if !w.said[key] {
		w.said[key] = true
		f()
	}
}

// stopUnfit ends containers that failed a probe or whose image was changed, and
// gives those whose resources were changed the new ones.
func (w *worker) stopUnfit(ctx context.Context, pod *corev1.Pod, o *observed) error {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		v := o.view(c.Name)
		if !v.running {
			continue
		}
		why := w.failedProbe(v.id)
		if why == "" && v.status.Annotations[annotationHash] != hashOf(&c) {
			why = fmt.Sprintf("Container %s definition changed, will be restarted", c.Name)
		}
		if why == "" {
			if err := w.resize(ctx, pod, &c, v); err != nil {
				return err
			}
			continue
		}
		w.event(pod, &c, corev1.EventTypeNormal, "Killing", "%s", why)
		if err := w.stop(ctx, pod, &c, v, w.probeGrace(pod, &c, v.id)); err != nil {
			return err
		}
		now, err := w.observe(ctx, pod)
		if err != nil {
			return err
		}
		o.views[c.Name] = now.view(c.Name)
	}
	return nil
}

// stopAll ends all containers: side-cars after the others, last first.
func (w *worker) stopAll(ctx context.Context, pod *corev1.Pod, o *observed, grace time.Duration) error {
	until := time.Now().Add(grace)
	var all []corev1.Container
	var cars []corev1.Container
	for _, c := range everyContainer(pod) {
		if sidecar(&c) {
			cars = append(cars, c)
		} else {
			all = append(all, c)
		}
	}
	if err := w.stopThese(ctx, pod, o, all, grace); err != nil {
		return err
	}
	slices.Reverse(cars)
	for i := range cars {
		if err := w.stopThese(ctx, pod, o, cars[i:i+1], max(0, time.Until(until))); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) stopThese(ctx context.Context, pod *corev1.Pod, o *observed, containers []corev1.Container, grace time.Duration) error {
	errs := make([]error, len(containers))
	var wg sync.WaitGroup
	for i := range containers {
		c := &containers[i]
		v := o.view(c.Name)
		if v.id == "" || v.exited != nil {
			continue
		}
		if v.running {
			w.event(pod, c, corev1.EventTypeNormal, "Killing", "Stopping container %s", c.Name)
		}
		wg.Go(func() {
			errs[i] = metrics.Protected("node", func() error { return w.stop(ctx, pod, c, v, grace) })
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// stop ends one container: its hook, then the signal, then the end.
func (w *worker) stop(ctx context.Context, pod *corev1.Pod, c *corev1.Container, v *view, grace time.Duration) error {
	begun := time.Now()
	if v.running && grace > 0 && c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
		hook, cancel := context.WithTimeout(ctx, grace)
		if err := w.runHook(hook, pod, c, v.id, c.Lifecycle.PreStop); err != nil && ctx.Err() == nil {
			w.event(pod, c, corev1.EventTypeWarning, "FailedPreStopHook", "PreStopHook failed")
		}
		cancel()
	}
	if err := w.agent.Runtime.StopContainer(ctx, v.id, max(0, grace-time.Since(begun))); err != nil {
		return fmt.Errorf("stop container %s: %w", c.Name, err)
	}
	return nil
}

func (w *worker) stopSandboxes(ctx context.Context, o *observed) error {
	for _, s := range o.sandboxes {
		if err := w.agent.Runtime.StopPodSandbox(ctx, s.Id); err != nil {
			return fmt.Errorf("stop the sandbox: %w", err)
		}
	}
	return nil
}

// over tells that nothing of the pod runs, nor is to run again.
func (w *worker) over(pod *corev1.Pod, o *observed) bool {
	if w.initFailed(pod, o) {
		return true
	}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		if v := o.view(c.Name); v.exited == nil || restartable(pod, c, v) {
			return false
		}
	}
	return true
}

// initFailed tells that an init container has failed for good.
func (w *worker) initFailed(pod *corev1.Pod, o *observed) bool {
	if pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
		return false
	}
	return slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool {
		v := o.view(c.Name)
		return !sidecar(&c) && v.exited != nil && v.exited.ExitCode != 0 && (v.id == "" || o.sandbox == nil || v.sandbox == o.sandbox.Id)
	})
}

func (w *worker) event(pod *corev1.Pod, c *corev1.Container, kind, reason, format string, args ...any) {
	field := fmt.Sprintf("spec.containers{%s}", c.Name)
	switch kindOf(pod, c) {
	case runtime.KindInit, runtime.KindSidecar:
		field = fmt.Sprintf("spec.initContainers{%s}", c.Name)
	case runtime.KindEphemeral:
		field = fmt.Sprintf("spec.ephemeralContainers{%s}", c.Name)
	}
	w.agent.recorder.FieldEvent(pod, field, kind, reason, format, args...)
}
