package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/node/runtime"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"
)

// probeClient trusts every certificate and keeps no connection, as kubelets do.
var probeClient = &http.Client{
	Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // what a pod serves is signed by nobody known
		DisableKeepAlives: true, DisableCompression: true, Proxy: nil,
	},
	CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) >= 10 || r.URL.Hostname() != via[0].URL.Hostname() {
			return http.ErrUseLastResponse
		}
		return nil
	},
}

// health is what the probes of one container say.
type health struct {
	cancel  context.CancelFunc
	started bool // no startup probe is left to pass
	ready   bool
	failed  string // why the container is to be started anew
	startup bool   // failed is the startup probe's
}

func (w *worker) isStarted(c *corev1.Container, id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.health[id]
	return h == nil && (c.StartupProbe == nil || w.agent.pretends != nil) || h != nil && h.started
}

func (w *worker) isReady(c *corev1.Container, id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.health[id]
	return h == nil && (c.ReadinessProbe == nil || w.agent.pretends != nil) || h != nil && h.ready
}

// failedProbe says why a container is to be started anew, blank if it is not.
func (w *worker) failedProbe(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.health[id]; h != nil {
		return h.failed
	}
	return ""
}

// probeGrace is how long a container has that failed a probe.
func (w *worker) probeGrace(pod *corev1.Pod, c *corev1.Container, id string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	probe := c.LivenessProbe
	if h := w.health[id]; h != nil && h.startup {
		probe = c.StartupProbe
	}
	grace := graceOf(pod)
	if probe != nil && probe.TerminationGracePeriodSeconds != nil {
		grace = *probe.TerminationGracePeriodSeconds
	}
	return time.Duration(grace) * time.Second
}

// tendProbes has the probes of running containers running, and no others.
func (w *worker) tendProbes(pod *corev1.Pod, o *observed) {
	running := map[string]bool{}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		v := o.view(c.Name)
		if v.running {
			running[v.id] = true
			w.probe(pod, c, v)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, h := range w.health {
		if !running[id] {
			h.cancel()
			delete(w.health, id)
		}
	}
}

func (w *worker) endProbes() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.health {
		h.cancel()
	}
}

// probe starts the probes of a container once.
func (w *worker) probe(pod *corev1.Pod, c corev1.Container, v *view) {
	if c.StartupProbe == nil && c.LivenessProbe == nil && c.ReadinessProbe == nil || w.agent.pretends != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.health[v.id] != nil {
		return
	}
	ctx, cancel := context.WithCancel(w.agent.ctx)
	h := &health{cancel: cancel, started: c.StartupProbe == nil, ready: c.StartupProbe == nil && c.ReadinessProbe == nil}
	w.health[v.id] = h
	began := time.Unix(0, v.status.StartedAt)
	w.agent.running.Go(func() {
		defer metrics.Caught("node")
		if c.StartupProbe != nil && !w.startup(ctx, pod, &c, v.id, h, began) {
			return
		}
		var wg sync.WaitGroup
		if c.ReadinessProbe != nil {
			wg.Go(func() {
				defer metrics.Caught("node")
				w.every(ctx, pod, &c, v.id, "Readiness", c.ReadinessProbe, began, func(ok bool, _ string) bool {
					w.set(func() { h.ready = ok })
					return true
				})
			})
		}
		if c.LivenessProbe != nil {
			wg.Go(func() {
				defer metrics.Caught("node")
				w.every(ctx, pod, &c, v.id, "Liveness", c.LivenessProbe, began, func(ok bool, _ string) bool {
					if !ok {
						w.set(func() { h.failed = fmt.Sprintf("Container %s failed liveness probe, will be restarted", c.Name) })
					}
					return ok
				})
			})
		}
		wg.Wait()
	})
}

func (w *worker) set(f func()) {
	w.mu.Lock()
	f()
	w.mu.Unlock()
	w.poke()
}

