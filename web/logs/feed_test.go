package logs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/request"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// api answers a client as a server with pods does.
type api struct {
	mu     sync.Mutex
	pods   []*corev1.Pod
	events chan string
	logs   map[string]chan string
	asked  []string
	deny   bool
	jobs   []batchv1.Job
}

func newAPI(names ...string) *api {
	a := &api{events: make(chan string), logs: map[string]chan string{}}
	for _, n := range names {
		a.pods = append(a.pods, a.pod(n))
	}
	return a
}

func (a *api) pod(name string) *corev1.Pod {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.logs[name] = make(chan string)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns", Labels: map[string]string{"app": "a"}, UID: types.UID("u-" + name), ResourceVersion: "5"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}}
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	return p
}

func (a *api) serve(_ context.Context, r *request.Request) (*request.Response, error) {
	switch q := r.Query(); {
	case strings.HasSuffix(r.Path, "/log"):
		name := strings.Split(r.Path, "/")[6]
		a.mu.Lock()
		a.asked = append(a.asked, r.RawQuery)
		lines := a.logs[name]
		a.mu.Unlock()
		return &request.Response{Chunked: func(ctx context.Context, w request.ChunkWriter) error {
			for {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case l, ok := <-lines:
					if !ok {
						a.mu.Lock()
						a.logs[name] = make(chan string)
						a.mu.Unlock()
						return nil
					}
					if _, err := w.Write([]byte(l)); err != nil {
						return err
					}
				}
			}
		}}, nil
	case q.Get("watch") == "true":
		return &request.Response{Chunked: func(ctx context.Context, w request.ChunkWriter) error {
			for {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case e := <-a.events:
					if _, err := w.Write([]byte(e + "\n")); err != nil {
						return err
					}
				}
			}
		}}, nil
	case strings.HasSuffix(r.Path, "/jobs"):
		a.mu.Lock()
		defer a.mu.Unlock()
		raw, err := json.Marshal(batchv1.JobList{Items: a.jobs})
		return &request.Response{Body: raw}, err
	case strings.Contains(r.Path, "/jobs/"):
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, j := range a.jobs {
			if strings.HasSuffix(r.Path, "/jobs/"+j.Name) {
				raw, err := json.Marshal(j)
				return &request.Response{Body: raw}, err
			}
		}
		return nil, apierrors.NewNotFound(schema.GroupResource{Group: "batch", Resource: "jobs"}, "")
	case strings.HasSuffix(r.Path, "/pods"):
		if a.deny {
			return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", fmt.Errorf("no"))
		}
		list := corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "5"}}
		selector, err := labels.Parse(q.Get("labelSelector"))
		if err != nil {
			return nil, err
		}
		for _, p := range a.pods {
			if (r.Path == "/api/v1/pods" || strings.HasPrefix(r.Path, "/api/v1/namespaces/"+p.Namespace+"/")) && selector.Matches(labels.Set(p.Labels)) {
				list.Items = append(list.Items, *p)
			}
		}
		raw, err := json.Marshal(list)
		return &request.Response{Body: raw}, err
	}
	raw, err := json.Marshal(a.pods[0])
	return &request.Response{Status: http.StatusOK, Body: raw}, err
}

func (a *api) tell(t *testing.T, kind string, p *corev1.Pod) {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case a.events <- fmt.Sprintf(`{"type":%q,"object":%s}`, kind, raw):
	case <-time.After(30 * time.Second):
		t.Fatal("nobody watches")
	}
}

func (a *api) say(t *testing.T, name, text string) {
	t.Helper()
	a.mu.Lock()
	c := a.logs[name]
	a.mu.Unlock()
	select {
	case c <- text:
	case <-time.After(30 * time.Second):
		t.Fatalf("nobody reads the log of %s", name)
	}
}

