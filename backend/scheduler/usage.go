package scheduler

import (
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	resourcehelper "k8s.io/component-helpers/resource"
)

// amounts are quantities by resource: milli for cpu, units for the rest.
type amounts map[corev1.ResourceName]int64

func amountsOf(list corev1.ResourceList) amounts {
	a := amounts{}
	for name, q := range list {
		if name == corev1.ResourceCPU {
			a[name] = q.MilliValue()
		} else {
			a[name] = q.Value()
		}
	}
	return a
}

func (a amounts) add(b amounts, sign int64) {
	for name, n := range b {
		a[name] += sign * n
	}
}

// hostPort is a port of the node that a pod takes.
type hostPort struct {
	protocol corev1.Protocol
	ip       string
	port     int32
}

const anyIP = "0.0.0.0"

func (p hostPort) conflicts(q hostPort) bool {
	return p.protocol == q.protocol && p.port == q.port && (p.ip == q.ip || p.ip == anyIP || q.ip == anyIP)
}

// share is what one pod takes from its node.
type share struct {
	pod      *corev1.Pod
	node     string
	requests amounts
	ports    []hostPort
}

func shareOf(pod *corev1.Pod, node string) *share {
	return &share{pod: pod, node: node, requests: amountsOf(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{UseStatusResources: true})), ports: portsOf(pod)}
}

func portsOf(pod *corev1.Pod) []hostPort {
	var out []hostPort
	each := func(containers []corev1.Container) {
		for i := range containers {
			for _, p := range containers[i].Ports {
				if p.HostPort <= 0 {
					continue
				}
				h := hostPort{protocol: p.Protocol, ip: p.HostIP, port: p.HostPort}
				if h.protocol == "" {
					h.protocol = corev1.ProtocolTCP
				}
				if h.ip == "" {
					h.ip = anyIP
				}
				out = append(out, h)
			}
		}
	}
	each(pod.Spec.Containers)
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			each([]corev1.Container{c})
		}
	}
	return out
}

// usage is what the pods of each node take, those included whose binding is on
// its way and not seen yet.
type usage struct {
	mu     sync.Mutex
	shares map[types.UID]*share
	nodes  map[string]map[types.UID]*share
	totals map[string]amounts
	ahead  map[types.UID]bool // assumed and not seen yet
	apart  int                // pods that keep others away
}

func newUsage() *usage {
	return &usage{
		shares: map[types.UID]*share{}, nodes: map[string]map[types.UID]*share{}, totals: map[string]amounts{}, ahead: map[types.UID]bool{},
	}
}

// update follows a change of a pod.
func (u *usage) update(old, pod *corev1.Pod) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case pod == nil:
		u.drop(old.UID)
	case pod.Spec.NodeName == "":
	case ended(pod):
		u.drop(pod.UID)
	default:
		if old != nil && old.UID != pod.UID {
			u.drop(old.UID)
		}
		u.put(pod.UID, shareOf(pod, pod.Spec.NodeName))
		delete(u.ahead, pod.UID)
	}
}

// assume counts a pod in before its binding is seen.
func (u *usage) assume(pod *corev1.Pod, node string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.put(pod.UID, shareOf(pod, node))
	u.ahead[pod.UID] = true
}

// forget takes a pod back whose binding failed.
func (u *usage) forget(uid types.UID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ahead[uid] {
		u.drop(uid)
	}
}

func (u *usage) assumed(uid types.UID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ahead[uid]
}

func (u *usage) put(uid types.UID, s *share) {
	u.drop(uid)
	u.shares[uid] = s
	if u.nodes[s.node] == nil {
		u.nodes[s.node], u.totals[s.node] = map[types.UID]*share{}, amounts{}
	}
	if len(requiredAnti(s.pod)) > 0 {
		u.apart++
	}
	u.nodes[s.node][uid] = s
	u.totals[s.node].add(s.requests, 1)
}

func (u *usage) drop(uid types.UID) {
	delete(u.ahead, uid)
	s := u.shares[uid]
	if s == nil {
		return
	}
	if len(requiredAnti(s.pod)) > 0 {
		u.apart--
	}
	delete(u.shares, uid)
	delete(u.nodes[s.node], uid)
	u.totals[s.node].add(s.requests, -1)
	if len(u.nodes[s.node]) == 0 {
		delete(u.nodes, s.node)
		delete(u.totals, s.node)
	}
}

// keepsApart tells that there are pods that do not want others near.
func (u *usage) keepsApart() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.apart > 0
}

// pods gives all pods that are on nodes, or about to be.
func (u *usage) pods() []*share {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Collect(maps.Values(u.shares))
}

// taken is what the pods of a node take together.
type taken struct {
	requests amounts
	pods     int64
	ports    []hostPort
}

func (u *usage) of(node string) taken {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := taken{requests: maps.Clone(u.totals[node]), pods: int64(len(u.nodes[node]))}
	for _, s := range u.nodes[node] {
		t.ports = append(t.ports, s.ports...)
	}
	return t
}
