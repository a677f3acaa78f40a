package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	goruntime "runtime"
	"strings"
	"time"

	"pilothouse/backend/version"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
)

const (
	// leaseSeconds and leasePeriod are kubelets': the Lease says how long the
	// node counts as alive, and is renewed four times as often.
	leaseSeconds = 40
	leasePeriod  = 10 * time.Second
	// statusPeriod is how often the status is written though nothing has changed.
	statusPeriod = 5 * time.Minute
	// registerPause is the wait between two tries to register.
	registerPause = 200 * time.Millisecond
)

// AnnotationBackend and AnnotationWhy tell on the Node what runs its pods, and
// LabelBackend lets pods choose.
const (
	LabelBackend      = "node.pilothouse.dev/backend"
	AnnotationBackend = "node.pilothouse.dev/backend"
	AnnotationWhy     = "node.pilothouse.dev/backend-chosen-because"
)

var leasesResource = coordinationv1.SchemeGroupVersion.WithResource("leases")

// register creates the Node, or takes over the one that is there, and tries
// again until that has worked.
func (a *Agent) register(ctx context.Context) error {
	pause := registerPause
	for {
		err := a.registerOnce(ctx)
		if err == nil {
			return nil
		}
		klog.V(1).InfoS("Node is not registered yet", "node", a.Name, "err", err)
		if sleep(ctx, pause); ctx.Err() != nil {
			return fmt.Errorf("register node %s: %w", a.Name, err)
		}
		pause = min(2*pause, 7*time.Second)
	}
}

func (a *Agent) registerOnce(ctx context.Context) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: a.Name, Labels: a.labels(), Annotations: a.annotations()}}
	err := a.Client.Create(ctx, nodesResource, "", node)
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	if apierrors.IsAlreadyExists(err) {
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": a.labels(), "annotations": a.annotations()}})
		if err != nil {
			return err
		}
		if err := a.Client.Patch(ctx, nodesResource, "", a.Name, "", types.StrategicMergePatchType, patch, node); err != nil {
			return err
		}
	}
	a.learn(node)
	if err := a.writeStatus(ctx, node); err != nil {
		return err
	}
	return a.renewLease(ctx)
}

func (a *Agent) labels() map[string]string {
	l := map[string]string{
		corev1.LabelHostname:    a.Name,
		corev1.LabelOSStable:    "linux",
		corev1.LabelArchStable:  goruntime.GOARCH,
		"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": goruntime.GOARCH,
		LabelBackend: a.Backend,
	}
	maps.Copy(l, a.Labels)
	return l
}

func (a *Agent) annotations() map[string]string {
	return map[string]string{AnnotationBackend: a.Backend, AnnotationWhy: a.Why}
}

// heartbeat renews the Lease, and the status when it has changed or is old.
func (a *Agent) heartbeat(ctx context.Context) {
	written := a.Clock()
	for {
		if sleep(ctx, leasePeriod); ctx.Err() != nil {
			return
		}
		if err := a.renewLease(ctx); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Lease is not renewed", "node", a.Name)
		}
		var node corev1.Node
		err := a.Client.Get(ctx, nodesResource, "", a.Name, &node)
		switch {
		case apierrors.IsNotFound(err):
			err = a.registerOnce(ctx) // somebody has deleted it
		case err == nil:
			a.learn(&node)
			if next := a.status(ctx, &node); a.Clock().Sub(written) < statusPeriod && sameStatus(&node.Status, next) {
				continue
			}
			written = a.Clock()
			err = a.writeStatus(ctx, &node)
		}
		if err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Status of the node is not written", "node", a.Name)
		}
	}
}

func (a *Agent) renewLease(ctx context.Context) error {
	now := metav1.NewMicroTime(a.Clock())
	spec := coordinationv1.LeaseSpec{HolderIdentity: &a.Name, LeaseDurationSeconds: ptr.To[int32](leaseSeconds), RenewTime: &now}
	patch, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		return err
	}
	err = a.Client.Patch(ctx, leasesResource, corev1.NamespaceNodeLease, a.Name, "", types.MergePatchType, patch, nil)
	if !apierrors.IsNotFound(err) {
		return err
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: a.Name, Namespace: corev1.NamespaceNodeLease}, Spec: spec}
	var node corev1.Node
	if err := a.Client.Get(ctx, nodesResource, "", a.Name, &node); err == nil {
		lease.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}}
	}
	return a.Client.Create(ctx, leasesResource, corev1.NamespaceNodeLease, lease)
}

func (a *Agent) writeStatus(ctx context.Context, node *corev1.Node) error {
	next := a.status(ctx, node)
	patch, err := json.Marshal(map[string]any{"status": next})
	if err != nil {
		return err
	}
	return a.Client.Patch(ctx, nodesResource, "", a.Name, "status", types.StrategicMergePatchType, patch, nil)
}

