package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	tokens = "token-admin,admin,u-admin,\"system:masters\"\n" +
		"token-dev,dev,u-dev,\"developers\"\n"
	startTimeout = 2 * time.Minute
	waitTimeout  = 3 * time.Minute // longer than what kubectl and helm are told to wait for
)

// process is a running pilothouse.
type process struct {
	*exec.Cmd
	dir        string
	kubeconfig string
	url        string
	dashboard  string // the plain listener
	ended      chan struct{}
	endedAs    error
	mu         sync.Mutex
	stderr     bytes.Buffer
}

// Write takes what the process says on its standard error.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.Write(b)
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// program is a server on free ports that keeps its data in dir/data. Nothing of
// the environment sets one of its flags.
func program(t testing.TB, dir string, more ...string) *exec.Cmd {
	t.Helper()
	file := filepath.Join(dir, "tokens.csv")
	if err := os.WriteFile(file, []byte(tokens), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--data-dir=" + filepath.Join(dir, "data"), "--secure-port=0", "--dashboard-address=127.0.0.1:0", "--token-auth-file=" + file}
	c := exec.Command(binary, append(args, more...)...)
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PILOTHOUSE_") })
	return c
}

var (
	dashboardLine  = regexp.MustCompile(`(?m)^\s*Dashboard\s+(\S+)/login\?`)
	apiLine        = regexp.MustCompile(`(?m)^\s*API\s+(\S+)$`)
	kubeconfigLine = regexp.MustCompile(`(?m)^\s*kubeconfig\s+(\S+)$`)
)

// start gives a server of this folder once it is ready. What the test leaves
// running is stopped when the test ends; a panic or a race in it fails the test.
func start(t testing.TB, dir string, more ...string) *process {
	t.Helper()
	p := &process{dir: dir, ended: make(chan struct{})}
	p.Cmd = program(t, dir, more...)
	p.Stderr = p
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	greeting := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		text := ""
		for lines.Scan() {
			text += lines.Text() + "\n"
			if kubeconfigLine.MatchString(text) {
				greeting <- text
				break
			}
		}
		io.Copy(io.Discard, out)
		p.endedAs = p.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.Process.Kill()
		<-p.ended
		if said := p.log(); strings.Contains(said, "panic") || strings.Contains(said, "DATA RACE") {
			t.Errorf("the server said: %s", said)
		}
	})
	select {
	case text := <-greeting:
		p.kubeconfig = kubeconfigLine.FindStringSubmatch(text)[1]
		p.url = apiLine.FindStringSubmatch(text)[1]
		if m := dashboardLine.FindStringSubmatch(text); m != nil {
			p.dashboard = m[1]
		}
	case <-p.ended:
		t.Fatalf("the server ended: %v %s", p.endedAs, p.log())
	case <-time.After(startTimeout):
		t.Fatalf("the server is not ready: %s", p.log())
	}
	return p
}

// terminate asks the server to stop and gives the time that it took.
func (p *process) terminate(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(waitTimeout):
		t.Fatalf("the server does not stop: %s", p.log())
	}
	if p.endedAs != nil {
		t.Errorf("the server ended with %v: %s", p.endedAs, p.log())
	}
	return time.Since(began)
}

// config is a client's, as the administrator, without a limit of its own.
func (p *process) config(t testing.TB) *rest.Config {
	t.Helper()
	c, err := clientcmd.BuildConfigFromFlags("", p.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c.QPS = -1
	return c
}

// freePort gives a port of this machine that nobody listens on. It is below those
// that systems give to connections, so that none gets it before its server does.
func freePort(t *testing.T) string {
	t.Helper()
	return freePortOf(t, "127.0.0.1")
}

func freePortOf(t *testing.T, host string) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(12_000))
		if l, err := net.Listen("tcp", net.JoinHostPort(host, port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("all ports are in use")
	return ""
}

// kubectl is a person at a terminal: the 1.36 library's command as a process.
type kubectl struct {
	t    *testing.T
	p    *process
	home string
	path string
	more []string
	env  []string
}

func newKubectl(t *testing.T, p *process) *kubectl {
	return &kubectl{t: t, p: p, home: t.TempDir(), path: os.Args[0]}
}

// as gives a kubectl that adds these flags to every command.
func (k *kubectl) as(flags ...string) *kubectl {
	c := *k
	c.more = flags
	return &c
}

// with gives a kubectl whose faults are those of another test.
func (k *kubectl) with(t *testing.T) *kubectl {
	c := *k
	c.t = t
	return &c
}

func (k *kubectl) command(ctx context.Context, stdin string, args ...string) *exec.Cmd {
	all := append([]string{"--kubeconfig=" + k.p.kubeconfig}, k.more...)
	c := exec.CommandContext(ctx, k.path, append(all, args...)...)
	// With -race kubectl is built with it too. Its own races (drain has one in
	// 0.36.2) are told of and fail nothing.
	c.Env = append([]string{"RUN_KUBECTL=1", "GORACE=exitcode=0", "HOME=" + k.home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + k.home}, k.env...)
	c.Stdin = strings.NewReader(stdin)
	return c
}

// try runs a command to its end.
func (k *kubectl) try(stdin string, args ...string) (stdout, stderr string, code int) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	c := k.command(ctx, stdin, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		k.t.Fatalf("kubectl %v: %v", args, err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// run runs a command that has to succeed, and to print every one of the wants.
func (k *kubectl) run(command string, wants ...string) string {
	k.t.Helper()
	return k.runWith("", command, wants...)
}

func (k *kubectl) runWith(stdin, command string, wants ...string) string {
	k.t.Helper()
	out, errs, code := k.try(stdin, words(command)...)
	if code != 0 {
		k.t.Errorf("kubectl %s: exit code %d: %s%s", command, code, out, errs)
	}
	k.has(command, out+errs, wants...)
	return out
}

// fails runs a command that has to end with this code and these words.
func (k *kubectl) fails(want int, command string, wants ...string) {
	k.t.Helper()
	out, errs, code := k.try("", words(command)...)
	if code != want {
		k.t.Errorf("kubectl %s: exit code %d, want %d: %s%s", command, code, want, out, errs)
	}
	k.has(command, out+errs, wants...)
}

// has looks for each want; runs of blanks count as one.
func (k *kubectl) has(command, said string, wants ...string) {
	k.t.Helper()
	flat := strings.Join(strings.Fields(said), " ")
	for _, w := range wants {
		if !strings.Contains(flat, w) {
			k.t.Errorf("kubectl %s: %q is not in\n%s", command, w, said)
		}
	}
}

// words splits a command line at blanks outside of single quotes.
func words(line string) []string {
	var all []string
	word, inWord, quoted := "", false, false
	for _, r := range line + " " {
		switch {
		case r == '\'':
			quoted, inWord = !quoted, true
		case r == ' ' && !quoted:
			if inWord {
				all = append(all, word)
			}
			word, inWord = "", false
		default:
			word, inWord = word+string(r), true
		}
	}
	return all
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(waitTimeout)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
