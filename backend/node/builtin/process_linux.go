//go:build amd64 || arm64

package builtin

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"pilothouse/backend/metrics"
	"pilothouse/backend/node/builtin/child"

	"golang.org/x/sys/unix"
)

// launch says how a helper is started.
type launch struct {
	mode string
	spec *child.Spec
	// join are namespaces that the helper is born in; pids is the one that it is
	// to be a process of, nil for one of its own, the agent's when hostPIDs.
	join     []*os.File
	pids     *os.File
	hostPIDs bool
	// target is the pidfd of the container to join (exec only).
	target *os.File
	// group takes the process into its control group before it begins.
	group                 *cgroup
	stdin, stdout, stderr *os.File // nil for /dev/null
}

// process is a helper, and the program that it has become.
type process struct {
	cmd *exec.Cmd
	// terminal is the other end of the program's, nil without.
	terminal *os.File
	// ended is closed when the process is over; state is how.
	ended chan struct{}
	state *os.ProcessState
}

func (p *process) kill() { p.cmd.Process.Kill() } //nolint:errcheck // it may be gone already

// code is the exit code as shells have it.
func (p *process) code() int {
	if p.state == nil {
		return unknownCode
	}
	if s, ok := p.state.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal())
	}
	return p.state.ExitCode()
}

const unknownCode = 255

// start starts a helper and waits until it has become its program. An error of
// the helper's is given in its own words.
//
// The thread that starts it stays until it has ended: the death of that thread
// is what the kernel tells the helper of.
func (r *Runtime) start(l launch) (*process, error) {
	p := &process{ended: make(chan struct{})}
	begun := make(chan error, 1)
	r.lives.Go(func() {
		runtime.LockOSThread() // never unlocked: the thread is in other namespaces
		defer close(p.ended)
		err := metrics.Protected("node", func() error { return r.spawn(l, p) })
		begun <- err
		if p.cmd == nil || p.cmd.Process == nil {
			return
		}
		p.cmd.Wait() //nolint:errcheck // the state tells
		p.state = p.cmd.ProcessState
	})
	if err := <-begun; err != nil {
		if p.cmd != nil && p.cmd.Process != nil {
			p.kill()
		}
		<-p.ended
		return nil, err
	}
	return p, nil
}

func (r *Runtime) spawn(l launch, p *process) error {
	for _, ns := range l.join {
		if ns == nil {
			continue
		}
		if err := unix.Setns(int(ns.Fd()), 0); err != nil {
			return fmt.Errorf("join a namespace: %w", err)
		}
	}
	flags := uintptr(0)
	switch {
	case l.pids != nil:
		if err := unix.Setns(int(l.pids.Fd()), unix.CLONE_NEWPID); err != nil {
			return fmt.Errorf("join the processes: %w", err)
		}
	case !l.hostPIDs:
		flags = unix.CLONE_NEWPID
	}
	if l.mode != child.ModeExec {
		flags |= unix.CLONE_NEWNS
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	defer ours.Close()
	cmd := &exec.Cmd{
		Path: r.self, Args: []string{child.Argv0, l.mode}, Env: []string{"GOMAXPROCS=2", "GOGC=off"},
		ExtraFiles: []*os.File{theirs}, SysProcAttr: &syscall.SysProcAttr{Cloneflags: flags},
	}
	if l.target != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, l.target)
	}
	if l.stdin != nil {
		cmd.Stdin = l.stdin
	}
	if l.stdout != nil {
		cmd.Stdout = l.stdout
	}
	if l.stderr != nil {
		cmd.Stderr = l.stderr
	}
	err = cmd.Start()
	theirs.Close()
	p.cmd = cmd
	if err != nil {
		return fmt.Errorf("start a helper: %w", err)
	}
	if err := l.group.take(cmd.Process.Pid); err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	if err := tell(ours, l.spec); err != nil {
		return err
	}
	return listen(ours, p)
}

// tell sends a helper what to do.
func tell(w io.Writer, spec *child.Spec) error {
	raw, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	if err := binary.Write(w, binary.BigEndian, uint32(len(raw))); err != nil {
		return err
	}
	_, err = w.Write(raw)
	return err
}

// maxSaid bounds what a helper says.
const maxSaid = 64 << 10

// listen waits until the helper has become its program, which closes the
// control socket, or says what is wrong.
func listen(control *os.File, p *process) error {
	var said []byte
	buf, extra := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	for {
		n, extraN, _, _, err := unix.Recvmsg(int(control.Fd()), buf, extra, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("listen to the helper: %w", err)
		case n == 0 && len(said) > 0:
			return errors.New(string(said))
		case n == 0:
			return nil
		}
		if extraN > 0 {
			if err := receive(extra[:extraN], p); err != nil {
				return err
			}
		}
		text := buf[:n]
		if len(said) == 0 && text[0] == child.SaysTerminal {
			text = text[1:]
		}
		if len(said) == 0 && len(text) > 0 {
			if text[0] == child.SaysReady {
				return nil
			}
			text = text[1:] // SaysError
		}
		said = append(said, text...)
		if len(said) > maxSaid {
			return errors.New(string(said[:maxSaid]))
		}
	}
}

// receive takes the terminal that a helper has sent.
func receive(extra []byte, p *process) error {
	messages, err := unix.ParseSocketControlMessage(extra)
	if err != nil {
		return err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return err
		}
		for _, fd := range fds {
			unix.SetNonblock(fd, true) //nolint:errcheck // it only makes reading less cheap
			p.terminal = os.NewFile(uintptr(fd), "terminal")
		}
	}
	return nil
}

// startPause starts process 1 of a pod whose containers share their processes.
func (r *Runtime) startPause(s *sandbox) (*process, error) {
	return r.start(launch{mode: child.ModePause, spec: &child.Spec{}, join: []*os.File{s.net, s.ipc, s.uts}})
}

// pidNamespace opens the process namespace of a process.
func pidNamespace(pid int) (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/%d/ns/pid", pid))
}
