package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/scheme"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/badger"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BenchmarkStart is the start of the process until it answers: of an empty data
// folder, of the same one again, and of one with 100,000 pods of 3 KB. It
// reports medians: ready-ms by the clock, cpu-ms of the process until then, and
// MB of memory that the process has a while later.
func BenchmarkStart(b *testing.B) {
	b.Run("empty", func(b *testing.B) {
		benchStart(b, func() string { return b.TempDir() })
	})
	b.Run("again", func(b *testing.B) {
		dir := b.TempDir()
		c, _ := serving(b, dir)
		stop(b, c)
		benchStart(b, func() string { return dir })
	})
	b.Run("100000-pods", func(b *testing.B) {
		dir := b.TempDir()
		fillWithPods(b, dir, 100_000)
		benchStart(b, func() string { return dir })
	})
}

func benchStart(b *testing.B, dataDir func() string) {
	var ready, cpu, memory []float64
	for b.Loop() {
		dir := dataDir()
		began := time.Now()
		c, _ := serving(b, dir)
		ready = append(ready, float64(time.Since(began).Milliseconds()))
		cpu = append(cpu, cpuTime(c.Process.Pid).Seconds()*1000)
		b.StopTimer()
		time.Sleep(2 * time.Second)
		memory = append(memory, resident(c.Process.Pid))
		stop(b, c)
		b.StartTimer()
	}
	b.ReportMetric(median(ready), "ready-ms")
	b.ReportMetric(median(cpu), "cpu-ms")
	b.ReportMetric(median(memory), "MB")
	b.ReportMetric(0, "ns/op")
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// fillWithPods writes pods as a server stores them, past the server.
func fillWithPods(b *testing.B, dir string, pods int) {
	b.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	e, err := badger.Open(badger.Options{Dir: filepath.Join(dir, "db")})
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Start(func([]storage.Event) {}); err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(pods); i = next.Add(1) {
				p := bigPod(int(i))
				encoded, err := scheme.Encode(p, corev1.SchemeGroupVersion.WithKind("Pod"), 1_000_000)
				if err != nil {
					b.Error(err)
					return
				}
				w := &storage.Write{
					Key: storage.Key(storage.Prefix("", "pods"), p.Namespace, p.Name), Value: encoded.Raw,
					Hole: storage.Hole{Offset: encoded.HoleOffset, Len: encoded.HoleLen},
				}
				if _, err := e.Commit(context.Background(), w); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

// bigPod is a pod of 3 KB.
func bigPod(i int) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: fmt.Sprintf("ns-%d", i%100), Name: fmt.Sprintf("pod-%06d", i), UID: "0b5a2c1e-5f0c-4f0e-9d0c-6a2a3c1e5f0c",
		Labels:      map[string]string{"app": "web", "shard": strconv.Itoa(i % 100)},
		Annotations: map[string]string{"example.com/notes": strings.Repeat("x", 2000)},
	}}
	p.Spec.NodeName = fmt.Sprintf("node-%d", i%50)
	for _, name := range []string{"app", "proxy"} {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: name, Image: "registry.example.com/team/web:1.2.3",
			Env: []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}, Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}})
	}
	p.Status.Phase = corev1.PodRunning
	return p
}

// cpuTime is what a process has used so far, 0 where /proc doesn't tell.
func cpuTime(pid int) time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+2:]))
	var ticks time.Duration
	for _, f := range fields[11:13] { // user and system time
		n, _ := strconv.Atoi(f)
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}

// resident is the memory of a process in MB, 0 where /proc doesn't tell.
func resident(pid int) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), "VmRSS:")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseFloat(kb, 64)
	return n / 1024
}
