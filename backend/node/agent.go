// Package node is the node agent: what a kubelet does. It registers its Node,
// says by a Lease that it is alive, runs the pods that are bound to it through a
// runtime.Runtime, writes their status, and serves the kubelet's HTTPS API for
// logs, commands and ports. Read agent.go first, then worker.go (a pod's life),
// sync.go (what is to be done next) and status.go (what is told about it).
//
// It speaks to the API through backend/client only, in the same process or over
// the network, as system:node:NAME.
package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/informer"
	"pilothouse/backend/metrics"
	"pilothouse/backend/node/runtime"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// Group is the group of all nodes.
const Group = "system:nodes"

// User is who the agent of a node is.
func User(name string) *request.User {
	return &request.User{Name: "system:node:" + name, Groups: []string{Group, request.GroupAuthenticated}}
}

// Agents is the User-Agent and the manager in managedFields.
const Agents = "kubelet"

// Options say what an Agent works with.
type Options struct {
	Name string
	// Client acts as User(Name). Proxier acts as ProxyUser: it sees what is behind
	// services; without it pods reach the API only.
	Client, Proxier *client.Client
	// API is where the node finds the API, as host:port.
	API     string
	Runtime runtime.Runtime
	// Backend is the value of --node that was taken, Why the reason; both are
	// shown on the Node.
	Backend, Why string
	// Dir is where volumes, logs and the like of pods are.
	Dir string
	// Address is the node's IP address, Hostname what it is called.
	Address, Hostname string
	// Listener takes the connections of the kubelet's API. Port is what the Node
	// says about it, the listener's own when 0.
	Listener net.Listener
	Port     int32
	// TLS has the serving certificate and the authorities of clients.
	TLS *tls.Config
	// Callers are the users whose client certificates may use the kubelet's API;
	// about everybody else the API server is asked.
	Callers []string
	Clock   func() time.Time
	// MaxPods is how many pods the node takes.
	MaxPods int64
	// Capacity replaces the machine's own, for nodes that run nothing.
	Capacity corev1.ResourceList
	Labels   map[string]string
}

// Agent is one node.
type Agent struct {
	Options
	recorder *client.Recorder
	pods     *informer.Informer[*corev1.Pod]
	services *informer.Informer[*corev1.Service]
	machine  machine
	started  time.Time
	// network is set where the agent makes services and names work.
	network *network
	// pretends is set when nothing runs.
	pretends runtime.Pretender
	tokens   tokens
	access   access

	mu      sync.Mutex
	workers map[types.UID]*worker
	// known are the labels of the Node as last read.
	known   map[string]string
	running sync.WaitGroup
	// ctx ends the workers.
	ctx context.Context
}

var (
	podsResource       = corev1.SchemeGroupVersion.WithResource("pods")
	nodesResource      = corev1.SchemeGroupVersion.WithResource("nodes")
	servicesResource   = corev1.SchemeGroupVersion.WithResource("services")
	configMapsResource = corev1.SchemeGroupVersion.WithResource("configmaps")
	secretsResource    = corev1.SchemeGroupVersion.WithResource("secrets")
	accountsResource   = corev1.SchemeGroupVersion.WithResource("serviceaccounts")
	claimsResource     = corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims")
	volumesResource    = corev1.SchemeGroupVersion.WithResource("persistentvolumes")
)

// New gives an Agent. It makes its folders and does nothing else until Run.
func New(o Options) (*Agent, error) {
	for _, sub := range []string{"pods", "logs"} {
		if err := os.MkdirAll(filepath.Join(o.Dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("the node's folder: %w", err)
		}
	}
	a := &Agent{Options: o, recorder: o.Client.NewRecorder(Agents, o.Name, o.Clock), access: newAccess(), started: o.Clock(), workers: map[types.UID]*worker{}}
	a.machine = look(o.Dir)
	a.pretends, _ = o.Runtime.(runtime.Pretender)
	a.pods = informer.New(o.Client, podsResource, "", func() *corev1.Pod { return &corev1.Pod{} }).
		Only("spec.nodeName=" + o.Name).OnChange(a.podChanged)
	a.services = informer.New(o.Client, servicesResource, "", func() *corev1.Service { return &corev1.Service{} })
	if n, ok := o.Runtime.(runtime.Networker); ok && n.Gateway().IsValid() {
		a.network = newNetwork(a, n)
	} else {
		a.services.Only("spec.clusterIP!=None")
	}
	return a, nil
}

// Run is the node's life: it lasts until ctx ends. Containers that the runtime
// keeps outside this process go on running.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	a.ctx = ctx
	var wg sync.WaitGroup
	defer func() {
		cancel()
		wg.Wait() // these begin workers
		a.running.Wait()
		if err := a.Runtime.Close(); err != nil {
			klog.ErrorS(err, "The runtime does not close", "node", a.Name)
		}
		if _, ends := a.Runtime.(runtime.Ending); ends {
			unmountBelow(filepath.Join(a.Dir, "pods"))
		}
	}()
	wg.Go(metrics.Kept(ctx, "node", func() { a.serve(ctx) }))
	wg.Go(metrics.Kept(ctx, "node", func() { a.recorder.Run(ctx) })) //nolint:errcheck // it ends with the context
	if err := a.register(ctx); err != nil {
		return err
	}
	wg.Go(metrics.Kept(ctx, "node", func() { a.heartbeat(ctx) }))
	wg.Go(metrics.Kept(ctx, "node", func() { a.services.Run(ctx) })) //nolint:errcheck // it ends with the context
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-a.services.Synced(): // pods get services' addresses in their environment
	}
	if a.network != nil {
		if err := a.network.open(); err != nil {
			return fmt.Errorf("the network of pods: %w", err)
		}
		wg.Go(metrics.Kept(ctx, "node", func() { a.network.run(ctx) }))
	}
	wg.Go(metrics.Kept(ctx, "node", func() { a.follow(ctx) }))
	wg.Go(metrics.Kept(ctx, "node", func() { a.pods.Run(ctx) })) //nolint:errcheck // it ends with the context
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-a.pods.Synced():
	}
	a.clearOrphans(ctx)
	wg.Go(metrics.Kept(ctx, "node", func() { a.rotateLogs(ctx) }))
	if a.pretends == nil {
		wg.Go(metrics.Kept(ctx, "node", func() { a.collectImages(ctx) }))
	}
	<-ctx.Done()
	return ctx.Err()
}

