package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// TestManyLiveTabs has 200 tabs look at lists of 200 pods that change 200 times a
// second: what that costs the server, changes included, and how long a change
// takes to be in the messages of all tabs. TABS_SECONDS=60 does it for a minute.
func TestManyLiveTabs(t *testing.T) {
	const tabs, pods, rate = 200, 200, 200
	seconds := 4
	if s, err := strconv.Atoi(os.Getenv("TABS_SECONDS")); err == nil {
		seconds = s
	}
	p := start(t, t.TempDir(), "--node=none")
	c, a := client(t, p), newAPI(t, p)
	names := makePods(t, c, pods)
	cookie := session(t, p)
	openTab(t, p, cookie, "/ui/api/v1/pods", pods).Close() // what only the first one costs
	idle, running := memory(t, a)
	watch := &changes{sent: map[int]time.Time{}, last: make([]int, tabs)}
	var readers sync.WaitGroup
	var conns []*websocket.Conn
	var live atomic.Int32
	for i := range tabs {
		conn := openTab(t, p, cookie, fmt.Sprintf("/ui/api/v1/namespaces/default/pods?sort=%s", []string{"", "name", "age", "ready"}[i%4]), pods)
		defer conn.Close()
		conns = append(conns, conn)
		readers.Go(func() {
			for first := true; ; first = false {
				_, m, err := conn.ReadMessage()
				if err != nil {
					return
				}
				if first {
					live.Add(1)
				}
				watch.seen(i, m, time.Now())
			}
		})
	}
	for end := time.Now().Add(waitTimeout); live.Load() < tabs; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d tabs are live", live.Load(), tabs)
		}
	}
	full, _ := memory(t, a)
	if each := (full - idle) / tabs; each > 64<<10 {
		t.Errorf("an idle live tab costs %d bytes, more than 64 KB", each)
	} else {
		t.Logf("an idle live tab costs %d bytes (goal 64 KB)", each)
	}
	before, began := processorTime(t, p), time.Now()
	made := watch.make(t, c, names, rate, seconds)
	took := time.Since(began)
	cost := processorTime(t, p) - before
	watch.await(t, c, names[0])
	times := watch.times
	slices.Sort(times)
	t.Logf("%d changes in %v, %d looked for in %d tabs", made, took.Round(time.Millisecond), len(watch.sent), tabs)
	figure(t, "200 live tabs at 200 changes a second: the processor's time of a second", time.Duration(float64(cost)/took.Seconds()), time.Second, 2*time.Second)
	figure(t, "200 live tabs at 200 changes a second: from a change to its message, p50", times[len(times)/2], 150*time.Millisecond, waitTimeout)
	figure(t, "200 live tabs at 200 changes a second: from a change to its message, p95", times[len(times)*95/100], 150*time.Millisecond, waitTimeout)
	for _, conn := range conns {
		conn.Close()
	}
	readers.Wait()
	for end := time.Now().Add(waitTimeout); ; time.Sleep(50 * time.Millisecond) {
		_, now := memory(t, a)
		if now < running+tabs/10 { // others come and go
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before there were tabs", now, running)
		}
	}
}

var memoryLines = regexp.MustCompile(`(?m)^(?:go_memstats_heap_alloc_bytes|go_memstats_stack_inuse_bytes) (\S+)$`)
var goroutineLine = regexp.MustCompile(`(?m)^go_goroutines (\S+)$`)

// memory is what the server holds after garbage was collected, in bytes, its
// stacks too, and how many goroutines it has.
func memory(t *testing.T, a *api) (bytes, goroutines int) {
	t.Helper()
	for range 2 {
		a.do("GET", "/debug/pprof/heap?gc=1", "", "*/*")
	}
	_, text := a.do("GET", "/metrics", "", "text/plain")
	number := func(s []byte) int {
		f, err := strconv.ParseFloat(string(s), 64)
		if err != nil {
			t.Fatal(err)
		}
		return int(f)
	}
	for _, m := range memoryLines.FindAllSubmatch(text, -1) {
		bytes += number(m[1])
	}
	return bytes, number(goroutineLine.FindSubmatch(text)[1])
}

