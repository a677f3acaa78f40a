package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// patience bounds every wait: CI's machine may be busy.
const patience = 3 * time.Minute

// server is one Pilothouse of a cluster, a process of its own.
type server struct {
	*kubernetes.Clientset
	cmd        *exec.Cmd
	kubeconfig string
	log        string // the file that has what it says
	dead       atomic.Bool
}

func (s *server) kill() {
	s.dead.Store(true)
	s.cmd.Process.Kill() //nolint:errcheck // it has ended, then
	s.cmd.Wait()         //nolint:errcheck // it was killed
}

// startServers builds the program and starts n of them on one etcd, with a flag
// more from each func. They share the folder of certificates, as a cluster's
// servers do.
func startServers(t *testing.T, etcd string, n int, more ...func(i int) string) []*server {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "pilothouse")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, ".")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	servers := make([]*server, n)
	for i := range servers {
		data := filepath.Join(dir, strconv.Itoa(i))
		log, err := os.Create(data + ".log")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary, "--data-dir="+data, "--cert-dir="+filepath.Join(dir, "pki"), "--etcd-servers="+etcd,
			"--secure-port=0", "--dashboard-address=127.0.0.1:0")
		for _, flag := range more {
			cmd.Args = append(cmd.Args, flag(i))
		}
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s := &server{cmd: cmd, log: log.Name()}
		t.Cleanup(func() {
			s.kill()
			if t.Failed() {
				text, _ := os.ReadFile(log.Name())
				t.Logf("server %d said:\n%.4000s", i, text)
			}
		})
		s.kubeconfig = filepath.Join(data, "admin.kubeconfig")
		s.Clientset = connect(t, s.kubeconfig)
		servers[i] = s
	}
	return servers
}

var loginLink = regexp.MustCompile(`(http://[^/\s]+)/login\?token=\S+\s`)

// browser is logged in to a server's dashboard as the administrator; the link
// that does it works once.
func (s *server) browser(t *testing.T) func(path string) string {
	t.Helper()
	var link [][]byte
	eventually(t, "a link to log in", func() error { // a server says it after it is ready
		said, err := os.ReadFile(s.log)
		if link = loginLink.FindSubmatch(said); link == nil && err == nil {
			err = fmt.Errorf("it said %s", said)
		}
		return err
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Jar: jar, Timeout: patience}
	get := func(url string) string {
		t.Helper()
		r, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	get(strings.TrimSpace(string(link[0])))
	return func(path string) string { return get(string(link[1]) + path) }
}

// connect waits for a server's kubeconfig, and for the server to be ready.
func connect(t *testing.T, kubeconfig string) *kubernetes.Clientset {
	t.Helper()
	var c *kubernetes.Clientset
	eventually(t, "the server "+kubeconfig, func() error {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return err
		}
		config.QPS, config.ContentType = -1, "application/json"
		if c, err = kubernetes.NewForConfig(rest.CopyConfig(config)); err != nil {
			return err
		}
		_, err = c.RESTClient().Get().AbsPath("/readyz").DoRaw(t.Context())
		return err
	})
	return c
}

func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

const (
	counters = 4
	writers  = 12
	rounds   = 40 // increments of each writer
)

func counter(i int) string { return fmt.Sprintf("counter-%d", i) }

// TestServersShareOneEtcd lets writers count through three servers, of which one
// is killed in the middle, and looks at all histories: nothing that was
// acknowledged is lost, no watcher misses or repeats an event, and all saw the
// same.
func TestServersShareOneEtcd(t *testing.T) {
	address := startMember(t)
	servers := startServers(t, address, 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	checkEvents(ctx, t, address, servers)
	for i := range counters {
		_, err := servers[i%3].CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: counter(i), Labels: map[string]string{"counter": "yes"}}, Data: map[string]string{"n": "0"},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	list, err := servers[0].CoreV1().ConfigMaps("default").List(ctx, metav1.ListOptions{LabelSelector: "counter"})
	if err != nil || len(list.Items) != counters {
		t.Fatalf("%d counters, %v: a list has what other servers wrote", len(list.Items), err)
	}

	watchers := make([]*watcher, len(servers))
	var watching sync.WaitGroup
	for i := range watchers {
		watchers[i] = &watcher{servers: servers, at: i, revision: list.ResourceVersion}
		watching.Go(func() { watchers[i].run(ctx) })
	}
	started := time.Now()
	acknowledged := count(ctx, t, servers)
	t.Logf("%d increments took %v", len(acknowledged), time.Since(started))
	last, err := servers[0].CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "last", Labels: map[string]string{"counter": "yes"}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range watchers {
		eventually(t, fmt.Sprintf("watcher %d", i), func() error { return w.reached(last.ResourceVersion) })
	}
	cancel()
	watching.Wait()
	checkHistories(t, watchers, acknowledged)
	checkSuccession(t, servers)
}

// checkSuccession kills the server that came first, whose controllers run, and
// sees another one's empty and remove a namespace.
func checkSuccession(t *testing.T, servers []*server) {
	t.Helper()
	ctx, left := t.Context(), servers[1]
	eventually(t, "a leader of the controllers", func() error {
		_, err := left.CoordinationV1().Leases("kube-system").Get(ctx, "pilothouse-controllers", metav1.GetOptions{})
		return err
	})
	servers[0].kill()
	namespaces := left.CoreV1().Namespaces()
	if _, err := namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "late"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := namespaces.Delete(ctx, "late", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the namespace", func() error {
		if _, err := namespaces.Get(ctx, "late", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is still there: %v", err)
		}
		return nil
	})
}

// count lets the writers count, kills the last server in the middle, and gives
// the resource versions that were acknowledged.
func count(ctx context.Context, t *testing.T, servers []*server) map[string]bool {
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	half := make(chan struct{})
	var done atomic.Int64
	var wg sync.WaitGroup
	for id := range writers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(id), 1))
			for range rounds {
				version, err := increment(ctx, servers, r)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if acknowledged[version] {
					t.Errorf("the version %s was given twice", version)
				}
				acknowledged[version] = true
				mu.Unlock()
				if done.Add(1) == writers*rounds/2 {
					close(half)
				}
			}
		})
	}
	select {
	case <-half:
	case <-time.After(patience):
		t.Error("the writers have not come to their half")
	}
	servers[len(servers)-1].kill()
	wg.Wait()
	return acknowledged
}