// follow opens a feed; next gives what comes until a condition holds.
func follow(t *testing.T, a *api, q Query, have ...string) (f *Feed, next func(what string, done func(all *message) bool) *message) {
	t.Helper()
	woken := make(chan struct{}, 1)
	c := client.New(a.serve, &request.User{Name: "ann"}, "test")
	f, err := Open(t.Context(), c, q, have, func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	}, func(err error) string { return err.Error() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	all := &message{}
	return f, func(what string, done func(all *message) bool) *message {
		t.Helper()
		for late := time.After(30 * time.Second); !done(all); {
			select {
			case <-woken:
			case <-late:
				t.Fatalf("waited in vain for %s: %+v", what, all)
			}
			raw, err := f.Next()
			if err != nil {
				t.Fatal(err)
			}
			var m struct{ Logs message }
			if raw == nil {
				continue
			}
			if err := json.Unmarshal(raw, &m); err != nil {
				t.Fatal(err)
			}
			all.Lines = append(all.Lines, m.Logs.Lines...)
			if m.Logs.Sources != nil {
				all.Sources = m.Logs.Sources
			}
		}
		return all
	}
}

func texts(m *message) string {
	var b strings.Builder
	for _, l := range m.Lines {
		fmt.Fprintf(&b, "%v ", l[2])
	}
	return strings.TrimSpace(b.String())
}

func stamp(second int) string { return fmt.Sprintf("2026-01-02T03:04:%02d.5Z ", second) }

func TestManyPodsAreOneLog(t *testing.T) {
	a := newAPI("one", "two")
	_, next := follow(t, a, Query{Picks: []Pick{{Namespace: "ns", Selectors: []string{"app=a"}}}, Follow: true, Tail: 10})
	a.say(t, "two", stamp(2)+"b\n")
	a.say(t, "one", stamp(1)+"a\n"+stamp(3)+"c\n")
	next("three lines", func(m *message) bool { return len(m.Lines) == 3 })
	third := a.pod("three")
	a.tell(t, "ADDED", third)
	a.say(t, "three", stamp(4)+"d\n")
	m := next("the new pod's line", func(m *message) bool { return len(m.Lines) == 4 })
	if len(m.Sources) != 3 || m.Sources[2].Pod != "three" {
		t.Errorf("sources %+v", m.Sources)
	}
	a.tell(t, "DELETED", third)
	next("the end of the pod", func(m *message) bool {
		return len(m.Sources) == 3 && m.Sources[2].Note == "deleted" && m.Sources[2].State == ended
	})
}

// Pods of several namespaces, of several selectors, and of names are one log; what
// comes later joins when it is one of those.
func TestPodsOfManyPlacesAreOneLog(t *testing.T) {
	pod := func(a *api, name, namespace, app string) *corev1.Pod {
		p := a.pod(name)
		p.Namespace, p.Labels = namespace, map[string]string{"app": app}
		return p
	}
	for name, one := range map[string]struct {
		picks []Pick
		want  string
		late  string // of those that come later
	}{
		"namespaces":    {[]Pick{{Namespaces: []string{"shop", "bank"}, Selectors: []string{"app=web"}}}, "bank/b shop/a", "shop/late"},
		"all but":       {[]Pick{{Namespaces: []string{"bank"}, Except: true, Selectors: []string{"app=web"}}}, "shop/a", "shop/late"},
		"each by right": {[]Pick{{Namespace: "shop", Selectors: []string{"app=web"}}, {Namespace: "bank"}}, "bank/b bank/d shop/a", "shop/late"},
		"workloads":     {[]Pick{{Namespace: "shop", Selectors: []string{"app=web", "app=api"}}}, "shop/a shop/c", "shop/late"},
		"names too":     {[]Pick{{Namespace: "bank", Selectors: []string{"app=web"}, Pods: []string{"d"}}}, "bank/b bank/d", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI()
			a.pods = []*corev1.Pod{pod(a, "a", "shop", "web"), pod(a, "b", "bank", "web"), pod(a, "c", "shop", "api"), pod(a, "d", "bank", "job")}
			f, next := follow(t, a, Query{Picks: one.picks, Follow: true, Tail: 10})
			sources := func(m *message) string {
				var list []string
				for _, s := range m.Sources {
					list = append(list, s.Namespace+"/"+s.Pod)
				}
				slices.Sort(list)
				return strings.Join(list, " ")
			}
			next("the pods", func(m *message) bool { return sources(m) == one.want })
			if one.late == "" {
				return
			}
			if len(one.picks) > 1 {
				return // the fake cannot tell whose watch it is
			}
			a.tell(t, "ADDED", pod(a, "other", "shop", "job"))
			a.tell(t, "ADDED", pod(a, "late", "shop", "web"))
			next("the late pod", func(m *message) bool { return strings.Contains(sources(m), one.late) })
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, p := range f.pods {
				if p.Name == "other" && len(one.picks[0].Selectors) > 1 {
					t.Error("a pod that nothing selects has joined")
				}
			}
		})
	}
}

