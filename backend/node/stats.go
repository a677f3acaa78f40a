package node

import (
	"fmt"
	"net/http"
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
	}
	nodeStats struct {
		NodeName  string      `json:"nodeName"`
		StartTime metav1.Time `json:"startTime"`
	}
	summary struct {
		Node nodeStats  `json:"node"`
		Pods []podStats `json:"pods"`
	}
)

// usageOf gives what the containers of all pods use.
func (a *Agent) usageOf(r *http.Request) []podStats {
	out := []podStats{}
	for _, p := range a.pods.List() {
		s := podStats{PodRef: podReference{p.Name, p.Namespace, string(p.UID)}, Containers: []containerStats{}}
		if p.Status.StartTime != nil {
			s.StartTime = *p.Status.StartTime
		}
		list, err := a.Runtime.ListContainers(r.Context(), string(p.UID))
		if err != nil {
			continue
		}
		for _, c := range list {
			if c.State != criRunning {
				continue
			}
			use, err := a.Runtime.ContainerStats(r.Context(), c.Id)
			if err != nil || use == nil {
				continue
			}
			s.Containers = append(s.Containers, statsOf(c, use))
		}
		out = append(out, s)
	}
	return out
}

func statsOf(c *criContainer, use *cri.ContainerStats) containerStats {
	now := metav1.NewTime(time.Now())
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

func (a *Agent) serveSummary(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, summary{Node: nodeStats{NodeName: a.Name}, Pods: a.usageOf(r)})
}

// serveMetrics gives the resource metrics of kubelets.
func (a *Agent) serveMetrics(w http.ResponseWriter, r *http.Request) {
	var cpu, memory strings.Builder
	for _, p := range a.usageOf(r) {
		for _, c := range p.Containers {
			labels := fmt.Sprintf("{container=%q,namespace=%q,pod=%q}", c.Name, p.PodRef.Namespace, p.PodRef.Name)
			if c.CPU != nil && c.CPU.UsageCoreNanoSeconds != nil {
				fmt.Fprintf(&cpu, "container_cpu_usage_seconds_total%s %g\n", labels, float64(*c.CPU.UsageCoreNanoSeconds)/1e9)
			}
			if c.Memory != nil && c.Memory.WorkingSetBytes != nil {
				fmt.Fprintf(&memory, "container_memory_working_set_bytes%s %d\n", labels, *c.Memory.WorkingSetBytes)
			}
		}
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	fmt.Fprintf(w, "# HELP container_cpu_usage_seconds_total Cumulative cpu time consumed by the container in core-seconds\n# TYPE container_cpu_usage_seconds_total counter\n%s", cpu.String())
	fmt.Fprintf(w, "# HELP container_memory_working_set_bytes Current working set of the container in bytes\n# TYPE container_memory_working_set_bytes gauge\n%s", memory.String())
	fmt.Fprintf(w, "# HELP kubelet_running_pods Number of pods that are on the node\n# TYPE kubelet_running_pods gauge\nkubelet_running_pods %d\n", len(a.pods.List()))
}
