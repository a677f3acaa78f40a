package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func client(t testing.TB, p *process) *kubernetes.Clientset {
	t.Helper()
	c, err := kubernetes.NewForConfig(p.config(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatStopsAStart(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	address := busy.Addr().String()
	_, port, _ := net.SplitHostPort(address)

	check := func(dir, want string, more ...string) {
		t.Helper()
		c := program(t, dir, more...)
		var stdout, stderr bytes.Buffer
		c.Stdout, c.Stderr = &stdout, &stderr
		err := c.Run()
		said := stderr.String()
		if err == nil || c.ProcessState.ExitCode() != 1 || strings.Count(said, "\n") != 1 || !strings.Contains(said, want) || stdout.Len() > 0 {
			t.Errorf("%v: %v, want one line with %q, got %q and %q", more, err, want, said, stdout.String())
		}
	}
	check(dir, "is in use by another pilothouse")
	check(t.TempDir(), address+" is in use", "--secure-port="+port)
	check(t.TempDir(), address+" is in use", "--dashboard-address="+address)
	check(t.TempDir(), "unknown flag: --no-such", "--no-such")
	check(t.TempDir(), "no such file", "--token-auth-file=/no/such/file")
}

func TestSIGTERMEndsWatchesAndKeepsTheData(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	p := start(t, dir)
	c := client(t, p)
	if _, err := c.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	watches := make([]watch.Interface, 20)
	for i := range watches {
		w, err := c.CoreV1().ConfigMaps("").Watch(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if e := <-w.ResultChan(); e.Type != watch.Added {
			t.Fatalf("the first event is %v", e)
		}
		watches[i] = w
	}
	raw, err := c.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes").Param("watch", "true").Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if took := p.terminate(t); took > time.Minute {
		t.Errorf("it took %v to stop", took)
	}
	for _, w := range watches {
		for e := range w.ResultChan() {
			if e.Type == watch.Error {
				t.Errorf("a watch ends with %v", e.Object)
			}
		}
	}
	if rest, err := io.ReadAll(raw); err != nil || len(rest) > 0 {
		t.Errorf("the stream ends with %q, %v", rest, err)
	}
	if _, err := client(t, start(t, dir)).CoreV1().ConfigMaps("default").Get(ctx, "kept", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

// entry is what one writer knows about one of its objects.
type entry struct {
	value    int    // of the last write that was acknowledged
	deleted  bool   // whether that was a delete
	version  string // its resourceVersion
	pending  int    // value of the write that has no answer yet
	deleting bool   // whether that one is a delete
}

// writer changes its own objects, one write at a time, until the server is gone.
type writer struct {
	id      int
	next    int
	objects map[string]*entry
	writes  int
	fault   error
}

func (w *writer) run(ctx context.Context, c *kubernetes.Clientset) {
	for ctx.Err() == nil {
		if err := w.write(ctx, c); err != nil {
			if apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
				w.fault = err // an answer, though no write of these may be refused
			}
			return
		}
		w.writes++
	}
}

func (w *writer) write(ctx context.Context, c *kubernetes.Clientset) error {
	api := c.CoreV1().ConfigMaps("default")
	w.next++
	name := fmt.Sprintf("w%d-%d", w.id, rand.IntN(20))
	e := w.objects[name]
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"value": strconv.Itoa(w.next)}}
	var answer *corev1.ConfigMap
	var err error
	switch {
	case e == nil || e.deleted:
		if e == nil {
			e = &entry{deleted: true}
			w.objects[name] = e
		}
		e.pending = w.next
		answer, err = api.Create(ctx, object, metav1.CreateOptions{})
	case rand.IntN(4) == 0:
		e.deleting = true
		err = api.Delete(ctx, name, metav1.DeleteOptions{})
	default:
		e.pending = w.next
		object.ResourceVersion = e.version
		answer, err = api.Update(ctx, object, metav1.UpdateOptions{})
	}
	if err != nil {
		return err
	}
	e.deleted, e.deleting, e.pending = answer == nil, false, 0
	if answer != nil {
		e.value, e.version = w.next, answer.ResourceVersion
	}
	return nil
}

// settle compares what is there after a crash with what is known; a write
// without an answer may have happened or not.
func (w *writer) settle(t *testing.T, there map[string]*corev1.ConfigMap) {
	t.Helper()
	for name, e := range w.objects {
		o := there[name]
		switch {
		case o == nil && !e.deleted && !e.deleting:
			t.Errorf("%s is lost, it was %d", name, e.value)
		case o != nil && e.deleted && e.pending == 0:
			t.Errorf("%s is back as %s after its delete", name, o.Data["value"])
		case o != nil && !e.deleted && e.pending == 0 && o.Data["value"] != strconv.Itoa(e.value),
			o != nil && e.pending != 0 && o.Data["value"] != strconv.Itoa(e.value) && o.Data["value"] != strconv.Itoa(e.pending):
			t.Errorf("%s is %s, want %d or %d", name, o.Data["value"], e.value, e.pending)
		case o != nil && !e.deleted && o.Data["value"] == strconv.Itoa(e.value) && o.ResourceVersion != e.version:
			t.Errorf("%s is at %s, was acknowledged at %s", name, o.ResourceVersion, e.version)
		}
		*e = entry{deleted: o == nil}
		if o != nil {
			e.value, _ = strconv.Atoi(o.Data["value"])
			e.version = o.ResourceVersion
		}
	}
}

// TestKillUnderLoad ends the server with SIGKILL while many write, again and
// again in one folder. PILOTHOUSE_KILL_ROUNDS says how often.
func TestKillUnderLoad(t *testing.T) {
	rounds := 3
	if s := os.Getenv("PILOTHOUSE_KILL_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	dir := t.TempDir()
	writers := make([]*writer, 16)
	for i := range writers {
		writers[i] = &writer{id: i, objects: map[string]*entry{}}
	}
	for round := range rounds + 1 {
		p := start(t, dir)
		c := client(t, p)
		list, err := c.CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		there := map[string]*corev1.ConfigMap{}
		for i := range list.Items {
			there[list.Items[i].Name] = &list.Items[i]
		}
		for _, w := range writers {
			w.settle(t, there)
		}
		if t.Failed() || round == rounds {
			break
		}
		load(t, p, writers)
	}
	total := 0
	for _, w := range writers {
		total += w.writes
		if w.fault != nil {
			t.Errorf("writer %d: %v", w.id, w.fault)
		}
	}
	t.Logf("%d rounds, %d acknowledged writes", rounds, total)
	if total < rounds*len(writers) {
		t.Errorf("only %d writes in %d rounds: that was no load", total, rounds)
	}
}

// load lets the writers write until the server is killed at some moment after
// they have all written.
func load(t *testing.T, p *process, writers []*writer) {
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	config := rest.CopyConfig(p.config(t))
	config.Timeout = waitTimeout
	var wg sync.WaitGroup
	for _, w := range writers {
		own, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.write(ctx, own); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { w.run(ctx, own) })
	}
	time.Sleep(time.Duration(50+rand.IntN(400)) * time.Millisecond)
	p.Process.Kill()
	<-p.ended
	wg.Wait()
}
