//go:build amd64 || arm64

package builtin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/node/builtin/child"
	noderuntime "pilothouse/backend/node/runtime"

	"golang.org/x/sys/unix"
)

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
			wait.Go(metrics.Guarded("node", func() { io.Copy(stream.into, rd); rd.Close() })) //nolint:errcheck // the client is gone, or the command
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
			wait.Go(metrics.Guarded("node", func() { io.Copy(s.Stdout, p.terminal) })) //nolint:errcheck // a terminal ends with an error
		}
		go metrics.Guarded("node", func() { resize(p, s.Resize) })()
	}
	if s.Stdin != nil && in != nil {
		go func() {
			defer metrics.Caught("node")
			io.Copy(in, s.Stdin) //nolint:errcheck // the client is gone, or the command
			if p.terminal == nil {
				in.Close()
			}
		}()
	}
	<-p.ended
	drained := make(chan struct{})
	go metrics.Guarded("node", func() { wait.Wait(); close(drained) })()
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
		go metrics.Guarded("node", func() { resize(c.process, sizes) })()
		go func() {
			defer metrics.Caught("node")
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
			defer metrics.Caught("node")
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
		defer metrics.Caught("node")
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
