package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test binary the program itself when a test starts it so.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_THE_PROGRAM") == "1" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func program(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "RUN_THE_PROGRAM=1")
	return c
}

// serving starts a server on free ports and gives it once it is ready.
func serving(t testing.TB, dataDir string, more ...string) (c *exec.Cmd, greeting string) {
	t.Helper()
	c = program(append([]string{"--data-dir=" + dataDir, "--secure-port=0", "--dashboard-address=127.0.0.1:0"}, more...)...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	lines := bufio.NewScanner(out)
	var text strings.Builder
	for lines.Scan() {
		fmt.Fprintln(&text, lines.Text())
		if strings.Contains(lines.Text(), "kubeconfig") {
			return c, text.String()
		}
	}
	t.Fatalf("the server is not ready: %s %s", text.String(), stderr.String())
	return nil, ""
}

func TestWhatStopsAStartIsSaidInOneLine(t *testing.T) {
	dir := t.TempDir()
	used := filepath.Join(dir, "used")
	_, greeting := serving(t, used)
	for _, want := range []string{"https://127.0.0.1:", "http://127.0.0.1:", filepath.Join(used, "admin.kubeconfig")} {
		if !strings.Contains(greeting, want) {
			t.Errorf("%q is not in %q", want, greeting)
		}
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	port := fmt.Sprint(busy.Addr().(*net.TCPAddr).Port)
	noFolder := filepath.Join(dir, "file")
	if err := os.WriteFile(noFolder, []byte("s3cret,a\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	check := func(want string, args ...string) {
		t.Helper()
		fresh := []string{"--data-dir=" + t.TempDir(), "--secure-port=0", "--dashboard-address=127.0.0.1:0"}
		c := program(append(fresh, args...)...)
		var stdout, stderr bytes.Buffer
		c.Stdout, c.Stderr = &stdout, &stderr
		err := c.Run()
		text := stderr.String()
		if err == nil || c.ProcessState.ExitCode() != 1 {
			t.Errorf("%v: exit code %d", args, c.ProcessState.ExitCode())
		}
		if !strings.Contains(text, want) || strings.Count(text, "\n") != 1 || strings.Contains(text, "s3cret") || stdout.Len() > 0 {
			t.Errorf("%v: want one line with %q, got %q and %q", args, want, text, stdout.String())
		}
	}
	check("unknown flag: --no-such", "--no-such")
	check("unknown command", "no-such-command")
	check("--secure-port", "--secure-port=x")
	check("--secure-port: 127.0.0.1:"+port+" is in use", "--secure-port="+port)
	check("--dashboard-address: 127.0.0.1:"+port+" is in use", "--dashboard-address=127.0.0.1:"+port)
	check("is in use by another pilothouse", "--data-dir="+used)
	check("--data-dir", "--data-dir="+noFolder)
	check("--token-auth-file", "--token-auth-file=/no/such/file")
	check("--token-auth-file: read "+noFolder+": line 1", "--token-auth-file="+noFolder)
	check("certificates: ", "--client-ca-file="+noFolder)
	check("certificates: ", "--tls-cert-file="+noFolder, "--tls-private-key-file="+noFolder)
	check("--controllers", "--controllers=no-such-controller")
	check("no such file", "--config=/no/such/file")
}

func TestSignalStopsTheServerAndTheDataStays(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		c, _ := serving(t, dir)
		stop(t, c)
	}
	info, err := os.Stat(filepath.Join(dir, "admin.kubeconfig"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("kubeconfig: %v %v", info, err)
	}
}

// stop ends a server as an init system does.
func stop(t testing.TB, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the server does not stop")
	}
}

// A server that nobody asks anything takes less than 40 MB.
func TestIdleMemory(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("there is no /proc to ask")
	}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector takes several times the memory")
	}
	c, _ := serving(t, t.TempDir())
	for end := time.Now().Add(3 * time.Minute); ; {
		mb := resident(c.Process.Pid)
		if mb > 0 && mb < 40 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%.0f MB", mb)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}, {"serve", "--version"}} {
		out, err := program(args...).Output()
		if err != nil || !strings.Contains(string(out), "Kubernetes v1.36.") {
			t.Errorf("%v: %q %v", args, out, err)
		}
	}
}

// A killed server has the event of every request that it answered, in the audit
// log and, a tenth of a second later, in the journal; the next one goes on in both.
func TestAuditOfAKilledServer(t *testing.T) {
	dir := t.TempDir()
	data, policy, log := filepath.Join(dir, "data"), filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit.log")
	if err := os.WriteFile(policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--audit-policy-file=" + policy, "--audit-log-path=" + log}
	const maps, n = "/api/v1/namespaces/default/configmaps", 30
	server, _ := serving(t, data, flags...)
	for i := range n {
		if code, raw := api(t, data, "POST", maps, fmt.Sprintf(`{"metadata":{"name":"m%d"}}`, i)); code != 201 {
			t.Fatalf("%d %s", code, raw)
		}
	}
	journal := func() bool {
		code, raw := api(t, data, "GET", "/debug/audit?resource=configmaps&name=m0", "")
		return code == 200 && bytes.Contains(raw, []byte(`"create"`))
	}
	for deadline := time.Now().Add(time.Minute); !journal(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the event does not get into the journal")
		}
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	server.Wait() //nolint:errcheck // it was killed
	// What a crash of the machine may leave besides.
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, `{"kind":"Event","auditID":"torn`)
	f.Close()

	serving(t, data, flags...)
	if code, raw := api(t, data, "POST", maps, `{"metadata":{"name":"after"}}`); code != 201 {
		t.Fatalf("%d %s", code, raw)
	}
	raw, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	seen, torn := map[string]bool{}, 0
	for line := range strings.Lines(string(raw)) {
		var e struct {
			Stage, Verb string
			ObjectRef   struct{ Name string }
		}
		if json.Unmarshal([]byte(line), &e) != nil {
			torn++
		} else if e.Stage == "ResponseComplete" && e.Verb == "create" {
			seen[e.ObjectRef.Name] = true
		}
	}
	for i := range n {
		if name := fmt.Sprint("m", i); !seen[name] {
			t.Errorf("the event of %s is lost", name)
		}
	}
	if torn != 1 || !seen["after"] {
		t.Errorf("%d torn lines, after the crash: %v", torn, seen["after"])
	}
	if !journal() {
		t.Error("the journal has lost what it had")
	}
}
