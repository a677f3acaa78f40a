package kubelet

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The paths of the kubelet's HTTP API that a pod's subresources lead to. The
// names of its parameters are not those of the public API.

// LogURL is where the kubelet serves a container's log.
func (c *Connection) LogURL(pod *corev1.Pod, container string, o *corev1.PodLogOptions) *url.URL {
	q := url.Values{}
	flag := func(name string, on bool) {
		if on {
			q.Set(name, "true")
		}
	}
	number := func(name string, n *int64) {
		if n != nil {
			q.Set(name, strconv.FormatInt(*n, 10))
		}
	}
	flag("follow", o.Follow)
	flag("previous", o.Previous)
	flag("timestamps", o.Timestamps)
	number("sinceSeconds", o.SinceSeconds)
	if o.SinceTime != nil {
		q.Set("sinceTime", o.SinceTime.Format(time.RFC3339))
	}
	number("tailLines", o.TailLines)
	number("limitBytes", o.LimitBytes)
	return c.url(q, "containerLogs", pod.Namespace, pod.Name, container)
}

// Streams say which streams of a command are asked for.
type Streams struct {
	Stdin, Stdout, Stderr, TTY bool
}

// ExecURL is where the kubelet runs a command in a container.
func (c *Connection) ExecURL(pod *corev1.Pod, container string, s Streams, command []string) *url.URL {
	q := s.query()
	for _, word := range command {
		q.Add("command", word)
	}
	return c.url(q, "exec", pod.Namespace, pod.Name, container)
}

// AttachURL is where the kubelet attaches to a container's own process.
func (c *Connection) AttachURL(pod *corev1.Pod, container string, s Streams) *url.URL {
	return c.url(s.query(), "attach", pod.Namespace, pod.Name, container)
}

// PortForwardURL is where the kubelet forwards to a pod's ports. Only old
// WebSocket clients name the ports here; SPDY has them in its streams' headers.
func (c *Connection) PortForwardURL(pod *corev1.Pod, ports []int32) *url.URL {
	q := url.Values{}
	if len(ports) > 0 {
		words := make([]string, len(ports))
		for i, p := range ports {
			words[i] = strconv.FormatInt(int64(p), 10)
		}
		q.Set("port", strings.Join(words, ","))
	}
	return c.url(q, "portForward", pod.Namespace, pod.Name)
}

func (s Streams) query() url.Values {
	q := url.Values{}
	for _, f := range []struct {
		name string
		on   bool
	}{{"input", s.Stdin}, {"output", s.Stdout}, {"error", s.Stderr}, {"tty", s.TTY}} {
		if f.on {
			q.Set(f.name, "1")
		}
	}
	return q
}

func (c *Connection) url(q url.Values, parts ...string) *url.URL {
	return &url.URL{Scheme: c.Scheme, Host: c.Address(), Path: "/" + strings.Join(parts, "/"), RawQuery: q.Encode()}
}
