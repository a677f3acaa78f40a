//go:build amd64 || arm64

package builtin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"pilothouse/backend/node/builtin/child"
	noderuntime "pilothouse/backend/node/runtime"

	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// container is one try at a container of a pod.
type container struct {
	id      string
	sandbox *sandbox
	config  *cri.ContainerConfig
	image   *image
	dir     string
	group   *cgroup
	created int64

	mu      sync.Mutex
	state   cri.ContainerState
	process *process
	output  *output
	stdin   *input
	started int64
	// finished and what follows is how it ended.
	finished int64
	code     int32
	reason   string
	message  string
	stopped  chan struct{} // closed when all of it is over
}

func (r *Runtime) get(id string) (*container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.containers[id]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("container %q not found", id)
}

// CreateContainer prepares a container: its folders, its control group.
func (r *Runtime) CreateContainer(_ context.Context, in string, config *cri.ContainerConfig, _ *cri.PodSandboxConfig) (string, error) {
	r.mu.Lock()
	s := r.sandboxes[in]
	r.mu.Unlock()
	if s == nil || !s.ready {
		return "", fmt.Errorf("sandbox %q is not running", in)
	}
	img := r.images.find(config.Image.Image)
	if img == nil {
		return "", fmt.Errorf("image %q is not there", config.Image.Image)
	}
	c := &container{
		id: newID(), sandbox: s, config: config, image: img, created: r.o.Clock().UnixNano(), state: cri.ContainerState_CONTAINER_CREATED, stopped: make(chan struct{}),
	}
	c.dir = filepath.Join(r.o.Dir, "containers", c.id)
	for _, sub := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(c.dir, sub), 0o755); err != nil {
			return "", err
		}
	}
	var err error
	if c.group, err = r.cgroups.create(c.id); err == nil {
		err = c.group.limit(config.GetLinux().GetResources())
	}
	if err != nil {
		os.RemoveAll(c.dir)
		return "", fmt.Errorf("control group: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return "", errors.New("the runtime is closed")
	}
	r.containers[c.id] = c
	return c.id, nil
}