// follow wakes the workers of pods in which something has changed by itself.
func (a *Agent) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := a.Runtime.Events(ctx, func(uid string) {
			a.mu.Lock()
			defer a.mu.Unlock()
			for id, w := range a.workers {
				if uid == "" || types.UID(uid) == id {
					w.poke()
				}
			}
		})
		if err != nil && ctx.Err() == nil {
			klog.V(2).InfoS("The runtime's events end", "node", a.Name, "err", err)
			sleep(ctx, time.Second)
		}
	}
}

func (a *Agent) podChanged(old, pod *corev1.Pod) {
	if old != nil && (pod == nil || old.UID != pod.UID) {
		if w := a.worker(old, false); w != nil {
			w.vanish()
		}
	}
	if pod != nil {
		a.worker(pod, true).update(pod)
	}
}

// worker gives the worker of a pod, a new one if it is to be made.
func (a *Agent) worker(pod *corev1.Pod, make bool) *worker {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.workers[pod.UID]
	if w == nil && make && a.ctx.Err() == nil {
		w = newWorker(a, pod)
		a.workers[pod.UID] = w
		a.running.Go(func() {
			metrics.Kept(a.ctx, "node", func() { w.run(a.ctx) })()
			a.mu.Lock()
			delete(a.workers, pod.UID)
			a.mu.Unlock()
		})
	}
	if w == nil && make {
		return newWorker(a, pod) // the agent ends: nobody listens to it
	}
	return w
}

// find gives the worker of a pod by name, of a certain one when uid is set.
func (a *Agent) find(namespace, name string, uid types.UID) *worker {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.workers {
		if p, _ := w.current(); p.Namespace == namespace && p.Name == name && (uid == "" || p.UID == uid) {
			return w
		}
	}
	return nil
}

// bound gives the pods that hold room on this node, without one of them.
func (a *Agent) bound(but types.UID) []*corev1.Pod {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*corev1.Pod
	for uid, w := range a.workers {
		if p, _ := w.current(); uid != but && w.admitted() && !ended(p) {
			out = append(out, p)
		}
	}
	return out
}

func (a *Agent) knownLabels() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known
}

func (a *Agent) learn(n *corev1.Node) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = n.Labels
}

// clearOrphans ends what runs for pods that are no longer this node's.
func (a *Agent) clearOrphans(ctx context.Context) {
	known := map[string]bool{}
	for _, p := range a.pods.List() {
		known[string(p.UID)] = true
	}
	if sandboxes, err := a.Runtime.ListPodSandbox(ctx, ""); err == nil {
		for _, s := range sandboxes {
			if uid := s.Labels[runtime.LabelPodUID]; uid == "" || known[uid] {
				continue
			}
			klog.InfoS("The sandbox of a pod that is gone is removed", "node", a.Name, "sandbox", s.Id)
			err := errors.Join(a.Runtime.StopPodSandbox(ctx, s.Id), a.Runtime.RemovePodSandbox(ctx, s.Id))
			if err != nil {
				klog.ErrorS(err, "A sandbox stays", "sandbox", s.Id)
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(a.Dir, "pods"))
	if err != nil {
		return
	}
	for _, e := range entries {
		if !known[e.Name()] {
			a.removePodDir(types.UID(e.Name()))
		}
	}
	logs, err := os.ReadDir(filepath.Join(a.Dir, "logs"))
	if err != nil {
		return
	}
	for _, e := range logs {
		if uid := logUID(e.Name()); !known[uid] {
			os.RemoveAll(filepath.Join(a.Dir, "logs", e.Name())) //nolint:errcheck // tried again at the next start
		}
	}
}

func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (a *Agent) now() metav1.Time { return metav1.NewTime(a.Clock()).Rfc3339Copy() }
