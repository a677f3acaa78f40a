package e2e

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// component is one of Kubernetes' own programs at work.
type component struct {
	*exec.Cmd
	name  string
	said  *heard
	ended chan struct{}
}

// kubernetesProgram gives the path of one of the programs of e2e/kubernetes. They
// take long to build: make e2e-kubernetes does it, and says where they are.
func kubernetesProgram(t *testing.T, name string) string {
	t.Helper()
	return builtProgram(t, "PILOTHOUSE_KUBERNETES", "e2e-kubernetes", name)
}

// startKubernetes starts one of them. It is stopped when the test ends; what it
// said is shown if that failed.
func startKubernetes(t *testing.T, name string, args ...string) *component {
	t.Helper()
	c := &component{Cmd: exec.Command(kubernetesProgram(t, name), args...), name: name, said: &heard{}, ended: make(chan struct{})}
	c.Stdout, c.Stderr = &c.said.process, &c.said.process
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.Wait() //nolint:errcheck // how it ends is seen in what it says
		close(c.ended)
	}()
	t.Cleanup(func() {
		c.stop(t)
		if t.Failed() {
			said := c.said.log()
			t.Logf("%s said: %s", name, said[max(0, len(said)-20000):])
		}
	})
	return c
}

// stop ends the program in its own way.
func (c *component) stop(t *testing.T) {
	t.Helper()
	c.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may be gone
	select {
	case <-c.ended:
	case <-time.After(waitTimeout):
		t.Errorf("%s does not stop", c.name)
		c.Process.Kill() //nolint:errcheck // it may be gone
		<-c.ended
	}
}

var complaint = regexp.MustCompile(`(?m)^[WEF]\d{4} .*$`)

// complains looks for warnings and errors in what the program said, besides those
// that it also has with a kube-apiserver.
func (c *component) complains(t *testing.T, expected ...string) {
	t.Helper()
lines:
	for _, line := range complaint.FindAllString(c.said.log(), -1) {
		for _, e := range expected {
			if strings.Contains(line, e) {
				continue lines
			}
		}
		t.Errorf("%s says: %s", c.name, line)
	}
}

// pkiFile is one of the files that the server made for itself.
func (p *process) pkiFile(name string) string { return filepath.Join(p.dir, "data", "pki", name) }

// kubeconfigOf gives a file by which somebody is a user, with a certificate of the
// server's own authority.
func (p *process) kubeconfigOf(t *testing.T, user string, groups ...string) string {
	t.Helper()
	keyFile, encoded := request(t, user, groups...)
	requested, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(requested)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := tls.LoadX509KeyPair(p.pkiFile("ca.crt"), p.pkiFile("ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: csr.Subject, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, authority.Leaf, csr.PublicKey, authority.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile := strings.TrimSuffix(keyFile, ".key") + ".crt"
	write(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return p.kubeconfigWith(t, fmt.Sprintf("{client-certificate: %q, client-key: %q}", certFile, keyFile))
}

// kubeconfigWith gives a file with a user's credentials.
func (p *process) kubeconfigWith(t *testing.T, credentials string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	write(t, file, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: %s}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, p.url, p.pkiFile("ca.crt"), credentials))
	return file
}

// journal is the server's audit log.
type journal struct{ policy, log string }

// journalEntry is what tests want to know of a request.
type journalEntry struct {
	Verb, RequestURI, UserAgent string
	User                        struct{ Username string }
	ResponseStatus              struct {
		Code    int
		Message string
	}
	RequestReceivedTimestamp time.Time
}

func newJournal(t *testing.T) journal {
	t.Helper()
	dir := t.TempDir()
	j := journal{policy: filepath.Join(dir, "policy.yaml"), log: filepath.Join(dir, "log")}
	write(t, j.policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"))
	return j
}

func (j journal) flags() []string {
	return []string{"--audit-policy-file=" + j.policy, "--audit-log-path=" + j.log, "--audit-log-mode=blocking"}
}

func (j journal) entries(t *testing.T) (all []journalEntry) {
	t.Helper()
	content, err := os.ReadFile(j.log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		var e journalEntry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// areTheirs checks who has written in the name of controllers and of the
// scheduler: since then only programs that name their version, which the loops in
// the server do not.
func (j journal) areTheirs(t *testing.T, since time.Time) {
	t.Helper()
	theirs := 0
	for _, e := range j.entries(t) {
		switch read := e.Verb == "get" || e.Verb == "list" || e.Verb == "watch"; {
		case read || e.RequestReceivedTimestamp.Before(since):
		case !strings.HasPrefix(e.User.Username, "system:serviceaccount:kube-system:") && e.User.Username != "system:kube-scheduler":
		case strings.Contains(e.UserAgent, "/"):
			theirs++
		default:
			t.Errorf("%s %s is of a loop in the server, as %s", e.Verb, e.RequestURI, e.User.Username)
		}
	}
	if theirs < 50 {
		t.Errorf("they wrote %d times", theirs)
	}
}

// nothingRefused looks for requests of Kubernetes' programs that the server does
// not understand, or does not let them make, besides those with these words; and
// for any that failed. What is missing or was written meanwhile is in order.
func (j journal) nothingRefused(t *testing.T, expected ...string) {
	t.Helper()
	asked := map[string]int{}
entries:
	for _, e := range j.entries(t) {
		program, _, ok := strings.Cut(e.UserAgent, "/")
		if ok {
			asked[program]++
		}
		missing := e.ResponseStatus.Code == http.StatusNotFound && strings.Contains(e.ResponseStatus.Message, "the server could not find the requested resource")
		switch code := e.ResponseStatus.Code; {
		case code < 400 || (code == http.StatusNotFound && !missing) || code == http.StatusConflict || code == http.StatusGone:
			continue
		case code == http.StatusGatewayTimeout && !ok:
			continue // the node in the server gives up what it does for a pod that is to end
		case code < 500 && program != "kubelet" && program != "kube-proxy" && program != "kube-controller-manager" && program != "kube-scheduler":
			continue // the test's own
		}
		for _, words := range expected {
			if strings.Contains(e.ResponseStatus.Message, words) || strings.Contains(e.RequestURI, words) {
				continue entries
			}
		}
		t.Errorf("%s %s of %s: %d %s", e.Verb, e.RequestURI, e.UserAgent, e.ResponseStatus.Code, e.ResponseStatus.Message)
	}
	t.Logf("requests: %v", asked)
}