// StartContainer runs the container's program.
func (r *Runtime) StartContainer(_ context.Context, id string) error {
	c, err := r.get(id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != cri.ContainerState_CONTAINER_CREATED {
		return fmt.Errorf("container %q is %s already", id, c.state)
	}
	if err := r.run(c); err != nil {
		c.state, c.code, c.reason, c.message = cri.ContainerState_CONTAINER_EXITED, 128, "StartError", "failed to start container: "+err.Error()
		c.started, c.finished = r.o.Clock().UnixNano(), r.o.Clock().UnixNano()
		close(c.stopped)
		return fmt.Errorf("failed to start container: %w", err)
	}
	c.state, c.started = cri.ContainerState_CONTAINER_RUNNING, r.o.Clock().UnixNano()
	r.lives.Go(func() { r.follow(c) })
	return nil
}

// run starts the program; c.mu is held.
func (r *Runtime) run(c *container) (err error) {
	l := launch{mode: child.ModeInit, spec: r.spec(c), join: []*os.File{c.sandbox.net, c.sandbox.ipc, c.sandbox.uts}, group: c.group}
	switch n := c.config.GetLinux().GetSecurityContext().GetNamespaceOptions(); n.GetPid() {
	case cri.NamespaceMode_NODE:
		l.hostPIDs = true
	case cri.NamespaceMode_POD:
		if c.sandbox.pause == nil {
			return errors.New("the pod's processes are gone")
		}
		if l.pids, err = pidNamespace(c.sandbox.pause.cmd.Process.Pid); err != nil {
			return err
		}
	case cri.NamespaceMode_TARGET:
		target, err := r.get(n.TargetId)
		if err != nil {
			return err
		}
		pid, ok := target.pid()
		if !ok {
			return fmt.Errorf("container %q is not running", n.TargetId)
		}
		if l.pids, err = pidNamespace(pid); err != nil {
			return err
		}
	}
	if l.pids != nil {
		defer l.pids.Close()
	}
	log, err := openLog(c.logPath(), r.o.Clock)
	if err != nil {
		return err
	}
	c.output = newOutput(log)
	ends, err := c.pipes(&l)
	if err != nil {
		log.close()
		return err
	}
	p, err := r.start(l)
	for _, f := range ends {
		f.Close()
	}
	if err != nil {
		c.output.abandon()
		c.stdin.close()
		return err
	}
	c.process = p
	if p.terminal != nil {
		c.stdin.to(p.terminal)
		c.output.pump(stdoutStream, p.terminal)
	}
	return nil
}

// pipes connects the program with its log and with those who attach. ends are
// the program's ends, to be closed here once it has them.
func (c *container) pipes(l *launch) (ends []*os.File, err error) {
	c.stdin = &input{once: c.config.StdinOnce}
	if c.config.Tty {
		return nil, nil
	}
	fail := func(err error) ([]*os.File, error) {
		for _, f := range ends {
			f.Close()
		}
		return nil, err
	}
	for _, stream := range []struct {
		name byte
		to   **os.File
	}{{stdoutStream, &l.stdout}, {stderrStream, &l.stderr}} {
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		*stream.to = w
		ends = append(ends, w)
		c.output.pump(stream.name, r)
	}
	if c.config.Stdin {
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		l.stdin = r
		ends = append(ends, r)
		c.stdin.to(w)
	}
	return ends, nil
}

func (c *container) logPath() string {
	if c.config.LogPath == "" || c.sandbox.config.LogDirectory == "" {
		return ""
	}
	return filepath.Join(c.sandbox.config.LogDirectory, c.config.LogPath)
}

// follow waits for the end of the program and of all that it has left running.
func (r *Runtime) follow(c *container) {
	<-c.process.ended
	// In a process namespace of its own the rest is gone with it; in a shared one
	// it is not.
	c.group.kill()
	c.output.drain()
	c.stdin.close()
	c.mu.Lock()
	c.finished, c.code = r.o.Clock().UnixNano(), int32(c.process.code())
	c.reason = "Completed"
	if c.code != 0 {
		c.reason = "Error"
	}
	if c.group.outOfMemory() {
		c.reason = "OOMKilled"
	}
	c.state = cri.ContainerState_CONTAINER_EXITED
	close(c.stopped)
	c.mu.Unlock()
	r.mu.Lock()
	changed := r.changed
	r.mu.Unlock()
	if changed != nil {
		changed(c.sandbox.config.Metadata.Uid)
	}
}

// pid gives the program's process.
func (c *container) pid() (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != cri.ContainerState_CONTAINER_RUNNING {
		return 0, false
	}
	return c.process.cmd.Process.Pid, true
}

// killAll ends all processes of the container at once.
func (c *container) killAll() {
	if _, ok := c.pid(); ok {
		c.process.kill()
		c.group.kill()
	}
}

// spec gives what the helper is to make of the image and the configuration.
func (r *Runtime) spec(c *container) *child.Spec {
	config, img := c.config, c.image.Config
	security := config.GetLinux().GetSecurityContext()
	s := &child.Spec{
		LayersDir: r.images.layersDir(), Lower: c.image.lower(),
		Upper: filepath.Join(c.dir, "upper"), Work: filepath.Join(c.dir, "work"), Root: filepath.Join(c.dir, "root"),
		ReadonlyRoot: security.GetReadonlyRootfs(), Masked: security.GetMaskedPaths(), Readonly: security.GetReadonlyPaths(),
		OwnNetwork: c.sandbox.net != nil, Privileged: security.GetPrivileged(),
		Cwd: config.WorkingDir, User: img.User, Groups: security.GetSupplementalGroups(),
		Capabilities: capabilitySet(security.GetCapabilities().GetAddCapabilities(), security.GetCapabilities().GetDropCapabilities(), security.GetPrivileged()),
		NoNewPrivs:   security.GetNoNewPrivs(),
		Seccomp:      !security.GetPrivileged() && security.GetSeccomp().GetProfileType() != cri.SecurityProfile_Unconfined,
		OOMScoreAdj:  int(config.GetLinux().GetResources().GetOomScoreAdj()), TTY: config.Tty,
	}
	s.Args = append(append([]string{}, config.Command...), config.Args...)
	if len(config.Command) == 0 {
		args := config.Args
		if len(args) == 0 {
			args = img.Cmd
		}
		s.Args = append(append([]string{}, img.Entrypoint...), args...)
	}
	if s.Cwd == "" {
		s.Cwd = img.WorkingDir
	}
	s.Env = append(s.Env, img.Env...)
	s.Env = append(s.Env, "HOSTNAME="+c.sandbox.config.Hostname)
	for _, e := range config.Envs {
		s.Env = append(s.Env, e.Key+"="+string(e.Value))
	}
	s.Env = lastOnes(s.Env)
	if u := security.GetRunAsUser(); u != nil {
		s.UID = &u.Value
	} else if name := security.GetRunAsUsername(); name != "" {
		s.User = name
	}
	if g := security.GetRunAsGroup(); g != nil {
		s.GID = &g.Value
	}
	own := map[string]bool{}
	for _, m := range config.Mounts {
		own[filepath.Clean(m.ContainerPath)] = true
	}
	for _, name := range []string{"resolv.conf", "hostname"} {
		if !own["/etc/"+name] {
			s.Mounts = append(s.Mounts, child.Mount{Source: filepath.Join(c.sandbox.dir, name), Target: "/etc/" + name})
		}
	}
	for _, m := range config.Mounts {
		s.Mounts = append(s.Mounts, child.Mount{Source: m.HostPath, Target: m.ContainerPath, ReadOnly: m.Readonly})
	}
	return s
}

// lastOnes leaves the last value of each variable.
func lastOnes(env []string) []string {
	at := map[string]int{}
	var out []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if i, ok := at[name]; ok {
			out[i] = e
			continue
		}
		at[name] = len(out)
		out = append(out, e)
	}
	return out
}