func makePods(t *testing.T, c kubernetes.Interface, n int) []string {
	t.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("pod-%03d", i)
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: names[i]}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
		if _, err := c.CoreV1().Pods("default").Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// session logs a browser in and gives its cookie.
func session(t *testing.T, p *process) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.dashboard+"/login", strings.NewReader(url.Values{"token": {"token-admin"}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", p.dashboard)
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	for _, one := range a.Cookies() {
		if one.HttpOnly && one.Value != "" {
			return one.Name + "=" + one.Value
		}
	}
	t.Fatalf("the login gives no cookie: %s", a.Status)
	return ""
}

// openTab opens a tab's websocket on a list.
func openTab(t *testing.T, p *process, cookie, list string, size int) *websocket.Conn {
	t.Helper()
	conn, answer, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(p.dashboard, "http", "ws", 1)+"/ui/live", http.Header{"Origin": {p.dashboard}, "Cookie": {cookie}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if err := conn.WriteJSON(map[string]any{"do": "open", "id": 1, "kind": "list", "url": list, "from": 0, "size": size}); err != nil {
		t.Fatal(err)
	}
	return conn
}

// mark is how a change that is looked for begins; its number follows.
const mark = "900"

// changes makes changes and knows when the tabs have seen those of one pod.
type changes struct {
	mu    sync.Mutex // guards the fields below
	sent  map[int]time.Time
	times []time.Duration
	last  []int // of each tab, what it has seen last
}

// make changes pods for some seconds at a rate, a tenth of the changes being those
// that are looked for, and gives the number of all.
func (w *changes) make(t *testing.T, c kubernetes.Interface, names []string, rate, seconds int) int {
	t.Helper()
	var writers sync.WaitGroup
	next, began := atomic.Int32{}, time.Now()
	for range 8 {
		writers.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= rate*seconds || t.Context().Err() != nil {
					return
				}
				time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate))))
				name, count := names[1+n%(len(names)-1)], n
				if n%10 == 0 {
					name, count = names[0], 90_000_000+n
					w.mu.Lock()
					w.sent[n] = time.Now()
					w.mu.Unlock()
				}
				patch := fmt.Sprintf(`{"status":{"containerStatuses":[{"name":"c","restartCount":%d}]}}`, count)
				if _, err := c.CoreV1().Pods("default").Patch(context.Background(), name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	return int(next.Load()) - 8
}

// seen takes the time of a tab's message that has a change which is looked for.
func (w *changes) seen(tab int, m []byte, now time.Time) {
	_, after, found := bytes.Cut(m, []byte(">"+mark))
	if !found || len(after) < 5 {
		return
	}
	n, err := strconv.Atoi(string(after[:5]))
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, there := w.sent[n]; there {
		w.times = append(w.times, now.Sub(at))
		w.last[tab] = n
	}
}

// await waits until each tab has seen the state that the pod has in the end. A tab
// leaves out states that last for less than its pace, on a slow machine many.
func (w *changes) await(t *testing.T, c kubernetes.Interface, name string) {
	t.Helper()
	pod, err := c.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil || len(pod.Status.ContainerStatuses) != 1 {
		t.Fatalf("%v %v", pod, err)
	}
	in := int(pod.Status.ContainerStatuses[0].RestartCount) - 90_000_000
	eventually(t, "the last change in all tabs", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return !slices.ContainsFunc(w.last, func(n int) bool { return n != in })
	})
}

// processorTime is how long a process had a processor.
func processorTime(t *testing.T, p *process) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		t.Skip("only Linux tells")
	}
	// After the name, which may have spaces: the 12th and 13th are user and system
	// time, in hundredths of a second.
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var sum time.Duration
	for _, v := range f[11:13] {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}
