//go:build amd64 || arm64

package child

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSpec bounds a Spec, in bytes.
const maxSpec = 16 << 20

// A helper never gets as far as main.
func init() {
	if len(os.Args) == 2 && os.Args[0] == Argv0 {
		runtime.LockOSThread() // namespaces and credentials are a thread's
		run(os.Args[1])
	}
}

// run ends the process one way or the other.
func run(mode string) {
	control := os.NewFile(ControlFD, "control")
	unix.CloseOnExec(ControlFD)
	unix.CloseOnExec(JoinFD)
	// The death of the agent is the death of its containers.
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) //nolint:errcheck // what follows fails without the agent
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)                      //nolint:errcheck // a defence more
	s, err := readSpec(control)
	if err == nil {
		switch mode {
		case ModeInit:
			err = begin(s, control)
		case ModeExec:
			err = join(s, control)
		case ModePause:
			err = pause(control)
		default:
			err = fmt.Errorf("mode %q", mode)
		}
	}
	control.Write(append([]byte{SaysError}, err.Error()...)) //nolint:errcheck // nobody else can be told
	os.Exit(128)
}

func readSpec(r io.Reader) (*Spec, error) {
	var n uint32
	if err := binary.Read(r, binary.BigEndian, &n); err != nil {
		return nil, fmt.Errorf("the agent is gone: %w", err)
	}
	if n > maxSpec {
		return nil, errors.New("the container's description is too long")
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, err
	}
	s := &Spec{}
	return s, json.Unmarshal(raw, s)
}

// pause is process 1 of a pod: it reaps what nobody else does.
func pause(control *os.File) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGCHLD, unix.SIGTERM, unix.SIGINT)
	if _, err := control.Write([]byte{SaysReady}); err != nil {
		return err
	}
	for s := range signals {
		if s != unix.SIGCHLD {
			os.Exit(0)
		}
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
		}
	}
	return nil
}

// begin makes the container's world and becomes its program.
func begin(s *Spec, control *os.File) error {
	if err := makeRoot(s); err != nil {
		return err
	}
	return become(s, control)
}

// join enters the world of a container and becomes another program in it. The
// process namespace was joined by the agent already, for it takes children only.
func join(s *Spec, control *os.File) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Setns(JoinFD, unix.CLONE_NEWNS|unix.CLONE_NEWNET|unix.CLONE_NEWIPC|unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("join the container: %w", err)
	}
	return become(s, control)
}

// become gives up what the program is not to have and executes it.
func become(s *Spec, control *os.File) error {
	if len(s.Args) == 0 {
		return errors.New("no command specified")
	}
	who, err := lookUp(s)
	if err != nil {
		return err
	}
	env := environment(s, who)
	cwd := s.Cwd
	if cwd == "" {
		cwd = "/"
	}
	if err := os.MkdirAll(cwd, 0o755); err != nil && !s.ReadonlyRoot {
		return fmt.Errorf("working directory: %w", err)
	}
	if err := unix.Chdir(cwd); err != nil {
		return fmt.Errorf("working directory %s: %w", cwd, err)
	}
	program, err := find(s.Args[0], env)
	if err != nil {
		return err
	}
	if _, err := unix.Setsid(); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("setsid: %w", err)
	}
	if s.TTY {
		if err := terminal(s, control, who); err != nil {
			return fmt.Errorf("terminal: %w", err)
		}
	} else {
		for fd := range 3 { // the program may open /dev/stdout anew
			unix.Fchown(fd, who.uid, -1) //nolint:errcheck // not all are pipes of ours
		}
	}
	os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(s.OOMScoreAdj)), 0) //nolint:errcheck // a hint only
	if err := drop(s, who); err != nil {
		return err
	}
	// A change of the user takes this back.
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) //nolint:errcheck // see run
	closeRest()
	err = unix.Exec(program, s.Args, env)
	return fmt.Errorf("exec: %q: %w", s.Args[0], err)
}

// closeRest has no descriptor outlive the execution.
func closeRest() {
	const cloexec = 1 << 2                           // CLOSE_RANGE_CLOEXEC
	unix.CloseRange(ControlFD, ^uint(0)>>1, cloexec) //nolint:errcheck // Go opens all that way anyway
}

// find looks for a program as a shell does.
func find(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			return "", fmt.Errorf("exec: %q: %w", name, err)
		}
		return name, nil
	}
	path := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v
		}
	}
	for _, dir := range filepath.SplitList(path) {
		if dir == "" {
			dir = "."
		}
		if p := filepath.Join(dir, name); executable(p) == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("exec: %q: executable file not found in $PATH", name)
}

func executable(p string) error {
	info, err := os.Stat(p)
	if err != nil {
		var e *os.PathError
		if errors.As(err, &e) {
			return fmt.Errorf("stat %s: %w", p, e.Err)
		}
		return err
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return syscall.EACCES
	}
	return nil
}

// defaultPath is what containers get that set none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment adds what every program expects.
func environment(s *Spec, who *identity) []string {
	has := map[string]bool{}
	for _, e := range s.Env {
		name, _, _ := strings.Cut(e, "=")
		has[name] = true
	}
	env := s.Env
	for _, d := range [][2]string{{"PATH", defaultPath}, {"HOME", who.home}} {
		if !has[d[0]] && d[1] != "" {
			env = append(env, d[0]+"="+d[1])
		}
	}
	if s.TTY && !has["TERM"] {
		env = append(env, "TERM=xterm")
	}
	return env
}

// terminal makes the container's own terminal the program's, and gives its other
// end to the agent.
func terminal(s *Spec, control *os.File, who *identity) error {
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	peer, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	slave, err := unix.Open("/dev/pts/"+strconv.Itoa(peer), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if s.Width > 0 {
		unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, &unix.Winsize{Col: s.Width, Row: s.Height}) //nolint:errcheck // it can be set later
	}
	unix.Fchown(slave, who.uid, -1) //nolint:errcheck // the group stays tty's
	if err := unix.Sendmsg(ControlFD, []byte{SaysTerminal}, unix.UnixRights(master), nil, 0); err != nil {
		return err
	}
	unix.Close(master) //nolint:errcheck // it was sent
	if err := unix.IoctlSetInt(slave, unix.TIOCSCTTY, 0); err != nil {
		return err
	}
	for fd := range 3 {
		if err := unix.Dup3(slave, fd, 0); err != nil {
			return err
		}
	}
	return nil
}
