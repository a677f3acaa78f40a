package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// realTimeout is how long a program may take for what it does at its own pace.
const realTimeout = 2 * time.Minute

// realProgram gives the path of one of the programs of the modules below e2e/real:
// what people run beside an API server. They take long to build: make e2e-real
// does it, and says where they are. Each works with the server as the service
// account, and with the roles, that its authors give it.
func realProgram(t *testing.T, name string) string {
	t.Helper()
	return builtProgram(t, "PILOTHOUSE_REAL", "e2e-real", name)
}

// builtProgram gives the path of a program that takes long to build, below the
// folder that a variable names; a test that needs one is skipped without it.
func builtProgram(t *testing.T, variable, target, name string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		t.Skip("needs programs that take long to build: make " + target)
	}
	return filepath.Join(dir, name)
}

// realModule gives the folder of a module's files.
func realModule(t *testing.T, folder, path string) string {
	t.Helper()
	c := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path)
	c.Dir = filepath.Join("real", folder)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// running is a program that runs beside the server.
type running struct {
	*exec.Cmd
	name  string
	said  output
	ended chan struct{}
	// expects is in what it may say of the API although it is a complaint.
	expects string
}

// startReal starts a program. When the test ends it is stopped, and what it has
// said about the API is looked through.
func startReal(t *testing.T, path string, env []string, args ...string) *running {
	t.Helper()
	r := &running{Cmd: exec.Command(path, args...), name: filepath.Base(path), ended: make(chan struct{})}
	r.Env = append(append(os.Environ(), "HOME="+t.TempDir()), env...)
	r.Dir = t.TempDir()
	r.Stdout, r.Stderr = &r.said, &r.said
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		r.Wait() //nolint:errcheck // how it ends is not what is tested
	}()
	t.Cleanup(func() {
		r.stop()
		said := r.text()
		if dir := os.Getenv("PILOTHOUSE_REAL_LOGS"); dir != "" {
			write(t, filepath.Join(dir, r.name+".log"), []byte(said))
		}
		for _, line := range complaints(said) {
			if r.expects == "" || !strings.Contains(line, r.expects) {
				t.Errorf("%s said: %s", r.name, line)
			}
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", r.name, said[max(0, len(said)-8000):])
		}
	})
	return r
}

// stop ends the program and waits for its end.
func (r *running) stop() {
	r.Process.Kill() //nolint:errcheck // it may be gone
	<-r.ended
}

func (r *running) text() string {
	r.said.mu.Lock()
	defer r.said.mu.Unlock()
	return r.said.b.String()
}

// alive fails the test if the program has ended.
func (r *running) alive(t *testing.T) {
	t.Helper()
	select {
	case <-r.ended:
		t.Fatalf("%s has ended: %v", r.name, r.ProcessState)
	default:
	}
}

// awaits waits for a condition while the program runs.
func (r *running) awaits(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(realTimeout)
	for !ok() {
		r.alive(t)
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// aboutAPI finds what a program says of the API that should not be.
var aboutAPI = regexp.MustCompile(`(?i)forbidden|unauthorized|could not find the requested resource|failed to (list|watch)|no matches for kind|unknown field|the server (rejected|was unable|does not allow)|panic|unexpected (response|object|watch event)`)

func complaints(said string) []string {
	return slices.DeleteFunc(strings.Split(said, "\n"), func(line string) bool { return !aboutAPI.MatchString(line) })
}

// answers tells whether a URL of plain HTTP is answered with 200.
func answers(url string) bool {
	resp, err := http.Get(url) //nolint:gosec // of the test's own
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body) //nolint:errcheck // only the code counts
	return resp.StatusCode == http.StatusOK
}

// asAccount gives a kubeconfig of a service account, with a token that lasts.
func asAccount(t *testing.T, k *kubectl, namespace, name string) string {
	t.Helper()
	token := strings.TrimSpace(k.run("create token " + name + " -n " + namespace + " --duration=2h"))
	return k.p.kubeconfigWith(t, fmt.Sprintf("{token: %q}", token))
}

// field gives a field of an object, or nothing as long as there is no such object.
func field(k *kubectl, object, path string) string {
	out, _, _ := k.try("", words("get "+object+" -o jsonpath='{"+path+"}'")...)
	return out
}

// is tells whether a field of an object has a value.
func is(k *kubectl, object, path, want string) func() bool {
	return func() bool { return field(k, object, path) == want }
}

// established waits until definitions are served.
func established(t *testing.T, k *kubectl, names ...string) {
	t.Helper()
	for _, name := range names {
		eventually(t, name, is(k, "crd "+name, `.status.conditions[?(@.type=="Established")].status`, "True"))
	}
}