// StopContainer sends the image's signal, and kills after the timeout.
func (r *Runtime) StopContainer(ctx context.Context, id string, timeout time.Duration) error {
	c, err := r.get(id)
	if err != nil {
		return nil //nolint:nilerr // what is not there is stopped
	}
	c.mu.Lock()
	if c.state == cri.ContainerState_CONTAINER_CREATED {
		c.state, c.code, c.reason, c.finished = cri.ContainerState_CONTAINER_EXITED, 137, "Error", r.o.Clock().UnixNano()
		close(c.stopped)
	}
	c.mu.Unlock()
	if _, running := c.pid(); !running {
		<-c.stopped
		return nil
	}
	if timeout > 0 {
		c.process.cmd.Process.Signal(stopSignal(c.image.Config.StopSignal)) //nolint:errcheck // it may be gone already
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case <-c.stopped:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
	c.killAll()
	select {
	case <-c.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func stopSignal(name string) syscall.Signal {
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n < 65 {
		return syscall.Signal(n)
	}
	if s := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG")); s != 0 {
		return s
	}
	return unix.SIGTERM
}

// RemoveContainer ends a container and removes its files.
func (r *Runtime) RemoveContainer(ctx context.Context, id string) error {
	c, err := r.get(id)
	if err != nil {
		return nil //nolint:nilerr // what is not there is removed
	}
	if err := r.StopContainer(ctx, id, 0); err != nil {
		return err
	}
	r.mu.Lock()
	delete(r.containers, id)
	r.mu.Unlock()
	c.group.remove()
	return os.RemoveAll(c.dir)
}

// ListContainers gives the containers of a pod, or all.
func (r *Runtime) ListContainers(_ context.Context, uid string) ([]*cri.Container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*cri.Container
	for _, c := range r.containers {
		if uid != "" && c.sandbox.config.Metadata.Uid != uid {
			continue
		}
		c.mu.Lock()
		out = append(out, &cri.Container{
			Id: c.id, PodSandboxId: c.sandbox.id, Metadata: c.config.Metadata, Image: &cri.ImageSpec{Image: c.config.Image.UserSpecifiedImage},
			ImageRef: c.image.ref(), State: c.state, CreatedAt: c.created, Labels: c.config.Labels, Annotations: c.config.Annotations,
		})
		c.mu.Unlock()
	}
	return out, nil
}

// ContainerStatus gives a container's status.
func (r *Runtime) ContainerStatus(_ context.Context, id string) (*cri.ContainerStatus, error) {
	c, err := r.get(id)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &cri.ContainerStatus{
		Id: id, Metadata: c.config.Metadata, State: c.state, CreatedAt: c.created, StartedAt: c.started, FinishedAt: c.finished, ExitCode: c.code,
		Image: &cri.ImageSpec{Image: c.config.Image.UserSpecifiedImage}, ImageRef: c.image.ref(), Reason: c.reason, Message: c.message,
		Labels: c.config.Labels, Annotations: c.config.Annotations, LogPath: c.logPath(),
	}, nil
}

// UpdateContainerResources changes the limits of a container.
func (r *Runtime) UpdateContainerResources(_ context.Context, id string, resources *cri.LinuxContainerResources) error {
	c, err := r.get(id)
	if err != nil {
		return err
	}
	return c.group.limit(resources)
}

// ReopenContainerLog begins the log file anew, after it was put aside.
func (r *Runtime) ReopenContainerLog(_ context.Context, id string) error {
	c, err := r.get(id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.output == nil {
		return nil
	}
	return c.output.log.reopen()
}

// ContainerStats gives what a container uses.
func (r *Runtime) ContainerStats(_ context.Context, id string) (*cri.ContainerStats, error) {
	c, err := r.get(id)
	if err != nil {
		return nil, err
	}
	return c.group.stats(), nil
}

// Exec runs a command in a container until it or ctx ends.
func (r *Runtime) Exec(ctx context.Context, id string, command []string, s noderuntime.Streams) error {
	c, err := r.get(id)
	if err != nil {
		return err
	}
	pid, ok := c.pid()
	if !ok {
		return fmt.Errorf("container is not running (%s)", c.id)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	target := os.NewFile(uintptr(fd), "pidfd")
	defer target.Close()
	pids, err := pidNamespace(pid)
	if err != nil {
		return err
	}
	defer pids.Close()
	spec := r.spec(c)
	spec.Args, spec.TTY, spec.Lower, spec.Mounts = command, s.TTY, nil, nil
	l := launch{mode: child.ModeExec, spec: spec, pids: pids, target: target, group: c.group}
	if s.TTY && s.Resize != nil {
		select { // the size that the client begins with, so that nothing is drawn twice
		case size := <-s.Resize:
			spec.Width, spec.Height = size.Width, size.Height
		case <-time.After(firstSize):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return r.exchange(ctx, l, s)
}

// firstSize is how long the first size of a terminal is waited for.
const firstSize = 100 * time.Millisecond

// exchange runs a command with streams.
func (r *Runtime) exchange(ctx context.Context, l launch, s noderuntime.Streams) error {
	var wait sync.WaitGroup
	var closeAfter []*os.File // the command's ends
	var closeLast []io.Closer
	fail := func(err error) error {
		for _, f := range closeAfter {
			f.Close()
		}
		for _, f := range closeLast {
			f.Close()
		}
		return err
	}
	var in *os.File
	if !s.TTY {
		for _, stream := range []struct {
			to   **os.File
			into io.Writer
		}{{&l.stdout, s.Stdout}, {&l.stderr, s.Stderr}} {
			if stream.into == nil {
				continue
			}
			rd, wr, err := os.Pipe()
			if err != nil {
				return fail(err)
			}
			*stream.to = wr
			closeAfter, closeLast = append(closeAfter, wr), append(closeLast, rd)
			wait.Go(func() { io.Copy(stream.into, rd); rd.Close() }) //nolint:errcheck // the client is gone, or the command
		}
		if s.Stdin != nil {
			rd, wr, err := os.Pipe()
			if err != nil {
				return fail(err)
			}
			l.stdin, in = rd, wr
			closeAfter, closeLast = append(closeAfter, rd), append(closeLast, wr)
		}
	}
	p, err := r.start(l)
	if err != nil {
		return fail(err)
	}
	for _, f := range closeAfter {
		f.Close()
	}
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()
	if p.terminal != nil {
		in = p.terminal
		if s.Stdout != nil {
			wait.Go(func() { io.Copy(s.Stdout, p.terminal) }) //nolint:errcheck // a terminal ends with an error
		}
		go resize(p, s.Resize)
	}
	if s.Stdin != nil && in != nil {
		go func() {
			io.Copy(in, s.Stdin) //nolint:errcheck // the client is gone, or the command
			if p.terminal == nil {
				in.Close()
			}
		}()
	}
	<-p.ended
	drained := make(chan struct{})
	go func() { wait.Wait(); close(drained) }()
	select { // what the command has left running may hold its output open
	case <-drained:
	case <-time.After(drainTime):
	}
	for _, f := range closeLast {
		f.Close()
	}
	if p.terminal != nil {
		p.terminal.Close()
	}
	<-drained
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if code := p.code(); code != 0 {
		return &noderuntime.ExitError{Code: code}
	}
	return nil
}

func resize(p *process, sizes <-chan noderuntime.Size) {
	for size := range sizes {
		raw, err := p.terminal.SyscallConn() // Fd would have it block
		if err != nil {
			continue
		}
		raw.Control(func(fd uintptr) { //nolint:errcheck // the terminal is gone
			unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: size.Width, Row: size.Height}) //nolint:errcheck // the same
		})
	}
}

// Attach joins the container's own program until it or ctx ends, or its input,
// where nothing else is asked for.
func (r *Runtime) Attach(ctx context.Context, id string, s noderuntime.Streams) error {
	c, err := r.get(id)
	if err != nil {
		return err
	}
	if _, ok := c.pid(); !ok {
		return fmt.Errorf("container is not running (%s)", c.id)
	}
	if c.process.terminal != nil && s.Resize != nil {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		sizes := make(chan noderuntime.Size)
		go resize(c.process, sizes)
		go func() {
			defer close(sizes)
			for {
				select {
				case <-ctx.Done():
					return
				case size, ok := <-s.Resize:
					if !ok {
						return
					}
					sizes <- size
				}
			}
		}()
	}
	leave := c.output.attach(s.Stdout, s.Stderr)
	defer leave()
	gone := make(chan struct{})
	if s.Stdin != nil {
		go func() {
			c.stdin.copy(s.Stdin)
			if s.Stdout == nil && s.Stderr == nil {
				close(gone)
			}
		}()
	}
	select {
	case <-c.stopped:
	case <-gone:
	case <-ctx.Done():
	}
	return nil
}

// PortForward copies between a stream and a port of the pod's loopback.
func (r *Runtime) PortForward(ctx context.Context, id string, port int32, stream io.ReadWriteCloser) error {
	r.mu.Lock()
	s := r.sandboxes[id]
	r.mu.Unlock()
	if s == nil || !s.ready {
		return errors.New("the pod is not running")
	}
	conn, err := s.dial(ctx, port)
	if err != nil {
		return fmt.Errorf("failed to connect to localhost:%d inside namespace %q: %w", port, id, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	go func() {
		io.Copy(conn, stream) //nolint:errcheck // one side is gone
		if c, ok := conn.(*net.TCPConn); ok {
			c.CloseWrite() //nolint:errcheck // it is gone
		}
	}()
	_, err = io.Copy(stream, conn)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// dial connects to a port of the pod's loopback. A socket stays in the namespace
// that it was made in.
func (s *sandbox) dial(ctx context.Context, port int32) (conn net.Conn, err error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	connect := func() error {
		for _, host := range []string{"127.0.0.1", "::1"} {
			if conn, err = d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port)))); err == nil {
				return nil
			}
		}
		return err
	}
	if s.net == nil {
		err = connect()
		return conn, err
	}
	err = onThread(func() error {
		if err := unix.Setns(int(s.net.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return connect()
	})
	return conn, err
}
