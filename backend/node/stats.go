package node

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/node/runtime"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type (
	criSandbox   = cri.PodSandbox
	criContainer = cri.Container
)

const (
	criCreated = cri.ContainerState_CONTAINER_CREATED
	criRunning = cri.ContainerState_CONTAINER_RUNNING
)

// The part of k8s.io/kubelet/pkg/apis/stats/v1alpha1 that is known here.
type (
	cpuStats struct {
		Time                 metav1.Time `json:"time"`
		UsageNanoCores       *uint64     `json:"usageNanoCores,omitempty"`
		UsageCoreNanoSeconds *uint64     `json:"usageCoreNanoSeconds,omitempty"`
	}
	memoryStats struct {
		Time            metav1.Time `json:"time"`
		UsageBytes      *uint64     `json:"usageBytes,omitempty"`
		WorkingSetBytes *uint64     `json:"workingSetBytes,omitempty"`
	}
	containerStats struct {
		Name      string       `json:"name"`
		StartTime metav1.Time  `json:"startTime"`
		CPU       *cpuStats    `json:"cpu,omitempty"`
		Memory    *memoryStats `json:"memory,omitempty"`
	}
	podReference struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
		UID       string `json:"uid"`
	}
	podStats struct {
		PodRef     podReference     `json:"podRef"`
		StartTime  metav1.Time      `json:"startTime"`
		Containers []containerStats `json:"containers"`
		CPU        *cpuStats        `json:"cpu,omitempty"`
		Memory     *memoryStats     `json:"memory,omitempty"`
	}
	nodeStats struct {
		NodeName  string       `json:"nodeName"`
		StartTime metav1.Time  `json:"startTime"`
		CPU       *cpuStats    `json:"cpu,omitempty"`
		Memory    *memoryStats `json:"memory,omitempty"`
	}
	summary struct {
		Node nodeStats  `json:"node"`
		Pods []podStats `json:"pods"`
	}
)

// usageOf gives what the containers of all pods use.
func (a *Agent) usageOf(ctx context.Context) []podStats {
	out := []podStats{}
	for _, p := range a.pods.List() {
		s := podStats{PodRef: podReference{p.Name, p.Namespace, string(p.UID)}, Containers: []containerStats{}}
		if p.Status.StartTime != nil {
			s.StartTime = *p.Status.StartTime
		}
		list, err := a.Runtime.ListContainers(ctx, string(p.UID))
		if err != nil {
			continue
		}
		for _, c := range list {
			if c.State != criRunning {
				continue
			}
			use, err := a.Runtime.ContainerStats(ctx, c.Id)
			if err != nil || use == nil {
				continue
			}
			s.Containers = append(s.Containers, a.statsOf(c, use))
		}
		s.CPU, s.Memory = sumOf(s.Containers)
		out = append(out, s)
	}
	return out
}

func (a *Agent) statsOf(c *criContainer, use *cri.ContainerStats) containerStats {
	now := metav1.NewTime(a.Clock())
	value := func(v *cri.UInt64Value) *uint64 {
		if v == nil {
			return nil
		}
		return &v.Value
	}
	s := containerStats{Name: c.Labels[runtime.LabelContainerName], StartTime: seconds(c.CreatedAt)}
	if u := use.Cpu; u != nil {
		s.CPU = &cpuStats{now, value(u.UsageNanoCores), value(u.UsageCoreNanoSeconds)}
	}
	if u := use.Memory; u != nil {
		s.Memory = &memoryStats{now, value(u.UsageBytes), value(u.WorkingSetBytes)}
	}
	return s
}

// sumOf adds up what containers use; what is known of none stays unknown.
func sumOf(containers []containerStats) (cpu *cpuStats, memory *memoryStats) {
	add := func(sum **uint64, v *uint64) {
		if v == nil {
			return
		}
		if *sum == nil {
			*sum = new(uint64)
		}
		**sum += *v
	}
	for i := range containers {
		if c := containers[i].CPU; c != nil {
			if cpu == nil {
				cpu = &cpuStats{Time: c.Time}
			}
			add(&cpu.UsageNanoCores, c.UsageNanoCores)
			add(&cpu.UsageCoreNanoSeconds, c.UsageCoreNanoSeconds)
		}
		if m := containers[i].Memory; m != nil {
			if memory == nil {
				memory = &memoryStats{Time: m.Time}
			}
			add(&memory.UsageBytes, m.UsageBytes)
			add(&memory.WorkingSetBytes, m.WorkingSetBytes)
		}
	}
	return cpu, memory
}

// What a node that only pretends uses for itself: a hundredth of a processor,
// and some memory.
const (
	pretendedShare  = 100
	pretendedMemory = 64 << 20
)

