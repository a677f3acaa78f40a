package node

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
)

const (
	// memoryLow is when a node is short of memory: kubelets' number.
	memoryLow = 100 << 20
	// A disk is short of room below diskLow percent, as with kubelets, but not
	// while so many bytes are left: a laptop's disk is often nine tenths full.
	diskLow, diskEnough = 10, 1 << 30
	// Images that nobody uses are removed below imagesLow percent, until there are
	// imagesHigh; kubelets' numbers. Not while so many bytes are left.
	imagesLow, imagesHigh, imagesEnough = 15, 20, 10 << 30
	// imageAge is how long an image stays at least that nobody uses.
	imageAge = 2 * time.Minute
	// collectEvery is how often the disk is looked at.
	collectEvery = 5 * time.Minute
)

// room is what a machine has left of memory and of the disk of pods, in bytes.
type room struct {
	memory, disk, diskSize uint64
	memoryKnown            bool
}

func (a *Agent) room() room {
	r := room{}
	r.diskSize, r.disk = diskSpace(a.Dir)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			var kib uint64
			if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
				r.memory, r.memoryKnown = kib<<10, true
			}
		}
	}
	return r
}

// below tells that less than a share of the disk is left, and less than enough.
func (r room) below(percent, enough uint64) bool {
	return r.diskSize > 0 && r.disk < r.diskSize/100*percent && r.disk < enough
}

// pressure gives the conditions of a node that may be short of something. Nodes
// that run nothing never are.
func (r room) pressure(pretends bool) []corev1.NodeCondition {
	low := func(kind corev1.NodeConditionType, is bool, reason, message, yesReason, yesMessage string) corev1.NodeCondition {
		if is && !pretends {
			return corev1.NodeCondition{Type: kind, Status: corev1.ConditionTrue, Reason: yesReason, Message: yesMessage}
		}
		return corev1.NodeCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason, Message: message}
	}
	return []corev1.NodeCondition{
		low(corev1.NodeMemoryPressure, r.memoryKnown && r.memory < memoryLow, "KubeletHasSufficientMemory", "kubelet has sufficient memory available",
			"KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
		low(corev1.NodeDiskPressure, r.below(diskLow, diskEnough), "KubeletHasNoDiskPressure", "kubelet has no disk pressure",
			"KubeletHasDiskPressure", "kubelet has disk pressure"),
		low(corev1.NodePIDPressure, false, "KubeletHasSufficientPID", "kubelet has sufficient PID available", "", ""),
	}
}

// collectImages removes images that nobody uses while the disk is short of room.
func (a *Agent) collectImages(ctx context.Context) {
	used := map[string]time.Time{}
	for {
		if sleep(ctx, collectEvery); ctx.Err() != nil {
			return
		}
		images, err := a.unused(ctx, used)
		if err != nil {
			klog.V(2).InfoS("Images are not looked through", "node", a.Name, "err", err)
			continue
		}
		r := a.room()
		if !r.below(imagesLow, imagesEnough) {
			continue
		}
		a.free(ctx, images, min(r.diskSize/100*imagesHigh, imagesEnough)-r.disk)
	}
}

// unused gives the images that no container has and that have been so for a
// while, the longest first. used keeps when each was last used or first seen.
func (a *Agent) unused(ctx context.Context, used map[string]time.Time) ([]*cri.Image, error) {
	images, err := a.Runtime.ListImages(ctx)
	if err != nil {
		return nil, err
	}
	containers, err := a.Runtime.ListContainers(ctx, "")
	if err != nil {
		return nil, err
	}
	inUse := map[string]bool{}
	for _, c := range containers {
		for _, ref := range []string{c.GetImageRef(), c.GetImageId(), c.GetImage().GetImage()} {
			inUse[ref] = true
		}
	}
	now, there := a.Clock(), map[string]bool{}
	var out []*cri.Image
	for _, i := range images {
		there[i.Id] = true
		names := slices.Concat([]string{i.Id}, i.RepoTags, i.RepoDigests)
		if _, seen := used[i.Id]; !seen || slices.ContainsFunc(names, func(n string) bool { return inUse[n] }) {
			used[i.Id] = now
		}
		if !i.Pinned && now.Sub(used[i.Id]) >= imageAge {
			out = append(out, i)
		}
	}
	maps.DeleteFunc(used, func(id string, _ time.Time) bool { return !there[id] })
	slices.SortFunc(out, func(x, y *cri.Image) int { return used[x.Id].Compare(used[y.Id]) })
	return out, nil
}

// free removes images until so many bytes are free again, or all are removed.
func (a *Agent) free(ctx context.Context, images []*cri.Image, bytes uint64) {
	freed := uint64(0)
	for _, i := range images {
		if freed >= bytes || ctx.Err() != nil {
			break
		}
		if err := a.Runtime.RemoveImage(ctx, i.Id); err != nil {
			klog.V(2).InfoS("An image is not removed", "node", a.Name, "image", i.Id, "err", err)
			continue
		}
		klog.InfoS("The disk is short of room: an image that nobody uses is removed", "node", a.Name, "image", i.Id, "names", i.RepoTags, "bytes", i.Size)
		freed += i.Size
	}
	if freed < bytes {
		message := fmt.Sprintf("Insufficient free disk space on the node's image filesystem. Failed to free sufficient space by deleting unused images. Wanted to free %d bytes, but freed %d bytes", bytes, freed)
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: a.Name, UID: types.UID(a.Name)}}
		a.recorder.Event(node, corev1.EventTypeWarning, "FreeDiskSpaceFailed", "%s", message)
	}
}

// oversize says which of a pod's volumes has grown beyond its limit: the pod has
// to go. Volumes in memory cannot.
func (w *worker) oversize(pod *corev1.Pod) *refusal {
	if w.agent.pretends != nil || w.agent.Clock().Sub(w.measured) < measureEvery {
		return nil
	}
	w.measured = w.agent.Clock()
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if v.EmptyDir == nil || v.EmptyDir.SizeLimit == nil || v.EmptyDir.SizeLimit.Sign() <= 0 || v.EmptyDir.Medium != corev1.StorageMediumDefault {
			continue
		}
		if sizeBelow(w.agent.volumeDir(pod, v)) > v.EmptyDir.SizeLimit.Value() {
			r := &refusal{"Evicted", fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.Name, v.EmptyDir.SizeLimit)}
			w.agent.recorder.Event(pod, corev1.EventTypeWarning, r.reason, "%s", r.message)
			return r
		}
	}
	return nil
}

// measureEvery is how often a pod's volumes are measured at most.
const measureEvery = 10 * time.Second

// sizeBelow sums up the files of a folder, in bytes.
func sizeBelow(dir string) int64 {
	var sum int64
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { //nolint:errcheck // it goes on
		if err != nil {
			return nil //nolint:nilerr // it has just been removed
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