// sameStatus compares what is worth a write: all but the times of heartbeats.
func sameStatus(old, next *corev1.NodeStatus) bool {
	o, n := old.DeepCopy(), next.DeepCopy()
	for _, s := range []*corev1.NodeStatus{o, n} {
		for i := range s.Conditions {
			s.Conditions[i].LastHeartbeatTime = metav1.Time{}
		}
	}
	return apiequality.Semantic.DeepEqual(o.Conditions, n.Conditions) && apiequality.Semantic.DeepEqual(o.Addresses, n.Addresses) &&
		apiequality.Semantic.DeepEqual(o.Capacity, n.Capacity) && o.DaemonEndpoints == n.DaemonEndpoints
}

// status gives the node's whole status.
func (a *Agent) status(ctx context.Context, node *corev1.Node) *corev1.NodeStatus {
	s := &corev1.NodeStatus{
		Capacity: a.capacity(), Allocatable: a.capacity(),
		Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: a.Address}, {Type: corev1.NodeHostName, Address: a.Hostname}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: a.port()}},
		NodeInfo:        a.machine.info(),
	}
	s.NodeInfo.KubeletVersion = version.GitVersion
	if v, err := a.Runtime.Version(ctx); err == nil {
		s.NodeInfo.ContainerRuntimeVersion = v
	}
	for _, image := range a.images(ctx) {
		s.Images = append(s.Images, image)
	}
	ready := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "kubelet is posting ready status"}
	if err := a.Runtime.Ready(ctx); err != nil {
		ready.Status, ready.Reason, ready.Message = corev1.ConditionFalse, "KubeletNotReady", "container runtime is not ready: "+err.Error()
	}
	s.Conditions = append(a.room().pressure(a.pretends != nil), ready)
	now := a.now()
	for i := range s.Conditions {
		c := &s.Conditions[i]
		c.LastHeartbeatTime, c.LastTransitionTime = now, now
		for _, old := range node.Status.Conditions {
			if old.Type == c.Type && old.Status == c.Status {
				c.LastTransitionTime = old.LastTransitionTime
			}
		}
	}
	return s
}

// maxImages is how many images a Node lists, as with kubelets.
const maxImages = 50

func (a *Agent) images(ctx context.Context) []corev1.ContainerImage {
	list, err := a.Runtime.ListImages(ctx)
	if err != nil {
		return nil
	}
	var out []corev1.ContainerImage
	for _, i := range list {
		names := append(append([]string{}, i.RepoDigests...), i.RepoTags...)
		if len(names) > 0 && len(out) < maxImages {
			out = append(out, corev1.ContainerImage{Names: names, SizeBytes: int64(i.Size)})
		}
	}
	return out
}

func (a *Agent) port() int32 {
	if a.Port != 0 {
		return a.Port
	}
	if t, ok := a.Listener.Addr().(*net.TCPAddr); ok {
		return int32(t.Port)
	}
	return 0
}

func (a *Agent) capacity() corev1.ResourceList {
	list := a.machine.capacity()
	if a.Capacity != nil {
		list = a.Capacity.DeepCopy()
	}
	list[corev1.ResourcePods] = *resource.NewQuantity(a.MaxPods, resource.DecimalSI)
	return list
}

// machine is what is known about the computer.
type machine struct {
	cpus              int
	memory, disk      uint64 // bytes
	kernel, osImage   string
	machineID, bootID string
	systemUUID        string
}

// look finds out about the computer; dir is on the disk that pods use.
func look(dir string) machine {
	first := func(paths ...string) string {
		for _, p := range paths {
			if b, err := os.ReadFile(p); err == nil {
				if s := strings.TrimSpace(string(b)); s != "" {
					return s
				}
			}
		}
		return ""
	}
	m := machine{
		cpus: goruntime.NumCPU(), osImage: goruntime.GOOS,
		machineID: first("/etc/machine-id", "/var/lib/dbus/machine-id"),
		bootID:    first("/proc/sys/kernel/random/boot_id"), systemUUID: first("/sys/class/dmi/id/product_uuid"),
		kernel: first("/proc/sys/kernel/osrelease"),
	}
	for line := range strings.Lines(first("/etc/os-release")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			m.osImage = strings.Trim(name, `"`)
		}
	}
	var kib uint64
	for line := range strings.Lines(first("/proc/meminfo")) {
		if _, err := fmt.Sscanf(line, "MemTotal: %d kB", &kib); err == nil {
			m.memory = kib << 10
		}
	}
	m.disk, _ = diskSpace(dir)
	return m
}

func (m machine) info() corev1.NodeSystemInfo {
	return corev1.NodeSystemInfo{
		MachineID: m.machineID, SystemUUID: m.systemUUID, BootID: m.bootID, KernelVersion: m.kernel, OSImage: m.osImage,
		OperatingSystem: "linux", Architecture: goruntime.GOARCH,
	}
}

func (m machine) capacity() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(int64(m.cpus), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(int64(m.memory), resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(int64(m.disk), resource.BinarySI),
	}
}