// nodeUsage gives what the whole node uses, its pods included: of the machine, or
// what pods are said to use where nothing runs.
func (a *Agent) nodeUsage(pods []podStats) nodeStats {
	now := metav1.NewTime(a.Clock())
	n := nodeStats{NodeName: a.Name, StartTime: metav1.NewTime(a.started), CPU: &cpuStats{Time: now}, Memory: &memoryStats{Time: now}}
	if a.pretends == nil {
		n.CPU.UsageCoreNanoSeconds = machineCPU()
		n.Memory.WorkingSetBytes = machineMemory()
		return n
	}
	cpu, memory := uint64(a.Clock().Sub(a.started))/pretendedShare, uint64(pretendedMemory)
	for _, p := range pods {
		if p.CPU != nil && p.CPU.UsageCoreNanoSeconds != nil {
			cpu += *p.CPU.UsageCoreNanoSeconds
		}
		if p.Memory != nil && p.Memory.WorkingSetBytes != nil {
			memory += *p.Memory.WorkingSetBytes
		}
	}
	n.CPU.UsageCoreNanoSeconds, n.Memory.WorkingSetBytes = &cpu, &memory
	return n
}

// machineCPU gives the processor time that the machine has used since its start,
// in nanoseconds; nil where it does not tell.
func machineCPU() *uint64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil
	}
	line, _, _ := strings.Cut(string(b), "\n")
	words := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal ..., in hundredths of a second
	if len(words) < 8 || words[0] != "cpu" {
		return nil
	}
	var ticks uint64
	for i, w := range words[1:min(len(words), 9)] {
		n, err := strconv.ParseUint(w, 10, 64)
		if err != nil {
			return nil
		}
		if i != 3 && i != 4 {
			ticks += n
		}
	}
	used := ticks * uint64(10*time.Millisecond)
	return &used
}

// machineMemory gives the machine's working set, in bytes: what is in use without
// the file cache that can go; nil where the machine does not tell.
func machineMemory() *uint64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil
	}
	kib := map[string]uint64{}
	for line := range strings.Lines(string(b)) {
		if words := strings.Fields(line); len(words) > 1 {
			kib[words[0]], _ = strconv.ParseUint(words[1], 10, 64)
		}
	}
	used := (kib["MemTotal:"] - min(kib["MemTotal:"], kib["MemFree:"]+kib["Inactive(file):"])) << 10
	return &used
}

func (a *Agent) serveSummary(w http.ResponseWriter, r *http.Request) {
	pods := a.usageOf(r.Context())
	writeJSON(w, summary{Node: a.nodeUsage(pods), Pods: pods})
}

// serveMetrics gives the resource metrics of kubelets, by which metrics-server
// goes.
func (a *Agent) serveMetrics(w http.ResponseWriter, r *http.Request) {
	container, pod, node := series{of: "container"}, series{of: "pod"}, series{of: "node"}
	var started strings.Builder
	pods := a.usageOf(r.Context())
	for _, p := range pods {
		labels := fmt.Sprintf("namespace=%q,pod=%q", p.PodRef.Namespace, p.PodRef.Name)
		for _, c := range p.Containers {
			of := fmt.Sprintf("{container=%q,%s}", c.Name, labels)
			container.add(of, c.CPU, c.Memory)
			fmt.Fprintf(&started, "container_start_time_seconds%s %s\n", of, decimal(float64(c.StartTime.UnixMilli())/1e3))
		}
		pod.add("{"+labels+"}", p.CPU, p.Memory)
	}
	whole := a.nodeUsage(pods)
	node.add("", whole.CPU, whole.Memory)

	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	family := func(name, help, kind, lines string) {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s", name, help, name, kind, lines)
	}
	for _, s := range []*series{&container, &node, &pod} {
		family(s.of+cpuName, "[STABLE] Cumulative cpu time consumed by the "+s.of+" in core-seconds", "counter", s.cpu.String())
		family(s.of+memoryName, "[STABLE] Current working set of the "+s.of+" in bytes", "gauge", s.memory.String())
	}
	family("container_start_time_seconds", "[STABLE] Start time of the container since unix epoch in seconds", "gauge", started.String())
	family("resource_scrape_error", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise", "gauge", "resource_scrape_error 0\n")
	family("kubelet_running_pods", "[ALPHA] Number of pods that have a running pod sandbox", "gauge", fmt.Sprintf("kubelet_running_pods %d\n", len(pods)))
}

const (
	cpuName    = "_cpu_usage_seconds_total"
	memoryName = "_memory_working_set_bytes"
)

// series are the samples of processor time and memory of one kind of thing.
type series struct {
	of          string
	cpu, memory strings.Builder
}

// add writes what is known, with the moment at which it was measured.
func (s *series) add(labels string, cpu *cpuStats, memory *memoryStats) {
	if cpu != nil && cpu.UsageCoreNanoSeconds != nil {
		fmt.Fprintf(&s.cpu, "%s%s%s %s %d\n", s.of, cpuName, labels, decimal(float64(*cpu.UsageCoreNanoSeconds)/1e9), cpu.Time.UnixMilli())
	}
	if memory != nil && memory.WorkingSetBytes != nil {
		fmt.Fprintf(&s.memory, "%s%s%s %d %d\n", s.of, memoryName, labels, *memory.WorkingSetBytes, memory.Time.UnixMilli())
	}
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
