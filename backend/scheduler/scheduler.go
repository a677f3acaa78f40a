// Package scheduler binds pods to nodes: kube-scheduler's part for a cluster of
// a few nodes. It looks at what a node must have for a pod to run there (names,
// selectors, required affinity, taints, resources, ports, volumes that are
// bound) and among the fitting nodes takes the one with the most room, preferred
// affinities first. It does not preempt, and leaves affinity between pods and
// topology spread to a real scheduler. Read scheduler.go first, then fit.go.
//
// It only acts while a kubelet is alive, that is, while some node's Lease is
// being renewed: an API server without nodes leaves pods as they are.
package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/informer"
	"pilothouse/backend/metrics"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// User is who kube-scheduler is to the API.
const User = "system:kube-scheduler"

const (
	// LeaseAge is how old the Lease of a node may be for it to count as alive,
	// in kubelets' own measure.
	LeaseAge = 40 * time.Second
	// lookAgain is how often pods that fit nowhere are looked at without a cause.
	lookAgain = 30 * time.Second
	// gather is how long changes are gathered before waiting pods are tried again.
	gather = 50 * time.Millisecond
	// bindTimeout ends one write.
	bindTimeout = 30 * time.Second
)

var (
	podsResource       = corev1.SchemeGroupVersion.WithResource("pods")
	namespacesResource = corev1.SchemeGroupVersion.WithResource("namespaces")
	nodesResource      = corev1.SchemeGroupVersion.WithResource("nodes")
	claimsResource     = corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims")
	volumesResource    = corev1.SchemeGroupVersion.WithResource("persistentvolumes")
	leasesResource     = coordinationv1.SchemeGroupVersion.WithResource("leases")
)

// Options say what a Scheduler works with.
type Options struct {
	// Client acts as User. Reader watches: a scheduler's role does not let it
	// see the leases of nodes.
	Client, Reader *client.Client
	Clock          func() time.Time
}

// Scheduler binds the pods of one API.
type Scheduler struct {
	Options
	recorder *client.Recorder
	queue    workqueue.TypedRateLimitingInterface[types.NamespacedName]
	leases   *informer.Informer[*coordinationv1.Lease]
	nodes    *informer.Informer[*corev1.Node]
	pods     *informer.Informer[*corev1.Pod]
	// namespaces are for rules about pods in those with certain labels.
	namespaces *informer.Informer[*corev1.Namespace]
	usage      *usage
	// changed is told when waiting pods may fit now.
	changed chan struct{}
	// waiting are the pods that fitted nowhere, with the message about it.
	waiting *waiting
}

// New gives a Scheduler that does nothing until Run.
func New(o Options) *Scheduler {
	s := &Scheduler{
		Options: o, recorder: o.Client.NewRecorder(corev1.DefaultSchedulerName, "", o.Clock),
		queue: metrics.NewQueue("scheduler", workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](20*time.Millisecond, 10*time.Second)),
		usage: newUsage(), changed: make(chan struct{}, 1), waiting: newWaiting(),
	}
	s.leases = informer.New(o.Reader, leasesResource, corev1.NamespaceNodeLease, func() *coordinationv1.Lease { return &coordinationv1.Lease{} })
	s.nodes = informer.New(o.Reader, nodesResource, "", func() *corev1.Node { return &corev1.Node{} }).OnChange(s.nodeChanged)
	s.namespaces = informer.New(o.Reader, namespacesResource, "", func() *corev1.Namespace { return &corev1.Namespace{} })
	s.pods = informer.New(o.Reader, podsResource, "", func() *corev1.Pod { return &corev1.Pod{} }).OnChange(s.podChanged)
	return s
}

// Run schedules until ctx ends. Until the first kubelet shows up, only the
// leases of nodes are watched.
func (s *Scheduler) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	alive := make(chan struct{}, 1)
	s.leases.OnChange(func(old, l *coordinationv1.Lease) {
		if l != nil && s.fresh(l) {
			notify(alive)
			if old == nil || !s.fresh(old) {
				notify(s.changed)
			}
		}
	})
	ended := make(chan error, 6)
	running := 0
	start := func(run func(context.Context) error) {
		running++
		go func() { ended <- metrics.Protected("scheduler", func() error { return run(ctx) }) }()
	}
	defer func() {
		cancel()
		s.queue.ShutDown()
		for range running {
			<-ended
		}
	}()
	start(s.leases.Run)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-alive:
	}
	start(s.nodes.Run)
	start(s.pods.Run)
	start(s.namespaces.Run)
	start(s.recorder.Run)
	for _, synced := range []<-chan struct{}{s.nodes.Synced(), s.pods.Synced(), s.namespaces.Synced()} {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-synced:
		}
	}
	start(s.retry)
	stop := context.AfterFunc(ctx, s.queue.ShutDown)
	defer stop()
	s.work(ctx)
	return ctx.Err()
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *Scheduler) fresh(l *coordinationv1.Lease) bool {
	return l.Spec.RenewTime != nil && s.Clock().Sub(l.Spec.RenewTime.Time) < LeaseAge
}

