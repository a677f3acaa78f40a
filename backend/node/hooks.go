package node

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"pilothouse/backend/node/runtime"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// runHook runs what a container wants done after its start or before its end.
func (w *worker) runHook(ctx context.Context, pod *corev1.Pod, c *corev1.Container, id string, h *corev1.LifecycleHandler) error {
	switch {
	case w.agent.pretends != nil:
	case h.Exec != nil:
		var out limited
		if err := w.agent.Runtime.Exec(ctx, id, h.Exec.Command, runtime.Streams{Stdout: &out, Stderr: &out}); err != nil {
			return fmt.Errorf("Exec lifecycle hook (%q) failed: %w, message: %q", h.Exec.Command, err, out.String()) //nolint:staticcheck // kubelet's words
		}
	case h.HTTPGet != nil:
		return w.httpGet(ctx, pod, c, h.HTTPGet)
	case h.Sleep != nil:
		sleep(ctx, time.Duration(h.Sleep.Seconds)*time.Second)
		return ctx.Err()
	}
	return nil
}

// podIP is where the agent reaches the pod.
func (w *worker) podIP(pod *corev1.Pod) string {
	if pod.Spec.HostNetwork {
		return w.agent.Address
	}
	now, _ := w.current()
	if now.Status.PodIP != "" {
		return now.Status.PodIP
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if list, err := w.agent.Runtime.ListPodSandbox(ctx, string(pod.UID)); err == nil {
		for _, s := range list {
			if status, err := w.agent.Runtime.PodSandboxStatus(ctx, s.Id); err == nil && status.GetNetwork().GetIp() != "" {
				return status.Network.Ip
			}
		}
	}
	return "127.0.0.1"
}

// portOf resolves a port by its number or its name.
func portOf(c *corev1.Container, p intstr.IntOrString) (int, error) {
	if p.Type == intstr.Int {
		return p.IntValue(), nil
	}
	for _, port := range c.Ports {
		if port.Name == p.StrVal {
			return int(port.ContainerPort), nil
		}
	}
	if n, err := strconv.Atoi(p.StrVal); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("couldn't find port: %q in container %s", p.StrVal, c.Name)
}

// httpGet asks and takes an answer from 200 to 399.
func (w *worker) httpGet(ctx context.Context, pod *corev1.Pod, c *corev1.Container, g *corev1.HTTPGetAction) error {
	port, err := portOf(c, g.Port)
	if err != nil {
		return err
	}
	host := g.Host
	if host == "" {
		host = w.podIP(pod)
	}
	scheme := "http"
	if g.Scheme == corev1.URISchemeHTTPS {
		scheme = "https"
	}
	path := g.Path
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, strconv.Itoa(port))+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "kube-probe/1.36")
	r.Header.Set("Accept", "*/*")
	for _, h := range g.HTTPHeaders {
		if http.CanonicalHeaderKey(h.Name) == "Host" {
			r.Host = h.Value
		} else {
			r.Header.Set(h.Name, h.Value)
		}
	}
	response, err := probeClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode >= 400 {
		return fmt.Errorf("HTTP probe failed with statuscode: %d", response.StatusCode)
	}
	return nil
}