// startup waits for the startup probe; false when it has failed for good.
func (w *worker) startup(ctx context.Context, pod *corev1.Pod, c *corev1.Container, id string, h *health, began time.Time) bool {
	passed := false
	w.every(ctx, pod, c, id, "Startup", c.StartupProbe, began, func(ok bool, _ string) bool {
		w.set(func() {
			if passed = ok; ok {
				h.started, h.ready = true, c.ReadinessProbe == nil
				return
			}
			h.failed, h.startup = fmt.Sprintf("Container %s failed startup probe, will be restarted", c.Name), true
		})
		return false
	})
	return passed
}

// every probes until ctx ends or change gives false. change hears of results as
// they pass the probe's thresholds.
func (w *worker) every(ctx context.Context, pod *corev1.Pod, c *corev1.Container, id, kind string, p *corev1.Probe, began time.Time, change func(ok bool, why string) bool) {
	sleep(ctx, time.Until(began.Add(time.Duration(p.InitialDelaySeconds)*time.Second)))
	period := time.Duration(max(p.PeriodSeconds, 1)) * time.Second
	var streak int32
	var last, told, any bool
	for ctx.Err() == nil {
		err := w.probeOnce(ctx, pod, c, id, p)
		if ctx.Err() != nil {
			return
		}
		ok := err == nil
		if !ok {
			w.event(pod, c, corev1.EventTypeWarning, "Unhealthy", "%s probe failed: %s", kind, err)
		}
		if ok != last {
			streak, last = 0, ok
		}
		streak++
		needed := max(p.FailureThreshold, 1)
		if ok {
			needed = max(p.SuccessThreshold, 1)
		}
		if streak >= needed && (!any || told != ok) {
			any, told = true, ok
			why := ""
			if err != nil {
				why = err.Error()
			}
			if !change(ok, why) {
				return
			}
		}
		sleep(ctx, period)
	}
}

func (w *worker) probeOnce(ctx context.Context, pod *corev1.Pod, c *corev1.Container, id string, p *corev1.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(p.TimeoutSeconds, 1))*time.Second)
	defer cancel()
	switch {
	case p.Exec != nil:
		var out limited
		err := w.agent.Runtime.Exec(ctx, id, expandAll(p.Exec.Command, nil), runtime.Streams{Stdout: &out, Stderr: &out})
		if ctx.Err() != nil {
			return errors.New("command timed out")
		}
		var exit *runtime.ExitError
		if errors.As(err, &exit) {
			return errors.New(out.String())
		}
		return err
	case p.HTTPGet != nil:
		err := w.httpGet(ctx, pod, c, p.HTTPGet)
		return err
	case p.TCPSocket != nil:
		port, err := portOf(c, p.TCPSocket.Port)
		if err != nil {
			return err
		}
		host := p.TCPSocket.Host
		if host == "" {
			host = w.podIP(pod)
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return err
		}
		return conn.Close()
	case p.GRPC != nil:
		return w.grpcHealth(ctx, pod, p.GRPC)
	}
	return nil
}

// grpcHealth asks by the gRPC health checking protocol.
func (w *worker) grpcHealth(ctx context.Context, pod *corev1.Pod, g *corev1.GRPCAction) error {
	conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort(w.podIP(pod), strconv.Itoa(int(g.Port))), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent("kube-probe/1.36"))
	if err != nil {
		return err
	}
	defer conn.Close()
	service := ""
	if g.Service != nil {
		service = *g.Service
	}
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
	if err != nil {
		return err
	}
	if answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("service unhealthy (responded with %q)", answer.Status)
	}
	return nil
}

// maxProbeOutput bounds what is kept of a probe's output.
const maxProbeOutput = 10 << 10

// limited keeps the beginning of what is written.
type limited struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write takes everything and keeps what there is room for.
func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Write(p[:min(len(p), max(0, maxProbeOutput-l.b.Len()))])
	return len(p), nil
}

// String gives what was kept.
func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