func TestACronJobHasThePodsOfItsJobs(t *testing.T) {
	a := newAPI()
	owner := func(kind, uid, name string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{Kind: kind, UID: types.UID(uid), Name: name, Controller: new(true)}}
	}
	job := func(name, cronJob string) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.jobs = append(a.jobs, batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns", UID: types.UID("j-" + name), OwnerReferences: owner("CronJob", cronJob, "cron")}})
	}
	pod := func(name, job string) *corev1.Pod {
		p := a.pod(name)
		p.Labels, p.OwnerReferences = map[string]string{batchv1.JobNameLabel: job}, owner("Job", "j-"+job, job)
		return p
	}
	job("one", "mine")
	job("two", "yours")
	a.pods = []*corev1.Pod{pod("a", "one"), pod("b", "two")}
	_, next := follow(t, a, Query{Picks: []Pick{{Namespace: "ns", CronJobs: []string{"mine"}}}, Follow: true, Tail: 10})
	job("three", "mine")
	job("four", "yours")
	a.tell(t, "ADDED", pod("c", "four"))
	a.tell(t, "ADDED", pod("d", "gone"))
	a.tell(t, "ADDED", pod("e", "three"))
	m := next("the pod of the next job", func(m *message) bool { return len(m.Sources) > 1 })
	if len(m.Sources) != 2 || m.Sources[0].Pod != "a" || m.Sources[1].Pod != "e" {
		t.Errorf("got %+v", m.Sources)
	}
}

// What may not be seen of a part is told; the rest is seen.
func TestOneNamespaceMayBeForbidden(t *testing.T) {
	a := newAPI("one")
	deny := a.serve
	c := client.New(func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if strings.HasPrefix(r.Path, "/api/v1/namespaces/secret/") {
			return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", fmt.Errorf("not there"))
		}
		return deny(ctx, r)
	}, &request.User{Name: "ann"}, "test")
	explain := func(err error) string { return err.Error() }
	f, err := Open(t.Context(), c, Query{Picks: []Pick{{Namespace: "ns"}, {Namespace: "secret"}}, Follow: true}, nil, func() {}, explain)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, err := f.Next()
	if err != nil || !strings.Contains(string(raw), "not there") || !strings.Contains(string(raw), `"pod":"one"`) {
		t.Errorf("got %s, %v", raw, err)
	}
	if _, err := Open(t.Context(), c, Query{Picks: []Pick{{Namespace: "secret"}}}, nil, func() {}, explain); !apierrors.IsForbidden(err) {
		t.Errorf("got %v", err)
	}
}

func TestARangeEnds(t *testing.T) {
	a := newAPI("one")
	q := ParseQuery(url.Values{"from": {"2026-01-02T03:04:00Z"}, "to": {"2026-01-02T03:04:02"}})
	if q.Follow || q.Tail != -1 {
		t.Errorf("a range of the past asks for %+v", q)
	}
	q.Picks = []Pick{{Namespace: "ns", Pod: "one"}}
	_, next := follow(t, a, q)
	a.say(t, "one", "2026-01-02T03:04:01Z a\n2026-01-02T03:04:02Z b\n2026-01-02T03:04:02.5Z c\n")
	m := next("the end", func(m *message) bool { return len(m.Sources) == 1 && m.Sources[0].State == ended })
	if texts(m) != "a b" {
		t.Errorf("got %q", texts(m))
	}
	// One that ends soon is followed until then, also when that is before it begins.
	q = ParseQuery(url.Values{"to": {time.Now().Add(2 * time.Second).Format(time.RFC3339)}})
	q.Picks = []Pick{{Namespace: "ns", Pod: "one"}}
	for _, to := range []time.Time{q.To, time.Now()} {
		q.To, q.Follow = to, true
		_, next = follow(t, a, q)
		if m = next("the end of the time", func(m *message) bool { return len(m.Sources) == 1 && m.Sources[0].State == ended }); m.Sources[0].Note != "" {
			t.Errorf("got %+v", m.Sources[0])
		}
	}
}

