package node

import (
	"context"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
)

// worker lives as long as a pod has anything on this node. Its goroutine, and
// only it, makes and ends the pod's containers. A pod's life:
//
//	bound        admit: refused → phase Failed, the end
//	             volumes, sandbox, init containers in order, side-cars among them
//	running      containers; ended ones again as their policy says, with back-off
//	over         nothing is left to run → phase Succeeded or Failed, sandbox goes
//	deleted      hooks, SIGTERM, grace, SIGKILL → last status → removed from the API
type worker struct {
	agent *Agent
	wakes chan struct{}

	mu sync.Mutex // guards what follows
	// pod is the newest known; gone tells that the API has it no more.
	pod  *corev1.Pod
	gone bool
	// interrupt ends the work on a pod that is not to run any longer.
	interrupt context.CancelFunc
	// stopping is the grace, in seconds, with which containers are being ended.
	stopping *int64
	accepted bool
	// health is what probes say, by container id.
	health map[string]*health

	// What follows is the goroutine's own.
	waiting  map[string]corev1.ContainerStateWaiting
	restarts map[string]*backoff
	pulls    map[string]*backoff
	exits    map[string]*cri.ContainerStatus
	resizes  map[string]string // resources as last given to the runtime, by id
	written  *corev1.PodStatus
	mounted  time.Time // when volumes were last filled
	measured time.Time // when they were last measured
	refusal  *refusal
	lasting  time.Time // when an unfinished step is due again
	said     map[string]bool
	failures int // one after another
	adopted  bool
}

// refusal is why a pod has failed without any of its containers' doing.
type refusal struct{ reason, message string }

func newWorker(a *Agent, pod *corev1.Pod) *worker {
	return &worker{
		agent: a, pod: pod, wakes: make(chan struct{}, 1), health: map[string]*health{},
		waiting: map[string]corev1.ContainerStateWaiting{}, restarts: map[string]*backoff{}, pulls: map[string]*backoff{},
		exits: map[string]*cri.ContainerStatus{}, resizes: map[string]string{}, said: map[string]bool{},
	}
}

func (w *worker) poke() {
	select {
	case w.wakes <- struct{}{}:
	default:
	}
}

func (w *worker) current() (*corev1.Pod, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pod, w.gone
}

func (w *worker) admitted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accepted
}

// update takes a newer pod. One that is to end interrupts what is being done
// for it, and so does a shorter grace than that which is running.
func (w *worker) update(pod *corev1.Pod) {
	w.mu.Lock()
	if older(pod, w.pod) {
		w.mu.Unlock()
		return
	}
	w.pod = pod
	if pod.DeletionTimestamp != nil && w.interrupt != nil && (w.stopping == nil || *w.stopping > graceOf(pod)) {
		w.interrupt()
	}
	w.mu.Unlock()
	w.poke()
}

// older tells that a pod is one from before what is known: the watch is behind
// the answers to the agent's own writes.
func older(pod, known *corev1.Pod) bool {
	a, errA := strconv.ParseUint(pod.ResourceVersion, 10, 64)
	b, errB := strconv.ParseUint(known.ResourceVersion, 10, 64)
	return errA == nil && errB == nil && a < b
}

// vanish says that the pod is no longer in the API: nobody waits for its end.
func (w *worker) vanish() {
	w.mu.Lock()
	w.gone = true
	if w.interrupt != nil {
		w.interrupt()
	}
	w.mu.Unlock()
	w.poke()
}

// begin gives the context of one piece of work and the pod as it is now.
func (w *worker) begin(ctx context.Context, stopping bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interrupt, w.stopping = cancel, nil
	if stopping {
		grace := graceOf(w.pod)
		if w.gone {
			grace = 0
		}
		w.stopping = &grace
	}
	return ctx, func() {
		cancel()
		w.mu.Lock()
		w.interrupt = nil
		w.mu.Unlock()
	}
}

// resync is how often a pod is looked at without any event.
const resync = time.Minute

// retryAfter is the wait after an error.
const retryAfter = time.Second

func (w *worker) run(ctx context.Context) {
	defer w.endProbes()
	for ctx.Err() == nil {
		again, finished := w.step(ctx)
		if finished {
			return
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
		case <-w.wakes:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// step does what is to be done next; again is when to look once more.
func (w *worker) step(ctx context.Context) (again time.Duration, finished bool) {
	pod, gone := w.current()
	var err error
	if gone || pod.DeletionTimestamp != nil {
		if finished, err = w.terminate(ctx); finished {
			return 0, true
		}
		again = retryAfter
	} else {
		again, err = w.sync(ctx, pod)
	}
	if err != nil && ctx.Err() == nil {
		if now, gone := w.current(); gone || now.DeletionTimestamp != nil && pod.DeletionTimestamp == nil {
			return 0, false // it was interrupted
		}
		klog.V(2).InfoS("Pod is looked at again", "pod", klog.KObj(pod), "err", err)
		again = retryAfter
	}
	return again, false
}

// graceOf is how long a pod has to end, in seconds.
func graceOf(p *corev1.Pod) int64 {
	switch {
	case p.DeletionGracePeriodSeconds != nil:
		return *p.DeletionGracePeriodSeconds
	case p.Spec.TerminationGracePeriodSeconds != nil:
		return *p.Spec.TerminationGracePeriodSeconds
	}
	return corev1.DefaultTerminationGracePeriodSeconds
}

// terminate ends the containers of a pod that was deleted, tells how they ended,
// removes what is left of it and then the pod itself from the API.
func (w *worker) terminate(ctx context.Context) (finished bool, err error) {
	work, done := w.begin(ctx, true)
	defer done()
	pod, gone := w.current()
	grace := graceOf(pod)
	if gone {
		grace = 0
	}
	o, err := w.observe(work, pod)
	if err != nil {
		return false, err
	}
	if err := w.stopAll(work, pod, o, time.Duration(grace)*time.Second); err != nil {
		return false, err
	}
	if err := w.stopSandboxes(work, o); err != nil {
		return false, err
	}
	if !gone {
		if o, err = w.observe(work, pod); err != nil {
			return false, err
		}
		if err := w.publish(work, pod, o); err != nil && !apierrors.IsNotFound(err) {
			return false, err
		}
	}
	if err := w.remove(work, pod, o); err != nil {
		return false, err
	}
	if gone {
		return true, nil
	}
	zero := int64(0)
	// The pod's end interrupts work on it, and comes before the answer to this.
	err = w.agent.Client.Delete(ctx, podsResource, pod.Namespace, pod.Name, &metav1.DeleteOptions{
		GracePeriodSeconds: &zero, Preconditions: metav1.NewUIDPreconditions(string(pod.UID)),
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return false, err
	}
	return true, nil
}

// remove removes all that the runtime and the disk have of the pod.
func (w *worker) remove(ctx context.Context, pod *corev1.Pod, o *observed) error {
	for _, s := range o.sandboxes {
		if err := w.agent.Runtime.RemovePodSandbox(ctx, s.Id); err != nil {
			return err
		}
	}
	w.agent.removePodDir(pod.UID)
	return w.agent.removeLogs(pod)
}
