package node

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/node/runtime"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/klog/v2"
	utilexec "k8s.io/utils/exec"
)

const (
	// streamIdle and streamCreation are kubelets': a stream with nothing on it
	// for four hours ends, and a client has half a minute to open its streams.
	streamIdle     = 4 * time.Hour
	streamCreation = 30 * time.Second
	headerTimeout  = 30 * time.Second
)

// serve answers the kubelet's HTTPS API until ctx ends.
func (a *Agent) serve(ctx context.Context) {
	config := a.TLS.Clone()
	config.NextProtos = []string{"http/1.1"} // streams are upgrades of it
	config.ClientAuth = tls.VerifyClientCertIfGiven
	server := &http.Server{
		Handler: a.guard(a.routes()), ReadHeaderTimeout: headerTimeout, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if t, ok := c.(*tls.Conn); ok {
				c = t.NetConn()
			}
			if l, ok := c.(*watched); ok {
				return l.until(ctx)
			}
			return ctx
		},
		ErrorLog: nil,
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	err := server.Serve(tls.NewListener(&watchedListener{a.Listener}, config))
	if ctx.Err() == nil {
		klog.ErrorS(err, "The kubelet API ends", "node", a.Name)
	}
}

// watchedListener gives connections that tell when they have ended, also after
// an upgrade, when net/http looks away.
type watchedListener struct{ net.Listener }

// Accept waits for the next connection.
func (l *watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watched{Conn: c, ended: make(chan struct{})}, nil
}

type watched struct {
	net.Conn
	once  sync.Once
	ended chan struct{}
}

// Read notes that the other side has gone.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			w.once.Do(func() { close(w.ended) })
		}
	}
	return n, err
}

// Close ends the connection.
func (w *watched) Close() error {
	w.once.Do(func() { close(w.ended) })
	return w.Conn.Close()
}

func (w *watched) until(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer metrics.Caught("node")
		select {
		case <-w.ended:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx
}

func (a *Agent) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	m.HandleFunc("GET /healthz/ping", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	m.HandleFunc("GET /pods", a.servePods)
	m.HandleFunc("GET /runningpods/", a.servePods)
	m.HandleFunc("GET /stats/summary", a.serveSummary)
	m.HandleFunc("GET /metrics", a.serveMetrics)
	m.HandleFunc("GET /metrics/resource", a.serveMetrics)
	m.HandleFunc("GET /metrics/cadvisor", a.serveMetrics)
	m.HandleFunc("GET /metrics/probes", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	})
	m.HandleFunc("/logs/", func(w http.ResponseWriter, _ *http.Request) { // as a kubelet with enableSystemLogHandler: false
		http.Error(w, "logs endpoint is disabled.", http.StatusMethodNotAllowed)
	})
	m.HandleFunc("GET /configz", a.serveConfig)
	m.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", a.serveLog)
	for _, method := range []string{"GET", "POST"} {
		for _, id := range []string{"", "/{uid}"} {
			m.HandleFunc(method+" /exec/{namespace}/{pod}"+id+"/{container}", a.serveExec)
			m.HandleFunc(method+" /attach/{namespace}/{pod}"+id+"/{container}", a.serveAttach)
			m.HandleFunc(method+" /portForward/{namespace}/{pod}"+id, a.servePortForward)
		}
	}
	m.HandleFunc("POST /run/{namespace}/{pod}/{container}", a.serveRun)
	return m
}

// find gives the pod and the container of a request, or answers that there is
// none.
func (a *Agent) target(w http.ResponseWriter, r *http.Request) (*worker, *corev1.Pod) {
	worker := a.find(r.PathValue("namespace"), r.PathValue("pod"), types.UID(r.PathValue("uid")))
	if worker == nil {
		http.Error(w, fmt.Sprintf("pod %q not found in namespace %q", r.PathValue("pod"), r.PathValue("namespace")), http.StatusNotFound)
		return nil, nil
	}
	pod, _ := worker.current()
	return worker, pod
}