// alive tells whether the node's kubelet says that it is there and ready.
func (s *Scheduler) alive(n *corev1.Node) bool {
	lease, ok := s.leases.Get(corev1.NamespaceNodeLease, n.Name)
	if !ok || !s.fresh(lease) {
		return false
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (s *Scheduler) nodeChanged(old, n *corev1.Node) { notify(s.changed) }

func (s *Scheduler) podChanged(old, pod *corev1.Pod) {
	s.usage.update(old, pod)
	switch {
	case pod == nil:
		s.waiting.remove(keyOf(old))
		notify(s.changed)
	case pod.Spec.NodeName != "":
		s.waiting.remove(keyOf(pod))
		if ended(pod) || s.waiting.forOthers() && (old == nil || old.Spec.NodeName == "" || !maps.Equal(old.Labels, pod.Labels)) {
			notify(s.changed)
		}
	case mine(pod):
		// What the server writes into a waiting pod's status is no news.
		if old == nil || old.Generation != pod.Generation || !s.waiting.has(keyOf(pod)) {
			s.queue.Add(keyOf(pod))
		}
	}
}

func keyOf(p *corev1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
}

func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// mine tells a pod that is to be scheduled here: it waits for a node and has
// asked for no other scheduler.
func mine(p *corev1.Pod) bool {
	return p.Spec.NodeName == "" && p.Spec.SchedulerName == corev1.DefaultSchedulerName &&
		p.DeletionTimestamp == nil && len(p.Spec.SchedulingGates) == 0 && !ended(p)
}

// retry puts waiting pods back into the queue when something has changed.
func (s *Scheduler) retry(ctx context.Context) error {
	for {
		timer := time.NewTimer(lookAgain)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		case <-s.changed:
			timer.Reset(gather)
			<-timer.C
		}
		timer.Stop()
		for _, key := range s.waiting.keys() {
			s.queue.Add(key)
		}
	}
}

func (s *Scheduler) work(ctx context.Context) {
	for {
		key, shut := s.queue.Get()
		if shut {
			return
		}
		err := s.schedule(ctx, key)
		s.queue.Done(key)
		switch {
		case err == nil, ctx.Err() != nil:
			s.queue.Forget(key)
		default:
			klog.V(2).InfoS("Pod is not bound", "pod", key, "err", err)
			s.queue.AddRateLimited(key)
		}
	}
}

// schedule finds a node for a pod and binds it, or says why there is none.
func (s *Scheduler) schedule(ctx context.Context, key types.NamespacedName) error {
	pod, ok := s.pods.Get(key.Namespace, key.Name)
	if !ok || !mine(pod) || s.usage.assumed(pod.UID) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	var live []*corev1.Node
	for _, n := range s.nodes.List() {
		if s.alive(n) {
			live = append(live, n)
		}
	}
	if len(live) == 0 {
		s.waiting.add(key, "", false) // nobody is there: no word about it
		return nil
	}
	volumes, why := s.volumesOf(ctx, pod)
	node := ""
	if why == "" {
		node, why = s.choose(pod, volumes, live)
	}
	if node == "" {
		return s.unschedulable(ctx, pod, fmt.Sprintf("0/%d nodes are available: %s.", len(live), why))
	}
	return s.bind(ctx, pod, node)
}

// volumesOf gives the volumes behind the pod's claims that are not to be had
// everywhere, or says which claim keeps the pod from any node.
func (s *Scheduler) volumesOf(ctx context.Context, pod *corev1.Pod) (volumes []*corev1.PersistentVolume, why string) {
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		var claim corev1.PersistentVolumeClaim
		if err := s.Client.Get(ctx, claimsResource, pod.Namespace, v.PersistentVolumeClaim.ClaimName, &claim); err != nil {
			return nil, fmt.Sprintf("persistentvolumeclaim %q not found", v.PersistentVolumeClaim.ClaimName)
		}
		if claim.Status.Phase != corev1.ClaimBound {
			return nil, "pod has unbound immediate PersistentVolumeClaims"
		}
		var bound corev1.PersistentVolume
		if err := s.Client.Get(ctx, volumesResource, "", claim.Spec.VolumeName, &bound); err == nil && bound.Spec.NodeAffinity != nil {
			volumes = append(volumes, &bound)
		}
	}
	return volumes, ""
}

func (s *Scheduler) bind(ctx context.Context, pod *corev1.Pod, node string) error {
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}
	raw, err := json.Marshal(binding)
	if err != nil {
		return err
	}
	s.usage.assume(pod, node)
	_, err = s.Client.Bytes(ctx, client.Call{Method: "POST", Path: client.Path(podsResource, pod.Namespace, pod.Name, "binding"), Body: raw})
	if err != nil {
		s.usage.forget(pod.UID)
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return nil // it is gone, or bound by somebody else
		}
		return err
	}
	s.waiting.remove(keyOf(pod))
	s.recorder.Event(pod, corev1.EventTypeNormal, "Scheduled", "Successfully assigned %s/%s to %s", pod.Namespace, pod.Name, node)
	return nil
}

// unschedulable says once why a pod waits, and again when the reason changes.
func (s *Scheduler) unschedulable(ctx context.Context, pod *corev1.Pod, message string) error {
	if !s.waiting.add(keyOf(pod), message, len(requiredNear(pod)) > 0 || len(pod.Spec.TopologySpreadConstraints) > 0) {
		return nil
	}
	s.recorder.Event(pod, corev1.EventTypeWarning, "FailedScheduling", "%s", message)
	now := metav1.NewTime(s.Clock())
	condition := corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message,
		LastTransitionTime: now, ObservedGeneration: pod.Generation,
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == condition.Type && c.Status == condition.Status {
			condition.LastTransitionTime = c.LastTransitionTime
		}
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID},
		"status":   map[string]any{"conditions": []corev1.PodCondition{condition}},
	})
	if err != nil {
		return err
	}
	err = s.Client.Patch(ctx, podsResource, pod.Namespace, pod.Name, "status", types.StrategicMergePatchType, patch, nil)
	if apierrors.IsNotFound(err) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