// increment adds one to a counter through any server and gives the version of
// the write, or a text that is none when the server died before it answered:
// the histories show then whether it was written.
func increment(ctx context.Context, servers []*server, r *rand.Rand) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name := counter(r.IntN(counters))
	for ctx.Err() == nil {
		s := servers[r.IntN(len(servers))]
		if s.dead.Load() {
			continue
		}
		api := s.CoreV1().ConfigMaps("default")
		current, err := api.Get(ctx, name, metav1.GetOptions{})
		if s.dead.Load() {
			continue
		}
		if err != nil {
			return "", err
		}
		n, err := strconv.Atoi(current.Data["n"])
		if err != nil {
			return "", err
		}
		current.Data["n"] = strconv.Itoa(n + 1)
		written, err := api.Update(ctx, current, metav1.UpdateOptions{})
		switch {
		case err == nil:
			return written.ResourceVersion, nil
		case apierrors.IsConflict(err):
			continue
		case s.dead.Load() && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown:
			return fmt.Sprintf("unanswered %d", r.Uint64()), nil
		}
		return "", err
	}
	return "", ctx.Err()
}

// watcher follows the counters, on another server when its own is gone.
type watcher struct {
	servers  []*server
	at       int
	revision string

	mu     sync.Mutex // guards events
	events []seen
}

// seen is an event of a watch.
type seen struct {
	kind          watch.EventType
	name, version string
	n             string
}

func (w *watcher) run(ctx context.Context) {
	for ; ctx.Err() == nil; w.at = (w.at + 1) % len(w.servers) {
		if w.servers[w.at].dead.Load() {
			continue
		}
		stream, err := w.servers[w.at].CoreV1().ConfigMaps("default").Watch(ctx, metav1.ListOptions{LabelSelector: "counter", ResourceVersion: w.revision})
		if err != nil {
			continue
		}
		for e := range stream.ResultChan() {
			o, ok := e.Object.(*corev1.ConfigMap)
			if !ok {
				break
			}
			w.revision = o.ResourceVersion
			w.mu.Lock()
			w.events = append(w.events, seen{e.Type, o.Name, o.ResourceVersion, o.Data["n"]})
			w.mu.Unlock()
		}
		stream.Stop()
	}
}

func (w *watcher) reached(version string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.events); n > 0 && w.events[n-1].version == version {
		return nil
	}
	return errors.New("it has not come to " + version)
}

func checkHistories(t *testing.T, watchers []*watcher, acknowledged map[string]bool) {
	t.Helper()
	first := watchers[0].events
	for i, w := range watchers[1:] {
		if len(w.events) != len(first) {
			t.Fatalf("watcher %d saw %d events, the first one %d", i+1, len(w.events), len(first))
		}
		for j := range first {
			if w.events[j] != first[j] {
				t.Fatalf("event %d is %v for watcher %d, %v for the first", j, w.events[j], i+1, first[j])
			}
		}
	}
	values := map[string]int{}
	present := map[string]bool{}
	for _, e := range first {
		if e.name == "last" {
			continue
		}
		n, err := strconv.Atoi(e.n)
		if err != nil || n != values[e.name]+1 || e.kind != watch.Modified {
			t.Errorf("%v after %d", e, values[e.name])
		}
		values[e.name] = n
		present[e.version] = true
	}
	unanswered := 0
	for version := range acknowledged {
		if _, err := strconv.Atoi(version); err != nil {
			unanswered++
		} else if !present[version] {
			t.Errorf("the acknowledged write %s is lost", version)
		}
	}
	if total := len(present); total > len(acknowledged) || total < len(acknowledged)-unanswered {
		t.Errorf("%d writes happened; %d were acknowledged or may have happened, %d of them without an answer", total, len(acknowledged), unanswered)
	}
}