// runningContainer gives the id of a container that runs.
func (a *Agent) runningContainer(ctx context.Context, pod *corev1.Pod, name string) (string, error) {
	list, err := a.Runtime.ListContainers(ctx, string(pod.UID))
	if err != nil {
		return "", err
	}
	id, attempt := "", -1
	for _, c := range list {
		if n := int(c.GetMetadata().GetAttempt()); c.Labels[runtime.LabelContainerName] == name && n > attempt {
			id, attempt = c.Id, n
		}
	}
	if id == "" {
		return "", fmt.Errorf("container not found (%q)", name)
	}
	return id, nil
}

func (a *Agent) serveExec(w http.ResponseWriter, r *http.Request) {
	_, pod := a.target(w, r)
	if pod == nil {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, err := a.runningContainer(r.Context(), pod, r.PathValue("container"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	command := r.URL.Query()["command"]
	if len(command) == 0 {
		http.Error(w, "you must specify a command", http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, streams{a}, pod.Name, string(pod.UID), id, command, options, streamIdle, streamCreation, remotecommand.SupportedStreamingProtocols)
}

func (a *Agent) serveAttach(w http.ResponseWriter, r *http.Request) {
	_, pod := a.target(w, r)
	if pod == nil {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, err := a.runningContainer(r.Context(), pod, r.PathValue("container"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	remotecommand.ServeAttach(w, r, streams{a}, pod.Name, string(pod.UID), id, options, streamIdle, streamCreation, remotecommand.SupportedStreamingProtocols)
}

func (a *Agent) servePortForward(w http.ResponseWriter, r *http.Request) {
	_, pod := a.target(w, r)
	if pod == nil {
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, r, streams{a}, pod.Name, string(pod.UID), options, streamIdle, streamCreation, portforward.SupportedProtocols)
}

// streams runs what the servers of k8s.io/cri-streaming ask for.
type streams struct{ *Agent }

// ExecInContainer runs a command.
func (s streams) ExecInContainer(ctx context.Context, _, _, id string, command []string, in io.Reader, out, errs io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := s.Runtime.Exec(ctx, id, command, streamsOf(ctx, in, out, errs, tty, resize))
	var exit *runtime.ExitError
	if errors.As(err, &exit) {
		return utilexec.CodeExitError{Err: err, Code: exit.Code}
	}
	return err
}

// AttachContainer joins the container's own process.
func (s streams) AttachContainer(ctx context.Context, _, _, id string, in io.Reader, out, errs io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return s.Runtime.Attach(ctx, id, streamsOf(ctx, in, out, errs, tty, resize))
}

func streamsOf(ctx context.Context, in io.Reader, out, errs io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) runtime.Streams {
	s := runtime.Streams{Stdin: in, TTY: tty}
	if out != nil { // a nil WriteCloser would be a Writer that is not nil
		s.Stdout = out
	}
	if errs != nil {
		s.Stderr = errs
	}
	if resize != nil {
		sizes := make(chan runtime.Size)
		s.Resize = sizes
		go func() {
			defer metrics.Caught("node")
			defer close(sizes)
			for {
				select {
				case <-ctx.Done():
					return
				case size, ok := <-resize:
					if !ok {
						return
					}
					select {
					case sizes <- runtime.Size{Width: size.Width, Height: size.Height}:
					case <-ctx.Done():
						return
					}
				}
			}
		}()
	}
	return s
}

// PortForward copies between a stream and a port of the pod.
func (s streams) PortForward(ctx context.Context, _, uid string, port int32, stream io.ReadWriteCloser) error {
	list, err := s.Runtime.ListPodSandbox(ctx, uid)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("the pod is not running")
	}
	newest := slices.MaxFunc(list, func(x, y *criSandbox) int { return int(x.CreatedAt - y.CreatedAt) })
	return s.Runtime.PortForward(ctx, newest.Id, port, stream)
}

// serveRun runs a command and gives its output, without a terminal.
func (a *Agent) serveRun(w http.ResponseWriter, r *http.Request) {
	_, pod := a.target(w, r)
	if pod == nil {
		return
	}
	id, err := a.runningContainer(r.Context(), pod, r.PathValue("container"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	command := r.URL.Query()["cmd"]
	var out limited
	if err := a.Runtime.Exec(r.Context(), id, command, runtime.Streams{Stdout: &out, Stderr: &out}); err != nil {
		http.Error(w, out.String()+err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, out.String())
}

func (a *Agent) serveLog(w http.ResponseWriter, r *http.Request) {
	worker, pod := a.target(w, r)
	if pod == nil {
		return
	}
	name := r.PathValue("container")
	if containerOf(pod, name) == nil {
		http.Error(w, fmt.Sprintf("container %q not found in pod %q", name, pod.Name), http.StatusNotFound)
		return
	}
	q := r.URL.Query()
	options, err := parseLogOptions(q.Get, a.Clock())
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	previous, _ := strconv.ParseBool(q.Get("previous"))
	file, running, err := worker.logOf(r.Context(), pod, name, previous)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Transfer-Encoding", "chunked")
	control := http.NewResponseController(w)
	flush := func() { control.Flush() } //nolint:errcheck // the next write tells
	flush()
	err = readLog(r.Context(), file, options, w, flush, running)
	if err != nil && !missing(err) && r.Context().Err() == nil {
		klog.V(2).InfoS("A log ends with an error", "pod", klog.KObj(pod), "container", name, "err", err)
	}
}

// logOf finds the log of a container and tells, whenever asked, whether the
// container runs.
func (w *worker) logOf(ctx context.Context, pod *corev1.Pod, name string, previous bool) (file string, running func() bool, err error) {
	rt := w.agent.Runtime
	list, err := rt.ListContainers(ctx, string(pod.UID))
	if err != nil {
		return "", nil, err
	}
	list = slices.DeleteFunc(list, func(c *criContainer) bool { return c.Labels[runtime.LabelContainerName] != name })
	slices.SortFunc(list, func(x, y *criContainer) int {
		return int(y.GetMetadata().GetAttempt()) - int(x.GetMetadata().GetAttempt())
	})
	nth := 0
	if previous {
		nth = 1
	}
	if len(list) > 0 && !previous && list[0].State == criCreated && len(list) > 1 {
		nth = 1
	}
	if nth >= len(list) {
		if previous {
			return "", nil, fmt.Errorf("previous terminated container %q in pod %q not found", name, pod.Name)
		}
		return "", nil, fmt.Errorf("container %q in pod %q is waiting to start: %s", name, pod.Name, waitReason(pod, name))
	}
	id := list[nth].Id
	s, err := rt.ContainerStatus(ctx, id)
	if err != nil {
		return "", nil, err
	}
	checked, last := time.Now(), s.State == criRunning
	return s.LogPath, func() bool {
		if last && time.Since(checked) > 100*time.Millisecond {
			s, err := rt.ContainerStatus(ctx, id)
			checked, last = time.Now(), err == nil && s.State == criRunning
		}
		return last
	}, nil
}

func waitReason(pod *corev1.Pod, name string) string {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses} {
		for _, s := range list {
			if s.Name == name && s.State.Waiting != nil {
				switch s.State.Waiting.Reason {
				case reasonPull, reasonPullAgain:
					return "trying and failing to pull image"
				case reasonNever:
					return "image can't be pulled"
				}
				return s.State.Waiting.Reason
			}
		}
	}
	return "ContainerCreating"
}

func (a *Agent) servePods(w http.ResponseWriter, _ *http.Request) {
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: []corev1.Pod{}}
	for _, p := range a.pods.List() {
		list.Items = append(list.Items, *p)
	}
	writeJSON(w, list)
}

func (a *Agent) serveConfig(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"kubeletconfig": map[string]any{
		"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1", "port": a.port(), "maxPods": a.MaxPods,
		"containerLogMaxSize": "10Mi", "containerLogMaxFiles": keptLogs, "enableSystemLogHandler": false,
	}})
}

func writeJSON(w http.ResponseWriter, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(raw) //nolint:errcheck // nobody is there to be told
}