func TestALogGoesOnWhereItEnded(t *testing.T) {
	a := newAPI("one")
	_, next := follow(t, a, Query{Picks: []Pick{{Namespace: "ns", Pod: "one"}}, Follow: true, Tail: 10}, "u-one/c 2026-01-02T03:04:01.500000000Z 1")
	a.say(t, "one", stamp(1)+"a\n"+stamp(2)+"b\n")
	if got := texts(next("a line", func(m *message) bool { return len(m.Lines) > 0 })); got != "b" {
		t.Fatalf("got %q", got)
	}
	close(a.logs["one"])
	again := func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.asked) == 2 }
	for end := time.Now().Add(30 * time.Second); !again(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the log is not asked for again")
		}
	}
	a.say(t, "one", stamp(2)+"b\n"+stamp(2)+"b2\n"+stamp(3)+"c\n")
	if got := texts(next("more lines", func(m *message) bool { return len(m.Lines) == 3 })); got != "b b2 c" {
		t.Errorf("got %q", got)
	}
	for _, q := range a.asked {
		if !strings.Contains(q, "sinceTime=2026-01-02T03%3A04%3A0") || strings.Contains(q, "tailLines") {
			t.Errorf("asked for %s", q)
		}
	}
}

// A browser that takes nothing has the log wait, not the memory grow.
func TestASlowBrowserHoldsTheLogUp(t *testing.T) {
	a := newAPI("one")
	f, next := follow(t, a, Query{Picks: []Pick{{Namespace: "ns", Pod: "one"}}, Follow: true})
	piece := strings.Repeat(strings.Repeat("x", 999)+"\n", 100)
	var taken atomic.Int64
	go func() {
		for range 40 {
			a.logs["one"] <- piece
			taken.Add(1)
		}
	}()
	held := func() int { f.mu.Lock(); defer f.mu.Unlock(); return f.held }
	for end := time.Now().Add(30 * time.Second); held() < maxHeld; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("only %d bytes are held", held())
		}
	}
	time.Sleep(100 * time.Millisecond) // in which it could go on
	if n := taken.Load(); n > int64(maxHeld/len(piece)+3) {
		t.Errorf("%d pieces were taken, though nothing reads", n)
	}
	if n := held(); n > maxHeld+2*maxLine {
		t.Errorf("%d bytes are held", n)
	}
	next("all lines", func(m *message) bool { return len(m.Lines) == 4000 })
}

func TestWhoMayNotListReadsOnePodAllTheSame(t *testing.T) {
	a := newAPI("one")
	a.deny = true
	_, next := follow(t, a, Query{Picks: []Pick{{Namespace: "ns", Pod: "one"}}, Follow: true})
	a.say(t, "one", "hello\n")
	next("a line", func(m *message) bool { return texts(m) == "hello" })
	c := client.New(a.serve, &request.User{Name: "ann"}, "test")
	if _, err := Open(t.Context(), c, Query{Picks: []Pick{{Namespace: "ns", Selectors: []string{"a=b"}}}}, nil, func() {}, nil); !apierrors.IsForbidden(err) {
		t.Errorf("got %v", err)
	}
}

func TestDownloadsAreWhole(t *testing.T) {
	a := newAPI("one", "two")
	c := client.New(a.serve, &request.User{Name: "ann"}, "test")
	write, err := Download(t.Context(), c, Query{Picks: []Pick{{Namespace: "ns", Selectors: []string{"app=a"}}}, Tail: -1}, func(err error) string { return err.Error() })
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for _, n := range []string{"one", "two"} {
			a.mu.Lock()
			lines := a.logs[n]
			a.mu.Unlock()
			lines <- n + " says\n"
			close(lines)
		}
	}()
	var b buffer
	if err := write(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if want := "==> one/c <==\none says\n==> two/c <==\ntwo says\n"; b.String() != want {
		t.Errorf("got %q", b.String())
	}
}

type buffer struct{ strings.Builder }

func (*buffer) Flush() error { return nil }
